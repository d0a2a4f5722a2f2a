// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

extension ExecutorSchema {
    /// SQL for ClickHouse.
    static let clickhouse = ExecutorSchema(
        type: "clickhouse", summary: "Runs SQL on ClickHouse.",
        command: Command(
            "SQL", "One or more statements, separated by semicolons.", maximum: StatementGuard.maximumBytes),
        parameters: [
            .datasource(),
            ExecutorParameter(
                "database", .text, "Another database than the datasource's.", minimum: 1, maximum: 255),
            ExecutorParameter(
                "settings", .pairs, "Settings of ClickHouse for all statements, such as max_threads=2."),
            .format, .maxRows,
        ])
}
