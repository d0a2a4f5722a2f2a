// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// A connection as tasks use it: how it reads statements is known, and nothing of one task is left for the next.
///
/// Used by one thread at a time, as the connection is.
final class PostgresSession: @unchecked Sendable {
    /// The connection.
    let connection: PostgresConnection
    /// The database it is in.
    let database: String
    /// Arrays that this database defines; nil until they were asked for.
    private var arrays: [UInt32: PostgresType]?

    init(_ connection: PostgresConnection, database: String) {
        self.connection = connection
        self.database = database
    }

    /// How a database must read quotes, so that it reads what the guard has judged.
    private static let reading = ["standard_conforming_strings": "on", "client_encoding": "UTF8"]

    /// Why statements would be read in another way than they were judged; nil when they are not.
    var misreading: String? {
        for (name, value) in Self.reading.sorted(by: { $0.key < $1.key }) where connection.setting(name) != value {
            return "\(name) is not \(value) here, so the server would read statements differently than they were judged"
        }
        return nil
    }

    /// Sets what results and the reading of statements depend on, wherever the server's own setting is another.
    func settle(within limit: Duration, _ interrupt: PostgresInterrupt) throws(PostgresFailure) {
        for (name, value) in Self.reading where connection.setting(name) != value {
            try connection.run("SET \(name) TO '\(value)'", within: limit, interrupt)
        }
        if connection.setting("DateStyle")?.hasPrefix("ISO") != true {
            try connection.run("SET DateStyle TO ISO", within: limit, interrupt)
        }
    }

    /// Whether the server still answers.
    func isAlive(within limit: Duration, _ interrupt: PostgresInterrupt) -> Bool {
        do throws(PostgresFailure) {
            try connection.run("", within: limit, interrupt)
            return connection.isIdle
        } catch { return false }
    }

    /// Makes it as new; false when it is of no more use.
    func reset(within limit: Duration, _ interrupt: PostgresInterrupt) -> Bool {
        connection.onNotice = nil
        guard connection.isIdle else { return false }
        do throws(PostgresFailure) {
            try connection.run("DISCARD ALL", within: limit, interrupt)
            try settle(within: limit, interrupt)
            return connection.isIdle
        } catch { return false }
    }

    /// Asks for the arrays that the database defines, once.
    func learnArrays(within limit: Duration, _ interrupt: PostgresInterrupt) throws(PostgresFailure) {
        guard arrays == nil else { return }
        var catalogue = Catalogue()
        try connection.run(PostgresType.catalogueQuery, within: limit, interrupt, into: &catalogue)
        arrays = catalogue.types
    }

    /// What is known of a type by its number.
    func type(_ number: UInt32) -> PostgresType {
        PostgresType.builtIn(number) ?? arrays?[number] ?? .scalar(.text)
    }

    private struct Catalogue: PostgresSink {
        var types: [UInt32: PostgresType] = [:]

        func begin(_ columns: [PostgresColumn]) {}
        func copied(_ bytes: UnsafeRawBufferPointer) {}

        mutating func row(_ row: PostgresRow) {
            func text(_ column: Int) -> String { row[column].map { String(decoding: $0, as: UTF8.self) } ?? "" }
            guard row.count == 3, let number = UInt32(text(0)), let element = UInt32(text(1)) else { return }
            var kind = RowKind.text
            if case .scalar(let known) = PostgresType.builtIn(element) { kind = known }
            types[number] = .array(kind, delimiter: text(2).utf8.first ?? UInt8(ascii: ","))
        }
    }
}
