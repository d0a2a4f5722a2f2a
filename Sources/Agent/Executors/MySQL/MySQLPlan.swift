// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// What a task asks for, decided before anything is connected to.
struct MySQLPlan: Sendable {
    /// How the statements get to the server.
    enum Mode: String, Sendable {
        /// Straight to the server.
        case query
        /// Through goInception, which only says what it thinks of them.
        case check
        /// Through goInception, which executes them unless it objects.
        case execute
    }

    /// How goInception executes.
    struct Execution: Sendable, Equatable {
        /// Whether it stores what takes changes back.
        var backup = false
        /// Whether it goes on when it has warned.
        var ignoresWarnings = false
        /// How many changes of rows it puts in one transaction; nil for each in its own.
        var batch: Int64?
        /// Milliseconds it sleeps; nil for not at all.
        var sleep: Int64?
        /// How many statements it executes between two sleeps; nil for its own choice.
        var sleepRows: Int64?
    }

    /// The statements, as the guard cut them.
    var statements: [SQLStatement]
    /// Where they go.
    var datasource: MySQLDatasource
    /// How they get there.
    var mode: Mode
    /// The database to begin in; nil for none.
    var database: String?
    /// Whether all of them are one transaction; with `query`.
    var isTransaction: Bool
    /// How goInception executes; with `execute`.
    var execution: Execution

    /// Whether the server is told to refuse changes: what is set up to go through goInception does.
    var isReadOnly: Bool { mode == .query && datasource.goInception?.isRequired == true }

    /// Throws `invalid_argument` for parameters that do not go together, and `forbidden` for changes around goInception.
    init(_ spec: TaskSpec, _ parameters: TaskParameters, _ datasource: MySQLDatasource) throws(DeployError) {
        statements = try SQLStatement.read(spec.command, .mysql)
        guard !statements.isEmpty else { throw DeployError(.invalidArgument, "there is no statement") }
        self.datasource = datasource
        database = parameters.text("database") ?? datasource.database
        isTransaction = parameters.flag("transaction")
        execution = Execution(
            backup: parameters.flag("backup"), ignoresWarnings: parameters.flag("ignore_warnings"),
            batch: parameters.integer("transaction_batch"), sleep: parameters.integer("sleep"),
            sleepRows: parameters.integer("sleep_rows"))
        mode =
            parameters.text("mode").flatMap(Mode.init)
            ?? (datasource.goInception == nil || statements.allSatisfy(\.isRead) ? .query : .check)
        if mode != .query, datasource.goInception == nil {
            throw DeployError(
                .invalidArgument, "datasource '\(datasource.name)' has no goInception",
                hint: "use mode query, or set datasources.\(datasource.name).goinception")
        }
        if isReadOnly, let change = statements.firstIndex(where: { !$0.isRead }) {
            throw DeployError(
                .forbidden,
                "statement \(change + 1) changes something, and changes of datasource '\(datasource.name)' go through "
                    + "goInception", hint: "use mode check, then mode execute")
        }
        try checkCombination()
    }

    private func checkCombination() throws(DeployError) {
        if mode != .execute, execution != Execution() {
            throw DeployError(
                .invalidArgument,
                "backup, ignore_warnings, transaction_batch, sleep and sleep_rows are for mode execute, not for "
                    + "\(mode.rawValue)")
        }
        if execution.sleepRows != nil, execution.sleep == nil {
            throw DeployError(.invalidArgument, "sleep_rows needs sleep")
        }
        guard isTransaction else { return }
        guard mode == .query else {
            throw DeployError(
                .invalidArgument, "transaction is for mode query, not for \(mode.rawValue)",
                hint: "transaction_batch has goInception put changes together")
        }
        let own: Set = ["BEGIN", "START", "COMMIT", "ROLLBACK", "XA"]
        if let place = statements.firstIndex(where: { own.contains($0.head) }) {
            throw DeployError(
                .invalidArgument,
                "statement \(place + 1) is \(statements[place].head), which ends or begins a transaction itself",
                hint: "leave it out, or leave out transaction")
        }
    }

    /// The secrets that are needed.
    var secrets: Set<SecretReference> {
        var endpoints = [datasource.server]
        if mode != .query, let goInception = datasource.goInception {
            endpoints.append(goInception.server)
            if execution.backup, let backup = goInception.backup { endpoints.append(backup) }
        }
        return Set(endpoints.compactMap(\.password))
    }
}

extension SQLStatement {
    /// Whether the server commits an open transaction before it, whatever it does.
    var commits: Bool {
        switch head {
        case "CREATE", "DROP": !canonical.uppercased().contains("TEMPORARY")
        case "ALTER", "RENAME", "TRUNCATE", "ANALYZE", "CHECK", "OPTIMIZE", "REPAIR", "CACHE", "LOAD", "FLUSH", "RESET",
            "GRANT", "REVOKE", "LOCK", "UNLOCK", "INSTALL", "UNINSTALL":
            true
        default: false
        }
    }

    /// Whether the connection cannot be given to others afterwards: a reset of the session does not undo it.
    var marksConnection: Bool { ["USE", "XA", "CHANGE"].contains(head) }
}
