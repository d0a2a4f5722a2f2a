// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core
import Testing

@testable import TUI

/// What the command line of files asks for.
@Suite struct FileCommandsTests {
    private let place = ScratchFiles()

    private func push(_ arguments: [String]) throws -> FilePushCommand {
        try #require(try TiangongCommand.parseAsRoot(["file", "push"] + arguments) as? FilePushCommand)
    }

    @Test func `every run may go in batches`() throws {
        func rollout(_ options: [String]) throws -> Rollout? {
            let command = try TiangongCommand.parseAsRoot(["run", "--all"] + options + ["--", "true"])
            return try #require(command as? ShellRunCommand).request(readInput: { [] }).rollout
        }
        #expect(try rollout([]) == nil)
        #expect(try rollout(["--batch", "25%"]) == Rollout(batch: "25%"))
        #expect(try rollout(["--batch", "10", "--stop-after", "3"]) == Rollout(batch: "10", stopAfter: 3))
        #expect(try rollout(["--stop-after", "1"]) == Rollout(stopAfter: 1))
        for options in [["--batch", "0"], ["--batch", "101%"], ["--batch", "many"], ["--stop-after", "0"]] {
            let error = #expect(throws: DeployError.self, "\(options)") { try rollout(options) }
            #expect(error?.code == .invalidArgument)
        }
        #expect(Rollout(batch: "25%", stopAfter: 1).text == "25% at a time, stops after 1 failure")
        #expect(Rollout().text == "all at once")
    }

    @Test func `a push becomes a run of file tasks`() throws {
        let path = place.write([1], to: "app.conf")
        let command = try push([
            path, "/srv/app/", "-l", "role=web", "--mode", "0644", "--owner", "app", "--group", "www", "--backup",
            "--parents", "--batch", "10", "--stop-after", "2", "--timeout", "5m", "--expires", "1h",
        ])
        let plan = try PushPlan(command.paths.dropLast(), to: "/srv/app/")
        let id = FileID.random()
        let list = [FileParameters.Item(fileID: id, path: "app.conf")]
        let request = try command.transfer.request(command.command(plan), params: command.params(plan, list))
        #expect(request.selector == TargetSelector(labels: ["role": "web"]))
        #expect(request.rollout == Rollout(batch: "10", stopAfter: 2))
        #expect(request.spec.type == "file" && request.spec.command == "put /srv/app")
        #expect(request.spec.timeout == 300 && request.spec.expiresIn == 3600)
        let parameters = try FileParameters(request.spec)
        #expect(parameters.act == .put && parameters.targets == ["/srv/app/app.conf"])
        #expect(parameters.items.map(\.fileID) == [id])
        #expect(parameters.mode == 0o644 && parameters.owner == "app" && parameters.group == "www")
        #expect(parameters.backup && parameters.parents)
        #expect(request.idempotencyKey != nil)
    }

    @Test func `directories bring the directories they need`() throws {
        place.write([1], to: "site/css/a.css")
        let command = try push(["\(place.directory)/site", "/srv", "--all"])
        let plan = try PushPlan(command.paths.dropLast(), to: "/srv")
        #expect(command.params(plan, [])["parents"] == .bool(true))
        #expect(plan.items.map(\.path) == ["site/css/a.css"])
    }

    @Test(arguments: [
        ["--mode", "rw"], ["--owner=-x"], ["--batch", "none"], ["--timeout", "5m", "--mode", "99999"],
    ])
    func `bad options of a push are refused before anything is sent`(_ options: [String]) throws {
        let path = place.write([1])
        let command = try push([path, "/srv/x", "--all"] + options)
        let plan = try PushPlan(command.paths.dropLast(), to: "/srv/x")
        let error = #expect(throws: DeployError.self) {
            try command.transfer.request(
                command.command(plan), params: command.params(plan, [.init(fileID: .random())]))
        }
        #expect(error?.code == .invalidArgument)
    }

    @Test func `what is uploaded is looked at before anything is sent`() throws {
        let path = place.write([1, 2], to: "a b.bin")
        #expect(try UploadSource.read([path], name: nil) == [UploadSource(path: path, name: "a b.bin", size: 2)])
        #expect(try UploadSource.read([path], name: "x")[0].name == "x")
        #expect(try UploadSource.read(["-"], name: nil) == [UploadSource(path: nil, name: "stdin", size: nil)])
        for (paths, name) in [
            ([path, path], "x"), (["-", "-"], nil), (["\(place.directory)/missing"], nil), ([place.directory], nil),
            ([path], "../x"), ([path], "a\nb"), ([path], ""), ([path], String(repeating: "x", count: 256)),
            ([path], "a\\b"), ([path], "x\u{202E}y"),
        ] as [([String], String?)] {
            #expect(throws: DeployError.self, "\(paths) \(name ?? "-")") { try UploadSource.read(paths, name: name) }
        }
        for name in [String(repeating: "x", count: 255), "天工 \u{1F600}", ".hidden", "-x"] {
            #expect(try UploadSource.read([path], name: name)[0].name == name)
        }
    }

    @Test func `a downloaded file takes its own name only where that means nothing`() throws {
        func file(_ name: String) -> FileInfo {
            FileInfo(
                id: .random(), name: name, size: 1,
                sha256: ContentHash(digest: [UInt8](repeating: 1, count: 32)), environment: nil, actor: "olga",
                createdAt: .now())
        }
        #expect(try FileGetCommand.ownName(file("a.conf")) == "a.conf")
        for name in [".bashrc", "../a", "a/b", "", "a\u{1B}[2Jb"] {
            #expect(throws: DeployError.self, "\(name)") { try FileGetCommand.ownName(file(name)) }
        }
    }

    @Test func `what is left of a run is a run of its own`() throws {
        var run = Scene.fileRun
        run.rollout = Rollout(batch: "1")
        var tasks = Scene.fileTasks
        let error = #expect(throws: DeployError.self) {
            try FileResumeCommand.rest(of: RunDetail(run: run, tasks: tasks))
        }
        #expect(error?.code == .conflict, "not while some run")
        for index in tasks.indices where !tasks[index].state.isFinal { tasks[index].state = .interrupted }
        let rest = try #require(try FileResumeCommand.rest(of: RunDetail(run: run, tasks: tasks)))
        #expect(rest.spec == run.spec && rest.rollout == run.rollout)
        #expect(rest.selector.agents == tasks.filter { $0.state != .succeeded }.map(\.agentID.rawValue))
        #expect(rest.idempotencyKey != nil)
        for index in tasks.indices { tasks[index].state = .succeeded }
        #expect(try FileResumeCommand.rest(of: RunDetail(run: run, tasks: tasks)) == nil)
        #expect(throws: DeployError.self) { try FileResumeCommand.rest(of: Scene.detail) }
    }

    @Test func `the board shows each task where they fit, else all in one line`() {
        let board = TaskBoard(Scene.fileTasks)
        let lines = board.lines(10)
        #expect(lines.count == Scene.fileTasks.count + 1)
        #expect(lines[2].contains("[==========----------]") && lines[2].contains("50%"))
        #expect(lines.last?.hasPrefix("1 of 4 done, 1 failed, 1 running, 1 waiting") == true)
        #expect(board.lines(3) == [lines[4]])
        var task = Scene.fileTasks[2]
        task.state = .succeeded
        board.take(task)
        #expect(board.tasks[2].state == .succeeded && !board.isOver)
        var stranger = task
        stranger.id = .random()
        board.take(stranger)
        #expect(board.tasks.count == Scene.fileTasks.count)
        board.say("the connection was lost")
        #expect(board.lines(10).last == "the connection was lost" && board.lines(10).count == lines.count + 1)
        #expect(board.lines(3).count == 2)
        board.say(nil)
        let one = TaskBoard([Scene.fileTasks[2]])
        #expect(one.lines(5).count == 1)
        let hostile = TaskBoard([
            Scene.fileTasks[0], (try? Hostile.poisoned(Scene.fileTasks[2])) ?? Scene.fileTasks[2],
        ])
        for line in hostile.lines(10) { #expect(!line.unicodeScalars.contains("\u{1B}")) }
    }
}
