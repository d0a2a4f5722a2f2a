// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

extension ExecutorSchema {
    /// SQL for ClickHouse.
    static let clickhouse = ExecutorSchema(
        type: "clickhouse", summary: "Runs SQL on ClickHouse.",
        command: Command("SQL", "One or more statements.", maximum: StatementGuard.maximumBytes),
        parameters: [.datasource(), .format, .maxRows])
}
