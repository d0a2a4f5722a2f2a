// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore
import Synchronization

/// What kind of value stands in a column, for how it is written.
enum RowKind: Sendable, Hashable {
    /// Text: quoted in JSON.
    case text
    /// Digits that JSON can hold exactly: whole numbers of 64 bits, and doubles.
    case number
    /// Digits that JSON numbers would lose, such as decimals: quoted in JSON, to the right in a table.
    case decimal
    /// `true` or `false`.
    case boolean
    /// Bytes that are no text: `0x…` in a table, `{"base64": …}` in JSON.
    case binary
    /// JSON, as the server wrote it.
    case json
}

/// Writes the rows of one result to a task's log as they arrive: an aligned table for people, or a JSON object a line.
///
/// Used from one task or thread at a time. Memory stays bounded: of a table the first rows are held until its columns' widths
/// are known, never more than ``RowWriter/held`` bytes.
struct RowWriter {
    /// How rows are written.
    enum Format: String, Sendable {
        /// An aligned table.
        case table
        /// One JSON object a line.
        case jsonl
    }

    /// A column.
    struct Column: Sendable {
        /// What it is called.
        var name: String
        /// What kind of values it holds.
        var kind: RowKind
    }

    /// Rows that came, those cut by the limit included.
    private(set) var count: Int64 = 0
    /// Rows that were written.
    private(set) var shown: Int64 = 0

    private let output: LogOutput
    private let format: Format
    private let limit: Int64
    private let hasHeaders: Bool
    private var columns: [Column] = []
    private var keys: [[UInt8]] = []
    private var buffer = ByteBuffer()
    private var isCut = false

    // Of a table, until its widths are known.
    private var heldRows: [[HeldCell]] = []
    private var heldBytes = 0
    private var widths: [Int] = []
    private var isAligned = false
    private var cell = 0
    private var row: [HeldCell] = []

    private struct HeldCell {
        var bytes: [UInt8]
        var width: Int
    }

    /// Bytes of a table held before it is aligned.
    static let held = 262_144
    /// Rows of a table held before it is aligned.
    private static let heldCount = 500
    /// How much is gathered before it goes to the log.
    private static let chunk = 65_536

    /// - Parameters:
    ///   - output: Where rows go.
    ///   - format: How they are written.
    ///   - limit: How many are written at most.
    ///   - hasHeaders: Whether a table starts with the columns' names.
    init(_ output: LogOutput, format: Format, limit: Int64, hasHeaders: Bool = true) {
        self.output = output
        self.format = format
        self.limit = limit
        self.hasHeaders = hasHeaders
    }

    /// Begins a result; the one before must have been ended.
    mutating func begin(_ columns: [Column]) {
        self.columns = columns
        count = 0
        shown = 0
        isCut = false
        isAligned = false
        heldRows = []
        heldBytes = 0
        widths = columns.map { hasHeaders ? TextWidth.of($0.name) : 0 }
        keys = Self.distinct(columns.map(\.name)).map { Array(JSONValue.string($0).text.utf8) + [UInt8(ascii: ":")] }
    }

    /// Begins a row; false when it is over the limit: then no fields are given, and it is only counted.
    mutating func beginRow() -> Bool {
        count += 1
        guard count <= limit else {
            isCut = true
            return false
        }
        shown += 1
        cell = 0
        if format == .jsonl { buffer.writeInteger(UInt8(ascii: "{")) } else { row = [] }
        return true
    }

    /// The next field of a row, as text in UTF-8 (as bytes for `binary`); nil is NULL.
    mutating func field(_ bytes: UnsafeRawBufferPointer?, as kind: RowKind? = nil) {
        defer { cell += 1 }
        let kind = kind ?? (cell < columns.count ? columns[cell].kind : .text)
        switch format {
        case .jsonl: jsonField(bytes, kind)
        case .table: row.append(tableCell(bytes, kind))
        }
    }

    /// The same from a text.
    mutating func field(_ text: String?, as kind: RowKind? = nil) {
        guard var text else { return field(UnsafeRawBufferPointer?.none, as: kind) }
        text.withUTF8 { field(UnsafeRawBufferPointer($0), as: kind) }
    }

    /// Ends a row.
    mutating func endRow() {
        switch format {
        case .jsonl:
            buffer.writeStaticString("}\n")
        case .table:
            if isAligned {
                write(row)
            } else {
                heldBytes += row.reduce(0) { $0 + $1.bytes.count }
                for (index, cell) in row.enumerated() where index < widths.count {
                    widths[index] = max(widths[index], cell.width)
                }
                heldRows.append(row)
                if heldRows.count >= Self.heldCount || heldBytes >= Self.held { align() }
            }
        }
        if buffer.readableBytes >= Self.chunk { flush() }
    }

    /// A whole JSON object, in place of fields; for documents, and for `jsonl` only.
    mutating func document(_ json: String) {
        buffer.writeString(json)
        buffer.writeInteger(UInt8(ascii: "\n"))
        if buffer.readableBytes >= Self.chunk { flush() }
    }

    /// Ends the result: everything is written, and what was cut is said.
    mutating func end() {
        if format == .table, !isAligned, !columns.isEmpty { align() }
        if isCut {
            switch format {
            case .jsonl: buffer.writeString("{\"truncated\":{\"rows\":\(count),\"shown\":\(shown)}}\n")
            case .table: buffer.writeString("... truncated: \(shown) of \(count) rows shown\n")
            }
        }
        flush()
    }

    /// Passes on what was gathered; waits while the log takes no more.
    mutating func flush() {
        guard buffer.readableBytes > 0 else { return }
        output.write(buffer)
        buffer = ByteBuffer()
    }

    // MARK: JSON

    private mutating func jsonField(_ bytes: UnsafeRawBufferPointer?, _ kind: RowKind) {
        if cell > 0 { buffer.writeInteger(UInt8(ascii: ",")) }
        if cell < keys.count { buffer.writeBytes(keys[cell]) }
        guard let bytes else {
            buffer.writeStaticString("null")
            return
        }
        switch kind {
        case .number where Self.isJSONNumber(bytes), .boolean: buffer.writeBytes(bytes)
        case .number, .decimal, .text: jsonString(bytes)
        case .binary:
            buffer.writeStaticString("{\"base64\":\"")
            buffer.writeString(Base64.encode(bytes))
            buffer.writeStaticString("\"}")
        case .json:
            // Line ends stand between tokens only: inside its strings they are escaped.
            for byte in bytes { buffer.writeInteger(byte == 10 || byte == 13 ? UInt8(ascii: " ") : byte) }
        }
    }

    private mutating func jsonString(_ bytes: UnsafeRawBufferPointer) {
        buffer.writeInteger(UInt8(ascii: "\""))
        var start = 0
        for (index, byte) in bytes.enumerated()
        where byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
            buffer.writeBytes(bytes[start..<index])
            start = index + 1
            switch byte {
            case UInt8(ascii: "\""): buffer.writeStaticString("\\\"")
            case UInt8(ascii: "\\"): buffer.writeStaticString("\\\\")
            case 10: buffer.writeStaticString("\\n")
            case 13: buffer.writeStaticString("\\r")
            case 9: buffer.writeStaticString("\\t")
            default:
                buffer.writeStaticString("\\u00")
                buffer.writeInteger(Self.digits[Int(byte >> 4)])
                buffer.writeInteger(Self.digits[Int(byte & 15)])
            }
        }
        buffer.writeBytes(bytes[start...])
        buffer.writeInteger(UInt8(ascii: "\""))
    }

    private static let digits = Array("0123456789abcdef".utf8)

    /// Whether the digits are a number for JSON: not `NaN`, `Infinity`, and their like.
    private static func isJSONNumber(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let first = bytes.first else { return false }
        let digit = first == UInt8(ascii: "-") ? bytes.dropFirst().first : first
        return digit.map { (48...57).contains($0) } ?? false
    }

    private static func distinct(_ names: [String]) -> [String] {
        var seen: Set<String> = []
        return names.map { name in
            var unique = name
            var number = 2
            while !seen.insert(unique).inserted {
                unique = "\(name)_\(number)"
                number += 1
            }
            return unique
        }
    }

    // MARK: Tables

    private func tableCell(_ bytes: UnsafeRawBufferPointer?, _ kind: RowKind) -> HeldCell {
        guard let bytes else { return HeldCell(bytes: Array("NULL".utf8), width: 4) }
        if kind == .binary {
            var hex: [UInt8] = [UInt8(ascii: "0"), UInt8(ascii: "x")]
            hex.reserveCapacity(2 + 2 * bytes.count)
            for byte in bytes {
                hex.append(Self.digits[Int(byte >> 4)])
                hex.append(Self.digits[Int(byte & 15)])
            }
            return HeldCell(bytes: hex, width: hex.count)
        }
        var isPlain = true
        for byte in bytes where byte < 0x20 || byte >= 0x7F {
            isPlain = false
            break
        }
        if isPlain { return HeldCell(bytes: Array(bytes), width: bytes.count) }
        var text: [UInt8] = []
        text.reserveCapacity(bytes.count + 8)
        // A line end inside a value would break the table.
        for byte in bytes {
            switch byte {
            case 10: text += [UInt8(ascii: "\\"), UInt8(ascii: "n")]
            case 13: text += [UInt8(ascii: "\\"), UInt8(ascii: "r")]
            case 9: text += [UInt8(ascii: "\\"), UInt8(ascii: "t")]
            default: text.append(byte)
            }
        }
        return HeldCell(bytes: text, width: TextWidth.of(String(decoding: text, as: UTF8.self)))
    }

    private mutating func align() {
        isAligned = true
        if hasHeaders { writeHeaders() }
        for row in heldRows { write(row) }
        heldRows = []
    }

    private mutating func writeHeaders() {
        let names = columns.map { HeldCell(bytes: Array($0.name.utf8), width: TextWidth.of($0.name)) }
        write(names, isHead: true)
        for (index, width) in widths.enumerated() {
            if index > 0 { buffer.writeStaticString("-+-") }
            buffer.writeRepeatingByte(UInt8(ascii: "-"), count: width)
        }
        buffer.writeInteger(UInt8(ascii: "\n"))
    }

    private mutating func write(_ cells: [HeldCell], isHead: Bool = false) {
        for (index, cell) in cells.enumerated() {
            if index > 0 { buffer.writeStaticString(" | ") }
            let room = index < widths.count ? max(0, widths[index] - cell.width) : 0
            let kind = index < columns.count ? columns[index].kind : .text
            let isRight = !isHead && (kind == .number || kind == .decimal)
            if isRight { buffer.writeRepeatingByte(UInt8(ascii: " "), count: room) }
            buffer.writeBytes(cell.bytes)
            if !isRight, index + 1 < cells.count { buffer.writeRepeatingByte(UInt8(ascii: " "), count: room) }
        }
        buffer.writeInteger(UInt8(ascii: "\n"))
    }
}

extension RowWriter {
    /// As a task's parameters `format` and `max_rows` say.
    init(_ context: ExecutionContext) {
        self.init(
            LogOutput(context.log), format: context.parameters.text("format").flatMap(Format.init) ?? .table,
            limit: context.parameters.integer("max_rows") ?? 10_000)
    }
}
