// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Logging

/// Settles what an agent's new link finds: what it still has, what it never got, what it can no longer know.
struct TaskRecovery: Sendable {
    let store: Store
    let hub: Hub
    let feed: LogFeed

    /// The answer to a registration.
    struct Settlement: Sendable {
        var expect: [AgentStatusReply.Expectation] = []
        /// Tasks whose end is stored already: the agent may forget them.
        var known: [TaskReference] = []
        /// Tasks to stop, because somebody asked while the agent was away.
        var cancel: [TaskRecord] = []
        /// Tasks that changed.
        var changed: [TaskRecord] = []
    }

    /// Compares the journal of an agent with what was handed to it, in the transaction of the new link.
    static func settle(
        _ register: AgentRegister, agent: AgentID, _ transaction: any SQLTransaction
    ) throws -> Settlement {
        var settlement = Settlement()
        let sameJournal = try AgentTable.answersFrom(journal: register.journalID ?? "", agent, transaction)
        let journal = Dictionary((register.journal ?? []).map { ($0.taskID, $0) }) { $1 }
        let unfinished = try TaskTable.ofAgent(
            agent, states: [.dispatched, .running, .canceling, .lost], limit: 100_000, transaction)
        for task in unfinished {
            if let entry = journal[task.id], entry.attempt == task.attempt {
                try resume(task, entry, &settlement, transaction)
            } else if let changed = try missing(task, isProof: sameJournal && register.journal != nil, transaction) {
                settlement.changed.append(changed)
            }
        }
        for entry in journal.values where try mayForget(entry, agent, transaction) {
            settlement.known.append(TaskReference(taskID: entry.taskID, attempt: entry.attempt))
        }
        return settlement
    }

    /// Whether the end of a journalled task is kept here, or can be kept nowhere because the task is unknown.
    private static func mayForget(
        _ entry: AgentRegister.JournalEntry, _ agent: AgentID, _ transaction: any SQLTransaction
    ) throws -> Bool {
        guard let task = try TaskTable.find(id: entry.taskID, transaction), task.agentID == agent else {
            return TaskState(rawValue: entry.state)?.isFinal ?? false
        }
        return task.state.isFinal
    }

    private static func resume(
        _ task: TaskRecord, _ entry: AgentRegister.JournalEntry, _ settlement: inout Settlement,
        _ transaction: any SQLTransaction
    ) throws {
        settlement.expect.append(
            AgentStatusReply.Expectation(
                taskID: task.id, attempt: task.attempt,
                nextSeq: try LogTable.nextSeq(task.id, attempt: task.attempt, transaction)))
        if task.state == .canceling { settlement.cancel.append(task) }
        // The report of the start may have been lost with the former link; its end will bring the true time.
        if entry.state != "accepted",
            let changed = try TaskTable.apply(
                .started, to: task, transaction, set: { $0.startedAt = $0.startedAt ?? .now() })
        {
            settlement.changed.append(changed)
        }
    }

    /// A task the agent does not know. By the journal of the agent it was handed to that proves it never started: it is
    /// delivered again. Otherwise nothing is proved: it is interrupted, never run a second time by itself.
    private static func missing(
        _ task: TaskRecord, isProof: Bool, _ transaction: any SQLTransaction
    ) throws -> TaskRecord? {
        let started = task.startedAt != nil
        if isProof, !started,
            let changed = try TaskTable.apply(
                .neverStarted, to: task, transaction,
                set: { changed in
                    changed.dispatchedAt = nil
                    guard changed.state.isFinal else { return }
                    changed.finishedAt = .now()
                    changed.error = TaskFailure(.canceled, "canceled before it started")
                })
        {
            return changed
        }
        return try TaskTable.apply(.ended(.interrupted), to: task, transaction) { changed in
            changed.finishedAt = .now()
            changed.logSeq = try? LogTable.nextSeq(task.id, attempt: task.attempt, transaction)
            changed.error = TaskFailure(
                .interrupted, "the agent came back without knowing this task; whether it finished is unknown")
        }
    }

    /// Tells everybody else what a settlement changed.
    func announce(_ settlement: Settlement) {
        for task in settlement.changed { feed.changed(task) }
        hub.announce(settlement.changed)
    }
}
