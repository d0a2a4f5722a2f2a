// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// A credential as stored: never the secret itself.
struct TokenRecord: Sendable, Equatable {
    var id: TokenID
    var kind: TokenKind
    var name: String
    var agentID: AgentID?
    var secret: Secret
    /// An operator's token: what it may do at most; nil for all that the operator may.
    var role: Role?
    /// An operator's token: what it reaches within what the operator reaches.
    var scope = Scope()
    var createdAt: Timestamp
    var expiresAt: Timestamp?
    var lastUsedAt: Timestamp?
    var revokedAt: Timestamp?

    /// Without anything of the secret.
    var info: TokenInfo {
        var info = TokenInfo(id: id, kind: kind, name: name, createdAt: createdAt)
        if kind == .operator {
            info.role = role
            info.scope = scope
        }
        info.expiresAt = expiresAt
        info.lastUsedAt = lastUsedAt
        info.revokedAt = revokedAt
        return info
    }
}

/// The queries on `tokens`.
enum TokenTable {
    private static let columns = """
        id, kind, name, agent_id, salt, hash, created_at, expires_at, last_used_at, revoked_at, role, environments, labels
        """

    /// How exactly the last use is kept, in milliseconds: a token in use costs one write in that time.
    static let useResolution: Int64 = 60_000

    static func insert(_ token: TokenRecord, _ transaction: any SQLTransaction) throws {
        try transaction.execute(
            """
            INSERT INTO tokens (id, kind, name, agent_id, salt, hash, created_at, expires_at, role, environments, labels)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                .text(token.id.rawValue), .text(token.kind.rawValue), .text(token.name), .text(token.agentID?.rawValue),
                .text(token.secret.salt), .text(token.secret.hash), .integer(token.createdAt.milliseconds),
                .integer(token.expiresAt?.milliseconds), .text(token.role?.rawValue),
            ] + StoredScope.values(token.scope))
    }

    static func find(id: TokenID, _ transaction: any SQLTransaction) throws -> TokenRecord? {
        try transaction.rows("SELECT \(columns) FROM tokens WHERE id = ?", [.text(id.rawValue)]).first.flatMap(token)
    }

    static func all(_ transaction: any SQLTransaction) throws -> [TokenRecord] {
        try transaction.rows("SELECT \(columns) FROM tokens ORDER BY created_at, id", []).compactMap(token)
    }

    /// Tokens of agents that the scope reaches and of these operators, nil for any, the most recently used first.
    static func list(
        _ query: TokenListQuery, operators: [String]?, before cursor: ListCursor?, limit: Int, in scope: Scope,
        _ transaction: any SQLTransaction
    ) throws -> [TokenRecord] {
        var (clause, values) = ListCursor.clause(cursor, by: lastUse)
        let agents = scope.agentTokens
        let named = operators.map { names in
            names.isEmpty ? "1 = 0" : "name IN (\(names.map { _ in "?" }.joined(separator: ", ")))"
        }
        clause += " AND ((kind = 'agent' AND \(agents.sql)) OR (kind = 'operator' AND \(named ?? "1 = 1")))"
        values += agents.values + (operators ?? []).map { .text($0) }
        for (column, value) in [("kind", query.kind?.rawValue), ("name", query.name)] {
            guard let value else { continue }
            clause += " AND \(column) = ?"
            values.append(.text(value))
        }
        return try transaction.rows(
            "SELECT \(columns) FROM tokens WHERE \(clause) ORDER BY \(lastUse) DESC, id DESC LIMIT ?",
            values + [.integer(limit)]
        ).compactMap(token)
    }

    private static let lastUse = "COALESCE(last_used_at, 0)"

    /// Notes that a token was shown, at most once in ``useResolution``.
    static func touch(_ id: TokenID, at now: Timestamp, _ transaction: any SQLTransaction) throws {
        try transaction.execute(
            "UPDATE tokens SET last_used_at = ? WHERE id = ? AND \(lastUse) <= ?",
            [.integer(now.milliseconds), .text(id.rawValue), .integer(now.milliseconds - useResolution)])
    }

    /// Revokes a token and the sessions that were opened with it; false when there was nothing to revoke.
    static func revoke(_ id: TokenID, _ transaction: any SQLTransaction) throws -> Bool {
        try transaction.execute(
            "UPDATE tokens SET revoked_at = ? WHERE (id = ? OR opened_with = ?) AND revoked_at IS NULL",
            [.integer(Timestamp.now().milliseconds), .text(id.rawValue), .text(id.rawValue)]) > 0
    }

    /// Notes which token a session was opened with, forgets those of it that ended a while ago, and says how many are
    /// left.
    static func adopt(
        _ session: TokenID, by opener: TokenID, endedBefore: Timestamp, _ transaction: any SQLTransaction
    ) throws -> Int64 {
        try transaction.execute(
            "UPDATE tokens SET opened_with = ? WHERE id = ?", [.text(opener.rawValue), .text(session.rawValue)])
        try transaction.execute(
            "DELETE FROM tokens WHERE opened_with = ? AND (revoked_at < ? OR expires_at < ?)",
            [.text(opener.rawValue), .integer(endedBefore.milliseconds), .integer(endedBefore.milliseconds)])
        return try transaction.rows(
            "SELECT count(*) FROM tokens WHERE opened_with = ? AND revoked_at IS NULL", [.text(opener.rawValue)]
        ).first?.integer(0) ?? 0
    }

    /// Revokes every token of an agent.
    static func revokeAll(agent: AgentID, _ transaction: any SQLTransaction) throws {
        try transaction.execute(
            "UPDATE tokens SET revoked_at = ? WHERE agent_id = ? AND revoked_at IS NULL",
            [.integer(Timestamp.now().milliseconds), .text(agent.rawValue)])
    }

    /// Revokes every token of an operator.
    static func revokeAll(operator name: String, _ transaction: any SQLTransaction) throws {
        try transaction.execute(
            "UPDATE tokens SET revoked_at = ? WHERE name = ? AND kind = 'operator' AND revoked_at IS NULL",
            [.integer(Timestamp.now().milliseconds), .text(name)])
    }

    /// Tokens that were revoked or ran out between two moments.
    static func ended(
        since: Timestamp, until now: Timestamp, _ transaction: any SQLTransaction
    ) throws -> [TokenID] {
        try transaction.rows(
            "SELECT id FROM tokens WHERE revoked_at >= ? OR (expires_at >= ? AND expires_at <= ?)",
            [.integer(since.milliseconds), .integer(since.milliseconds), .integer(now.milliseconds)]
        ).compactMap { TokenID($0.text(0)) }
    }

    private static func token(_ row: SQLRow) -> TokenRecord? {
        guard let id = TokenID(row.text(0)), let kind = TokenKind(rawValue: row.text(1)) else { return nil }
        func time(_ index: Int) -> Timestamp? { row.optionalInteger(index).map { Timestamp(milliseconds: $0) } }
        var token = TokenRecord(
            id: id, kind: kind, name: row.text(2), agentID: row.optionalText(3).flatMap { AgentID($0) },
            secret: Secret(salt: row.text(4), hash: row.text(5)), createdAt: Timestamp(milliseconds: row.integer(6)))
        if let role = row.optionalText(10) {
            // A role this program does not know allows the least.
            token.role = Role(rawValue: role) ?? .viewer
        }
        token.scope = StoredScope.scope(row, 11)
        token.expiresAt = time(7)
        token.lastUsedAt = time(8)
        token.revokedAt = time(9)
        return token
    }
}

/// A scope in two columns, `environments` (JSON array, NULL for all) and `labels` (JSON object).
enum StoredScope {
    static func values(_ scope: Scope) -> [SQLValue] {
        [.text(scope.environments.map { StoredJSON.text($0) }), .text(StoredJSON.text(scope.labels))]
    }

    /// The scope in the columns `index` and `index + 1`; what cannot be read reaches nothing.
    static func scope(_ row: SQLRow, _ index: Int) -> Scope {
        guard let labels: [String: String] = StoredJSON.value(row.text(index + 1)) else {
            return Scope(environments: [])
        }
        guard let text = row.optionalText(index) else { return Scope(labels: labels) }
        return Scope(environments: StoredJSON.value(text) ?? [], labels: labels)
    }
}
