// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The queries on `policies`.
enum PolicyTable {
    private static let columns = "name, environments, labels, policy, warnings, actor, updated_at"

    static func put(_ record: PolicyRecord, _ transaction: any SQLTransaction) throws {
        try transaction.execute("DELETE FROM policies WHERE name = ?", [.text(record.name)])
        try transaction.execute(
            "INSERT INTO policies (\(columns)) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                .text(record.name), .text(record.scope.environments.map { StoredJSON.text($0) }),
                .text(StoredJSON.text(record.scope.labels)), .text(StoredJSON.text(record.policy)),
                .text(StoredJSON.text(record.warnings)), .text(record.actor),
                .integer(record.updatedAt.milliseconds),
            ])
    }

    static func remove(_ name: String, _ transaction: any SQLTransaction) throws {
        try transaction.execute("DELETE FROM policies WHERE name = ?", [.text(name)])
    }

    static func find(_ name: String, _ transaction: any SQLTransaction) throws -> PolicyRecord? {
        try transaction.rows("SELECT \(columns) FROM policies WHERE name = ?", [.text(name)]).first.map(record)
    }

    /// All policies by name. Throws `internal` for a row that cannot be read: leaving one out would let through more.
    static func all(_ transaction: any SQLTransaction) throws -> [PolicyRecord] {
        try transaction.rows("SELECT \(columns) FROM policies ORDER BY name", []).map(record)
    }

    private static func record(_ row: SQLRow) throws -> PolicyRecord {
        let environments: [String]? = StoredJSON.value(row.optionalText(1))
        guard let policy: GuardPolicy = StoredJSON.value(row.text(3)),
            let labels: [String: String] = StoredJSON.value(row.text(2)),
            environments != nil || row.optionalText(1) == nil
        else {
            throw DeployError(
                .internal, "the stored policy '\(row.text(0))' cannot be read",
                hint: "set it again: tiangong policy put")
        }
        return PolicyRecord(
            name: row.text(0), scope: Scope(environments: environments, labels: labels), policy: policy,
            warnings: StoredJSON.value(row.text(4)) ?? [], actor: row.text(5),
            updatedAt: Timestamp(milliseconds: row.integer(6)))
    }
}
