// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core
import Testing

@testable import TUI

@Suite struct PolicyModelTests {
    @Test func `the Cloud is asked once nothing has changed for a while, and about the newest only`() {
        var scene = Self.composing("upti")
        #expect(scene.takeEffects().isEmpty, "keys alone ask nothing")
        #expect(scene.model.tickInterval < 300)
        scene.send(.tick(Scene.start.adding(milliseconds: 100)))
        scene.type("me")
        scene.send(.tick(Scene.start.adding(milliseconds: 300)))
        scene.send(.tick(Scene.start.adding(milliseconds: 500)))
        #expect(scene.takeEffects().isEmpty, "the last key was a moment ago")
        scene.send(.tick(Scene.start.adding(milliseconds: 600)))
        let test = PolicyTest(
            selector: TargetSelector(agents: ["node-01.bj.example"]), spec: TaskSpec(command: "uptime"))
        #expect(scene.takeEffects() == [.testPolicy(test)])
        scene.send(.tick(Scene.start.adding(milliseconds: 3000)))
        #expect(scene.takeEffects().isEmpty, "the same is not asked twice")
        #expect(scene.model.tickInterval == 1000)
    }

    @Test func `an answer counts only for what is written now`() {
        var scene = Self.composing("uptime")
        let test = Self.ask(&scene)
        scene.type("x")
        scene.send(.policyTested(test, Scene.verdicts))
        #expect(scene.model.check.verdicts == nil)
        scene.press("BS")
        #expect(scene.model.check.verdicts == nil, "it came when something else was written")
        scene.send(.policyTested(Self.ask(&scene), Scene.verdicts))
        #expect(scene.model.check.refused.count == 2)
        #expect(scene.rows.contains { $0.contains("REFUSED on 2 of 5") })
        scene.type("x")
        scene.press("BS")
        #expect(
            scene.model.check.refused.count == 2 && !scene.model.check.isPending, "what is known is not asked again")
    }

    @Test func `offline nothing is asked, and a new link asks again`() {
        var scene = Self.composing("uptime")
        scene.send(.backend(.offline(reason: "gone", attempt: 1, retry: nil)))
        for second in 1...5 { scene.send(.tick(Scene.start.adding(milliseconds: Int64(second) * 1000))) }
        #expect(scene.takeEffects().isEmpty)
        #expect(scene.rows.contains { $0.contains("not known while offline") })
        scene.send(.backend(.connected(Scene.server(role: .operator, scope: Scope()))))
        _ = scene.takeEffects()
        let test = Self.ask(&scene)
        scene.send(.policyTestFailed(test, DeployError(.unreachable, "the connection was lost")))
        #expect(scene.rows.contains { $0.contains("not known: the connection was lost") })
        scene.send(.backend(.connected(Scene.server(role: .operator, scope: Scope()))))
        _ = scene.takeEffects()
        #expect(Self.ask(&scene) == test)
    }

    @Test func `the review asks at once, for exactly its agents, and shows those that refuse first`() {
        var scene = Self.composing("rm -rf /")
        scene.model.compose[.target] = TextField("role=db")
        scene.press("C-r")
        let names = ["node-03.bj.example", "node-06.bj.example", "node-09.bj.example", "node-12.bj.example"]
        let test = PolicyTest(selector: TargetSelector(agents: names), spec: TaskSpec(command: "rm -rf /"))
        #expect(scene.takeEffects() == [.testPolicy(test)])
        scene.send(.policyTested(test, Scene.verdicts))
        let listed = scene.rows.filter { $0.contains(".bj.example") && !$0.contains("tiangong run") }
        #expect(listed.dropFirst().first?.contains("x node-03") == true, "\(listed)")
        scene.press("p")
        #expect(scene.model.screen == .verdicts)
        scene.press("Esc")
        #expect(scene.model.screen == .review)
    }

    @Test func `without a command there is nothing to try`() {
        var scene = Scene.live()
        scene.press("t C-t")
        #expect(scene.model.screen == .compose)
        #expect(scene.rows.contains { $0.contains("Nothing to try yet") })
    }

    @Test func `a run is written again with its secrets and its namespaces`() throws {
        var compose = ComposeState()
        var run = Scene.hostRun
        run.spec.params["env"] = .object(["A": .string("two words"), "B": .object(["secret_ref": .string("db-root")])])
        compose.fill(from: run, TaskType.shell.schema)
        #expect(try compose.spec() == run.spec)
        let line = EquivalentCommand.run(TargetSelector(all: true), run.spec)
        #expect(line.contains("--env 'A=two words'") && line.contains("--secret-env B=db-root"))
        #expect(line.contains("--host-namespaces"))
        compose[.parameter("host_namespaces")] = TextField("hots")
        #expect(throws: DeployError.self) { try compose.spec() }
    }

    @Test func `the audit is read page by page as the cursor goes down`() {
        var scene = Scene.live()
        scene.press("g u")
        var query = AuditQuery()
        query.limit = AuditState.page
        #expect(scene.takeEffects() == [.loadAudit(query)])
        scene.send(.audit(query, Scene.records, next: "c1"))
        scene.press("j j")
        #expect(scene.takeEffects().isEmpty)
        scene.press("G")
        var second = query
        second.cursor = "c1"
        #expect(scene.takeEffects() == [.loadAudit(second)])
        scene.press("G")
        #expect(scene.takeEffects().isEmpty, "one page at a time")
        scene.send(.audit(second, Scene.records, next: nil))
        #expect(scene.model.audit.items.count == 60)
        scene.press("G")
        #expect(scene.takeEffects().isEmpty, "there is no more")
        scene.send(.audit(second, Scene.records, next: nil))
        #expect(scene.model.audit.items.count == 60, "a page is not taken twice")
    }

    @Test func `filters of the audit are asked of the Cloud`() throws {
        var scene = Scene.live()
        scene.press("g u /")
        _ = scene.takeEffects()
        scene.type("actor=li agent=web-1 deny since=2h")
        scene.press("Enter")
        var query = AuditQuery()
        query.limit = AuditState.page
        query.actor = "li"
        query.agent = "web-1"
        query.verdict = "deny"
        query.since = Scene.start.adding(milliseconds: -7_200_000)
        #expect(scene.takeEffects() == [.loadAudit(query)])
        scene.press("D")
        query.verdict = nil
        #expect(scene.takeEffects() == [.loadAudit(query)], "refusals only, switched off")
        scene.press("/")
        scene.type(" colour=red")
        scene.press("Enter")
        #expect(scene.takeEffects().isEmpty)
        #expect(scene.rows.contains { $0.contains("'colour=red' is no filter") })
        #expect(scene.model.audit.filter == "actor=li agent=web-1 since=2h", "what was asked for stays")
        #expect(throws: DeployError.self) { try AuditState.query("since=soon", now: Scene.start) }
    }

    @Test func `the audit of an agent and of a task is one key away`() {
        var scene = Scene.live()
        scene.press("j a")
        #expect(scene.model.screen == .audit && scene.model.audit.query.agent == "node-01.bj.example")
        scene.press("g r Enter")
        scene.send(.run(Scene.detail))
        scene.press("a")
        #expect(scene.model.audit.query.task == scene.model.run?.selected?.id.rawValue)
    }

    @Test func `another server forgets policies, verdicts and audit`() {
        var scene = Scene.live()
        scene.press("g p")
        scene.send(.policies(Scene.policies))
        scene.press("g u")
        scene.send(.audit(scene.model.audit.query, Scene.records, next: nil))
        scene.press("g c k Enter")
        #expect(scene.model.policies == PoliciesState() && scene.model.audit == AuditState())
        #expect(scene.model.check == PolicyCheck())
    }

    @Test func `who, in which role and where stands at the top`() {
        let scene = Scene.live(columns: 120, rows: 40, role: .operator, scope: Scene.scope)
        #expect(scene.rows[0].contains("wang operator prod,lab team=web"))
        #expect(Scene.live().rows[0].contains("wang admin  06:03:22"))
    }

    @Test func `a search in a log goes on from the other end`() {
        var scene = Scene.live()
        scene.press("g r Enter")
        scene.send(.run(Scene.detail))
        scene.press("l")
        let task = scene.model.log?.tasks.first ?? Scene.tasks[0].id
        let text = (0..<100).map { $0 == 10 ? "needle\n" : "line \($0)\n" }.joined()
        scene.send(.backend(.log(LogPiece(task: task, stream: .stdout, at: Scene.start, bytes: Array(text.utf8)))))
        scene.press("G /")
        scene.type("needle")
        scene.press("Enter")
        #expect(scene.model.log?.found == 10)
        #expect(scene.rows.contains { $0.contains("went on from the beginning") })
        scene.press("N")
        #expect(scene.model.log?.found == 10)
        scene.press("/")
        scene.type("zzz")
        scene.press("Enter")
        #expect(scene.model.log?.searching == nil)
        #expect(scene.rows.contains { $0.contains("is not found") })
    }

    // MARK: helpers

    /// The form with one agent as the target and a command.
    private static func composing(_ command: String) -> Scene {
        var scene = Scene.live()
        scene.press("j t")
        scene.type(command)
        #expect(scene.takeEffects() == [.loadExecutors])
        return scene
    }

    /// Lets time pass until the question was asked.
    private static func ask(_ scene: inout Scene) -> PolicyTest {
        for step in 1...5 { scene.send(.tick(scene.model.now.adding(milliseconds: Int64(step) * 200))) }
        for effect in scene.takeEffects() { if case .testPolicy(let test) = effect { return test } }
        Issue.record("nothing was asked")
        return PolicyTest(selector: TargetSelector(), spec: TaskSpec(command: ""))
    }
}

@Suite struct PolicyOutputTests {
    @Test(
        arguments: [
            ("uptime; rm -rf /", 8, nil, "uptime; rm -rf /", 8), ("部署; rm x", 8, nil, "部署; rm x", 6),
            ("a\n\u{1B}[31mb c", 9, nil, "a^Jb c", 5), ("abc", 3, nil, "abc", 3), ("é rm", 1, nil, "é rm", 0),
            ("", 0, nil, "", 0), ("abc", nil, nil, "abc", nil), ("abc", 99, nil, "abc", nil),
            ("0123456789abcdefghij", 15, 12, "~abcdefghij", 6),
            ("0123456789abcdefghij", 2, 12, "0123456789a~", 2),
        ] as [(String, Int?, Int?, String, Int?)])
    func theCaretStandsUnderThePlace(_ command: String, _ position: Int?, _ width: Int?, _ line: String, _ column: Int?)
    {
        let excerpt = CommandExcerpt(command, position: position, width: width)
        #expect(excerpt.line == line && excerpt.column == column)
        if let width { #expect(TextWidth.of(excerpt.line) <= width) }
    }

    @Test func everyReasonIsToldOnce() {
        var more = Scene.verdicts[0]
        more.agent = "node-04"
        let reasons = RefusalText.reasons(Scene.verdicts + [more])
        #expect(reasons.map(\.agents) == [["node-03.bj.example", "node-04"], ["node-12.bj.example"]])
        let lines = RefusalText.lines(reasons[0], command: "uptime; rm -rf /", width: nil)
        #expect(lines[0].hasPrefix("node-03.bj.example, node-04: D1: rm removes"))
        #expect(lines[1...] == ["  uptime; rm -rf /", "          ^"])
        #expect(RefusalText.lines(reasons[1], command: "x", width: nil).count == 1)
    }

    @Test func aPolicyTestTakesACommandAsRunDoes() throws {
        func test(_ arguments: [String]) throws -> PolicyTest {
            let command = try TiangongCommand.parseAsRoot(["policy", "test"] + arguments)
            let test = try #require(command as? PolicyTestCommand)
            return PolicyTest(
                selector: try test.targets.selector(), spec: try test.spec(TaskType.shell.schema))
        }
        let text = try test(["-l", "role=db", "--host-namespaces", "--", "a | b"])
        #expect(text.spec.command == "a | b" && text.spec.params == ["host_namespaces": .bool(true)])
        #expect(text.selector == TargetSelector(labels: ["role": "db"]))
        #expect(try test(["--all", "--", "rm", "-rf", "a b"]).spec.command == "rm -rf 'a b'")
        for bad in [["--", "true"], ["--all", "--colour", "--", "x"], ["--all", "--", " "]] {
            #expect(throws: DeployError.self, "\(bad)") { try test(bad) }
        }
    }

    @Test func aScopeIsSaidInWords() {
        #expect(ScopeText.text(Scope()) == "every agent")
        #expect(ScopeText.text(Scope(environments: ["prod", "lab"])) == "prod,lab")
        #expect(ScopeText.text(Scope(environments: [], labels: ["a": "b"])) == "none a=b")
        #expect(ScopeText.text(Scope(labels: ["a": "b"])) == "any a=b")
    }

    @Test func theFilterAnswersLineByLine() throws {
        let answer = try SanitizeCommand.answer(Array(#"{"id":"T","chunks_b64":["QRtb","MzFtQg=="]}"#.utf8))
        #expect(answer == #"{"id":"T","text_b64":"QUI="}"#)
        #expect(throws: DeployError.self) { try SanitizeCommand.answer(Array("{}".utf8)) }
        #expect(throws: DeployError.self) { try SanitizeCommand.answer(Array(#"{"id":"T","chunks_b64":["?"]}"#.utf8)) }
    }
}
