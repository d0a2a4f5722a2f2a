// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CPostgres

/// Takes the rows of statements as they come.
protocol PostgresSink {
    /// Rows with these columns follow.
    mutating func begin(_ columns: [PostgresColumn])
    /// The next row; not to be kept.
    mutating func row(_ row: PostgresRow)
    /// Bytes of a COPY; not to be kept.
    mutating func copied(_ bytes: UnsafeRawBufferPointer)
}

/// A column of a result.
struct PostgresColumn: Sendable, Hashable {
    /// What it is called.
    var name: String
    /// The number of its type in `pg_type`.
    var type: UInt32
}

/// A row, valid while it is being given to a sink.
struct PostgresRow {
    fileprivate let result: OpaquePointer
    fileprivate let row: Int32

    init(result: OpaquePointer, row: Int32) {
        self.result = result
        self.row = row
    }

    /// How many fields there are.
    var count: Int { Int(PQnfields(result)) }

    /// A field in the server's text form; nil is NULL.
    subscript(_ column: Int) -> UnsafeRawBufferPointer? {
        if PQgetisnull(result, row, Int32(column)) == 1 { return nil }
        return UnsafeRawBufferPointer(
            start: PQgetvalue(result, row, Int32(column)), count: Int(PQgetlength(result, row, Int32(column))))
    }
}

/// How a statement ended well.
struct PostgresCompletion: Sendable, Hashable {
    /// What the server calls it, such as `INSERT 0 3`.
    var tag = ""
    /// Whether it gave a result with columns.
    var hasRows = false
    /// Rows that came.
    var rows: Int64 = 0
    /// Rows that it changed; nil for statements that change none.
    var affected: Int64?

    /// The first word of the tag.
    var command: String { String(tag.prefix { $0 != " " }) }

    mutating func take(_ result: OpaquePointer) {
        tag = PQcmdStatus(result).map { String(cString: $0) } ?? ""
        let changes = ["INSERT", "UPDATE", "DELETE", "MERGE", "COPY"].contains(command)
        guard changes || !hasRows, let text = PQcmdTuples(result) else { return }
        affected = Int64(String(cString: text))
    }
}

/// Reads what libpq keeps of an answer.
enum PostgresResult {
    static func columns(_ result: OpaquePointer) -> [PostgresColumn] {
        (0..<PQnfields(result)).map { column in
            PostgresColumn(
                name: PQfname(result, column).map { String(cString: $0) } ?? "", type: PQftype(result, column))
        }
    }

    static func failure(_ result: OpaquePointer) -> PostgresFailure {
        let text = field(result, "M") ?? PQresultErrorMessage(result).map { String(cString: $0) } ?? ""
        var failure = PostgresFailure(.server, text)
        failure.sqlState = field(result, "C")
        // Without a state it is libpq that speaks: there is nobody at the other end.
        if failure.sqlState == nil { failure.kind = .lost }
        failure.isFatal = field(result, "V").map { $0 != "ERROR" } ?? true
        failure.detail = field(result, "D")
        failure.hint = field(result, "H")
        failure.position = field(result, "P").flatMap { Int($0) }
        failure.context = field(result, "W")
        return failure
    }

    static func notice(_ result: OpaquePointer) -> PostgresNotice {
        PostgresNotice(
            severity: field(result, "S") ?? "NOTICE", isWarning: field(result, "V") == "WARNING",
            message: field(result, "M") ?? "", detail: field(result, "D"), hint: field(result, "H"))
    }

    /// One of the fields of an error or notice, by the letter that the protocol gives it.
    private static func field(_ result: OpaquePointer, _ letter: Unicode.Scalar) -> String? {
        PQresultErrorField(result, Int32(letter.value)).map { String(cString: $0) }
    }
}
