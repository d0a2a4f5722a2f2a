// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

extension ExecutorSchema {
    /// Database commands as extended JSON.
    static let mongo = ExecutorSchema(
        type: "mongo", summary: "Runs database commands on MongoDB.",
        command: Command("command", "One or more commands as extended JSON.", maximum: StatementGuard.maximumBytes),
        parameters: [
            .datasource(),
            ExecutorParameter(
                "database", .text, "Where commands run that have no $db; the datasource's own unless given.",
                minimum: 1,
                maximum: 63),
            ExecutorParameter(
                "format", .word, "How documents are written: for people, or one line of extended JSON each.",
                standard: .string("table"), words: ["table", "jsonl"]),
            ExecutorParameter(
                "max_rows", .integer, "Documents of one command written at most; then reading stops, and that is said.",
                standard: .integer(10_000), minimum: 0, maximum: 1e12),
            ExecutorParameter(
                "canonical", .flag, "Write canonical extended JSON, which keeps every type apart.",
                standard: .bool(false)),
        ])
}
