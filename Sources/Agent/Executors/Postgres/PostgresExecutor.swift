// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Runs SQL on PostgreSQL: the statements that the guard has judged, one after the other, by default in one transaction.
struct PostgresExecutor: Executor {
    var schema: ExecutorSchema { TaskType.postgres.schema }

    private let sources: Datasources<PostgresDatasource>

    /// Reads the executor's settings; throws `invalid_argument` naming the setting.
    init(_ node: SettingsNode) throws(DeployError) {
        var node = node
        sources = try Datasources(&node) { node throws(DeployError) in try PostgresDatasource(&node) }
        try node.finish()
    }

    var datasources: [String] { sources.names }

    func secrets(for spec: TaskSpec) throws(DeployError) -> Set<SecretReference> {
        try sources.chosen(by: spec).password.map { [$0] } ?? []
    }

    func run(_ context: ExecutionContext) async throws(DeployError) -> ExecutionOutcome {
        let source = try sources.chosen(by: context.spec)
        let statements = try SQLStatement.read(context.spec.command, .postgres)
        try Self.check(statements, inTransaction: context.parameters.flag("transaction", default: true))
        guard let interrupt = PostgresInterrupt() else {
            throw DeployError(.unavailable, "this host has no descriptor left", hint: "run fewer tasks at once")
        }
        let session = try await source.session(
            database: context.parameters.text("database"), secrets: context.secrets, interrupt: interrupt)
        await context.onStart(nil)
        let pool = source.pool
        return try await WorkThread.run(
            { () throws(DeployError) -> ExecutionOutcome in
                let (outcome, isReusable) = PostgresWork(statements, session, interrupt, context).run()
                if isReusable { pool.give(session) }
                return outcome
            }, onCancel: { interrupt.stop() })
    }

    func shutDown() async {
        for source in sources.all { source.pool.shutDown() }
    }

    /// Refuses what cannot be done as the task asks, before anything is done.
    static func check(_ statements: [SQLStatement], inTransaction: Bool) throws(DeployError) {
        for (index, statement) in statements.enumerated() {
            if statement.head == "COPY", let place = statement.index(of: "FROM"), statement.isWord(place + 1, "STDIN") {
                throw DeployError(
                    .unsupported, "statement \(index + 1) copies from standard input, which a task does not have",
                    hint: "use INSERT, or psql in a shell task")
            }
            if inTransaction, endsTransaction(statement) {
                throw DeployError(
                    .invalidArgument,
                    "statement \(index + 1) is \(statement.head), but the task is one transaction already",
                    hint: "leave it out, or give transaction=false, so that each statement stands by itself")
            }
        }
    }

    private static func endsTransaction(_ statement: SQLStatement) -> Bool {
        switch statement.head {
        case "BEGIN", "START", "COMMIT", "END", "ABORT": true
        case "ROLLBACK": statement.index(of: "TO") == nil
        case "PREPARE": statement.isWord(1, "TRANSACTION")
        default: false
        }
    }
}
