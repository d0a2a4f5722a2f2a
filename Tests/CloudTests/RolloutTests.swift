// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Testing

@testable import Cloud

@Suite struct `A run in batches` {
    private func start(
        _ fixture: CloudFixture, agents: Int, _ rollout: Rollout
    ) async throws -> RunDetail {
        for number in 1...agents { _ = try await fixture.agent("a\(number)") }
        return try await fixture.tasks.create(
            RunCreate(selector: TargetSelector(all: true), spec: TaskSpec(command: "true"), rollout: rollout),
            as: .test("olga"))
    }

    private func end(_ fixture: CloudFixture, _ task: TaskRecord, as state: TaskState) async throws {
        try await fixture.store.write { transaction in
            var current = try TaskTable.find(id: task.id, transaction)
            for event in [TaskEvent.dispatched, .started, .ended(state)] {
                guard let task = current else { return }
                current = try TaskTable.apply(event, to: task, transaction) { $0.finishedAt = .now() }
            }
        }
    }

    private func advance(_ fixture: CloudFixture, _ run: RunDetail) async throws -> RolloutTable.Step {
        try await fixture.store.write { try RolloutTable.advance(run.run.id, wait: 60, $0) }
    }

    private func tasks(_ fixture: CloudFixture, _ run: RunDetail) async throws -> [TaskRecord] {
        try await fixture.store.read { try TaskTable.ofRun(run.run.id, in: Scope(), $0) }
    }

    @Test func `holds the rest back, and lets the next go as tasks end`() async throws {
        let fixture = try await CloudFixture()
        let run = try await start(fixture, agents: 5, Rollout(batch: "2"))
        #expect(run.tasks.map { $0.held == true } == [false, false, true, true, true])
        #expect(run.tasks.last?.stateText == "waiting for its batch")
        #expect(try await advance(fixture, run).released.isEmpty, "two are under way")
        try await end(fixture, run.tasks[0], as: .failed)
        let step = try await advance(fixture, run)
        #expect(step.released.map(\.agentName) == ["a3"] && step.isHolding && step.stopped.isEmpty)
        try await end(fixture, run.tasks[1], as: .succeeded)
        try await end(fixture, run.tasks[2], as: .succeeded)
        let last = try await advance(fixture, run)
        #expect(last.released.map(\.agentName) == ["a4", "a5"] && !last.isHolding)
        #expect(try await tasks(fixture, run).allSatisfy { $0.held == nil })
        #expect(try await fixture.store.read { try RolloutTable.runs($0) } == [])
    }

    @Test func `begins no more after too many failures`() async throws {
        let fixture = try await CloudFixture()
        let run = try await start(fixture, agents: 6, Rollout(batch: "34%", stopAfter: 2))
        #expect(run.tasks.count { $0.held != true } == 3)
        for task in run.tasks.prefix(2) { try await end(fixture, task, as: .failed) }
        let step = try await advance(fixture, run)
        #expect(step.stopped.map(\.agentName) == ["a4", "a5", "a6"] && step.released.isEmpty && !step.isHolding)
        let tasks = try await tasks(fixture, run)
        #expect(tasks.map(\.state) == [.failed, .failed, .pending, .canceled, .canceled, .canceled])
        #expect(tasks.last?.error?.message.contains("stopped after 2 failures") == true)
    }

    @Test func `keeps what is held from agents that come, and from running out`() async throws {
        let fixture = try await CloudFixture()
        let run = try await start(fixture, agents: 2, Rollout(batch: "1"))
        let held = run.tasks[1]
        let pending = try await fixture.store.read {
            try TaskTable.ofAgent(held.agentID, states: [.pending], limit: 10, $0)
        }
        #expect(pending.isEmpty)
        let far = Timestamp.now().adding(milliseconds: 1_000_000_000_000)
        let expired = try await fixture.store.read { try TaskTable.expired(before: far, limit: 10, $0) }
        #expect(expired.map(\.id) == [run.tasks[0].id])
        _ = try await fixture.tasks.cancel([held.id], grace: nil, as: .test("olga"))
        #expect(try await fixture.state(of: held) == .canceled, "it can be canceled all the same")
    }

    @Test(arguments: ["0", "-1", "x", "0%", "101%", "5 %", ""]) func `of no size is refused`(batch: String) async throws
    {
        #expect(throws: DeployError.self) { try Rollout(batch: batch).validate() }
    }
}
