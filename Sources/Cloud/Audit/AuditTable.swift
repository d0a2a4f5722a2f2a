// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The queries on `audit` and `audit_checkpoints`. The record is the column `record`; the others are for finding it.
enum AuditTable {
    /// The Cloud's own chain in `audit_checkpoints`; an agent's is its id.
    static let ownChain = "cloud"

    /// Where the chain ends.
    static func head(_ transaction: any SQLTransaction) throws -> AuditChain.Head {
        guard let row = try transaction.rows("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1", []).first else {
            return AuditChain.Head()
        }
        return AuditChain.Head(seq: row.integer(0), hash: row.text(1))
    }

    static func insert(_ record: AuditRecord, _ transaction: any SQLTransaction) throws {
        try transaction.execute(
            """
            INSERT INTO audit (seq, ts, action, actor, agent, env, task, verdict, record, hash)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                .integer(record.seq), .integer(record.ts.milliseconds), .text(record.action), .text(record.actor),
                .text(record.agent), .text(record.env), .text(record.task), .text(record.verdict),
                .text(AuditChain.line(record)), .text(record.hash),
            ])
    }

    /// One record, if it is within a scope.
    static func find(seq: Int64, within scope: Scope, _ transaction: any SQLTransaction) throws -> AuditRecord? {
        let (clause, values) = visible(to: scope)
        return try transaction.rows(
            "SELECT record FROM audit WHERE seq = ? AND \(clause)", [.integer(seq)] + values
        ).first.flatMap { StoredJSON.value($0.text(0)) }
    }

    /// Records within a scope, from behind a seq on, newest or oldest first.
    static func list(
        _ query: AuditQuery, after cursor: Int64?, newestFirst: Bool, limit: Int, within scope: Scope,
        _ transaction: any SQLTransaction
    ) throws -> [AuditRecord] {
        var (clause, values) = visible(to: scope)
        func add(_ condition: String, _ arguments: SQLValue...) {
            clause += " AND \(condition)"
            values += arguments
        }
        if let actor = query.actor { add("actor = ?", .text(actor)) }
        if let action = query.action {
            // `.` is followed by `/`: all names of this kind lie between the two.
            add("(action = ? OR (action >= ? AND action < ?))", .text(action), .text(action + "."), .text(action + "/"))
        }
        if let agent = query.agent { add("agent = ?", .text(agent)) }
        if let task = query.task { add("task = ?", .text(task)) }
        if let verdict = query.verdict { add("verdict = ?", .text(verdict)) }
        if let since = query.since { add("ts >= ?", .integer(since.milliseconds)) }
        if let until = query.until { add("ts <= ?", .integer(until.milliseconds)) }
        if let cursor { add(newestFirst ? "seq < ?" : "seq > ?", .integer(cursor)) }
        return try transaction.rows(
            "SELECT record FROM audit WHERE \(clause) ORDER BY seq \(newestFirst ? "DESC" : "ASC") LIMIT ?",
            values + [.integer(limit)]
        ).compactMap { StoredJSON.value($0.text(0)) }
    }

    /// Who reaches only some environments or labels sees only what concerns agents there; the rest is for those who
    /// reach everything.
    private static func visible(to scope: Scope) -> (clause: String, values: [SQLValue]) {
        var clause = "1 = 1"
        var values: [SQLValue] = []
        if let environments = scope.environments {
            guard !environments.isEmpty else { return ("1 = 0", []) }
            clause += " AND env IN (\(environments.map { _ in "?" }.joined(separator: ", ")))"
            values += environments.map { .text($0) }
        }
        for (name, value) in scope.labels.sorted(by: { $0.key < $1.key }) {
            clause += """
                 AND agent IN (SELECT agents.name FROM agents JOIN agent_labels ON agent_labels.agent_id = agents.id
                  WHERE agent_labels.name = ? AND agent_labels.value = ?)
                """
            values += [.text(name), .text(value)]
        }
        return (clause, values)
    }

    /// The columns of stored rows from behind a seq on, for verification.
    static func page(
        after seq: Int64, limit: Int, _ transaction: any SQLTransaction
    ) throws -> [SQLRow] {
        try transaction.rows(
            """
            SELECT seq, ts, action, actor, agent, env, task, verdict, record, hash FROM audit WHERE seq > ?
            ORDER BY seq LIMIT ?
            """, [.integer(seq), .integer(limit)])
    }

    // MARK: Checkpoints

    /// Keeps a checkpoint of a chain; of those of agents only the newest.
    static func keep(_ checkpoint: AuditCheckpoint, chain: String, _ transaction: any SQLTransaction) throws {
        try transaction.execute(
            """
            INSERT INTO audit_checkpoints (chain, seq, checkpoint) VALUES (?, ?, ?)
            ON CONFLICT (chain, seq) DO NOTHING
            """, [.text(chain), .integer(checkpoint.seq), .text(StoredJSON.text(checkpoint))])
        guard chain != ownChain else { return }
        try transaction.execute(
            """
            DELETE FROM audit_checkpoints WHERE chain = ? AND seq < (
              SELECT min(seq) FROM (
                SELECT seq FROM audit_checkpoints WHERE chain = ? ORDER BY seq DESC LIMIT \(heldLimit)))
            """, [.text(chain), .text(chain)])
    }

    /// One checkpoint of a chain.
    static func checkpoint(
        of chain: String, seq: Int64, _ transaction: any SQLTransaction
    ) throws -> AuditCheckpoint? {
        try transaction.rows(
            "SELECT checkpoint FROM audit_checkpoints WHERE chain = ? AND seq = ?", [.text(chain), .integer(seq)]
        ).first.flatMap { StoredJSON.value($0.text(0)) }
    }

    /// How many checkpoints are kept of each agent.
    static let heldLimit = 1000

    /// The newest checkpoints of a chain, oldest first.
    static func checkpoints(
        of chain: String, limit: Int, _ transaction: any SQLTransaction
    ) throws -> [AuditCheckpoint] {
        try transaction.rows(
            "SELECT checkpoint FROM audit_checkpoints WHERE chain = ? ORDER BY seq DESC LIMIT ?",
            [.text(chain), .integer(limit)]
        ).reversed().compactMap { StoredJSON.value($0.text(0)) }
    }
}
