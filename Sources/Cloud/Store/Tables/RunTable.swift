// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The queries on `runs`.
enum RunTable {
    private static let columns = "id, spec, target, actor, created_at"

    static func insert(_ run: RunRecord, idempotencyKey: String?, _ transaction: any SQLTransaction) throws {
        try transaction.execute(
            "INSERT INTO runs (\(columns), idempotency_key) VALUES (?, ?, ?, ?, ?, ?)",
            [
                .text(run.id.rawValue), .text(StoredJSON.text(run.spec)), .text(run.target), .text(run.actor),
                .integer(run.createdAt.milliseconds), .text(idempotencyKey),
            ])
    }

    static func find(id: RunID, _ transaction: any SQLTransaction) throws -> RunRecord? {
        let rows = try transaction.rows("SELECT \(columns) FROM runs WHERE id = ?", [.text(id.rawValue)])
        return try counted(rows, transaction).first
    }

    /// The run an operator made with a key, if it is younger than `since`.
    static func find(
        actor: String, idempotencyKey: String, since: Timestamp, _ transaction: any SQLTransaction
    ) throws -> RunRecord? {
        let rows = try transaction.rows(
            "SELECT \(columns) FROM runs WHERE actor = ? AND idempotency_key = ? AND created_at > ?",
            [.text(actor), .text(idempotencyKey), .integer(since.milliseconds)])
        return try counted(rows, transaction).first
    }

    /// Frees a key whose run is older, so that it can be used anew.
    static func releaseKey(actor: String, idempotencyKey: String, _ transaction: any SQLTransaction) throws {
        try transaction.execute(
            "UPDATE runs SET idempotency_key = NULL WHERE actor = ? AND idempotency_key = ?",
            [.text(actor), .text(idempotencyKey)])
    }

    /// Ids that start with a prefix, two at most: enough to tell unique from ambiguous.
    static func ids(prefix: String, _ transaction: any SQLTransaction) throws -> [RunID] {
        try transaction.rows(
            "SELECT id FROM runs WHERE id >= ? AND id < ? ORDER BY id LIMIT 2", [.text(prefix), .text(prefix + "~")]
        ).compactMap { RunID($0.text(0)) }
    }

    /// Runs, newest first, from before a cursor on.
    static func list(before cursor: ListCursor?, limit: Int, _ transaction: any SQLTransaction) throws -> [RunRecord] {
        let (clause, values) = ListCursor.clause(cursor)
        let rows = try transaction.rows(
            "SELECT \(columns) FROM runs WHERE \(clause) ORDER BY created_at DESC, id DESC LIMIT ?",
            values + [.integer(limit)])
        return try counted(rows, transaction)
    }

    private static func counted(_ rows: [SQLRow], _ transaction: any SQLTransaction) throws -> [RunRecord] {
        try rows.compactMap { row in
            guard let id = RunID(row.text(0)), let spec: TaskSpec = StoredJSON.value(row.text(1)) else { return nil }
            let counts = try transaction.rows(
                "SELECT state, count(*) FROM tasks WHERE run_id = ? GROUP BY state", [.text(id.rawValue)])
            return RunRecord(
                id: id, spec: spec, target: row.text(2), actor: row.text(3),
                createdAt: Timestamp(milliseconds: row.integer(4)),
                counts: Dictionary(counts.map { ($0.text(0), Int($0.integer(1))) }) { $1 })
        }
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

    static func clause(_ cursor: ListCursor?) -> (String, [SQLValue]) {
        guard let cursor else { return ("1 = 1", []) }
        return (
            "(created_at < ? OR (created_at = ? AND id < ?))",
            [.integer(cursor.createdAt), .integer(cursor.createdAt), .text(cursor.id)]
        )
    }
}
