// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CMariaDB
import Core

/// The rows of one result, as they arrive.
final class MySQLRows {
    /// What they hold.
    let columns: [MySQLColumn]
    private var result: UnsafeMutablePointer<MYSQL_RES>?
    private let handle: UnsafeMutablePointer<MYSQL>

    /// Takes over a result of a connection.
    init(_ result: UnsafeMutablePointer<MYSQL_RES>, _ handle: UnsafeMutablePointer<MYSQL>) {
        self.result = result
        self.handle = handle
        let count = Int(mysql_num_fields(result))
        let fields = mysql_fetch_fields(result)
        columns = (0..<count).compactMap { index in fields.map { MySQLColumn($0 + index) } }
    }

    deinit { free() }

    /// The next row, valid until the next call; nil at the end.
    func next() throws(MySQLFailure) -> MySQLRow? {
        guard let result else { return nil }
        guard let row = mysql_fetch_row(result), let lengths = mysql_fetch_lengths(result) else {
            let code = mysql_errno(handle)
            guard code == 0 else {
                throw MySQLFailure(
                    code: code, state: String(cString: mysql_sqlstate(handle)),
                    message: String(cString: mysql_error(handle)))
            }
            return nil
        }
        return MySQLRow(row: row, lengths: lengths)
    }

    /// Lets go of it. Rows that were not read are read and thrown away, so ``MySQLConnection/abort()`` comes first where
    /// there may be many.
    func free() {
        if let result { mysql_free_result(result) }
        result = nil
    }
}

/// One row, in the library's memory.
struct MySQLRow {
    fileprivate let row: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    fileprivate let lengths: UnsafeMutablePointer<UInt>

    /// A field's bytes; nil for NULL.
    func bytes(_ index: Int) -> UnsafeRawBufferPointer? {
        row[index].map { UnsafeRawBufferPointer(start: $0, count: Int(lengths[index])) }
    }

    /// A field as a text; nil for NULL.
    func text(_ index: Int) -> String? { bytes(index).map { String(decoding: $0, as: UTF8.self) } }
}

/// A column, and how its values are read.
struct MySQLColumn: Sendable, Equatable {
    /// What stands in the protocol for a value.
    enum Form: Sendable {
        /// The value itself.
        case plain
        /// The bits of a number, the most significant byte first.
        case bits
    }

    var name: String
    var kind: RowKind
    var form: Form

    /// As rows are written.
    var column: RowWriter.Column { RowWriter.Column(name: name, kind: kind) }

    /// Reads the library's description of a column.
    init(_ field: UnsafeMutablePointer<MYSQL_FIELD>) {
        let description = field.pointee
        let name = description.name.map { pointer in
            String(
                decoding: UnsafeRawBufferPointer(start: pointer, count: Int(description.name_length)), as: UTF8.self)
        }
        self.init(
            name: name ?? "", type: description.type, characterSet: description.charsetnr,
            isJSON: Self.attribute(field, MARIADB_FIELD_ATTR_FORMAT_NAME) == "json")
    }

    /// - Parameters:
    ///   - name: What it is called.
    ///   - type: The protocol's type.
    ///   - characterSet: The number of its character set; 63 is none.
    ///   - isJSON: Whether a text is known to be JSON.
    init(name: String, type: enum_field_types, characterSet: UInt32 = 45, isJSON: Bool = false) {
        self.name = name
        form = .plain
        switch type {
        case MYSQL_TYPE_TINY, MYSQL_TYPE_SHORT, MYSQL_TYPE_LONG, MYSQL_TYPE_LONGLONG, MYSQL_TYPE_INT24, MYSQL_TYPE_YEAR,
            MYSQL_TYPE_FLOAT, MYSQL_TYPE_DOUBLE:
            kind = .number
        case MYSQL_TYPE_DECIMAL, MYSQL_TYPE_NEWDECIMAL: kind = .decimal
        case MYSQL_TYPE_BIT:
            kind = .number
            form = .bits
        case MYSQL_TYPE_JSON: kind = .json
        case MYSQL_TYPE_GEOMETRY: kind = .binary
        case MYSQL_TYPE_TINY_BLOB, MYSQL_TYPE_MEDIUM_BLOB, MYSQL_TYPE_LONG_BLOB, MYSQL_TYPE_BLOB, MYSQL_TYPE_VAR_STRING,
            MYSQL_TYPE_VARCHAR, MYSQL_TYPE_STRING:
            kind = characterSet == 63 ? .binary : isJSON ? .json : .text
        default: kind = .text
        }
    }

    private static func attribute(_ field: UnsafeMutablePointer<MYSQL_FIELD>, _ which: mariadb_field_attr_t) -> String {
        var value = MARIADB_CONST_STRING()
        guard mariadb_field_attr(&value, field, which) == 0, let start = value.str else { return "" }
        return String(decoding: UnsafeRawBufferPointer(start: start, count: value.length), as: UTF8.self)
    }

    /// Writes a value as the next field of a row.
    func write(_ bytes: UnsafeRawBufferPointer?, to rows: inout RowWriter) {
        guard let bytes else { return rows.field(bytes) }
        switch form {
        case .plain: rows.field(bytes)
        case .bits:
            guard bytes.count <= 8 else { return rows.field(bytes, as: .binary) }
            rows.field(String(bytes.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }))
        }
    }
}
