// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Testing

@testable import TUI

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Whole screens against files. To accept a change: `TIANGONG_UPDATE_SCREENS=1 swift test --filter GoldenScreen`.
@Suite struct GoldenScreenTests {
    static let sizes = [(80, 24), (120, 40)]

    private static let tasks: [(name: String, play: @Sendable (inout Scene) -> Void)] = [
        ("agents", { $0.press("j j Space") }),
        (
            "agents-filter",
            {
                $0.press("/"); $0.type("role=db")
            }
        ),
        ("contexts", { $0.press("g c") }),
        ("runs", { $0.press("g r") }),
        ("run", { openRun(&$0) }),
        ("compose", { compose(&$0) }),
        (
            "review",
            {
                compose(&$0); $0.press("C-r")
            }
        ),
        (
            "confirm-cancel",
            {
                openRun(&$0); $0.press("X")
            }
        ),
        ("log", { openLog(&$0) }),
        (
            "log-search",
            {
                openLog(&$0); $0.press("z t /"); $0.type("pull"); $0.press("Enter")
            }
        ),
        ("help", { $0.press("?") }),
        (
            "palette",
            {
                $0.press(":"); $0.type("run")
            }
        ),
        ("offline", { offline(&$0) }),
        (
            "agents-host",
            { scene in
                scene.send(.agents(SceneHosts.agents))
                scene.press("j")
            }
        ),
        ("run-host", { openHostRun(&$0) }),
        (
            "runs-host",
            { scene in
                scene.send(.runs([Scene.hostRun, Scene.run]))
                scene.press("g r")
            }
        ),
        (
            "log-host",
            {
                openHostRun(&$0); $0.press("L")
            }
        ),
        (
            "policies",
            {
                $0.press("g p"); $0.send(.policies(Scene.policies)); $0.press("j")
            }
        ),
        (
            "policy",
            {
                $0.press("g p"); $0.send(.policies(Scene.policies)); $0.press("j Enter")
            }
        ),
        ("compose-database", { database(&$0) }),
        (
            "review-database",
            {
                database(&$0); $0.press("C-r")
            }
        ),
        ("compose-plugin", { plugin(&$0) }),
        (
            "compose-plugin-end",
            {
                plugin(&$0); $0.press("S-Tab S-Tab S-Tab S-Tab S-Tab S-Tab")
            }
        ),
        (
            "review-plugin",
            {
                plugin(&$0); $0.press("C-r")
            }
        ),
        (
            "runs-plugin",
            {
                $0.send(.runs([SceneExecutors.run, Scene.run])); $0.press("g r")
            }
        ),
        ("compose-refused", { refused(&$0) }),
        ("review-refused", { refused(&$0, then: "C-r") }),
        ("verdicts", { refused(&$0, then: "C-t") }),
        (
            "verdicts-why",
            {
                refused(&$0, then: "C-t"); $0.press("Enter")
            }
        ),
        ("audit", { audit(&$0) }),
        (
            "audit-refusals",
            {
                audit(&$0); $0.press("D")
            }
        ),
        (
            "audit-record",
            {
                audit(&$0); $0.press("j j Enter")
            }
        ),
        (
            "audit-forbidden",
            {
                $0.press("g u"); $0.send(.auditFailed(DeployError(.forbidden, "the audit is for approvers")))
            }
        ),
        (
            "command-line",
            {
                openRun(&$0); $0.press(".")
            }
        ),
    ]

    private static let files: [(name: String, play: @Sendable (inout Scene) -> Void)] = [
        ("files", { listFiles(&$0) }),
        (
            "files-empty",
            {
                $0.press("g f"); $0.send(.file(.listed([])))
            }
        ),
        ("files-uploading", { $0.uploading() }),
        (
            "files-waiting",
            { scene in
                scene.uploading()
                let stage = UploadProgress.Stage.waiting("the server's disk for files is full up to its reserve")
                let progress = UploadProgress(
                    upload: Scene.id("u5521000000000000"), done: 122_000_000, total: 412_000_000, stage: stage)
                scene.send(.file(.progress(1, progress, Scene.start)))
                scene.send(.file(.uploadFailed(2, DeployError(.notFound, "fonts.tar cannot be read"))))
            }
        ),
        (
            "files-offline",
            {
                listFiles(&$0); offline(&$0)
            }
        ),
        (
            "files-upload-prompt",
            {
                listFiles(&$0); $0.press("u"); $0.type("/srv/web.ta")
            }
        ),
        (
            "files-remove",
            {
                listFiles(&$0); $0.press("x")
            }
        ),
        (
            "files-show",
            {
                listFiles(&$0); $0.press("Enter")
            }
        ),
        ("push", { push(&$0) }),
        (
            "push-review",
            {
                push(&$0); $0.press("C-r")
            }
        ),
        (
            "run-files",
            { scene in
                scene.press("g r Enter")
                scene.send(.run(RunDetail(run: Scene.fileRun, tasks: Scene.fileTasks)))
            }
        ),
    ]

    static let steps = tasks + files

    @Test(arguments: steps.map(\.name)) func `the screen is as accepted`(_ name: String) throws {
        let step = try #require(Self.steps.first { $0.name == name })
        for (columns, rows) in Self.sizes {
            var scene = Scene.live(columns: columns, rows: rows)
            step.play(&scene)
            try Self.compare(scene.screen, "\(name)-\(columns)x\(rows)")
        }
    }

    @Test func `a terminal that is too small gets a page of counters`() throws {
        let scene = Scene.live(columns: 44, rows: 10)
        try Self.compare(scene.screen, "too-small-44x10")
    }

    @Test func `before anything is known the screen says so`() throws {
        try Self.compare(Scene().screen, "start-80x24")
    }

    // MARK: scenes

    private static func openRun(_ scene: inout Scene) {
        scene.press("g r Enter")
        scene.send(.run(Scene.detail))
    }

    private static func compose(_ scene: inout Scene) {
        scene.press("t")
        scene.model.compose[.target] = TextField("role=db node-07.bj.example")
        scene.type("uptime; echo 'two words'")
        scene.press("Tab")
        scene.type("/srv")
        scene.press("S-Tab S-Tab S-Tab S-Tab")
        scene.type("10m")
    }

    private static func database(_ scene: inout Scene) {
        scene.send(.agents(SceneExecutors.agents))
        scene.press("t")
        scene.send(.executors(SceneExecutors.executors))
        scene.model.compose[.target] = TextField("role=db")
        scene.model.compose.focus = .type
        scene.press("m Tab")
        scene.send(
            .paste("UPDATE orders SET state = 'done'\n  WHERE id = 7;\nSELECT state, note FROM orders WHERE id = 7"))
        scene.press("Tab Right Tab j")
    }

    private static func plugin(_ scene: inout Scene) {
        scene.send(.agents(SceneExecutors.agents))
        scene.send(.executors(SceneExecutors.executors))
        scene.send(.runs([SceneExecutors.run]))
        scene.press("g r d Tab Tab")
    }

    private static func openHostRun(_ scene: inout Scene) {
        scene.press("g r Enter")
        scene.send(.run(RunDetail(run: Scene.hostRun, tasks: Scene.tasks)))
    }

    private static func refused(_ scene: inout Scene, then keys: String? = nil) {
        compose(&scene)
        scene.model.compose[.command] = TextField("uptime; rm -rf /")
        scene.model.compose[.parameter("host_namespaces")] = TextField("yes")
        scene.send(.tick(Scene.start))
        if let keys { scene.press(keys) }
        if let test = scene.model.check.wanted { scene.send(.policyTested(test, Scene.verdicts)) }
    }

    private static func audit(_ scene: inout Scene) {
        scene.press("g u")
        scene.send(.audit(scene.model.audit.query, Scene.records, next: "c"))
    }

    private static func openLog(_ scene: inout Scene) {
        openRun(&scene)
        scene.press("L")
        let lines: [(Int, LogStream, String)] = [
            (0, .stdout, "pulling image web:2.8.1\nextracting 17/24\rextracting 18/24\n"),
            (1, .stderr, "\u{1B}[31mpull failed\u{1B}[0m: i/o timeout\u{1B}]0;owned\u{7}\n"),
            (2, .stdout, "服务启动完成 port=8080\n\tindented\u{202E}reversed\n"),
            (0, .system, "output was cut at 64 MiB\n"),
            (2, .stdout, String(repeating: "long line ", count: 14) + "end\nno newline yet"),
        ]
        for (index, stream, text) in lines {
            let piece = LogPiece(task: Scene.tasks[index].id, stream: stream, at: Scene.start, bytes: Array(text.utf8))
            scene.send(.backend(.log(piece)))
        }
        scene.send(.backend(.logGap(task: Scene.tasks[2].id, from: 7, to: 9)))
        scene.send(.backend(.logEnd(Scene.tasks[0])))
    }

    private static func listFiles(_ scene: inout Scene) {
        scene.press("g f")
        scene.send(.file(.listed(Scene.files)))
        scene.press("j")
    }

    private static func push(_ scene: inout Scene) {
        listFiles(&scene)
        scene.press("p")
        scene.type("role=db")
        scene.press("Tab")
        scene.type("/etc/nginx/")
        scene.press("Tab Tab Tab")
        scene.type("25%")
        if let test = scene.model.check.wanted { scene.send(.policyTested(test, [])) }
    }

    private static func offline(_ scene: inout Scene) {
        scene.send(.tick(Scene.start.adding(milliseconds: 3000)))
        scene.send(
            .backend(
                .offline(reason: "connection refused", attempt: 6, retry: Scene.start.adding(milliseconds: 12_000))))
    }

    private static func compare(_ screen: String, _ name: String) throws {
        let folder = String(#filePath.prefix(upTo: #filePath.lastIndex(of: "/") ?? #filePath.endIndex)) + "/Screens"
        let path = "\(folder)/\(name).txt"
        if ProcessInfo.processInfo.environment["TIANGONG_UPDATE_SCREENS"] == "1" {
            try Data(screen.utf8).write(to: URL(filePath: path))
        }
        let accepted = try String(decoding: Data(contentsOf: URL(filePath: path)), as: UTF8.self)
        #expect(screen == accepted, "\(name) has changed:\n\(screen)")
    }
}
