// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Testing

@Suite struct TaskStateTests {
    static let events: [TaskEvent] =
        [.dispatched, .started, .neverStarted, .cancelRequested, .expired, .agentLost]
        + TaskState.allCases.map { .ended($0) }

    @Test(arguments: TaskState.allCases.filter(\.isFinal)) func `an end state never changes`(state: TaskState) {
        for event in Self.events { #expect(state.after(event) == nil) }
    }

    @Test func `a task goes from pending to its end`() {
        #expect(TaskState.pending.after(.dispatched) == .dispatched)
        #expect(TaskState.dispatched.after(.started) == .running)
        #expect(TaskState.running.after(.ended(.succeeded)) == .succeeded)
    }

    @Test func `a repeated start changes nothing`() {
        #expect(TaskState.running.after(.started) == nil)
        #expect(TaskState.canceling.after(.started) == nil)
    }

    @Test func `only a task that was proved unstarted goes back to pending`() {
        #expect(TaskState.dispatched.after(.neverStarted) == .pending)
        #expect(TaskState.running.after(.neverStarted) == nil)
        #expect(TaskState.canceling.after(.neverStarted) == .canceled)
    }

    @Test func `cancel before delivery is final, after it waits for the agent`() {
        #expect(TaskState.pending.after(.cancelRequested) == .canceled)
        #expect(TaskState.running.after(.cancelRequested) == .canceling)
        #expect(TaskState.canceling.after(.cancelRequested) == nil)
        #expect(TaskState.canceling.after(.ended(.timedOut)) == .timedOut, "what the agent reports is the truth")
    }

    @Test func `a lost task may still come to its true end`() {
        #expect(TaskState.running.after(.agentLost) == .lost)
        #expect(TaskState.lost.after(.ended(.succeeded)) == .succeeded)
        #expect(TaskState.lost.after(.started) == .running)
    }

    @Test(arguments: TaskState.allCases.filter { !$0.isFinal }) func `a state that is no end cannot be reported as one`(
        state: TaskState
    ) {
        #expect(TaskState.running.after(.ended(state)) == nil)
    }
}
