// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The queries on runs that go over their targets in batches: tasks that are held back, and their release.
enum RolloutTable {
    /// Runs that hold tasks back.
    static func runs(_ transaction: any SQLTransaction) throws -> [RunID] {
        try transaction.rows("SELECT DISTINCT run_id FROM tasks WHERE held = 1 AND state = 'pending'", [])
            .compactMap { RunID($0.text(0)) }
    }

    /// What one step of a run changed.
    struct Step: Sendable {
        /// Tasks that may be delivered now.
        var released: [TaskRecord] = []
        /// Tasks that will not begin any more.
        var stopped: [TaskRecord] = []
        /// Whether more are held back.
        var isHolding = false
    }

    /// Lets as many tasks go as have ended, or none any more after too many failures.
    ///
    /// - Parameter wait: Seconds a task may wait for its agent, for runs that do not say.
    static func advance(_ id: RunID, wait: Double, _ transaction: any SQLTransaction) throws -> Step {
        var step = Step()
        guard let run = try RunTable.find(id: id, transaction), let rollout = run.rollout else { return step }
        let counts = try transaction.rows(
            "SELECT state, held, count(*) FROM tasks WHERE run_id = ? GROUP BY state, held", [.text(id.rawValue)])
        var (held, active, failed, all) = (0, 0, 0, 0)
        for row in counts {
            let count = Int(row.integer(2))
            all += count
            guard let state = TaskState(rawValue: row.text(0)) else { continue }
            if state == .pending, row.integer(1) == 1 {
                held += count
            } else if !state.isFinal {
                active += count
            } else if state != .succeeded {
                failed += count
            }
        }
        guard held > 0 else { return step }
        if let most = rollout.stopAfter, failed >= most {
            for task in try TaskTable.held(of: id, limit: held, transaction) {
                let ended = try TaskTable.apply(.cancelRequested, to: task, transaction) { changed in
                    changed.finishedAt = .now()
                    changed.error = TaskFailure(
                        .canceled, "not begun: the run stopped after \(failed) \(failed == 1 ? "failure" : "failures")")
                }
                if let ended { step.stopped.append(ended) }
            }
            return step
        }
        let room = try rollout.width(of: all) - active
        guard room > 0 else {
            step.isHolding = true
            return step
        }
        let expiry = Timestamp.now().adding(milliseconds: Int64((run.spec.expiresIn ?? wait) * 1000))
        for var task in try TaskTable.held(of: id, limit: room, transaction) {
            try transaction.execute(
                "UPDATE tasks SET held = 0, expires_at = ? WHERE id = ?",
                [.integer(expiry.milliseconds), .text(task.id.rawValue)])
            task.held = nil
            task.expiresAt = expiry
            step.released.append(task)
        }
        step.isHolding = held > step.released.count
        return step
    }
}
