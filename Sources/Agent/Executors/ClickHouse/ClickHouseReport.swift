// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// What came of a task's statements, for its result and its error.
struct ClickHouseReport: Sendable {
    /// What the server counts of one statement.
    struct Counts: Sendable, Hashable {
        /// Rows of its result.
        var rows: Int64?
        /// Rows that it wrote; nil where the server does not tell.
        var written: Int64?
        /// Rows that it read; nil where the server does not tell.
        var read: Int64?
    }

    /// Why it failed.
    private(set) var error: TaskFailure?

    private let total: Int
    private var done = 0
    private var sum = Counts()
    private var each: [JSONValue] = []
    private var failed: [String: JSONValue]?

    /// How many statements the result tells of one by one.
    private static let most = 100

    /// - Parameter total: How many statements there are.
    init(total: Int) { self.total = total }

    /// A statement has ended well.
    mutating func add(_ command: String, _ counts: Counts, query: String, duration: Duration) {
        done += 1
        var entry: [String: JSONValue] = [
            "command": .string(command), "query_id": .string(query), "duration_ms": .milliseconds(duration),
        ]
        entry.merge(Self.facts(counts)) { $1 }
        if each.count < Self.most { each.append(.object(entry)) }
        sum.rows = Self.sum(sum.rows, counts.rows)
        sum.written = Self.sum(sum.written, counts.written)
        sum.read = Self.sum(sum.read, counts.read)
    }

    private static func sum(_ first: Int64?, _ second: Int64?) -> Int64? {
        guard let first, let second else { return first ?? second }
        let (sum, isOver) = first.addingReportingOverflow(second)
        return isOver ? .max : sum
    }

    private static func facts(_ counts: Counts) -> [String: JSONValue] {
        var facts: [String: JSONValue] = [:]
        if let rows = counts.rows { facts["rows"] = .integer(rows) }
        if let written = counts.written { facts["affected_rows"] = .integer(written) }
        if let read = counts.read { facts["read_rows"] = .integer(read) }
        return facts
    }

    /// The statement at `index` has failed.
    mutating func fail(_ index: Int, _ exception: ClickHouseException, query: String) {
        failed = [
            "number": .integer(Int64(index + 1)), "code": .integer(Int64(exception.code)),
            "message": .string(exception.message), "query_id": .string(query),
        ]
        if let name = exception.name { failed?["name"] = .string(name) }
        let mark = exception.code == 0 ? "" : " (code \(exception.code)\(exception.name.map { ", \($0)" } ?? ""))"
        fail(index, exception.errorCode, "failed: \(exception.message)\(mark)")
    }

    /// The statement at `index` did not come to an end of its own.
    mutating func fail(_ index: Int, _ error: DeployError, query: String) {
        failed = [
            "number": .integer(Int64(index + 1)), "message": .string(error.message), "query_id": .string(query),
        ]
        fail(
            index, error.code, error.code == .canceled ? "was stopped: \(error.sentence)" : "failed: \(error.sentence)")
    }

    private mutating func fail(_ index: Int, _ code: ErrorCode, _ what: String) {
        let name = total == 1 ? "the statement" : "statement \(index + 1) of \(total)"
        let before = index == 0 ? "" : index == 1 ? "; the one before took effect" : "; the \(index) before took effect"
        error = TaskFailure(code, "\(name) \(what)\(before)")
    }

    /// The facts of a task's result.
    func result(duration: Duration) -> [String: JSONValue] {
        var result: [String: JSONValue] = [
            "statements": .integer(Int64(done)), "duration_ms": .milliseconds(duration), "each": .array(each),
        ]
        result.merge(Self.facts(sum)) { $1 }
        if result["rows"] == nil { result["rows"] = .integer(0) }
        if let failed { result["failed_statement"] = .object(failed) }
        return result
    }
}
