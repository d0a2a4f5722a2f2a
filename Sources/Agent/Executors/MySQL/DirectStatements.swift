// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

/// The statements of one task, one after the other on one connection; the first that fails is the last.
///
/// It blocks: see ``WorkThread``.
struct DirectStatements: Sendable {
    /// What came of it.
    struct End: Sendable {
        /// For the task.
        var outcome: ExecutionOutcome
        /// Whether another task may have the connection.
        var isReusable: Bool
    }

    private struct Totals {
        var statements = 0
        var rows: Int64 = 0
        var affected: Int64 = 0
        var warnings = 0
    }

    private let plan: MySQLPlan
    private let connection: MySQLConnection
    private var rows: RowWriter
    private let output: LogOutput
    private let stop: MySQLStop
    private var totals = Totals()
    private var transaction: String?

    /// Warnings shown of one statement.
    private static let shownWarnings = 20

    init(plan: MySQLPlan, connection: MySQLConnection, rows: RowWriter, output: LogOutput, stop: MySQLStop) {
        self.plan = plan
        self.connection = connection
        self.rows = rows
        self.output = output
        self.stop = stop
    }

    /// Runs them all.
    mutating func run() -> End {
        let began = ContinuousClock.now
        var failure: TaskFailure?
        var failed: [String: JSONValue]?
        var isLost = false
        do throws(MySQLFailure) {
            if plan.isReadOnly { try connection.query("SET SESSION TRANSACTION READ ONLY") }
            if plan.isTransaction { try begin() }
            for (index, statement) in plan.statements.enumerated() {
                if stop.isRequested { break }
                do throws(MySQLFailure) {
                    try perform(statement, index + 1)
                } catch {
                    failed = [
                        "statement": .integer(Int64(index + 1)), "code": .integer(Int64(error.code)),
                        "sqlstate": .string(error.state),
                    ]
                    throw error
                }
                totals.statements += 1
            }
            if stop.isRequested { throw .own("it was stopped") }
            try end()
        } catch {
            isLost = error.isLost || stop.isRequested
            failure = describe(error, failed)
            if isLost, plan.isTransaction { transaction = "unknown" }
            if !isLost { takeBack() }
        }
        var result = facts(began)
        if let failed { result["failed"] = .object(failed) }
        return End(
            outcome: ExecutionOutcome(error: failure, result: result),
            isReusable: !isLost && !plan.statements.contains(where: \.marksConnection))
    }

    private func facts(_ began: ContinuousClock.Instant) -> [String: JSONValue] {
        var result: [String: JSONValue] = [
            "mode": .string(plan.mode.rawValue), "statements": .integer(Int64(totals.statements)),
            "rows": .integer(totals.rows), "affected_rows": .integer(totals.affected),
            "warnings": .integer(Int64(totals.warnings)),
            "duration": .number((began.duration(to: .now) / .milliseconds(1)).rounded() / 1000),
        ]
        if let transaction { result["transaction"] = .string(transaction) }
        return result
    }

    private func describe(_ error: MySQLFailure, _ failed: [String: JSONValue]?) -> TaskFailure {
        guard let number = failed?["statement"]?.integerValue else {
            return TaskFailure(.taskFailed, transaction == nil ? error.text : "the transaction failed: \(error.text)")
        }
        var text = "statement \(number) of \(plan.statements.count) failed: \(error.text)"
        if error.isLost { text += "; whether it took effect is unknown" }
        return TaskFailure(.taskFailed, text)
    }

    // MARK: Transactions

    private mutating func begin() throws(MySQLFailure) {
        for (index, statement) in plan.statements.enumerated() where statement.commits {
            tell("statement \(index + 1), \(statement.head), commits what is before it: the server cannot take it back")
        }
        try connection.query("START TRANSACTION")
        transaction = "open"
    }

    private mutating func end() throws(MySQLFailure) {
        if plan.isTransaction {
            try connection.query("COMMIT")
            transaction = "committed"
        } else if connection.isInTransaction {
            try connection.query("ROLLBACK")
            transaction = "rolled back"
            tell("the text left a transaction open: it was rolled back")
        }
    }

    /// After a failure: what is not committed goes.
    private mutating func takeBack() {
        guard plan.isTransaction || connection.isInTransaction else { return }
        let wasOpen = connection.isInTransaction
        do throws(MySQLFailure) {
            try connection.query("ROLLBACK")
            transaction = "rolled back"
            if wasOpen { tell("the transaction was rolled back") }
            try showWarnings("rollback")
        } catch { tell("the transaction could not be rolled back: \(error.text)") }
    }

    // MARK: One statement

    private mutating func perform(_ statement: SQLStatement, _ number: Int) throws(MySQLFailure) {
        let began = ContinuousClock.now
        try connection.query(statement.source)
        var read: Int64 = 0
        var affected: Int64 = 0
        var isTable = false
        var warnings = 0
        repeat {
            if let result = try connection.rows() {
                isTable = true
                read += try write(result)
            } else {
                affected += connection.affectedRows
            }
            warnings = connection.warningCount
        } while try connection.nextResult()
        totals.rows += read
        totals.affected += affected
        totals.warnings += warnings
        var words = ["statement \(number), \(statement.head)"]
        if isTable { words.append(read == 1 ? "1 row" : "\(read) rows") }
        if !isTable || affected > 0 { words.append(affected == 1 ? "1 row affected" : "\(affected) rows affected") }
        if warnings > 0 { words.append(warnings == 1 ? "1 warning" : "\(warnings) warnings") }
        words.append("\((began.duration(to: .now) / .milliseconds(1)).rounded() / 1000) s")
        tell(words.joined(separator: ", "))
        if warnings > 0 { try showWarnings("statement \(number)") }
    }

    /// Writes the rows of one result as they come.
    private mutating func write(_ result: MySQLRows) throws(MySQLFailure) -> Int64 {
        defer {
            // What is left unread would be read to its end otherwise.
            if stop.isRequested { connection.line.cut() }
            result.free()
        }
        rows.begin(result.columns.map(\.column))
        var failure: MySQLFailure?
        do throws(MySQLFailure) {
            while !stop.isRequested, let row = try result.next() {
                guard rows.beginRow() else { continue }
                for (index, column) in result.columns.enumerated() { column.write(row.bytes(index), to: &rows) }
                rows.endRow()
            }
        } catch { failure = error }
        rows.end()
        if let failure { throw failure }
        if stop.isRequested { throw .own("it was stopped") }
        return rows.count
    }

    private func showWarnings(_ of: String) throws(MySQLFailure) {
        for row in try connection.texts("SHOW WARNINGS LIMIT \(Self.shownWarnings)").rows where row.count >= 3 {
            tell("\(of): \(row[0] ?? "Warning") \(row[1] ?? ""): \(row[2] ?? "")")
        }
    }

    private func tell(_ text: String) { output.write(ByteBuffer(string: "tiangong: \(text)\n"), to: .system) }
}
