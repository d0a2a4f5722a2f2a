// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

extension ExecutorSchema {
    /// SQL for Postgres.
    static let postgres = ExecutorSchema(
        type: "postgres", summary: "Runs SQL on Postgres.",
        command: Command("SQL", "One or more statements.", maximum: StatementGuard.maximumBytes),
        parameters: [.datasource(), .format, .maxRows])
}
