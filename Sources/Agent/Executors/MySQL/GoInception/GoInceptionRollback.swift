// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

/// Reads what takes changes back from the server where goInception stores it, and writes it in the order it has to be applied:
/// the last change first. It blocks: see ``WorkThread``.
struct GoInceptionRollback: Sendable {
    /// To the server with the backups.
    let connection: MySQLConnection
    /// For one JSON object a statement; nil for the statements themselves.
    var rows: RowWriter?
    /// Where statements go.
    let output: LogOutput
    /// How many are written at most.
    let limit: Int64

    private var count: Int64 = 0
    private var buffer = ByteBuffer()

    /// The table that says which table holds what.
    static let index = "$_$Inception_backup_information$_$"
    /// How many statements are looked up at once.
    private static let batch = 100

    init(connection: MySQLConnection, rows: RowWriter?, output: LogOutput, limit: Int64) {
        self.connection = connection
        self.rows = rows
        self.output = output
        self.limit = limit
    }

    /// Writes them all and returns how many there are; throws `task_failed`.
    mutating func write(_ rollbacks: [GoInceptionTally.Rollback]) throws(DeployError) -> Int64 {
        rows?.begin([
            .init(name: "statement", kind: .number), .init(name: "sequence", kind: .text),
            .init(name: "rollback_statement", kind: .text),
        ])
        do throws(MySQLFailure) {
            let newest = Array(rollbacks.reversed())
            for start in stride(from: 0, to: newest.count, by: Self.batch) {
                let part = Array(newest[start..<min(start + Self.batch, newest.count)])
                let tables = try tables(part)
                for rollback in part { try write(rollback, from: tables[rollback.key]) }
            }
        } catch {
            flush()
            throw DeployError(.taskFailed, error.text)
        }
        rows?.end()
        if rows == nil, count > limit { line("-- truncated: \(limit) of \(count) rollback statements shown") }
        flush()
        return count
    }

    /// The table of each key; all keys of one part may lie in several databases.
    private func tables(_ part: [GoInceptionTally.Rollback]) throws(MySQLFailure) -> [String: String] {
        var tables: [String: String] = [:]
        for (database, members) in Dictionary(grouping: part, by: \.database) {
            // Keys are digits and strokes.
            let keys = members.map { "'\($0.key)'" }.joined(separator: ", ")
            let answer = try connection.texts(
                "SELECT opid_time, tablename FROM \(name(database)).\(name(Self.index)) WHERE opid_time IN (\(keys))",
                limit: Self.batch)
            for row in answer.rows where row.count == 2 {
                if let key = row[0], let table = row[1] { tables[key] = table }
            }
        }
        return tables
    }

    private mutating func write(_ rollback: GoInceptionTally.Rollback, from table: String?) throws(MySQLFailure) {
        if rows == nil { line("-- rollback of statement \(rollback.number) (\(rollback.key))") }
        guard let table else {
            return output.write(
                ByteBuffer(
                    string:
                        "tiangong: nothing is stored that takes statement \(rollback.number) (\(rollback.key)) back\n"),
                to: .system)
        }
        try connection.query(
            "SELECT rollback_statement FROM \(name(rollback.database)).\(name(table)) "
                + "WHERE opid_time = '\(rollback.key)' ORDER BY id")
        guard let answer = try connection.rows() else { return }
        defer { answer.free() }
        while let row = try answer.next() {
            guard let text = row.text(0) else { continue }
            count += 1
            if rows == nil {
                if count <= limit { line(text.hasSuffix(";") ? text : text + ";") }
            } else if rows?.beginRow() == true {
                rows?.field(String(rollback.number))
                rows?.field(rollback.key)
                rows?.field(text)
                rows?.endRow()
            }
        }
    }

    private mutating func line(_ text: String) {
        buffer.writeString(text)
        buffer.writeInteger(UInt8(ascii: "\n"))
        if buffer.readableBytes >= 65_536 { flush() }
    }

    private mutating func flush() {
        guard buffer.readableBytes > 0 else { return }
        output.write(buffer)
        buffer = ByteBuffer()
    }

    private func name(_ text: String) -> String { GoInceptionRequest.identifier(text) }
}
