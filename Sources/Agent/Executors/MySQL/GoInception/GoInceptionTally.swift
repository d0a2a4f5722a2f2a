// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Adds up what goInception says of the statements, and what that means for the task.
struct GoInceptionTally: Sendable {
    /// A statement whose rollback was stored.
    struct Rollback: Sendable, Equatable {
        /// Which statement of the text, from 1.
        var number: Int
        /// By what it is found.
        var key: String
        /// The database it is in.
        var database: String
    }

    private let plan: MySQLPlan
    private let entersDatabase: Bool
    private var rows = 0
    private var executed = 0
    private var warnings = 0
    private var errors = 0
    private var affected: Int64 = 0
    private var began = 0
    private var firstError: (number: Int, row: GoInceptionRow)?
    private var firstWarning: (number: Int, row: GoInceptionRow)?
    private var backupFailure: Int?
    /// Statements whose rollback was stored, in the order of execution.
    private(set) var rollbacks: [Rollback] = []

    /// How many rollbacks the task's result names.
    static let namedRollbacks = 200

    /// - Parameters:
    ///   - plan: What was asked for.
    ///   - entersDatabase: Whether the first row is about a statement of our own.
    init(_ plan: MySQLPlan, entersDatabase: Bool) {
        self.plan = plan
        self.entersDatabase = entersDatabase
    }

    private var statements: Int { plan.statements.count }

    /// The most rows an answer can have: one for each statement, one of ours, and what goInception adds of its own.
    var maximumRows: Int { statements + 8 }

    /// Takes the next row of the answer, and gives the number of the task's statement that it is about; nil for a statement
    /// of our own, unless something is wrong with it: then 0. Throws `protocol_error` when there are more rows than there can
    /// be.
    mutating func add(_ row: GoInceptionRow) throws(DeployError) -> Int? {
        rows += 1
        guard rows <= maximumRows else {
            throw DeployError(.protocolError, "goInception answers with more rows than there are statements")
        }
        let number = entersDatabase ? rows - 1 : rows
        if row.fate == .executed, row.backupFailed {
            errors += 1
        } else if row.level == 2 || row.fate == .failed {
            errors += 1
            firstError = firstError ?? (number, row)
        } else if row.level == 1 {
            warnings += 1
            firstWarning = firstWarning ?? (number, row)
        }
        if row.fate != .checked, number > 0 || row.fate == .failed { began += 1 }
        guard number > 0 else { return row.level == 0 ? nil : 0 }
        if row.fate == .executed { executed += 1 }
        if row.fate == .executed || plan.mode == .check { affected += row.affected }
        if row.backupFailed { backupFailure = backupFailure ?? number }
        if row.isBackedUp, let key = row.rollbackKey, let database = row.backupDatabase {
            rollbacks.append(Rollback(number: number, key: key, database: database))
        }
        return number
    }

    /// Why the task has failed; nil when it has not.
    var failure: TaskFailure? {
        let all = statements == 1 ? "1 statement" : "\(statements) statements"
        if let (number, row) = firstError {
            let text = row.message.isEmpty ? row.status : row.message
            if began > 0 {
                return failed(
                    "statement \(number) of \(statements) failed: \(text); \(executed) of \(all) were executed and stay, "
                        + "the others were not or were taken back")
            }
            let place = (1...statements).contains(number) ? "statement \(number) of \(statements)" : "the request"
            let more = errors > 1 ? ", and \(errors - 1) more" : ""
            return failed("goInception refuses \(place): \(text)\(more); nothing was executed")
        }
        if rows == 0 { return failed("goInception did not say anything of \(all)") }
        guard plan.mode == .execute else { return nil }
        if let (number, row) = firstWarning, began == 0 {
            return failed(
                "goInception warns of statement \(number) of \(statements): \(row.message); nothing was executed; correct "
                    + "it, or set ignore_warnings")
        }
        if executed < statements {
            return failed("\(executed) of \(all) were executed, the others were not, and goInception does not say why")
        }
        if plan.execution.backup, let number = backupFailure {
            return failed(
                "all of \(all) were executed, but goInception could not store what takes statement \(number) back")
        }
        return nil
    }

    private func failed(_ text: String) -> TaskFailure { TaskFailure(.taskFailed, text) }

    /// What the task reports.
    var result: [String: JSONValue] {
        var result: [String: JSONValue] = [
            "mode": .string(plan.mode.rawValue), "statements": .integer(Int64(statements)),
            "executed": .integer(Int64(executed)), "affected_rows": .integer(affected),
            "warnings": .integer(Int64(warnings)), "errors": .integer(Int64(errors)),
        ]
        if plan.execution.backup {
            let named = rollbacks.prefix(Self.namedRollbacks).map { rollback in
                JSONValue.object([
                    "statement": .integer(Int64(rollback.number)), "sequence": .string(rollback.key),
                    "database": .string(rollback.database),
                ])
            }
            result["backups"] = .array(Array(named))
            result["backup_count"] = .integer(Int64(rollbacks.count))
        }
        return result
    }

    /// One line for the log.
    var summary: String {
        var words = [statements == 1 ? "1 statement" : "\(statements) statements"]
        if plan.mode == .execute { words.append("\(executed) executed") }
        words.append("\(affected) rows \(plan.mode == .execute ? "affected" : "expected")")
        words.append(warnings == 1 ? "1 warning" : "\(warnings) warnings")
        words.append(errors == 1 ? "1 error" : "\(errors) errors")
        if plan.mode == .check { words.append("nothing was executed: mode check") }
        return words.joined(separator: ", ")
    }
}
