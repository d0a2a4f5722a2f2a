// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Synchronization

/// What changed since an operator was last told: the newest record of each changed object, so that a slow reader
/// costs no more than the number of objects.
final class ChangeFeed: Sendable {
    private struct State {
        var open = false
        var finished = false
        var agents: [AgentID: AgentInfo] = [:]
        var tasks: [TaskID: TaskRecord] = [:]
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    /// The most objects kept for one reader; beyond it the reader is too slow to be told everything.
    private static let limit = 20_000

    /// Starts listening. False when it has started before.
    func open() -> Bool {
        state.withLock { state in
            defer { state.open = true }
            return !state.open
        }
    }

    func note(agents: [AgentInfo]) {
        wake { state in for agent in agents { state.agents[agent.id] = agent } }
    }

    func note(tasks: [TaskRecord]) {
        wake { state in for task in tasks { state.tasks[task.id] = task } }
    }

    func finish() { wake(always: true) { $0.finished = true } }

    private func wake(always: Bool = false, _ change: (inout State) -> Void) {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard state.open || always else { return nil }
            change(&state)
            return state.waiter.take()
        }
        waiter?.resume()
    }

    /// Waits for changes; nil when finished. `tooMany` says that the reader cannot keep up.
    func next() async -> (agents: [AgentInfo], tasks: [TaskRecord], tooMany: Bool)? {
        while true {
            let (changes, finished) = state.withLock { state in
                let changes = (Array(state.agents.values), Array(state.tasks.values))
                state.agents = [:]
                state.tasks = [:]
                return (changes, state.finished)
            }
            if finished { return nil }
            if !changes.0.isEmpty || !changes.1.isEmpty {
                return (changes.0, changes.1, changes.0.count + changes.1.count > Self.limit)
            }
            await withCheckedContinuation { continuation in
                let resumeNow = state.withLock { state in
                    if state.finished || !state.agents.isEmpty || !state.tasks.isEmpty { return true }
                    state.waiter = continuation
                    return false
                }
                if resumeNow { continuation.resume() }
            }
        }
    }
}
