// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The queries on `operators`.
enum OperatorTable {
    private static let columns = "name, role, environments, labels, created_at, disabled_at"

    static func find(_ name: String, _ transaction: any SQLTransaction) throws -> OperatorInfo? {
        try transaction.rows("SELECT \(columns) FROM operators WHERE name = ?", [.text(name)]).first.map(operatorInfo)
    }

    static func all(_ transaction: any SQLTransaction) throws -> [OperatorInfo] {
        try transaction.rows("SELECT \(columns) FROM operators ORDER BY name", []).map(operatorInfo)
    }

    static func insert(_ info: OperatorInfo, _ transaction: any SQLTransaction) throws {
        try transaction.execute(
            "INSERT INTO operators (name, role, environments, labels, created_at) VALUES (?, ?, ?, ?, ?)",
            [.text(info.name), .text(info.role.rawValue)] + StoredScope.values(info.scope)
                + [.integer(info.createdAt.milliseconds)])
    }

    /// Changes role and scope, and lets the operator in again if it was shut out.
    static func update(_ info: OperatorInfo, _ transaction: any SQLTransaction) throws {
        try transaction.execute(
            "UPDATE operators SET role = ?, environments = ?, labels = ?, disabled_at = NULL WHERE name = ?",
            [.text(info.role.rawValue)] + StoredScope.values(info.scope) + [.text(info.name)])
    }

    /// False when it is shut out already or does not exist.
    static func disable(_ name: String, _ transaction: any SQLTransaction) throws -> Bool {
        try transaction.execute(
            "UPDATE operators SET disabled_at = ? WHERE name = ? AND disabled_at IS NULL",
            [.integer(Timestamp.now().milliseconds), .text(name)]) == 1
    }

    private static func operatorInfo(_ row: SQLRow) -> OperatorInfo {
        // A role this program does not know allows the least.
        OperatorInfo(
            name: row.text(0), role: Role(rawValue: row.text(1)) ?? .viewer, scope: StoredScope.scope(row, 2),
            createdAt: Timestamp(milliseconds: row.integer(4)),
            disabledAt: row.optionalInteger(5).map { Timestamp(milliseconds: $0) })
    }
}
