// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore
import Testing

@testable import TUI

/// Everything that comes from elsewhere goes through the one filter, wherever it is shown.
@Suite struct HostileTextTests {
    @Test func `values are poisoned where they take text, and nowhere else`() throws {
        let agent = try Hostile.poisoned(Scene.agents[0])
        #expect(agent.hostname == Hostile.text && agent.labels.keys.contains(Hostile.text))
        #expect(agent.id == Scene.agents[0].id && agent.createdAt == Scene.agents[0].createdAt)
        #expect(try Hostile.poisoned(Scene.tasks[1]).error?.message == Hostile.text)
        #expect(try Hostile.poisoned(Scene.run).spec.command == Hostile.text)
        #expect(try Hostile.poisoned(Scene.records[1]).detail?.isEmpty == false)
    }

    static let visits: [(name: String, play: @Sendable (inout Scene) throws -> Void)] = [
        ("agents", { $0.press("j Space") }),
        (
            "agents filter",
            { scene in
                scene.press("/"); scene.send(.paste(Hostile.text)); scene.press("Enter")
            }
        ),
        ("contexts", { $0.press("g c") }),
        ("runs", { $0.press("g r") }),
        ("run", { try openRun(&$0) }),
        (
            "cancel",
            {
                try openRun(&$0); $0.press("X")
            }
        ),
        (
            "run's command line",
            {
                try openRun(&$0); $0.press(".")
            }
        ),
        (
            "again",
            {
                try openRun(&$0); $0.press("d Tab Tab Tab Tab Tab")
            }
        ),
        ("review", { try review(&$0) }),
        ("type", { try plugin(&$0) }),
        (
            "type's fields",
            { scene in
                try plugin(&scene)
                scene.model.compose.focus = .target
                for _ in 0..<20 {
                    scene.press("Tab Right")
                    scene.send(.paste(Hostile.text))
                    _ = Frame.draw(scene.model)
                }
            }
        ),
        (
            "type's review",
            { scene in
                try plugin(&scene)
                scene.model.compose.review = ReviewState(
                    selector: TargetSelector(agents: [Hostile.text]),
                    spec: try Hostile.poisoned(SceneExecutors.run.spec),
                    schema: scene.model.compose.schema, agents: try world.get().agents, key: "k")
                scene.model.push(.review)
            }
        ),
        (
            "verdicts",
            {
                try review(&$0); $0.press("p Enter")
            }
        ),
        ("policies", { try policies(&$0) }),
        (
            "policy",
            {
                try policies(&$0); $0.press("Enter")
            }
        ),
        ("audit", { try audit(&$0) }),
        (
            "refused lists",
            { scene in
                scene.press("g p")
                scene.send(.policiesFailed(DeployError(.forbidden, Hostile.text)))
            }
        ),
        (
            "refused audit",
            { scene in
                scene.press("g u")
                scene.send(.auditFailed(DeployError(.forbidden, Hostile.text)))
            }
        ),
        (
            "refused question",
            { scene in
                try review(&scene)
                let test = try #require(scene.model.check.wanted)
                scene.send(.backend(.connected(Scene.server(role: .viewer, scope: Scope()))))
                scene.send(.policyTestFailed(test, DeployError(.forbidden, Hostile.text)))
                scene.press("p")
            }
        ),
        (
            "audit record",
            {
                try audit(&$0); $0.press("Enter")
            }
        ),
        (
            "audit record's end",
            {
                try audit(&$0); $0.press("Enter G")
            }
        ),
        ("log", { try log(&$0) }),
        (
            "log, not wrapped",
            {
                try log(&$0); $0.press("z w g g $ $")
            }
        ),
        (
            "failure",
            { $0.send(.failed(doing: Hostile.text, DeployError(.internal, Hostile.text, hint: Hostile.text))) }
        ),
        ("offline", { $0.send(.backend(.offline(reason: Hostile.text, attempt: 1, retry: nil))) }),
        ("login", { $0.send(.backend(.loginNeeded(Hostile.text))) }),
        ("saved", { $0.send(.logSaved(path: Hostile.text, bytes: 1)) }),
        ("files", { try files(&$0) }),
        (
            "file",
            {
                try files(&$0); $0.press("Enter")
            }
        ),
        (
            "remove",
            {
                try files(&$0); $0.press("x")
            }
        ),
        (
            "refused files",
            { scene in
                scene.press("g f")
                scene.send(.file(.listFailed(DeployError(.forbidden, Hostile.text))))
            }
        ),
        (
            "uploads",
            { scene in
                try files(&scene)
                for number in 1...3 {
                    scene.press("u"); scene.send(.paste(Hostile.text)); scene.press("Enter")
                    let stage: UploadProgress.Stage = number == 1 ? .waiting(Hostile.text) : .sending
                    let progress = UploadProgress(
                        upload: nil, done: .max, total: number == 3 ? nil : .max, stage: stage)
                    scene.send(.file(.progress(number, progress, Scene.start)))
                }
                scene.send(.file(.uploadFailed(2, DeployError(.internal, Hostile.text, hint: Hostile.text))))
            }
        ),
        (
            "leaving",
            { scene in
                scene.press("g f u"); scene.send(.paste(Hostile.text)); scene.press("Enter Q")
            }
        ),
        (
            "push",
            {
                try files(&$0); $0.press("p"); $0.send(.paste(Hostile.text))
            }
        ),
        (
            "push's review",
            { scene in
                try files(&scene)
                scene.press("p")
                scene.model.pushed?[.target] = TextField("all")
                scene.model.pushed?[.destination] = TextField(
                    "/srv/" + Hostile.text.filter { !$0.isNewline && $0 != "\0" } + "x")
                scene.press("C-r")
                try #require(scene.model.screen == .pushReview, "\(scene.model.pushed?.problem ?? "")")
            }
        ),
        (
            "run of files",
            { scene in
                scene.press("g r Enter")
                scene.send(.run(try world.get().transfers))
            }
        ),
        ("help", { $0.press("?") }),
        (
            "palette",
            { scene in
                scene.press(":"); scene.send(.paste(Hostile.text))
            }
        ),
    ]

    @Test(arguments: visits.map(\.name), [(60, 16), (80, 24), (120, 40), (200, 60)])
    func `no screen shows what a terminal would act on`(_ name: String, _ size: (Int, Int)) throws {
        let visit = try #require(Self.visits.first { $0.name == name })
        var scene = try Self.poisonedScene(columns: size.0, rows: size.1)
        try visit.play(&scene)
        let canvas = Frame.draw(scene.model)
        #expect(canvas.replaced == 0, "\(name): text was drawn that had not passed the filter")
        for row in 0..<canvas.size.rows {
            for cell in canvas.row(row) where cell.width > 0 {
                for scalar in [cell.base, cell.mark, cell.mark2].compactMap({ $0 }) {
                    #expect(!Hostile.isForbidden(scalar), "\(name): U+\(String(scalar.value, radix: 16))")
                }
            }
            let cells = canvas.row(row).reduce(0) { $0 + ($1.width == 2 ? 2 : $1.width == 1 ? 1 : 0) }
            #expect(cells == canvas.size.columns, "\(name): row \(row) has \(cells) cells")
        }
    }

    @Test func `output cannot reach the gutter`() throws {
        let marks = "\u{20DD}\u{336}start\r\u{301}again\u{1B}[1;1H\u{1B}[2K\u{8}\u{8}\u{8}\u{8}back\n"
        var scene = Scene.live()
        scene.press("g r Enter")
        scene.send(.run(Scene.detail))
        scene.press("L z t")
        for (index, stream) in [(0, LogStream.stdout), (1, .stderr)] {
            scene.send(
                .backend(
                    .log(
                        LogPiece(task: Scene.tasks[index].id, stream: stream, at: Scene.start, bytes: Array(marks.utf8))
                    )))
        }
        let canvas = Frame.draw(scene.model)
        let gutter = LogScreen.gutterWidth(scene.model)
        for row in 2..<4 {
            for column in 0..<gutter {
                #expect(canvas[column, row].mark == nil, "column \(column)")
                #expect(canvas[column, row].base.isASCII)
            }
            #expect("|!".unicodeScalars.contains(canvas[gutter - 2, row].base))
        }
    }

    @Test func `no table, fact, error or JSON text shows what a terminal would act on`() throws {
        let cell = TableCell(Hostile.text)
        let columns: [TablePrinter.Column] = [.init(title: "A", elastic: true), .init(title: "B", right: true)]
        var texts = [nil, 40].map { TablePrinter(columns: columns, color: false, width: $0).text([[cell, cell]]) }
        texts.append(FactsPrinter(color: false).text([("Name", cell)]))
        let error = DeployError(.internal, Hostile.text, hint: Hostile.text)
        texts += [Diagnostics.text(error, format: .table), Diagnostics.text(error, format: .json)]
        texts.append(Diagnostics.note(Hostile.text))
        texts += try [
            JSONPrinter.pretty(Hostile.poisoned(Scene.agents[0])), JSONPrinter.line(Hostile.poisoned(Scene.records[0])),
            JSONPrinter.line([Hostile.text: Hostile.text]),
        ]
        let verdicts = try Scene.verdicts.map { try Hostile.poisoned($0) }
        for reason in RefusalText.reasons(verdicts) {
            for width in [nil, 30] {
                texts += RefusalText.lines(reason, command: Hostile.text + "rm" + Hostile.text, width: width)
            }
        }
        for text in texts {
            for scalar in text.unicodeScalars where scalar != "\n" { #expect(!Hostile.isForbidden(scalar), "\(text)") }
        }
    }

    @Test func `colours of one stream never reach what is written beside it`() {
        var text = TerminalText(color: true)
        let first = String(buffer: text.feed(ByteBuffer(string: "\u{1B}[30;40mhidden")))
        #expect(first == "\u{1B}[30;40mhidden\u{1B}[0m")
        #expect(String(buffer: text.feed(ByteBuffer(string: "more\n"))) == "\u{1B}[30;40mmore\u{1B}[0m\n")
        #expect(String(buffer: text.feed(ByteBuffer(string: "plain"))) == "plain")
        let many = String(repeating: "\u{1B}[1m", count: 10_000)
        #expect(text.feed(ByteBuffer(string: many)).readableBytes < 200)
    }

    // MARK: scenes

    static func poisonedScene(columns: Int, rows: Int) throws -> Scene {
        var scene = Scene(columns: columns, rows: rows)
        let context = ContextSummary(name: Hostile.text, server: Hostile.text, hasCredential: true)
        scene.send(.contexts(ContextList(items: [context], current: Hostile.text)))
        scene.send(.backend(.connecting(context: Hostile.text)))
        let world = try Self.world.get()
        scene.send(.backend(.connected(world.server)))
        scene.send(.agents(world.agents))
        scene.send(.runs([world.detail.run]))
        return scene
    }

    private struct World: Sendable {
        var server: ServerInfo
        var agents: [AgentInfo]
        var detail: RunDetail
        var verdicts: [AgentVerdict]
        var policies: [PolicyRecord]
        var records: [AuditRecord]
        var files: [FileInfo]
        var transfers: RunDetail
        var executors: [ExecutorInfo]
    }

    /// Made once: poisoning tries every text of every value.
    private static let world = Result {
        var detail = try Hostile.poisoned(RunDetail(run: Scene.hostRun, tasks: Scene.tasks))
        detail.run.spec.params["host_namespaces"] = .bool(true)
        var agents = try SceneExecutors.agents.map { try Hostile.poisoned($0) }
        for index in agents.indices {
            agents[index].hostNamespaces = true
            agents[index].executors.append("shell")
        }
        var verdicts = try Scene.verdicts.map { try Hostile.poisoned($0) }
        for index in verdicts.indices { verdicts[index].agent = agents[index].name }
        return World(
            server: try Hostile.poisoned(Scene.server(role: .operator, scope: Scene.scope)), agents: agents,
            detail: detail, verdicts: verdicts, policies: try Scene.policies.map { try Hostile.poisoned($0) },
            records: try Scene.records.prefix(6).map { try Hostile.poisoned($0) },
            files: try Scene.files.map { try Hostile.poisoned($0) }, transfers: try transfers(),
            executors: try SceneExecutors.executors.map { try Hostile.poisoned($0) })
    }

    /// A run whose type stays what it is, so that it is shown as such.
    private static func transfers() throws -> RunDetail {
        var detail = try Hostile.poisoned(RunDetail(run: Scene.fileRun, tasks: Scene.fileTasks))
        detail.run.spec.type = "file"
        for index in detail.tasks.indices { detail.tasks[index].progress = TaskProgress(done: .max, total: .max) }
        return detail
    }

    private static func files(_ scene: inout Scene) throws {
        scene.press("g f")
        scene.send(.file(.listed(try world.get().files)))
    }

    private static func openRun(_ scene: inout Scene) throws {
        scene.press("g r Enter")
        scene.send(.run(try world.get().detail))
    }

    private static func review(_ scene: inout Scene) throws {
        scene.press("t")
        scene.model.compose[.target] = TextField("all")
        scene.model.compose[.command] = TextField(Hostile.text.replacing("\0", with: ""))
        scene.press("C-r")
        let test = try #require(scene.model.check.wanted)
        scene.send(.policyTested(test, try world.get().verdicts))
        #expect(scene.model.screen == .review && !scene.model.check.refused.isEmpty)
    }

    /// The form of a type whose every text attacks, its names too, which all are the same.
    private static func plugin(_ scene: inout Scene) throws {
        scene.press("t")
        scene.send(.executors(try world.get().executors))
        scene.model.compose[.target] = TextField("all")
        scene.model.compose.focus = .type
        scene.press("Right")
        #expect(scene.model.compose.schema.type == Hostile.text)
    }

    private static func policies(_ scene: inout Scene) throws {
        scene.press("g p")
        scene.send(.policies(try world.get().policies))
    }

    private static func audit(_ scene: inout Scene) throws {
        scene.press("g u")
        scene.send(.audit(scene.model.audit.query, try world.get().records, next: nil))
    }

    private static func log(_ scene: inout Scene) throws {
        try openRun(&scene)
        scene.press("L")
        let task = try #require(scene.model.log?.tasks.first)
        for stream in [LogStream.stdout, .stderr, .system] {
            let bytes = Array((Hostile.text + "\n" + Hostile.text).utf8) + [0xFF, 0xC0, 0xAF, 0xED, 0xA0, 0x80]
            scene.send(.backend(.log(LogPiece(task: task, stream: stream, at: Scene.start, bytes: bytes))))
        }
    }
}
