// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The queries on `tasks` and `task_transitions`. Every change of state is one compare-and-set.
enum TaskTable {
    private static let columns = """
        id, run_id, agent_id, agent_name, attempt, state, type, command, actor, exit_code, signal, error, result,
        created_at, dispatched_at, started_at, finished_at, expires_at, log_seq, progress_done, progress_total, held,
        progress_note,
        (SELECT status FROM agents WHERE agents.id = tasks.agent_id)
        """

    static func insert(_ task: TaskRecord, _ transaction: any SQLTransaction) throws {
        try transaction.execute(
            """
            INSERT INTO tasks (id, run_id, agent_id, agent_name, attempt, state, type, command, actor, created_at,
              dispatched_at, expires_at, held) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                .text(task.id.rawValue), .text(task.runID.rawValue), .text(task.agentID.rawValue),
                .text(task.agentName),
                .integer(task.attempt), .text(task.state.rawValue), .text(task.type), .text(task.command),
                .text(task.actor), .integer(task.createdAt.milliseconds), .integer(task.dispatchedAt?.milliseconds),
                .integer(task.expiresAt?.milliseconds), .integer(task.held == true ? 1 : 0),
            ])
    }

    /// A task by its whole id, for what agents report and for the Cloud itself; operators look within their scope.
    static func find(id: TaskID, _ transaction: any SQLTransaction) throws -> TaskRecord? {
        try find(id: id, in: Scope(), transaction)
    }

    static func find(id: TaskID, in scope: Scope, _ transaction: any SQLTransaction) throws -> TaskRecord? {
        let reach = scope.tasks
        return try transaction.rows(
            "SELECT \(columns) FROM tasks WHERE id = ? AND \(reach.sql)", [.text(id.rawValue)] + reach.values
        ).first.flatMap(task)
    }

    static func ofRun(_ id: RunID, in scope: Scope, _ transaction: any SQLTransaction) throws -> [TaskRecord] {
        let reach = scope.tasks
        return try transaction.rows(
            "SELECT \(columns) FROM tasks WHERE run_id = ? AND \(reach.sql) ORDER BY agent_name",
            [.text(id.rawValue)] + reach.values
        ).compactMap(task)
    }

    /// Those of an agent's tasks that are in one of the states and not held back.
    static func ofAgent(
        _ id: AgentID, states: [TaskState], limit: Int, _ transaction: any SQLTransaction
    ) throws -> [TaskRecord] {
        let marks = states.map { _ in "?" }.joined(separator: ", ")
        return try transaction.rows(
            """
            SELECT \(columns) FROM tasks WHERE agent_id = ? AND state IN (\(marks)) AND held = 0
            ORDER BY created_at, id LIMIT ?
            """, [.text(id.rawValue)] + states.map { .text($0.rawValue) } + [.integer(limit)]
        ).compactMap(task)
    }

    /// Tasks of a run that wait for their batch, in the order in which they get their turn.
    static func held(of id: RunID, limit: Int, _ transaction: any SQLTransaction) throws -> [TaskRecord] {
        try transaction.rows(
            """
            SELECT \(columns) FROM tasks WHERE run_id = ? AND held = 1 AND state = 'pending'
            ORDER BY agent_name LIMIT ?
            """, [.text(id.rawValue), .integer(limit)]
        ).compactMap(task)
    }

    static func expired(before now: Timestamp, limit: Int, _ transaction: any SQLTransaction) throws -> [TaskRecord] {
        try transaction.rows(
            "SELECT \(columns) FROM tasks WHERE state = 'pending' AND held = 0 AND expires_at <= ? LIMIT ?",
            [.integer(now.milliseconds), .integer(limit)]
        ).compactMap(task)
    }

    /// Notes how far a running task has come.
    static func setProgress(
        _ progress: TaskProgress, of task: TaskRecord, _ transaction: any SQLTransaction
    ) throws {
        try transaction.execute(
            """
            UPDATE tasks SET progress_done = ?, progress_total = ?, progress_note = ?
            WHERE id = ? AND attempt = ? AND state = ?
            """,
            [
                .integer(progress.done), .integer(progress.total), .text(progress.note), .text(task.id.rawValue),
                .integer(task.attempt), .text(task.state.rawValue),
            ])
    }

    /// Tasks that were handed to agents which have been gone since before a moment.
    static func abandoned(since: Timestamp, limit: Int, _ transaction: any SQLTransaction) throws -> [TaskRecord] {
        try transaction.rows(
            """
            SELECT \(columns) FROM tasks WHERE state IN ('dispatched', 'running', 'canceling') AND agent_id IN
              (SELECT id FROM agents WHERE status = 'offline' AND last_seen <= ?) LIMIT ?
            """, [.integer(since.milliseconds), .integer(limit)]
        ).compactMap(task)
    }

    /// Ids that start with a prefix, two at most: enough to tell unique from ambiguous.
    static func ids(prefix: String, in scope: Scope, _ transaction: any SQLTransaction) throws -> [TaskID] {
        let reach = scope.tasks
        return try transaction.rows(
            "SELECT id FROM tasks WHERE id >= ? AND id < ? AND \(reach.sql) ORDER BY id LIMIT 2",
            [.text(prefix), .text(prefix + "~")] + reach.values
        ).compactMap { TaskID($0.text(0)) }
    }

    /// Tasks, newest first, from before a cursor on.
    static func list(
        state: TaskState?, agentID: AgentID?, runID: RunID?, before cursor: ListCursor?, limit: Int, in scope: Scope,
        _ transaction: any SQLTransaction
    ) throws -> [TaskRecord] {
        let reach = scope.tasks
        var (clause, values) = ListCursor.clause(cursor)
        clause += " AND \(reach.sql)"
        values += reach.values
        for (column, value) in [
            ("state", state?.rawValue), ("agent_id", agentID?.rawValue), ("run_id", runID?.rawValue),
        ] {
            guard let value else { continue }
            clause += " AND \(column) = ?"
            values.append(.text(value))
        }
        return try transaction.rows(
            "SELECT \(columns) FROM tasks WHERE \(clause) ORDER BY created_at DESC, id DESC LIMIT ?",
            values + [.integer(limit)]
        ).compactMap(task)
    }

    /// Moves a task along the state machine; nil when the event does not apply to the state it is in now.
    /// Its end is recorded in the audit with it: that of `actor`, or of the Cloud itself.
    static func apply(
        _ event: TaskEvent, to task: TaskRecord, by actor: String = "-", _ transaction: any SQLTransaction,
        set change: (inout TaskRecord) -> Void = { _ in }
    ) throws -> TaskRecord? {
        guard let next = task.state.after(event) else { return nil }
        var changed = task
        changed.state = next
        change(&changed)
        let count = try transaction.execute(
            """
            UPDATE tasks SET state = ?, exit_code = ?, signal = ?, error = ?, result = ?, dispatched_at = ?,
              started_at = ?, finished_at = ?, log_seq = ? WHERE id = ? AND state = ? AND attempt = ?
            """,
            [
                .text(next.rawValue), .integer(changed.exitCode), .integer(changed.signal),
                .text(changed.error.map { StoredJSON.text($0) }), .text(changed.result.map { StoredJSON.text($0) }),
                .integer(changed.dispatchedAt?.milliseconds), .integer(changed.startedAt?.milliseconds),
                .integer(changed.finishedAt?.milliseconds), .integer(changed.logSeq), .text(task.id.rawValue),
                .text(task.state.rawValue), .integer(task.attempt),
            ])
        guard count == 1 else { return nil }
        try transaction.execute(
            "INSERT INTO task_transitions (task_id, attempt, at, from_state, to_state) VALUES (?, ?, ?, ?, ?)",
            [
                .text(task.id.rawValue), .integer(task.attempt), .integer(Timestamp.now().milliseconds),
                .text(task.state.rawValue), .text(next.rawValue),
            ])
        if next.isFinal {
            let agent = try transaction.rows(
                "SELECT environment FROM agents WHERE id = ?", [.text(task.agentID.rawValue)])
            try AuditTrail.append(changed.auditEnd(by: actor, environment: agent.first?.text(0)), transaction)
        }
        return changed
    }

    private static func task(_ row: SQLRow) -> TaskRecord? {
        guard let id = TaskID(row.text(0)), let runID = RunID(row.text(1)), let agentID = AgentID(row.text(2)),
            let state = TaskState(rawValue: row.text(5))
        else { return nil }
        func time(_ index: Int) -> Timestamp? { row.optionalInteger(index).map { Timestamp(milliseconds: $0) } }
        var task = TaskRecord(
            id: id, runID: runID, agentID: agentID, agentName: row.text(3), type: row.text(6), command: row.text(7),
            actor: row.text(8), createdAt: Timestamp(milliseconds: row.integer(13)), expiresAt: time(17))
        task.attempt = Int(row.integer(4))
        task.state = state
        task.exitCode = row.optionalInteger(9).flatMap { Int32(exactly: $0) }
        task.signal = row.optionalInteger(10).flatMap { Int32(exactly: $0) }
        task.error = StoredJSON.value(row.optionalText(11))
        task.result = StoredJSON.value(row.optionalText(12))
        task.dispatchedAt = time(14)
        task.startedAt = time(15)
        task.finishedAt = time(16)
        task.logSeq = row.optionalInteger(18)
        if let done = row.optionalInteger(19) {
            task.progress = TaskProgress(
                done: done, total: row.optionalInteger(20), note: state.isFinal ? nil : row.optionalText(22))
        }
        if state == .pending, row.integer(21) == 1 { task.held = true }
        task.agentOnline = row.text(23) == AgentStatus.online.rawValue
        return task
    }
}
