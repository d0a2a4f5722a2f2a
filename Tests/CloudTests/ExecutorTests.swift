// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Testing

@testable import Cloud

/// What agents tell of their executors: kept, listed within reach, and held against what is asked of them.
@Suite struct ExecutorTests {
    @Test func `built-in types are listed where an agent runs them, plugins with what they take`() async throws {
        let fixture = try await CloudFixture()
        let (one, two) = (try await fixture.agent("web-1"), try await fixture.agent("web-2"))
        _ = try await fixture.agent("never-here")
        try await fixture.tell(
            one,
            [
                ExecutorReport(type: "mysql", datasources: ["main", "replica"]),
                ExecutorReport(type: "ship", schema: .plugin("ship")),
            ])
        try await fixture.tell(two, [ExecutorReport(type: "mysql", datasources: ["main", "archive"])])
        let page = try await fixture.service.executors(ExecutorListQuery(), as: .test("ops"))
        #expect(page.next == nil && page.items.map(\.type) == ["mysql", "ship"])
        #expect(page.items[0].agents == 2 && page.items[0].datasources == ["archive", "main", "replica"])
        #expect(page.items[0].schema == TaskType.mysql.schema)
        #expect(page.items[1] == ExecutorInfo(.plugin("ship"), agents: 1))
        let only = try await fixture.service.executors(ExecutorListQuery(type: "ship"), as: .test("ops"))
        #expect(only.items.map(\.type) == ["ship"])
    }

    @Test func `an agent that tells nothing runs shell, one that comes back tells anew`() async throws {
        let fixture = try await CloudFixture()
        let agent = try await fixture.agent("web-1")
        try await fixture.store.write { transaction in
            let register = AgentRegister()
            _ = try AgentTable.connect(agent.id, register, replica: "test", address: "", transaction)
            try AgentExecutorTable.set(register, of: agent.id, transaction)
        }
        var known = try await fixture.service.agent("web-1", as: .test("ops"))
        #expect(known.executors == ["shell"] && known.executorDetails == nil)
        try await fixture.tell(agent, [ExecutorReport(type: "ship", schema: .plugin("ship"))])
        known = try await fixture.service.agent("web-1", as: .test("ops"))
        #expect(known.executors == ["ship"] && known.executorDetails == [ExecutorReport(type: "ship")])
        try await fixture.tell(agent, [ExecutorReport(type: "shell")])
        #expect(
            try await fixture.service.executors(ExecutorListQuery(), as: .test("ops")).items.map(\.type) == ["shell"])
    }

    @Test func `agents that describe a plugin differently are said to, and the first by name is shown`() async throws {
        let fixture = try await CloudFixture()
        for (name, summary) in [("b", "second"), ("a", "first"), ("c", "first")] {
            let agent = try await fixture.agent(name)
            try await fixture.tell(agent, [ExecutorReport(type: "ship", schema: .plugin("ship", summary: summary))])
        }
        let item = try #require(try await fixture.service.executors(ExecutorListQuery(), as: .test("ops")).items.first)
        #expect(item.isConflicting && item.summary == "first" && item.agents == 3)
        let same = try await fixture.agent("d")
        try await fixture.tell(same, [ExecutorReport(type: "other", schema: .plugin("other"))])
        let other = try await fixture.service.executors(ExecutorListQuery(type: "other"), as: .test("ops"))
        #expect(other.items.first?.isConflicting == false)
    }

    @Test func `the list comes in pages, by type`() async throws {
        let fixture = try await CloudFixture()
        let agent = try await fixture.agent("web-1")
        let long = String(repeating: "x", count: 256)
        try await fixture.tell(
            agent,
            (10..<50).map { number in
                ExecutorReport(
                    type: "p\(number)",
                    schema: .plugin(
                        "p\(number)", parameters: (0..<60).map { ExecutorParameter("a\($0)", .text, long) }))
            })
        var types: [String] = []
        var cursor: String?
        var pages = 0
        repeat {
            let page = try await fixture.service.executors(ExecutorListQuery(cursor: cursor), as: .test("ops"))
            #expect(StoredJSON.text(page).utf8.count < 400_000)
            types += page.items.map(\.type)
            cursor = page.next
            pages += 1
        } while cursor != nil
        #expect(types == (10..<50).map { "p\($0)" } && pages > 1)
        let two = try await fixture.service.executors(ExecutorListQuery(limit: 2), as: .test("ops"))
        #expect(two.items.map(\.type) == ["p10", "p11"] && two.next == "p11")
        let last = try await fixture.service.executors(ExecutorListQuery(cursor: "p48", limit: 1), as: .test("ops"))
        #expect(last.items.map(\.type) == ["p49"] && last.next == nil)
    }

    @Test func `pages of agents that tell very much fit a message, and none is left out`() async throws {
        let fixture = try await CloudFixture()
        let names = (0..<1000).map { String(repeating: "d", count: 58) + "\($0)" }
        for number in 10..<20 {
            let agent = try await fixture.agent("web-\(number)")
            try await fixture.tell(
                agent,
                (0..<4).map { part in
                    ExecutorReport(
                        type: ["mysql", "postgres", "mongo", "clickhouse"][part],
                        datasources: Array(names[part * 250..<part * 250 + 250]))
                })
        }
        var found: [String] = []
        var cursor: String?
        repeat {
            let page = try await fixture.service.agents(AgentListQuery(cursor: cursor), as: .test("ops"))
            #expect(StoredJSON.text(page).utf8.count < 400_000)
            found += page.items.map(\.name)
            cursor = page.next
        } while cursor != nil
        #expect(found == (10..<20).map { "web-\($0)" })
    }

    @Test(
        arguments: [
            ("mysql", ["datasource": "main"], nil),
            ("mysql", ["datasource": "x"], "unknown datasource 'x' on web-1; it has: main, replica"),
            ("mysql", [:], nil), ("postgres", [:], "web-1 does not run tasks of type 'postgres'"),
            ("ship", ["target": "blue"], nil), ("ship", [:], "web-1: params.target is missing"),
            ("ship", ["target": "red"], "web-1: params.target is none of blue, green"),
            ("ship", ["target": "blue", "x": "1"], "web-1: params.x is not a parameter of ship"),
            ("ship", ["target": "blue", "datasource": "x"], "web-1: params.datasource is not a parameter of ship"),
            ("untold", ["anything": "goes"], nil),
        ] as [(String, [String: String], String?)])
    func `what cannot work is refused before anything is stored`(
        type: String, params: [String: String], refusal: String?
    ) async throws {
        let fixture = try await CloudFixture()
        let agent = try await fixture.agent("web-1")
        try await fixture.tell(
            agent,
            [
                ExecutorReport(type: "mysql", datasources: ["main", "replica"]),
                ExecutorReport(type: "ship", schema: .plugin("ship")), ExecutorReport(type: "untold"),
            ])
        let spec = TaskSpec(type: type, command: "SELECT 1", params: params.mapValues { .string($0) })
        let request = RunCreate(selector: TargetSelector(agents: ["web-1"]), spec: spec)
        do {
            _ = try await fixture.tasks.create(request, as: .test("ops"))
            #expect(refusal == nil)
        } catch {
            #expect(DeployError(wrapping: error).message == refusal)
            #expect(try await fixture.service.taskList(TaskListQuery(), as: .test("ops")).items.isEmpty)
        }
    }

    @Test func `of several agents the first that cannot is named, with how many there are`() async throws {
        let fixture = try await CloudFixture()
        for (name, datasource) in [("a", "main"), ("b", "other"), ("c", "other")] {
            let agent = try await fixture.agent(name)
            try await fixture.tell(agent, [ExecutorReport(type: "mysql", datasources: [datasource])])
        }
        let spec = TaskSpec(type: "mysql", command: "SELECT 1", params: ["datasource": .string("main")])
        let error = await #expect(throws: DeployError.self) {
            try await fixture.tasks.create(
                RunCreate(selector: TargetSelector(all: true), spec: spec), as: .test("ops"))
        }
        #expect(error?.message == "unknown datasource 'main' on b (2 of 3 agents); it has: other")
        #expect(error?.code == .invalidArgument)
    }
}
