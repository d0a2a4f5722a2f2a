// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore
import Synchronization

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

        /// Whether its values stand to the right of a table's column.
        fileprivate var isRight: Bool { kind == .number || kind == .decimal }
    }

    /// Rows that came, those cut by the limit included.
    private(set) var count: Int64 = 0
    /// Rows that were written.
    private(set) var shown: Int64 = 0

    private let output: LogOutput
    private let format: Format
    private let limit: Int64
    private let waits: Bool
    private let hasHeaders: Bool
    private var columns: [Column] = []
    private var keys: [[UInt8]] = []
    private var buffer = ByteBuffer()
    private var isCut = false
    private var hasMore = false

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
    ///   - waits: Whether it writes by itself, on a thread that may wait. Otherwise all is kept until ``send()``, which is to
    ///     be called often enough.
    init(_ output: LogOutput, format: Format, limit: Int64, hasHeaders: Bool = true, waits: Bool = true) {
        self.output = output
        self.format = format
        self.limit = limit
        self.hasHeaders = hasHeaders
        self.waits = waits
    }

    /// Begins a result; the one before must have been ended.
    mutating func begin(_ columns: [Column]) {
        self.columns = columns
        count = 0
        shown = 0
        isCut = false
        hasMore = false
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

    /// The next field of a row, as text in UTF-8 (as bytes for `binary`); nil is NULL. What is not what it is called is written
    /// as what it is: a number that is none as a text, a text that is not UTF-8 as bytes.
    mutating func field(_ bytes: UnsafeRawBufferPointer?, as kind: RowKind? = nil) {
        defer { cell += 1 }
        var kind = kind ?? (cell < columns.count ? columns[cell].kind : .text)
        if let bytes { kind = kind.checked(bytes, isJSON: format == .jsonl) }
        switch format {
        case .jsonl: jsonField(bytes, kind)
        case .table where isAligned: alignedCell(bytes, kind)
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
                buffer.writeInteger(UInt8(ascii: "\n"))
            } else {
                heldBytes += row.reduce(0) { $0 + $1.bytes.count }
                for (index, cell) in row.enumerated() where index < widths.count {
                    widths[index] = max(widths[index], cell.width)
                }
                heldRows.append(row)
                if heldRows.count >= Self.heldCount || heldBytes >= Self.held { align() }
            }
        }
        if waits, buffer.readableBytes >= Self.chunk { flush() }
    }

    /// A whole JSON object, in place of fields; for documents, and for `jsonl` only.
    mutating func document(_ json: String) {
        buffer.writeString(json)
        buffer.writeInteger(UInt8(ascii: "\n"))
        if waits, buffer.readableBytes >= Self.chunk { flush() }
    }

    /// A whole row as one JSON object of its own, in place of fields, in either format; false when it is over the limit.
    mutating func row(json: UnsafeRawBufferPointer) -> Bool {
        count += 1
        guard count <= limit else {
            isCut = true
            return false
        }
        shown += 1
        buffer.writeBytes(json)
        buffer.writeInteger(UInt8(ascii: "\n"))
        if waits, buffer.readableBytes >= Self.chunk { flush() }
        return true
    }

    /// There are more rows than will be counted: whoever reads them stops here.
    mutating func stop() {
        isCut = true
        hasMore = true
    }

    /// What was gathered is all for now: it is written, with the widths that it needs.
    mutating func settle() {
        if format == .table, !isAligned, !columns.isEmpty, !heldRows.isEmpty { align() }
        if waits { flush() }
    }

    /// A line of text between results, for tables only: in `jsonl` it is left out.
    mutating func remark(_ text: String) {
        guard format == .table else { return }
        buffer.writeString(text)
        buffer.writeInteger(UInt8(ascii: "\n"))
    }

    /// Ends the result: everything is written, and what was cut is said.
    mutating func end() {
        if format == .table, !isAligned, !columns.isEmpty { align() }
        if isCut {
            let rows = hasMore ? "null" : "\(count)"
            switch format {
            case .jsonl: buffer.writeString("{\"truncated\":{\"rows\":\(rows),\"shown\":\(shown)}}\n")
            case .table:
                let all = hasMore ? "the first \(shown)" : "\(shown) of \(count)"
                buffer.writeString("... truncated: \(all) rows shown\n")
            }
        }
        if waits { flush() }
    }

    /// Passes on what was gathered, on a thread that may wait while the log takes no more.
    mutating func flush() {
        guard buffer.readableBytes > 0 else { return }
        output.write(buffer)
        buffer = ByteBuffer()
    }

    /// Passes on what was gathered, from a task that waits without a thread.
    mutating func send() async {
        guard buffer.readableBytes > 0 else { return }
        let gathered = buffer
        buffer = ByteBuffer()
        await output.send(gathered)
    }

    // MARK: JSON

    private mutating func jsonField(_ bytes: UnsafeRawBufferPointer?, _ kind: RowKind) {
        if cell > 0 { buffer.writeInteger(UInt8(ascii: ",")) }
        if cell < keys.count { buffer.writeBytes(keys[cell]) }
        guard let bytes else {
            buffer.writeStaticString("null")
            return
        }
        RowValue.writeChecked(bytes, as: kind, into: &buffer)
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
                hex.append(RowValue.digits[Int(byte >> 4)])
                hex.append(RowValue.digits[Int(byte & 15)])
            }
            return HeldCell(bytes: hex, width: hex.count)
        }
        if RowValue.isPlain(bytes) { return HeldCell(bytes: Array(bytes), width: bytes.count) }
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

    /// The next cell of a table whose widths are known.
    private mutating func alignedCell(_ bytes: UnsafeRawBufferPointer?, _ kind: RowKind) {
        guard let bytes, kind != .binary, RowValue.isPlain(bytes) else {
            let cell = tableCell(bytes, kind)
            return cell.bytes.withUnsafeBytes { write($0, width: cell.width) }
        }
        write(bytes, width: bytes.count)
    }

    private mutating func write(_ bytes: UnsafeRawBufferPointer, width: Int) {
        if cell > 0 { buffer.writeStaticString(" | ") }
        let room = cell < widths.count ? max(0, widths[cell] - width) : 0
        let isRight = cell < columns.count && columns[cell].isRight
        if isRight { buffer.writeRepeatingByte(UInt8(ascii: " "), count: room) }
        buffer.writeBytes(bytes)
        if !isRight, cell + 1 < columns.count { buffer.writeRepeatingByte(UInt8(ascii: " "), count: room) }
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
            let isRight = !isHead && index < columns.count && columns[index].isRight
            if isRight { buffer.writeRepeatingByte(UInt8(ascii: " "), count: room) }
            buffer.writeBytes(cell.bytes)
            if !isRight, index + 1 < cells.count { buffer.writeRepeatingByte(UInt8(ascii: " "), count: room) }
        }
        buffer.writeInteger(UInt8(ascii: "\n"))
    }
}

extension RowWriter {
    /// As a task's parameters `format` and `max_rows` say.
    init(_ context: ExecutionContext, waits: Bool = true) {
        self.init(
            LogOutput(context.log), format: context.parameters.text("format").flatMap(Format.init) ?? .table,
            limit: context.parameters.integer("max_rows") ?? 10_000, waits: waits)
    }
}
