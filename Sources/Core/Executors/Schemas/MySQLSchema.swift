// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

extension ExecutorSchema {
    /// SQL for MySQL and MariaDB.
    static let mysql = ExecutorSchema(
        type: "mysql", summary: "Runs SQL on MySQL and MariaDB, directly or through goInception.",
        command: Command(
            "SQL", "One or more statements; the first that fails is the last.", maximum: StatementGuard.maximumBytes),
        parameters: [
            .datasource(),
            ExecutorParameter(
                "database", .text, "The database to begin in; without it the datasource's.", minimum: 1, maximum: 64),
            ExecutorParameter(
                "mode", .word,
                "query: straight to the server. check, execute: through goInception. Without it: check where goInception "
                    + "is set up and the text changes something, else query.",
                words: ["query", "check", "execute"]),
            ExecutorParameter(
                "transaction", .flag, "Mode query: all statements in one transaction, which a failure rolls back."),
            ExecutorParameter(
                "backup", .flag, "Mode execute: goInception stores what takes the changes back, and the log shows it."),
            ExecutorParameter("ignore_warnings", .flag, "Mode execute: goes on although goInception warns."),
            ExecutorParameter(
                "transaction_batch", .integer, "Mode execute: so many changes of rows in one transaction.", minimum: 2,
                maximum: 100_000),
            ExecutorParameter(
                "sleep", .integer, "Mode execute: milliseconds that goInception sleeps between statements.", minimum: 1,
                maximum: 100_000),
            ExecutorParameter(
                "sleep_rows", .integer, "Mode execute: statements between two sleeps.", standard: .integer(1),
                minimum: 1,
                maximum: 100_000),
            .format, .maxRows,
        ])
}
