// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

extension ExecutorSchema {
    /// SQL for MySQL.
    static let mysql = ExecutorSchema(
        type: "mysql", summary: "Runs SQL on MySQL.",
        command: Command("SQL", "One or more statements.", maximum: StatementGuard.maximumBytes),
        parameters: [.datasource(), .format, .maxRows])
}
