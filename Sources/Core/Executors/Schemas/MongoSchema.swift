// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

extension ExecutorSchema {
    /// Database commands as extended JSON.
    static let mongo = ExecutorSchema(
        type: "mongo", summary: "Runs database commands on MongoDB.",
        command: Command("command", "One or more commands as extended JSON.", maximum: StatementGuard.maximumBytes),
        parameters: [.datasource(), .format, .maxRows])
}
