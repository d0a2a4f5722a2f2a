// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// One task straight to the server.
struct DirectWork: Sendable {
    /// What to do.
    let plan: MySQLPlan
    /// For whom.
    let context: ExecutionContext
    /// Where connections come from.
    let pool: MySQLPool

    /// Runs it; throws `start_failed` when the server does not let us in.
    func run() async throws(DeployError) -> ExecutionOutcome {
        let server = plan.datasource.server
        let password = try context.password(server)
        let key = MySQLPool.Key(datasource: plan.datasource.name, database: plan.database, password: password)
        let connection = try await connect(key, password)
        await context.onStart(nil)
        let id = connection.id
        let grace = context.grace
        let stop = MySQLStop()
        let statements = DirectStatements(
            plan: plan, connection: connection, rows: RowWriter(context), output: LogOutput(context.log), stop: stop)
        let end: DirectStatements.End
        do throws(DeployError) {
            end = try await OrderlyStop.run(grace: grace) {
                stop.request()
                await Self.kill("KILL QUERY \(id)", server, password, within: grace())
            } work: { () throws(DeployError) in
                try await WorkThread.run {
                    var statements = statements
                    return statements.run()
                } onCancel: {
                    connection.line.cut()
                }
            }
        } catch {
            connection.close()
            throw error
        }
        if stop.isRequested || !end.isReusable {
            connection.close()
        } else {
            pool.give(connection, key, seconds: plan.datasource.idleTimeout)
        }
        return end.outcome
    }

    /// A connection with a clean session; one that was used before, if the server still knows it.
    private func connect(_ key: MySQLPool.Key, _ password: [UInt8]?) async throws(DeployError) -> MySQLConnection {
        let seconds = plan.datasource.server.connectTimeout
        while let used = pool.take(key) {
            let isAlive = try await WorkThread.run {
                do throws(MySQLFailure) {
                    try used.reset(within: seconds)
                    try used.prepare(within: seconds)
                    return true
                } catch {
                    used.close()
                    return false
                }
            } onCancel: {
                used.line.cut()
            }
            if isAlive { return used }
        }
        let connection = try await MySQLConnection.open(
            plan.datasource.server, password: password, database: plan.database)
        return try await WorkThread.run { () throws(DeployError) in
            do throws(MySQLFailure) {
                try connection.prepare(within: seconds)
                return connection
            } catch {
                connection.close()
                throw DeployError(.startFailed, "\(plan.datasource.server.address): \(error.text)")
            }
        } onCancel: {
            connection.line.cut()
        }
    }

    /// Asks a server over a connection of its own to end what another one does. Fails in silence: the line is cut then.
    static func kill(
        _ statement: String, _ endpoint: MySQLEndpoint, _ password: [UInt8]?, within grace: Duration
    ) async {
        let seconds = min(max(grace / .seconds(1), 0.2), endpoint.connectTimeout)
        guard let control = try? await MySQLConnection.open(endpoint, password: password, within: seconds) else {
            return
        }
        _ = try? await WorkThread.run {
            try? control.query(statement, within: seconds)
            control.close()
        } onCancel: {
            control.line.cut()
        }
    }
}

extension MySQLConnection {
    /// Makes sure that the server reads statements as the guard did, and commits each by itself.
    func prepare(within seconds: Double) throws(MySQLFailure) {
        let answer = try texts("SELECT @@SESSION.sql_mode, @@SESSION.autocommit", limit: 1, within: seconds)
        guard let row = answer.rows.first, row.count == 2, let modes = row[0] else {
            throw .own("the server does not tell its sql_mode")
        }
        let wanted = Self.readable(modes)
        guard wanted != modes || row[1] != "1" else { return }
        // Modes are words; nothing in them needs quoting.
        try query("SET SESSION sql_mode = '\(wanted)', SESSION autocommit = 1", within: seconds)
    }

    /// Modes without those that change what quotes and backslashes mean.
    static func readable(_ modes: String) -> String {
        let refused: Set = [
            "ANSI", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "ORACLE", "MSSQL", "DB2", "POSTGRESQL", "MAXDB",
        ]
        return modes.split(separator: ",").filter { word in
            !refused.contains(String(word))
                && word.utf8.allSatisfy { (65...90).contains($0) || (48...57).contains($0) || $0 == 95 }
        }.joined(separator: ",")
    }
}
