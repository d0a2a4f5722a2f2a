// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// An enrolment token as stored: never the secret itself.
struct EnrolmentRecord: Sendable, Equatable {
    var info: EnrolmentInfo
    var secret: Secret
}

/// The queries on `enrolment_tokens`.
enum EnrolmentTable {
    private static let columns = """
        id, salt, hash, environment, labels, name_prefix, sources, uses_left, actor, created_at, expires_at, revoked_at
        """

    static func insert(_ enrolment: EnrolmentRecord, _ transaction: any SQLTransaction) throws {
        let info = enrolment.info
        try transaction.execute(
            "INSERT INTO enrolment_tokens (\(columns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
            [
                .text(info.id.rawValue), .text(enrolment.secret.salt), .text(enrolment.secret.hash),
                .text(info.environment), .text(StoredJSON.text(info.labels)), .text(info.namePrefix),
                .text(StoredJSON.text(info.sources)), .integer(info.usesLeft), .text(info.actor),
                .integer(info.createdAt.milliseconds), .integer(info.expiresAt.milliseconds),
            ])
    }

    static func find(id: EnrolmentID, _ transaction: any SQLTransaction) throws -> EnrolmentRecord? {
        try transaction.rows(
            "SELECT \(columns) FROM enrolment_tokens WHERE id = ?", [.text(id.rawValue)]
        ).first.flatMap(enrolment)
    }

    /// The newest that have not been over for longer than a day.
    static func recent(limit: Int, _ transaction: any SQLTransaction) throws -> [EnrolmentRecord] {
        try transaction.rows(
            """
            SELECT \(columns) FROM enrolment_tokens WHERE expires_at > ? ORDER BY created_at DESC, id DESC LIMIT ?
            """, [.integer(Timestamp.now().milliseconds - 86_400_000), .integer(limit)]
        ).compactMap(enrolment)
    }

    /// Tokens that could be used now.
    static func countUsable(_ transaction: any SQLTransaction) throws -> Int64 {
        try transaction.rows(
            "SELECT count(*) FROM enrolment_tokens WHERE expires_at > ? AND revoked_at IS NULL AND uses_left > 0",
            [.integer(Timestamp.now().milliseconds)]
        ).first?.integer(0) ?? 0
    }

    /// Uses a token once; false when it is used up, over or revoked.
    static func use(_ id: EnrolmentID, _ transaction: any SQLTransaction) throws -> Bool {
        try transaction.execute(
            """
            UPDATE enrolment_tokens SET uses_left = uses_left - 1
            WHERE id = ? AND uses_left > 0 AND expires_at > ? AND revoked_at IS NULL
            """, [.text(id.rawValue), .integer(Timestamp.now().milliseconds)]) == 1
    }

    static func revoke(_ id: EnrolmentID, _ transaction: any SQLTransaction) throws -> Bool {
        try transaction.execute(
            "UPDATE enrolment_tokens SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL",
            [.integer(Timestamp.now().milliseconds), .text(id.rawValue)]) == 1
    }

    private static func enrolment(_ row: SQLRow) -> EnrolmentRecord? {
        // What cannot be read must not open more than it was made for.
        guard let id = EnrolmentID(row.text(0)), let labels: [String: String] = StoredJSON.value(row.text(4)),
            let sources: [String] = StoredJSON.value(row.text(6))
        else { return nil }
        let info = EnrolmentInfo(
            id: id, environment: row.text(3), labels: labels, namePrefix: row.text(5), sources: sources,
            usesLeft: Int(clamping: row.integer(7)), actor: row.text(8),
            createdAt: Timestamp(milliseconds: row.integer(9)), expiresAt: Timestamp(milliseconds: row.integer(10)),
            revokedAt: row.optionalInteger(11).map { Timestamp(milliseconds: $0) })
        return EnrolmentRecord(info: info, secret: Secret(salt: row.text(1), hash: row.text(2)))
    }
}
