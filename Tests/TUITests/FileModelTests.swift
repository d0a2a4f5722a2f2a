// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core
import Testing

@testable import TUI

/// The screens of files: what keys and news do.
@Suite struct FileModelTests {
    private func listed() -> Scene {
        var scene = Scene.live()
        scene.press("g f")
        scene.send(.file(.listed(Scene.files)))
        scene.press("j")
        _ = scene.takeEffects()
        return scene
    }

    @Test func `the list is asked for when it is opened and when the link comes back`() {
        var scene = Scene.live()
        scene.press("g f")
        #expect(scene.takeEffects() == [.file(.list)])
        scene.send(.backend(.offline(reason: "x", attempt: 1, retry: nil)))
        scene.send(.backend(.connected(Scene.server(role: .admin, scope: Scope()))))
        #expect(scene.takeEffects().contains(.file(.list)))
        scene.send(.file(.listFailed(DeployError(.forbidden, "not you"))))
        #expect(scene.rows.contains { $0.contains("not you") })
    }

    @Test func `uploads wait for each other`() {
        var scene = Scene.live()
        scene.uploading()
        let uploads = scene.takeEffects().compactMap { effect -> UploadRow? in
            if case .file(.upload(let row)) = effect { row } else { nil }
        }
        #expect(uploads.map(\.path) == ["/home/wang/web-2.9.0.tar.zst"])
        #expect(scene.model.files.running.count == 3)
        scene.send(.file(.uploaded(1, Scene.files[0])))
        guard case .file(.upload(let second)) = scene.takeEffects().first else {
            Issue.record("the second begins")
            return
        }
        #expect(second.path == "~/fonts.tar")
        scene.send(.file(.uploadFailed(second.number, DeployError(.notFound, "no such file"))))
        guard case .file(.upload(let third)) = scene.takeEffects().first else {
            Issue.record("a failure does not hold up the third")
            return
        }
        #expect(third.path == "notes")
        #expect(scene.rows.contains { $0.contains("! no such file") })
        scene.press("X")
        #expect(scene.model.files.uploads.map(\.path) == ["notes"], "a failed one is dismissed without a question")
        #expect(scene.model.overlay == nil)
    }

    @Test func `an upload that is known is not listed twice`() {
        var scene = listed()
        scene.model.files.queue("x", environment: nil)
        scene.send(.file(.uploaded(1, Scene.files[0])))
        #expect(scene.model.files.items.count == Scene.files.count)
        #expect(scene.model.files.uploads.isEmpty)
    }

    @Test func `a running upload is given up only after a question`() {
        var scene = Scene.live()
        scene.uploading()
        _ = scene.takeEffects()
        scene.press("X")
        guard case .confirm(let confirm) = scene.model.overlay else {
            Issue.record("it asks")
            return
        }
        #expect(confirm.effects == [.file(.stop(1, Scene.id("u5521000000000000")))])
        scene.press("Enter")
        #expect(scene.takeEffects().isEmpty && scene.model.files.running.count == 3)
        scene.press("X Tab Enter")
        #expect(scene.takeEffects() == [.file(.stop(1, Scene.id("u5521000000000000")))])
        scene.send(.file(.stopped(1)))
        #expect(scene.model.files.running.map(\.path) == ["~/fonts.tar", "notes"])
        scene.send(.file(.uploadFailed(1, DeployError(.unreachable, "late news"))))
        #expect(!scene.rows.contains { $0.contains("late news") })
    }

    @Test(arguments: ["Q", "q"]) func `leaving asks while something is uploaded, and says how to go on`(_ key: String) {
        var scene = Scene.live()
        scene.press(key == "q" ? "" : "")
        scene.uploading()
        if key == "q" { scene.press("q") }
        scene.press(key)
        #expect(!scene.model.ended)
        #expect(scene.rows.contains { $0.contains("tiangong file resume u5521000000000000 /home/wang") })
        scene.press("Tab Enter")
        #expect(scene.model.ended)
        var idle = Scene.live()
        idle.press("Q")
        #expect(idle.model.ended)
    }

    @Test func `who reaches several environments is asked where a file belongs`() {
        var scene = Scene.live(scope: Scope(environments: ["prod", "lab"]))
        scene.press("g f u")
        scene.type("a.conf")
        scene.press("Enter")
        #expect(!scene.takeEffects().contains { if case .file(.upload) = $0 { true } else { false } })
        scene.press("C-u")
        scene.type("prod")
        scene.press("Enter")
        guard case .file(.upload(let row)) = scene.takeEffects().last else {
            Issue.record("it begins")
            return
        }
        #expect(row.environment == "prod" && row.path == "a.conf")
    }

    @Test func `a path is completed while it is the one that was asked about`() {
        var scene = listed()
        scene.press("u")
        scene.type("/etc/ho")
        scene.press("Tab")
        #expect(scene.takeEffects() == [.file(.complete("/etc/ho"))])
        scene.send(.file(.completed("/etc/ho", "/etc/host", ["host.conf", "hostname", "hosts"])))
        #expect(scene.rows.last?.contains("/etc/host") == true)
        scene.type("s")
        scene.send(.file(.completed("/etc/host", "/etc/hostage", ["hostage"])))
        #expect(scene.rows.last?.contains("/etc/hosts") == true, "an answer that is late changes nothing")
    }

    @Test func `removing asks`() {
        var scene = listed()
        scene.press("x Enter")
        #expect(scene.takeEffects().isEmpty)
        scene.press("x Tab Enter")
        #expect(scene.takeEffects() == [.file(.remove(Scene.files[1].id))])
        scene.send(.file(.removed(Scene.files[1].id)))
        #expect(scene.model.files.items.count == 2)
    }

    private func written() -> Scene {
        var scene = listed()
        scene.press("p")
        scene.type("role=db")
        scene.press("Tab")
        scene.type("/etc/nginx/")
        scene.press("Tab")
        scene.type("0644")
        scene.press("Tab")
        scene.type("yes")
        scene.press("Tab")
        scene.type("25%")
        scene.press("Tab")
        scene.type("2")
        return scene
    }

    @Test func `a push is written, reviewed and made`() throws {
        var scene = written()
        scene.press("C-r")
        #expect(scene.model.screen == .pushReview)
        scene.press("Enter")
        #expect(scene.model.screen == .push, "Back has the focus")
        scene.press("C-r Tab Enter")
        guard case .file(.push(let request)) = scene.takeRequests().last else {
            Issue.record("it is made")
            return
        }
        let parameters = try FileParameters(request.spec)
        #expect(parameters.targets == ["/etc/nginx/web.conf"] && parameters.mode == 0o644 && parameters.backup)
        #expect(parameters.items.map(\.fileID) == [Scene.files[1].id])
        #expect(request.rollout == Rollout(batch: "25%", stopAfter: 2))
        #expect(request.selector.agents.count == 4)
        scene.press("Enter")
        guard case .file(.push(let again)) = scene.takeRequests().last else {
            Issue.record("a second press sends the same")
            return
        }
        #expect(again.idempotencyKey == request.idempotencyKey)
        scene.send(.file(.pushed(RunDetail(run: Scene.fileRun, tasks: Scene.fileTasks))))
        #expect(scene.model.screen == .run && scene.model.pushed == nil)
        #expect(scene.rows.contains { $0.contains("[====----] 206.0/412.0 MB") })
        #expect(scene.rows.contains { $0.contains("waiting for its batch") })
    }

    @Test func `the form says what is wrong`() {
        for (field, text, words) in [
            (PushState.Field.target, "nobody-is-called-so", "no agent is called"), (.target, "", "say which agents"),
            (.destination, "relative", "absolute"), (.mode, "rwx", "octal"), (.backup, "maybe", "yes"),
            (.batch, "half", "batch"), (.stopAfter, "x", "number"), (.timeout, "soon", "time"),
        ] {
            var scene = written()
            scene.model.pushed?[field] = TextField(text)
            scene.press("C-r")
            #expect(scene.model.screen == .push, "\(field)")
            #expect(
                scene.model.pushed?.problem?.contains(words) == true, "\(field): \(scene.model.pushed?.problem ?? "")")
        }
    }

    @Test func `what policies say about a push is asked and shown`() throws {
        var scene = written()
        let test = try #require(scene.model.check.wanted)
        #expect(test.spec.type == "file" && test.spec.command == "put /etc/nginx")
        scene.press("C-r")
        let frozen = try #require(scene.model.check.wanted)
        #expect(scene.takeEffects().contains(.testPolicy(frozen)))
        var verdicts = Scene.verdicts
        verdicts[0].agent = "node-03.bj.example"
        scene.send(.policyTested(frozen, verdicts))
        #expect(scene.rows.contains { $0.contains("policy: REFUSED") })
        #expect(scene.rows.contains { $0.contains("x node-03.bj.example refused") })
    }

    @Test func `many agents want their number typed`() {
        var scene = listed()
        scene.press("p")
        scene.type("all")
        scene.press("Tab")
        scene.type("/srv/x")
        scene.press("C-r Tab Enter")
        #expect(!scene.takeEffects().contains { if case .file(.push) = $0 { true } else { false } })
        scene.type("12")
        scene.press("Tab Enter")
        #expect(scene.takeEffects().contains { if case .file(.push) = $0 { true } else { false } })
    }

    @Test func `marked agents become the target, and nothing is sent offline`() {
        var scene = Scene.live()
        scene.press("Space g f")
        scene.send(.file(.listed(Scene.files)))
        scene.press("p")
        let marked = scene.model.agents.items.first { scene.model.agents.marked.contains($0.id) }
        #expect(scene.model.pushed?[.target].text == marked?.name)
        scene.type("/srv/x")
        scene.send(.backend(.offline(reason: "x", attempt: 1, retry: nil)))
        scene.press("C-r Tab Enter")
        #expect(scene.takeRequests().filter { $0 != .file(.list) } == [])
    }

    @Test func `the equivalent command line can be run`() throws {
        let scene = written()
        let line = try #require(scene.model.pushed?.equivalent)
        let words = line.split(separator: " ").dropFirst().map(String.init)
        let command = try #require(try TiangongCommand.parseAsRoot(words) as? FilePushCommand)
        #expect(command.paths == [Scene.files[1].id.rawValue, "/etc/nginx/"] && command.mode == "0644")
        #expect(command.backup && command.transfer.rollout.batch == "25%" && command.transfer.rollout.stopAfter == 2)
        #expect(command.transfer.targets.label == ["role=db"])
    }
}
