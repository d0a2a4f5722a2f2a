// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// What came of a task's statements, for its result and its error.
struct PostgresReport: Sendable {
    /// What became of the transaction that holds all statements.
    enum Transaction: String, Sendable {
        /// There was none: each statement stands by itself.
        case none
        case committed
        case rolledBack = "rolled_back"
        /// The connection was lost while it was being committed.
        case unknown
    }

    /// The whole text.
    let source: String
    /// Its statements.
    let statements: [SQLStatement]
    /// What became of the transaction.
    var transaction: Transaction
    /// Why it failed.
    private(set) var error: TaskFailure?

    private var done = 0
    private var rows: Int64 = 0
    private var affected: Int64 = 0
    private var each: [JSONValue] = []
    private var failed: [String: JSONValue]?
    private var warnings: [String] = []
    private var warningCount: Int64 = 0

    /// How many statements and warnings the result tells of one by one.
    private static let most = 100

    init(_ source: String, _ statements: [SQLStatement], transaction: Transaction) {
        self.source = source
        self.statements = statements
        self.transaction = transaction
    }

    /// A statement has ended well.
    mutating func add(_ completion: PostgresCompletion, duration: Duration) {
        done += 1
        var entry: [String: JSONValue] = [
            "command": .string(completion.command), "duration_ms": .milliseconds(duration),
        ]
        if let count = completion.affected {
            affected += count
            entry["affected_rows"] = .integer(count)
        }
        if completion.hasRows {
            rows += completion.rows
            entry["rows"] = .integer(completion.rows)
        }
        if each.count < Self.most { each.append(.object(entry)) }
    }

    /// The server warned.
    mutating func add(_ notice: PostgresNotice) {
        guard notice.isWarning else { return }
        warningCount += 1
        if warnings.count < Self.most { warnings.append(String(notice.message.prefix(1024))) }
    }

    // MARK: Failures

    /// The statement at `index` has failed.
    mutating func fail(_ index: Int, _ failure: PostgresFailure) {
        let place = position(failure, in: statements[index])
        failed = facts(failure)
        failed?["number"] = .integer(Int64(index + 1))
        if let place {
            failed?["line"] = .integer(Int64(place.line))
            failed?["column"] = .integer(Int64(place.column))
        }
        let name = statements.count == 1 ? "the statement" : "statement \(index + 1) of \(statements.count)"
        var text: String
        switch failure.kind {
        case .stopped: text = "stopped during \(name): \(failure.message)"
        case .lost, .timedOut: text = "the connection was lost during \(name): \(failure.message)"
        default: text = "\(name) failed: \(failure.message)"
        }
        var marks: [String] = []
        if let state = failure.sqlState { marks.append("SQLSTATE \(state)") }
        if let place { marks.append("line \(place.line), column \(place.column)") }
        if !marks.isEmpty { text += " (\(marks.joined(separator: ", ")))" }
        error = TaskFailure(Self.code(failure), text + aftermath(failure, before: index) + advice(failure))
    }

    /// The statements did well, but their transaction could not be committed.
    mutating func failToCommit(_ failure: PostgresFailure) {
        failed = facts(failure)
        failed?["command"] = .string("COMMIT")
        let state = failure.sqlState.map { " (SQLSTATE \($0))" } ?? ""
        let end =
            transaction == .unknown
            ? "whether it took effect is not known: look before you run it again" : "everything was rolled back"
        error = TaskFailure(Self.code(failure), "the transaction was not committed: \(failure.message)\(state); \(end)")
    }

    /// The statements could not be run as they were meant.
    mutating func fail(_ code: ErrorCode, _ text: String) { error = TaskFailure(code, text) }

    private func aftermath(_ failure: PostgresFailure, before index: Int) -> String {
        if transaction == .rolledBack { return "; everything was rolled back" }
        let earlier =
            index == 0 ? "" : index == 1 ? "; the one before took effect" : "; the \(index) before took effect"
        switch failure.kind {
        case .lost, .timedOut, .stopped: return earlier + "; whether it took effect itself is not known"
        default: return earlier
        }
    }

    private func advice(_ failure: PostgresFailure) -> String {
        switch failure.sqlState {
        case "25001" where transaction != .none, "2D000" where transaction != .none:
            "; give transaction=false, so that each statement stands by itself"
        case _?: failure.hint.map { "; hint: \($0)" } ?? ""
        case nil: ""
        }
    }

    private func facts(_ failure: PostgresFailure) -> [String: JSONValue] {
        var facts: [String: JSONValue] = ["message": .string(failure.message)]
        if let state = failure.sqlState { facts["sqlstate"] = .string(state) }
        if let detail = failure.detail { facts["detail"] = .string(detail) }
        if let hint = failure.hint { facts["hint"] = .string(hint) }
        if let position = failure.position { facts["position"] = .integer(Int64(position)) }
        if let context = failure.context { facts["context"] = .string(String(context.prefix(4096))) }
        return facts
    }

    /// Line and column, from 1, in the whole text, of what an error is about.
    private func position(_ failure: PostgresFailure, in statement: SQLStatement) -> (line: Int, column: Int)? {
        guard let position = failure.position, position >= 1 else { return nil }
        let before = source.utf8.prefix(statement.range.lowerBound)
        let within = statement.text(in: source).unicodeScalars.prefix(position - 1)
        var line = 1
        var column = 1
        for scalar in String(decoding: before, as: UTF8.self).unicodeScalars { Self.step(scalar, &line, &column) }
        for scalar in within { Self.step(scalar, &line, &column) }
        return (line, column)
    }

    private static func step(_ scalar: Unicode.Scalar, _ line: inout Int, _ column: inout Int) {
        if scalar == "\n" {
            line += 1
            column = 1
        } else {
            column += 1
        }
    }

    /// What an error of the server is in the table of errors.
    static func code(_ failure: PostgresFailure) -> ErrorCode {
        switch failure.kind {
        case .stopped: return .canceled
        case .lost, .timedOut, .unreachable, .untrusted, .refused: return .unavailable
        case .server: break
        }
        let state = failure.sqlState ?? ""
        switch state {
        case "42501": return .forbidden
        case "42P01", "42703", "42883", "42704": return .notFound
        case "57014": return .canceled
        case "53100": return .insufficientStorage
        default: break
        }
        switch state.prefix(2) {
        case "22", "26", "34", "42": return .invalidArgument
        case "3D", "3F": return .notFound
        case "0A": return .unsupported
        case "28": return .unauthenticated
        case "08", "53", "57": return .unavailable
        case "58", "F0", "XX": return .internal
        default: return .conflict
        }
    }

    // MARK: The result

    /// The facts of a task's result.
    func result(duration: Duration) -> [String: JSONValue] {
        var result: [String: JSONValue] = [
            "statements": .integer(Int64(done)), "rows": .integer(rows), "affected_rows": .integer(affected),
            "duration_ms": .milliseconds(duration), "transaction": .string(transaction.rawValue),
            "each": .array(each),
        ]
        if let failed { result["failed_statement"] = .object(failed) }
        if warningCount > 0 {
            result["warnings"] = .array(warnings.map { .string($0) })
            result["warning_count"] = .integer(warningCount)
        }
        return result
    }
}

extension JSONValue {
    /// A span of time in milliseconds, to the microsecond.
    static func milliseconds(_ span: Duration) -> JSONValue {
        .number((Double(span.components.seconds) * 1e6 + Double(span.components.attoseconds) / 1e12).rounded() / 1000)
    }
}
