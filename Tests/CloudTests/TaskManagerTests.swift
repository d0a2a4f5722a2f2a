// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Testing

@testable import Cloud

@Suite struct TaskManagerTests {
    @Test func `a run freezes its targets, and tasks of offline agents wait`() async throws {
        let fixture = try await CloudFixture()
        for name in ["web-1", "web-2"] { _ = try await fixture.agent(name, labels: ["role": "web"]) }
        _ = try await fixture.agent("db-1", labels: ["role": "db"])
        let run = try await fixture.tasks.create(
            RunCreate(selector: TargetSelector(labels: ["role": "web"]), spec: TaskSpec(command: "true")),
            as: .test("ops"))
        #expect(run.tasks.map(\.agentName) == ["web-1", "web-2"])
        #expect(run.tasks.allSatisfy { $0.state == .pending && $0.stateText == "waiting for agent" })
        #expect(run.run.counts == ["pending": 2])
    }

    @Test func `no target, unknown names and no match are three different errors`() async throws {
        let fixture = try await CloudFixture()
        _ = try await fixture.agent("web-1")
        for (selector, code) in [
            (TargetSelector(), ErrorCode.invalidArgument), (TargetSelector(agents: ["web-1", "nope"]), .notFound),
            (TargetSelector(labels: ["role": "x"]), .notFound),
        ] {
            let error = await #expect(throws: DeployError.self) {
                try await fixture.tasks.create(
                    RunCreate(selector: selector, spec: TaskSpec(command: "true")), as: .test("ops"))
            }
            #expect(error?.code == code)
        }
        #expect(
            try await fixture.service.taskList(TaskListQuery(), as: .test("ops")).items.isEmpty, "nothing was stored")
    }

    @Test func `the same idempotency key gives the same run, another command a conflict`() async throws {
        let fixture = try await CloudFixture()
        _ = try await fixture.agent("web-1")
        let request = RunCreate(
            selector: TargetSelector(agents: ["web-1"]), spec: TaskSpec(command: "true"), idempotencyKey: "k1")
        let first = try await fixture.tasks.create(request, as: .test("ops"))
        let second = try await fixture.tasks.create(request, as: .test("ops"))
        #expect(first.run.id == second.run.id)
        let other = try await fixture.tasks.create(request, as: .test("li"))
        #expect(other.run.id != first.run.id, "keys belong to their operator")
        var changed = request
        changed.spec.command = "false"
        let spec = changed
        let error = await #expect(throws: DeployError.self) { try await fixture.tasks.create(spec, as: .test("ops")) }
        #expect(error?.code == .conflict)
    }

    @Test func `canceling a waiting task ends it, and again changes nothing`() async throws {
        let fixture = try await CloudFixture()
        let agent = try await fixture.agent("web-1")
        let task = try await fixture.task(on: agent)
        let first = try await fixture.tasks.cancel([task.id], grace: nil, as: .test("ops"))
        #expect(first.first?.state == .canceled)
        let second = try await fixture.tasks.cancel([task.id], grace: nil, as: .test("ops"))
        #expect(second.first?.finishedAt == first.first?.finishedAt)
    }

    @Test func `after a restart of the agent every task is settled`() async throws {
        let fixture = try await CloudFixture()
        let agent = try await fixture.agent("web-1")
        let unstarted = try await fixture.task(on: agent, after: [.dispatched])
        let unstartedCanceling = try await fixture.task(on: agent, after: [.dispatched, .cancelRequested])
        let started = try await fixture.task(on: agent, after: [.dispatched, .started])
        let running = try await fixture.task(on: agent, after: [.dispatched])
        let settlement = try await fixture.settle(
            agent, journal: [.init(taskID: running.id, attempt: 1, state: "running", nextSeq: 0)])
        #expect(try await fixture.state(of: unstarted) == .pending, "proved unstarted: delivered again")
        #expect(try await fixture.state(of: unstartedCanceling) == .canceled)
        #expect(try await fixture.state(of: started) == .interrupted, "started and unknown now: never run again")
        #expect(try await fixture.state(of: running) == .running)
        #expect(settlement.expect.map(\.taskID) == [running.id])
    }

    @Test func `a task known to run only from a journal does not run for ever when that journal is gone`() async throws
    {
        let fixture = try await CloudFixture()
        let agent = try await fixture.agent("web-1")
        let task = try await fixture.task(on: agent, after: [.dispatched])
        _ = try await fixture.settle(
            agent, journal: [.init(taskID: task.id, attempt: 1, state: "running", nextSeq: 0)])
        _ = try await fixture.settle(agent, journal: [])
        #expect(try await fixture.state(of: task) == .interrupted)
    }

    @Test(
        arguments: [
            (former: "a", newer: "a", proved: true), (former: "a", newer: "b", proved: false),
            (former: "a", newer: nil, proved: false), (former: nil, newer: "a", proved: true),
            (former: nil, newer: nil, proved: true),
        ] as [(String?, String?, Bool)])
    func `only the journal a task was handed to proves that it never started`(
        former: String?, newer: String?, proved: Bool
    ) async throws {
        let fixture = try await CloudFixture()
        let agent = try await fixture.agent("web-1")
        _ = try await fixture.settle(agent, journal: [], of: former)
        let task = try await fixture.task(on: agent, after: [.dispatched])
        _ = try await fixture.settle(agent, journal: [], of: newer)
        #expect(try await fixture.state(of: task) == (proved ? .pending : .interrupted))
        let next = try await fixture.task(on: agent, after: [.dispatched])
        _ = try await fixture.settle(agent, journal: [], of: newer)
        #expect(try await fixture.state(of: next) == .pending, "it was handed to this one")
    }

    @Test func `an idempotency key does not stretch over other targets`() async throws {
        let fixture = try await CloudFixture()
        for name in ["web-1", "web-2"] { _ = try await fixture.agent(name) }
        func create(_ name: String) async throws {
            _ = try await fixture.tasks.create(
                RunCreate(
                    selector: TargetSelector(agents: [name]), spec: TaskSpec(command: "true"), idempotencyKey: "k"),
                as: .test("ops"))
        }
        try await create("web-1")
        let error = await #expect(throws: DeployError.self) { try await create("web-2") }
        #expect(error?.code == .conflict)
    }

    @Test func `a task too large for one message is refused, and pages of large runs still fit one`() async throws {
        let fixture = try await CloudFixture()
        _ = try await fixture.agent("web-1")
        func create(_ bytes: Int) async throws {
            let argument = JSONValue.string(String(repeating: "x", count: bytes))
            let spec = TaskSpec(command: "true", params: ["argv": .array([.string("true"), argument])])
            _ = try await fixture.tasks.create(
                RunCreate(selector: TargetSelector(agents: ["web-1"]), spec: spec), as: .test("ops"))
        }
        let error = await #expect(throws: DeployError.self) { try await create(1_000_000) }
        #expect(error?.code == .tooLarge)
        for _ in 0..<5 { try await create(150_000) }
        var cursor: String?
        var count = 0
        repeat {
            let page = try await fixture.service.runs(
                TaskListQuery(cursor: cursor, limit: 200), as: .test("ops"))
            #expect(OperatorMessage.reply(id: "1", page).byteCount <= MessageLimits.message)
            count += page.items.count
            cursor = page.next
        } while cursor != nil
        #expect(count == 5)
    }

    @Test func `an agent without a journal proves nothing`() async throws {
        let fixture = try await CloudFixture()
        let agent = try await fixture.agent("foreign")
        let task = try await fixture.task(on: agent, after: [.dispatched])
        _ = try await fixture.settle(agent, journal: nil)
        #expect(try await fixture.state(of: task) == .interrupted)
    }

    @Test func `an ended task in the journal may be forgotten by the agent`() async throws {
        let fixture = try await CloudFixture()
        let agent = try await fixture.agent("web-1")
        let task = try await fixture.task(on: agent, after: [.dispatched, .started, .ended(.succeeded)])
        let settlement = try await fixture.settle(
            agent, journal: [.init(taskID: task.id, attempt: 1, state: "succeeded", nextSeq: 0)])
        #expect(settlement.known == [TaskReference(taskID: task.id, attempt: 1)])
        #expect(settlement.changed.isEmpty)
    }

    @Test func `prefixes find one, several or none`() async throws {
        let fixture = try await CloudFixture()
        let agent = try await fixture.agent("web-1")
        let task = try await fixture.task(on: agent)
        #expect(try await fixture.service.task(String(task.id.rawValue.prefix(8)), as: .test("ops")).task.id == task.id)
        for (text, code) in [("abc", ErrorCode.invalidArgument), ("../..", .invalidArgument), ("zzzzzzzz", .notFound)] {
            let error = await #expect(throws: DeployError.self) {
                try await fixture.service.task(text, as: .test("ops"))
            }
            #expect(error?.code == code)
        }
    }

    @Test func `lists page through everything once`() async throws {
        let fixture = try await CloudFixture()
        let agent = try await fixture.agent("web-1")
        var made: Set<TaskID> = []
        for _ in 0..<25 { made.insert(try await fixture.task(on: agent).id) }
        var seen: [TaskID] = []
        var cursor: String?
        repeat {
            let page = try await fixture.service.taskList(
                TaskListQuery(cursor: cursor, limit: 10), as: .test("ops"))
            seen += page.items.map(\.id)
            cursor = page.next
        } while cursor != nil
        #expect(seen.count == 25)
        #expect(Set(seen) == made)
        await #expect(throws: DeployError.self) {
            try await fixture.service.taskList(TaskListQuery(cursor: "x'--"), as: .test("ops"))
        }
    }
}
