// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The queries on `runs`.
enum RunTable {
    private static let columns = "id, spec, target, actor, created_at, rollout"

    static func insert(_ run: RunRecord, idempotencyKey: String?, _ transaction: any SQLTransaction) throws {
        try transaction.execute(
            "INSERT INTO runs (\(columns), idempotency_key) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                .text(run.id.rawValue), .text(StoredJSON.text(run.spec)), .text(run.target), .text(run.actor),
                .integer(run.createdAt.milliseconds), .text(run.rollout.map { StoredJSON.text($0) }),
                .text(idempotencyKey),
            ])
    }

    /// A run by its whole id, for the Cloud itself; operators look within their scope.
    static func find(id: RunID, _ transaction: any SQLTransaction) throws -> RunRecord? {
        try find(id: id, in: Scope(), transaction)
    }

    static func find(id: RunID, in scope: Scope, _ transaction: any SQLTransaction) throws -> RunRecord? {
        let reach = scope.runs
        let rows = try transaction.rows(
            "SELECT \(columns) FROM runs WHERE id = ? AND \(reach.sql)", [.text(id.rawValue)] + reach.values)
        return try counted(rows, in: scope, transaction).first
    }

    /// The run an operator made with a key, if it is younger than `since`.
    static func find(
        actor: String, idempotencyKey: String, since: Timestamp, _ transaction: any SQLTransaction
    ) throws -> RunRecord? {
        let rows = try transaction.rows(
            "SELECT \(columns) FROM runs WHERE actor = ? AND idempotency_key = ? AND created_at > ?",
            [.text(actor), .text(idempotencyKey), .integer(since.milliseconds)])
        return try counted(rows, in: Scope(), transaction).first
    }

    /// Frees a key whose run is older, so that it can be used anew.
    static func releaseKey(actor: String, idempotencyKey: String, _ transaction: any SQLTransaction) throws {
        try transaction.execute(
            "UPDATE runs SET idempotency_key = NULL WHERE actor = ? AND idempotency_key = ?",
            [.text(actor), .text(idempotencyKey)])
    }

    /// Ids that start with a prefix, two at most: enough to tell unique from ambiguous.
    static func ids(prefix: String, in scope: Scope, _ transaction: any SQLTransaction) throws -> [RunID] {
        let reach = scope.runs
        return try transaction.rows(
            "SELECT id FROM runs WHERE id >= ? AND id < ? AND \(reach.sql) ORDER BY id LIMIT 2",
            [.text(prefix), .text(prefix + "~")] + reach.values
        ).compactMap { RunID($0.text(0)) }
    }

    /// Runs, newest first, from before a cursor on.
    static func list(
        before cursor: ListCursor?, limit: Int, in scope: Scope, _ transaction: any SQLTransaction
    ) throws -> [RunRecord] {
        let (clause, values) = ListCursor.clause(cursor)
        let reach = scope.runs
        let rows = try transaction.rows(
            "SELECT \(columns) FROM runs WHERE \(clause) AND \(reach.sql) ORDER BY created_at DESC, id DESC LIMIT ?",
            values + reach.values + [.integer(limit)])
        return try counted(rows, in: scope, transaction)
    }

    /// With the numbers of tasks that the scope reaches.
    private static func counted(
        _ rows: [SQLRow], in scope: Scope, _ transaction: any SQLTransaction
    ) throws -> [RunRecord] {
        let reach = scope.tasks
        return try rows.compactMap { row in
            guard let id = RunID(row.text(0)), let spec: TaskSpec = StoredJSON.value(row.text(1)) else { return nil }
            let counts = try transaction.rows(
                "SELECT state, count(*) FROM tasks WHERE run_id = ? AND \(reach.sql) GROUP BY state",
                [.text(id.rawValue)] + reach.values)
            var run = RunRecord(
                id: id, spec: spec, target: try target(row.text(2), id, scope, transaction), actor: row.text(3),
                createdAt: Timestamp(milliseconds: row.integer(4)),
                counts: Dictionary(counts.map { ($0.text(0), Int($0.integer(1))) }) { $1 })
            run.rollout = StoredJSON.value(row.optionalText(5))
            return run
        }
    }

    /// What the run was for, without the names of agents that the scope does not reach.
    private static func target(
        _ text: String, _ id: RunID, _ scope: Scope, _ transaction: any SQLTransaction
    ) throws -> String {
        if scope.isEverything { return text }
        let reach = scope.tasks
        let hidden = try transaction.rows(
            "SELECT 1 FROM tasks WHERE run_id = ? AND NOT (\(reach.sql)) LIMIT 1", [.text(id.rawValue)] + reach.values)
        if hidden.isEmpty { return text }
        let names = try transaction.rows(
            "SELECT agent_name FROM tasks WHERE run_id = ? AND \(reach.sql) ORDER BY agent_name LIMIT 11",
            [.text(id.rawValue)] + reach.values
        ).map { $0.text(0) }
        return names.prefix(10).joined(separator: ",") + (names.count > 10 ? ",..." : "")
    }
}

/// Where a newest-first list goes on: after this moment and id.
struct ListCursor: Sendable, Equatable {
    let createdAt: Int64
    let id: String

    init(createdAt: Timestamp, id: String) {
        self.createdAt = createdAt.milliseconds
        self.id = id
    }

    /// Reads a cursor a client sent back; throws `invalid_argument` for anything we did not make.
    init?(_ text: String?) throws(DeployError) {
        guard let text else { return nil }
        let parts = text.split(separator: ".", maxSplits: 1)
        guard parts.count == 2, let time = Int64(parts[0]), Identifier<RunKind>(String(parts[1])) != nil else {
            throw DeployError(.invalidArgument, "cursor is not one of ours")
        }
        createdAt = time
        id = String(parts[1])
    }

    var text: String { "\(createdAt).\(id)" }

    /// Holds for what comes after the cursor in a list by `column` and `id`.
    static func clause(_ cursor: ListCursor?, by column: String = "created_at") -> (String, [SQLValue]) {
        guard let cursor else { return ("1 = 1", []) }
        return (
            "(\(column) < ? OR (\(column) = ? AND id < ?))",
            [.integer(cursor.createdAt), .integer(cursor.createdAt), .text(cursor.id)]
        )
    }
}
