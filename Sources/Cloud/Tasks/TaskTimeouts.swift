// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Logging
import ServiceLifecycle

/// Ends tasks whose delivery time has run out, and marks as lost those whose agent has been gone too long.
struct TaskTimeouts: Service {
    let store: Store
    let hub: Hub
    let feed: LogFeed
    let lostAfter: Double
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do {
                    try await sweep()
                } catch {
                    logger.error("sweep failed", metadata: ["error": "\(error)"])
                }
                try? await Task.sleep(for: .seconds(1), tolerance: .milliseconds(200))
            }
        }
    }

    private func sweep() async throws {
        let now = Timestamp.now()
        let gone = now.adding(milliseconds: Int64(-lostAfter * 1000))
        let due = try await store.read { transaction in
            try !TaskTable.expired(before: now, limit: 1, transaction).isEmpty
                || !TaskTable.abandoned(since: gone, limit: 1, transaction).isEmpty
        }
        guard due else { return }
        let changed = try await store.write { transaction -> [TaskRecord] in
            let expired = try TaskTable.expired(before: now, limit: 1000, transaction).compactMap { task in
                try TaskTable.apply(.expired, to: task, transaction) { changed in
                    changed.finishedAt = now
                    changed.error = TaskFailure(.expired, "agent \(task.agentName) did not come online in time")
                }
            }
            let lost = try TaskTable.abandoned(since: gone, limit: 1000, transaction).compactMap { task in
                try TaskTable.apply(.agentLost, to: task, transaction)
            }
            return expired + lost
        }
        for task in changed { feed.changed(task) }
        hub.announce(changed)
    }
}
