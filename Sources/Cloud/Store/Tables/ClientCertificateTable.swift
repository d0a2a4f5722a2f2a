// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The queries on `client_certificates`: which were issued, and which no longer count.
enum ClientCertificateTable {
    static func insert(_ certificate: ClientCertificate, _ transaction: any SQLTransaction) throws {
        try transaction.execute(
            "INSERT INTO client_certificates (serial, agent_id, not_after, issued_at) VALUES (?, ?, ?, ?)",
            [
                .text(certificate.serial), .text(certificate.agentID.rawValue),
                .integer(certificate.notAfter.milliseconds), .integer(Timestamp.now().milliseconds),
            ])
    }

    /// How many certificates of an agent are valid now.
    static func countValid(agent: AgentID, _ transaction: any SQLTransaction) throws -> Int64 {
        try transaction.rows(
            "SELECT count(*) FROM client_certificates WHERE agent_id = ? AND revoked_at IS NULL AND not_after > ?",
            [.text(agent.rawValue), .integer(Timestamp.now().milliseconds)]
        ).first?.integer(0) ?? 0
    }

    /// The serials of those that were revoked and have not ended by themselves.
    static func revoked(_ transaction: any SQLTransaction) throws -> Set<String> {
        Set(
            try transaction.rows(
                "SELECT serial FROM client_certificates WHERE revoked_at IS NOT NULL AND not_after > ?",
                [.integer(Timestamp.now().milliseconds)]
            ).map { $0.text(0) })
    }

    /// Revokes all of an agent's certificates; how many were valid.
    @discardableResult
    static func revokeAll(agent: AgentID, _ transaction: any SQLTransaction) throws -> Int {
        let now = Timestamp.now().milliseconds
        return Int(
            try transaction.execute(
                """
                UPDATE client_certificates SET revoked_at = ?
                WHERE agent_id = ? AND revoked_at IS NULL AND not_after > ?
                """, [.integer(now), .text(agent.rawValue), .integer(now)]))
    }

    /// Revokes one certificate; false when it was not valid.
    static func revoke(serial: String, _ transaction: any SQLTransaction) throws -> Bool {
        let now = Timestamp.now().milliseconds
        return try transaction.execute(
            "UPDATE client_certificates SET revoked_at = ? WHERE serial = ? AND revoked_at IS NULL AND not_after > ?",
            [.integer(now), .text(serial), .integer(now)]) == 1
    }

    /// Forgets what ended more than a month ago.
    static func prune(_ transaction: any SQLTransaction) throws {
        try transaction.execute(
            "DELETE FROM client_certificates WHERE not_after < ?",
            [.integer(Timestamp.now().milliseconds - 30 * 86_400_000)])
    }

    /// A certificate as it is listed.
    struct Row: Sendable {
        var serial: String
        var agentName: String
        var issuedAt: Timestamp
        var notAfter: Timestamp
        var revokedAt: Timestamp?
    }

    /// All that have not ended, by agent.
    static func all(_ transaction: any SQLTransaction) throws -> [Row] {
        try transaction.rows(
            """
            SELECT serial, agents.name, issued_at, not_after, revoked_at FROM client_certificates
            JOIN agents ON agents.id = agent_id WHERE not_after > ? ORDER BY agents.name, issued_at
            """, [.integer(Timestamp.now().milliseconds)]
        ).map { row in
            Row(
                serial: row.text(0), agentName: row.text(1), issuedAt: Timestamp(milliseconds: row.integer(2)),
                notAfter: Timestamp(milliseconds: row.integer(3)),
                revokedAt: row.optionalInteger(4).map { Timestamp(milliseconds: $0) })
        }
    }
}
