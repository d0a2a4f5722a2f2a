// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Logging
import ServiceLifecycle
import Synchronization

/// Carries runs forward that go over their targets in batches: whenever one of their tasks ends, the next may begin.
final class RolloutDispatcher: Service {
    private struct State {
        /// Runs that hold tasks back, as far as this replica knows.
        var holding: Set<RunID> = []
        /// Those to look at.
        var due: Set<RunID> = []
    }

    private let store: Store
    private let hub: Hub
    private let feed: LogFeed
    private let tasks: TaskManager
    private let logger: Logger
    private let state = Mutex(State())
    private let wakeUps: AsyncStream<Void>
    private let wakeUp: AsyncStream<Void>.Continuation

    /// How often all are looked at, for what another replica has seen, or a former process.
    private static let sweep: Duration = .seconds(5)

    init(store: Store, hub: Hub, feed: LogFeed, tasks: TaskManager, logger: Logger) {
        self.store = store
        self.hub = hub
        self.feed = feed
        self.tasks = tasks
        self.logger = logger
        (wakeUps, wakeUp) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Tasks have changed; costs nothing for runs that hold none back.
    func note(_ changed: [TaskRecord]) {
        let isDue = state.withLock { state in
            for task in changed {
                if task.held == true { state.holding.insert(task.runID) }
                if task.state.isFinal, state.holding.contains(task.runID) { state.due.insert(task.runID) }
            }
            return !state.due.isEmpty
        }
        if isDue { wakeUp.yield() }
    }

    /// Runs until the server stops.
    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask {
                    repeat { await self.sweepAll() } while (try? await Task.sleep(for: Self.sweep)) != nil
                }
                for await _ in self.wakeUps {
                    for id in self.takeDue() { await self.advance(id) }
                }
                group.cancelAll()
            }
        }
    }

    private func takeDue() -> Set<RunID> {
        state.withLock { state in
            defer { state.due = [] }
            return state.due
        }
    }

    private func sweepAll() async {
        do {
            let all = try await store.read { try RolloutTable.runs($0) }
            let isDue = state.withLock { state in
                state.holding.formUnion(all)
                state.due.formUnion(all)
                return !state.due.isEmpty
            }
            if isDue { wakeUp.yield() }
        } catch {
            logger.error("batches not looked at", metadata: ["error": "\(error)"])
        }
    }

    private func advance(_ id: RunID) async {
        let wait = tasks.defaultExpiry
        do {
            let step = try await store.write { try RolloutTable.advance(id, wait: wait, $0) }
            if !step.isHolding { state.withLock { _ = $0.holding.remove(id) } }
            for task in step.stopped { feed.changed(task) }
            hub.announce(step.stopped + step.released)
            for agent in Set(step.released.map(\.agentID)) {
                if let session = hub.session(of: agent) { await tasks.dispatchPending(session) }
            }
        } catch {
            logger.error("run not carried forward", metadata: ["run": "\(id)", "error": "\(error)"])
        }
    }
}
