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
        var gone: Set<AgentID> = []
        var nudged = false
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
        wake { state in
            for agent in agents {
                state.agents[agent.id] = agent
                state.gone.remove(agent.id)
            }
        }
    }

    func note(tasks: [TaskRecord]) {
        wake { state in for task in tasks { state.tasks[task.id] = task } }
    }

    /// An agent was removed or is out of reach now.
    func note(gone agent: AgentID) {
        wake { state in
            state.agents[agent] = nil
            state.gone.insert(agent)
        }
    }

    /// Makes `next` return even without changes.
    func nudge() { wake { $0.nudged = true } }

    func finish() { wake(always: true) { $0.finished = true } }

    private func wake(always: Bool = false, _ change: (inout State) -> Void) {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard state.open || always else { return nil }
            change(&state)
            return state.waiter.take()
        }
        waiter?.resume()
    }

    /// What changed since the last time.
    struct Changes: Sendable {
        let agents: [AgentInfo]
        let tasks: [TaskRecord]
        let gone: [AgentID]

        var count: Int { agents.count + tasks.count + gone.count }
        /// Whether the reader cannot keep up.
        var isTooMany: Bool { count > ChangeFeed.limit }
    }

    /// Waits for changes or a nudge; nil when finished.
    func next() async -> Changes? {
        while true {
            let (changes, nudged, finished) = state.withLock { state in
                let changes = Changes(
                    agents: Array(state.agents.values), tasks: Array(state.tasks.values), gone: Array(state.gone))
                state.agents = [:]
                state.tasks = [:]
                state.gone = []
                defer { state.nudged = false }
                return (changes, state.nudged, state.finished)
            }
            if finished { return nil }
            if changes.count > 0 || nudged { return changes }
            await withCheckedContinuation { continuation in
                let resumeNow = state.withLock { state in
                    if state.finished || state.nudged { return true }
                    if !state.agents.isEmpty || !state.tasks.isEmpty || !state.gone.isEmpty { return true }
                    state.waiter = continuation
                    return false
                }
                if resumeNow { continuation.resume() }
            }
        }
    }
}
