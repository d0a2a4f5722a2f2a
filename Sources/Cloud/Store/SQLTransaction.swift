// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A value going into or coming out of the database.
enum SQLValue: Sendable, Equatable {
    case null
    case integer(Int64)
    case real(Double)
    case text(String)
    case blob(Data)

    static func text(_ value: String?) -> SQLValue { value.map { .text($0) } ?? .null }
    static func integer(_ value: Int64?) -> SQLValue { value.map { .integer($0) } ?? .null }
    static func integer(_ value: Int) -> SQLValue { .integer(Int64(value)) }
    static func integer(_ value: Int32?) -> SQLValue { value.map { .integer(Int64($0)) } ?? .null }
}

/// One row; columns are read by position in the order of the SELECT.
struct SQLRow: Sendable {
    let values: [SQLValue]

    func text(_ index: Int) -> String { if case .text(let value) = values[index] { value } else { "" } }
    func optionalText(_ index: Int) -> String? { if case .text(let value) = values[index] { value } else { nil } }
    func integer(_ index: Int) -> Int64 { if case .integer(let value) = values[index] { value } else { 0 } }
    func optionalInteger(_ index: Int) -> Int64? { if case .integer(let value) = values[index] { value } else { nil } }
    func optionalReal(_ index: Int) -> Double? {
        switch values[index] {
        case .real(let value): value
        case .integer(let value): Double(value)
        default: nil
        }
    }
    func blob(_ index: Int) -> Data { if case .blob(let value) = values[index] { value } else { Data() } }
}

/// What a body of SQL may do inside one transaction. Synchronous on purpose: nothing can wait inside a transaction.
protocol SQLTransaction {
    /// Runs a statement that returns no rows; the number of rows it changed.
    @discardableResult
    func execute(_ sql: String, _ values: [SQLValue]) throws -> Int
    /// Runs a query.
    func rows(_ sql: String, _ values: [SQLValue]) throws -> [SQLRow]
}

/// A database that runs bodies of SQL on its own threads.
protocol SQLDriver: Sendable {
    /// Runs a body on a consistent snapshot.
    func read<Value: Sendable>(_ body: @escaping @Sendable (any SQLTransaction) throws -> Value) async throws -> Value
    /// Runs a body in a transaction shared with others that wait, each undone alone if it throws, and calls
    /// `finish` after the commit that holds it is on disk. Bodies run in the order they were submitted.
    func submit<Value: Sendable>(
        _ body: @escaping @Sendable (any SQLTransaction) throws -> Value,
        finish: @escaping @Sendable (Result<Value, any Error>) -> Void)
    /// Waits for what was submitted and closes.
    func close() async
}

extension SQLDriver {
    /// Runs a body in a transaction and returns once it is on disk.
    func write<Value: Sendable>(
        _ body: @escaping @Sendable (any SQLTransaction) throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            submit(body) { continuation.resume(with: $0) }
        }
    }
}
