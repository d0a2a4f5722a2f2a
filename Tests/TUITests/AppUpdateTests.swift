// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Testing

@testable import TUI

@Suite struct AppUpdateTests {
    @Test func `a link that comes up asks for everything again`() {
        var scene = Scene.live()
        scene.send(.backend(.offline(reason: "gone", attempt: 1, retry: nil)))
        let info = ServerInfo(
            version: "1", protocol: 1, server: "s", actor: "wang", role: .admin, scope: Scope(), clock: Scene.start)
        scene.send(.backend(.connected(info)))
        #expect(scene.takeEffects() == [.loadAgents, .loadRuns])
        #expect(scene.model.connection.isLive)
    }

    @Test func `a changed agent moves, and the cursor stays on its agent`() {
        var scene = Scene.live()
        scene.press("j j j")
        let kept = scene.model.agents.selected
        var gone = Scene.agents[11]
        gone.status = .offline
        scene.send(.backend(.agentChanged(gone)))
        #expect(scene.model.agents.selected?.id == kept?.id)
        #expect(scene.rows[0].contains("agents 10/12"))
    }

    @Test func `an unknown agent appears`() {
        var scene = Scene.live()
        var fresh = AgentInfo(id: Scene.id("fresh"), name: "aaa-new", createdAt: Scene.start)
        fresh.status = .online
        scene.send(.backend(.agentChanged(fresh)))
        #expect(scene.rows.contains { $0.contains("aaa-new") })
    }

    @Test func `marked agents become the target, and a run needs two deliberate steps`() {
        var scene = Scene.live()
        scene.press("j Space Space t")
        scene.type("uptime")
        scene.press("Enter Enter Enter Enter Enter Enter Enter Enter")
        #expect(scene.takeRequests().isEmpty, "Enter walks through the fields and never sends")
        scene.press("C-r")
        #expect(scene.model.screen == .review)
        #expect(scene.model.compose.review?.agents.map(\.name) == ["node-01.bj.example", "node-02.bj.example"])
        scene.press("Enter")
        #expect(scene.model.screen == .compose, "Back has the focus")
        scene.press("C-r Tab Enter")
        guard case .createRun(let request) = scene.takeRequests().first else {
            Issue.record("no run was asked for")
            return
        }
        #expect(request.selector.agents == ["node-01.bj.example", "node-02.bj.example"])
        #expect(request.spec.command == "uptime")
        #expect(request.idempotencyKey != nil)
    }

    @Test func `pressing Run twice on one review asks with the same key`() {
        var scene = Scene.live()
        scene.press("j t")
        scene.type("id")
        scene.press("C-r Tab Enter Enter")
        let keys = scene.takeEffects().compactMap { effect -> String? in
            if case .createRun(let request) = effect { return request.idempotencyKey }
            return nil
        }
        #expect(keys.count == 2 && Set(keys).count == 1)
    }

    @Test func `many agents want their number typed`() {
        var scene = Scene.live()
        scene.press("t")
        scene.model.compose[.target] = TextField("all")
        scene.type("id")
        scene.press("C-r Tab Enter Tab Enter")
        #expect(scene.takeRequests().isEmpty)
        scene.type("12")
        scene.press("Enter")
        #expect(scene.takeRequests().count == 1)
    }

    @Test func `offline nothing is sent and the form is kept`() {
        var scene = Scene.live()
        scene.send(.backend(.offline(reason: "gone", attempt: 1, retry: nil)))
        scene.press("j t")
        scene.type("id")
        scene.press("C-r Tab Enter")
        #expect(scene.takeEffects().isEmpty)
        #expect(scene.model.compose[.command].text == "id")
        #expect(scene.rows.contains { $0.contains("nothing was sent") })
    }

    @Test func `pasted text never runs keys`() {
        var scene = Scene.live()
        scene.send(.paste("Q\nq\nX"))
        #expect(!scene.model.ended && scene.model.overlay == nil)
        scene.press("t")
        scene.send(.paste("echo a\necho b"))
        #expect(scene.model.compose[.command].text == "echo a\necho b")
    }

    @Test func `problems of the form name the field`() {
        var scene = Scene.live()
        scene.press("j t C-r")
        #expect(scene.model.compose.problem == "command is empty")
        scene.type("id")
        scene.model.compose[.timeout] = TextField("soon")
        scene.press("C-r")
        #expect(scene.model.compose.problem?.hasPrefix("Timeout") == true)
        scene.model.compose[.timeout] = TextField("")
        scene.model.compose[.target] = TextField("nobody")
        scene.press("C-r")
        #expect(scene.model.compose.problem == "Target: no agent is called 'nobody'")
    }

    @Test func `stopping a run asks first, with Cancel in focus`() {
        var scene = Scene.live()
        scene.press("g r X Enter")
        #expect(scene.takeEffects().isEmpty)
        scene.press("X Tab Enter")
        #expect(scene.takeEffects() == [.cancel(CancelRequest(runID: Scene.run.id.rawValue))])
    }

    @Test func `changes of tasks ask for the runs once per tick`() {
        var scene = Scene.live()
        for task in Scene.tasks { scene.send(.backend(.taskChanged(task))) }
        #expect(scene.takeEffects().isEmpty)
        scene.send(.tick(Scene.start.adding(milliseconds: 1000)))
        scene.send(.tick(Scene.start.adding(milliseconds: 2000)))
        #expect(scene.takeEffects() == [.loadRuns])
    }

    @Test func `a log is opened once and closed when another takes its place`() {
        var scene = Scene.live()
        scene.press("g r Enter")
        scene.send(.run(Scene.detail))
        _ = scene.takeEffects()
        scene.press("l")
        let first = scene.model.run?.selected?.id
        #expect(scene.takeEffects() == first.map { [.openLogs([$0])] })
        scene.press("q l")
        #expect(scene.takeEffects().isEmpty)
        scene.press("q j l")
        #expect(scene.takeEffects().count == 2)
    }

    @Test func `C-c twice asks whether to leave`() {
        var scene = Scene.live()
        scene.press("C-c")
        #expect(scene.model.overlay == nil)
        scene.press("C-c Tab Enter")
        #expect(scene.model.ended)
    }

    @Test func `a refused login shows the contexts`() {
        var scene = Scene.live()
        scene.send(.backend(.loginNeeded("token expired")))
        #expect(scene.model.screen == .contexts)
        #expect(scene.rows.contains { $0.contains("token expired") })
    }

    @Test func `every size draws without harm`() {
        for columns in [1, 2, 20, 59, 60, 61, 80, 300] {
            for rows in [1, 2, 15, 16, 17, 24, 90] {
                var scene = Scene.live(columns: columns, rows: rows)
                for keys in ["?", "Esc", ":", "Esc", "t", "Esc", "g r", "Enter", "L", "G", "g c", "j"] {
                    scene.press(keys)
                    scene.send(.run(Scene.detail))
                    #expect(!scene.screen.isEmpty)
                }
            }
        }
    }
}

@Suite struct KeymapTests {
    static let chains: [[KeyContext]] = [
        [.contexts, .list, .all], [.agents, .list, .all], [.runs, .list, .all], [.run, .list, .all], [.log, .all],
        [.form],
    ]

    @Test func `every key of the table can be read and none is reserved`() {
        for row in ActionTable.rows {
            for name in row.keys {
                guard let keys = Key.sequence(name) else {
                    Issue.record("\(row.action) has a key that does not exist: \(name)")
                    continue
                }
                #expect(Keymap.reserved.isDisjoint(with: keys), "\(name)")
            }
        }
    }

    @Test func `no key is bound twice in one context`() {
        for context in KeyContext.allCases {
            let keys = ActionTable.rows.filter { $0.context == context }.flatMap(\.keys)
            #expect(Set(keys).count == keys.count, "\(context)")
        }
    }

    @Test func `no key hides the beginning of a sequence`() {
        for chain in Self.chains {
            let all = ActionTable.rows(in: chain).flatMap(\.keys).compactMap(Key.sequence)
            for long in all where long.count > 1 {
                #expect(Keymap.standard.find(Array(long.prefix(1)), in: chain) == .more, "\(long.map(\.name))")
            }
        }
    }

    @Test func `every action can be reached somewhere`() {
        let bound = Set(ActionTable.rows.map(\.action))
        #expect(Action.allCases.filter { !bound.contains($0) }.isEmpty)
    }

    @Test func `the hint line and the help name only what works here`() {
        var scene = Scene.live()
        scene.press("?")
        #expect(scene.rows.contains { $0.contains("Mark all shown") })
        scene.press("Esc g r ?")
        #expect(!scene.rows.contains { $0.contains("Mark all shown") })
    }
}
