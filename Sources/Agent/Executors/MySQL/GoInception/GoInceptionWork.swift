// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

/// One task through goInception.
struct GoInceptionWork: Sendable {
    /// What to do.
    let plan: MySQLPlan
    /// Which goInception.
    let settings: GoInceptionSettings
    /// For whom.
    let context: ExecutionContext

    /// Runs it; throws `start_failed` when goInception does not let us in.
    func run() async throws(DeployError) -> ExecutionOutcome {
        let request = try GoInceptionRequest(
            plan, settings, password: try context.password(plan.datasource.server))
        let password = try context.password(settings.server)
        let connection = try await MySQLConnection.open(settings.server, password: password)
        await context.onStart(nil)
        let server = settings.server
        let id = connection.id
        let grace = context.grace
        let stop = MySQLStop()
        let began = ContinuousClock.now
        let tally: GoInceptionTally
        do throws(DeployError) {
            tally = try await OrderlyStop.run(grace: grace) {
                stop.request()
                await DirectWork.kill("kill \(id)", server, password, within: grace())
            } work: { () throws(DeployError) in
                try await answer(request, connection, password)
            }
        } catch {
            if stop.isRequested { note("goInception did not stop in time; what it was executing then may go on") }
            throw error
        }
        var result = tally.result
        result["duration"] = .number((began.duration(to: .now) / .milliseconds(1)).rounded() / 1000)
        if stop.isRequested {
            note("goInception was told to stop; what it was executing then may have taken effect")
            return ExecutionOutcome(error: tally.failure, result: result)
        }
        note("goInception: \(tally.summary)")
        if !tally.rollbacks.isEmpty {
            await fetchRollback(tally.rollbacks, &result)
        }
        return ExecutionOutcome(error: tally.failure, result: result)
    }

    private func note(_ text: String) { context.log.note("tiangong: \(text)") }

    /// Sends the request and takes the answer, and tells meanwhile how far it is.
    private func answer(
        _ request: GoInceptionRequest, _ connection: MySQLConnection, _ password: [UInt8]?
    ) async throws(DeployError) -> GoInceptionTally {
        let exchange = GoInceptionExchange(
            request: request, tally: GoInceptionTally(plan, entersDatabase: request.entersDatabase),
            connection: connection, rows: RowWriter(context))
        let progress = GoInceptionProgress(settings.server, password, of: connection.id, log: context.log)
        let result = await withTaskGroup(of: Void.self) { group in
            group.addTask { await progress.watch() }
            let result: Result<GoInceptionTally, DeployError>
            do throws(DeployError) {
                result = .success(
                    try await WorkThread.run { () throws(DeployError) in
                        defer { connection.close() }
                        var exchange = exchange
                        return try exchange.run()
                    } onCancel: {
                        connection.line.cut()
                    })
            } catch { result = .failure(error) }
            group.cancelAll()
            return result
        }
        return try result.get()
    }

    /// Shows what takes the changes back, and counts it.
    private func fetchRollback(_ rollbacks: [GoInceptionTally.Rollback], _ result: inout [String: JSONValue]) async {
        guard let backup = settings.backup else {
            return note("no goinception.backup is set up here: the rollback statements are not shown")
        }
        do throws(DeployError) {
            let connection = try await MySQLConnection.open(backup, password: try context.password(backup))
            let isTable = context.parameters.text("format") != RowWriter.Format.jsonl.rawValue
            let reader = GoInceptionRollback(
                connection: connection, rows: isTable ? nil : RowWriter(context), output: LogOutput(context.log),
                limit: context.parameters.integer("max_rows") ?? 10_000)
            let count = try await WorkThread.run { () throws(DeployError) in
                defer { connection.close() }
                var reader = reader
                return try reader.write(rollbacks)
            } onCancel: {
                connection.line.cut()
            }
            result["rollback_statements"] = .integer(count)
        } catch {
            note("the rollback statements could not be fetched: \(error.sentence)")
            result["rollback_error"] = .string(error.message)
        }
    }
}

/// Sends one request to goInception and reads its answer. It blocks: see ``WorkThread``.
struct GoInceptionExchange: Sendable {
    let request: GoInceptionRequest
    var tally: GoInceptionTally
    let connection: MySQLConnection
    var rows: RowWriter

    /// What was said of the statements; throws `task_failed` when there is no answer, `protocol_error` when it is none.
    mutating func run() throws(DeployError) -> GoInceptionTally {
        do throws(MySQLFailure) {
            try connection.query(request.text)
        } catch { throw failed(error) }
        repeat {
            let next: MySQLRows?
            do throws(MySQLFailure) { next = try connection.rows() } catch { throw failed(error) }
            guard let next else { continue }
            try take(next)
        } while try isMore()
        return tally
    }

    private func isMore() throws(DeployError) -> Bool {
        do throws(MySQLFailure) { return try connection.nextResult() } catch { throw failed(error) }
    }

    private mutating func take(_ answer: MySQLRows) throws(DeployError) {
        var isWhole = false
        defer {
            if !isWhole { connection.line.cut() }
            answer.free()
        }
        guard let columns = GoInceptionColumns(answer.columns.map(\.name)) else {
            let names = answer.columns.prefix(16).map { $0.name.prefix(32) }.joined(separator: ", ")
            throw DeployError(.protocolError, "the answer is not goInception's: its columns are \(names)")
        }
        // The statement last: it is the widest.
        let order = answer.columns.indices.sorted { left, right in
            (left == columns["sql"] ? 1 : 0, left) < (right == columns["sql"] ? 1 : 0, right)
        }
        rows.begin(order.map { RowWriter.Column(name: answer.columns[$0].name, kind: answer.columns[$0].kind) })
        defer { rows.end() }
        while true {
            let row: MySQLRow?
            do throws(MySQLFailure) { row = try answer.next() } catch { throw failed(error) }
            guard let row else { break }
            let number = try tally.add(GoInceptionRow(columns) { row.text($0) })
            guard let number, rows.beginRow() else { continue }
            for index in order {
                if index == columns["orderid"] { rows.field(String(number)) } else { rows.field(row.bytes(index)) }
            }
            rows.endRow()
        }
        isWhole = true
    }

    private func failed(_ failure: MySQLFailure) -> DeployError {
        if failure.isLost {
            return DeployError(
                .taskFailed, "goInception is gone: \(failure.message); what was executed is unknown",
                hint: "look at the database before you try again")
        }
        return DeployError(.taskFailed, "goInception refuses: \(failure.text)")
    }
}
