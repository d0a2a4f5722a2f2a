// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import GRDB
import Synchronization

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// SQLite through GRDB: many readers, one writer with group commit.
///
/// While one commit is being synced, all that arrives waits and shares the next, so that a thousand small writes a
/// second cost few syncs, and a lone write costs exactly one.
final class SQLiteDriver: SQLDriver {
    private struct Job: Sendable {
        let run: @Sendable (any SQLTransaction) throws -> Void
        let finish: @Sendable ((any Error)?) -> Void
    }

    private struct Queue {
        var jobs: [Job] = []
        var draining = false
    }

    private let pool: DatabasePool
    private let queue = Mutex(Queue())

    /// The most bodies in one transaction.
    private static let batch = 512

    /// - Parameter path: The database file; made when missing.
    /// - Throws: `internal` naming the file when it cannot be opened.
    init(path: String) throws(DeployError) {
        var configuration = Configuration()
        configuration.busyMode = .timeout(10)
        configuration.maximumReaderCount = 4
        configuration.prepareDatabase { database in
            try database.execute(sql: "PRAGMA journal_mode = WAL")
            try database.execute(sql: "PRAGMA wal_autocheckpoint = 4000")
            try database.execute(sql: "PRAGMA foreign_keys = ON")
        }
        do {
            pool = try DatabasePool(path: path, configuration: configuration)
            // The pool turns this down to NORMAL when it enters WAL mode; an acknowledgement must survive power loss.
            try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
        } catch {
            throw DeployError(.internal, "database \(path) cannot be opened: \(error)")
        }
    }

    func read<Value: Sendable>(
        _ body: @escaping @Sendable (any SQLTransaction) throws -> Value
    ) async throws -> Value {
        try await pool.read { database in
            try readably { try body(SQLiteTransaction(database: database)) }
        }
    }

    func submit<Value: Sendable>(
        _ body: @escaping @Sendable (any SQLTransaction) throws -> Value,
        finish: @escaping @Sendable (Result<Value, any Error>) -> Void
    ) {
        let outcome = Outcome<Value>()
        let job = Job(
            run: { outcome.set(try body($0)) },
            finish: { error in
                if let error {
                    finish(.failure(error))
                } else if let value = outcome.get() {
                    finish(.success(value))
                } else {
                    finish(.failure(DeployError(.internal, "a transaction ended without a result")))
                }
            })
        let start = queue.withLock { queue in
            queue.jobs.append(job)
            defer { queue.draining = true }
            return !queue.draining
        }
        if start { pool.asyncWriteWithoutTransaction { self.drain($0) } }
    }

    func close() async {
        _ = try? await pool.barrierWriteWithoutTransaction { try $0.checkpoint(.truncate) }
        try? pool.close()
    }

    private func drain(_ database: Database) {
        while true {
            let jobs = queue.withLock { queue -> [Job] in
                let jobs = Array(queue.jobs.prefix(Self.batch))
                queue.jobs.removeFirst(jobs.count)
                if jobs.isEmpty { queue.draining = false }
                return jobs
            }
            if jobs.isEmpty { return }
            commit(jobs, database)
        }
    }

    private func commit(_ jobs: [Job], _ database: Database) {
        var failures = [(any Error)?](repeating: nil, count: jobs.count)
        do {
            try database.inTransaction(.immediate) {
                let transaction = SQLiteTransaction(database: database)
                for (index, job) in jobs.enumerated() {
                    do {
                        try database.inSavepoint {
                            try job.run(transaction)
                            return .commit
                        }
                    } catch {
                        // A full disk and the like undo the whole transaction, and with it what others wrote.
                        guard database.isInsideTransaction else { throw error }
                        failures[index] = error
                    }
                }
                return .commit
            }
        } catch {
            for job in jobs { job.finish(readable(error)) }
            return
        }
        for (job, failure) in zip(jobs, failures) { job.finish(failure.map(readable)) }
    }
}

/// What SQLite says, without the statement.
private func readable(_ error: any Error) -> any Error {
    guard let error = error as? DatabaseError else { return error }
    if error.resultCode == .SQLITE_FULL {
        return DeployError(.insufficientStorage, "the database's disk is full", hint: "free some space")
    }
    return DeployError(.internal, "database: \(error.message ?? "error \(error.resultCode)")")
}

private func readably<Value>(_ body: () throws -> Value) throws -> Value {
    do { return try body() } catch { throw readable(error) }
}

/// The result of a body, kept until its commit is known.
private final class Outcome<Value: Sendable>: Sendable {
    private let value = Mutex<Value?>(nil)
    func set(_ new: Value) { value.withLock { $0 = new } }
    func get() -> Value? { value.withLock { $0 } }
}

private struct SQLiteTransaction: SQLTransaction {
    let database: Database

    func execute(_ sql: String, _ values: [SQLValue]) throws -> Int {
        try readably {
            let statement = try database.cachedStatement(sql: sql)
            try statement.execute(arguments: StatementArguments(values.map(\.databaseValue)))
            return database.changesCount
        }
    }

    func rows(_ sql: String, _ values: [SQLValue]) throws -> [SQLRow] {
        try readably {
            let statement = try database.cachedStatement(sql: sql)
            let cursor = try Row.fetchCursor(statement, arguments: StatementArguments(values.map(\.databaseValue)))
            var result: [SQLRow] = []
            while let row = try cursor.next() {
                result.append(SQLRow(values: (0..<row.count).map { SQLValue(row[$0] as DatabaseValue) }))
            }
            return result
        }
    }
}

extension SQLValue {
    fileprivate var databaseValue: DatabaseValue {
        switch self {
        case .null: .null
        case .integer(let value): value.databaseValue
        case .real(let value): value.databaseValue
        case .text(let value): value.databaseValue
        case .blob(let value): value.databaseValue
        }
    }

    fileprivate init(_ value: DatabaseValue) {
        switch value.storage {
        case .null: self = .null
        case .int64(let value): self = .integer(value)
        case .double(let value): self = .real(value)
        case .string(let value): self = .text(value)
        case .blob(let value): self = .blob(value)
        }
    }
}
