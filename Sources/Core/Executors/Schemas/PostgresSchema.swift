// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

extension ExecutorSchema {
    /// SQL for PostgreSQL.
    static let postgres = ExecutorSchema(
        type: "postgres", summary: "Runs SQL on PostgreSQL.",
        command: Command(
            "SQL", "One or more statements, separated by semicolons.", maximum: StatementGuard.maximumBytes),
        parameters: [
            .datasource(),
            ExecutorParameter(
                "database", .text, "Another database than the datasource's.", minimum: 1, maximum: 63),
            ExecutorParameter(
                "transaction", .flag,
                "All statements in one transaction, rolled back when one fails; false: each stands by itself.",
                standard: .bool(true)),
            .format, .maxRows,
        ])
}
