// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// A credential as stored: never the secret itself.
struct TokenRecord: Sendable, Equatable {
    var id: TokenID
    var kind: TokenKind
    var name: String
    var agentID: AgentID?
    var salt: String
    var hash: String
    var createdAt: Timestamp
    var expiresAt: Timestamp?
    var lastUsedAt: Timestamp?
    var revokedAt: Timestamp?
}

/// The queries on `tokens`.
enum TokenTable {
    private static let columns =
        "id, kind, name, agent_id, salt, hash, created_at, expires_at, last_used_at, revoked_at"

    static func insert(_ token: TokenRecord, _ transaction: any SQLTransaction) throws {
        try transaction.execute(
            "INSERT INTO tokens (\(columns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
            [
                .text(token.id.rawValue), .text(token.kind.rawValue), .text(token.name), .text(token.agentID?.rawValue),
                .text(token.salt), .text(token.hash), .integer(token.createdAt.milliseconds),
                .integer(token.expiresAt?.milliseconds),
            ])
    }

    static func find(id: TokenID, _ transaction: any SQLTransaction) throws -> TokenRecord? {
        try transaction.rows("SELECT \(columns) FROM tokens WHERE id = ?", [.text(id.rawValue)]).first.flatMap(token)
    }

    static func all(_ transaction: any SQLTransaction) throws -> [TokenRecord] {
        try transaction.rows("SELECT \(columns) FROM tokens ORDER BY created_at, id", []).compactMap(token)
    }

    static func touch(_ id: TokenID, _ transaction: any SQLTransaction) throws {
        try transaction.execute(
            "UPDATE tokens SET last_used_at = ? WHERE id = ?",
            [.integer(Timestamp.now().milliseconds), .text(id.rawValue)])
    }

    static func revoke(_ id: TokenID, _ transaction: any SQLTransaction) throws -> Bool {
        try transaction.execute(
            "UPDATE tokens SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL",
            [.integer(Timestamp.now().milliseconds), .text(id.rawValue)]) == 1
    }

    private static func token(_ row: SQLRow) -> TokenRecord? {
        guard let id = TokenID(row.text(0)), let kind = TokenKind(rawValue: row.text(1)) else { return nil }
        func time(_ index: Int) -> Timestamp? { row.optionalInteger(index).map { Timestamp(milliseconds: $0) } }
        return TokenRecord(
            id: id, kind: kind, name: row.text(2), agentID: row.optionalText(3).flatMap { AgentID($0) },
            salt: row.text(4),
            hash: row.text(5), createdAt: Timestamp(milliseconds: row.integer(6)), expiresAt: time(7),
            lastUsedAt: time(8),
            revokedAt: time(9))
    }
}
