// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import NIOCore

/// Reads an answer in the format TabSeparatedWithNamesAndTypes as it comes, and writes its rows.
///
/// Once rows have left the server, it can tell of an error only by writing it behind them. Newer servers mark it; of older
/// ones it must be told from a row by its looks. A line with one text that looks like an error from end to end, at the very
/// end of an answer, is taken for one unless it has escapes, which rows have and errors do not.
struct ClickHouseRows {
    private enum State {
        case names
        case types
        case rows
        /// `__exception__` was seen; the tag or the error is next.
        case marked
        /// All that follows is an error.
        case exception
    }

    /// Rows that came; totals and extremes are none.
    private(set) var count: Int64 = 0

    private var writer: RowWriter
    private let tag: String?
    private let hasTotals: Bool
    private let isJSON: Bool
    private var state = State.names
    private var names: [String] = []
    private var types: [ClickHouseType] = []
    private var rest = ByteBuffer()
    /// How much of it is known to hold no line end.
    private var searched = 0
    private var held: [UInt8]?
    private var text: [UInt8] = []
    private var isBeyond = false
    /// Watches what is not read any more.
    private var left: ClickHouseRaw?

    /// The longest row.
    static let longest = 64 << 20
    /// How much of an error is kept.
    private static let exceptionLimit = 65_536
    private static let marker = Array("__exception__".utf8)

    /// - Parameters:
    ///   - writer: Where rows go; it does not wait.
    ///   - tag: What stands behind the mark of an error, where the server says so.
    ///   - hasTotals: Whether the statement asks for totals, which come behind an empty line.
    ///   - isJSON: Whether rows are written as JSON.
    init(_ writer: RowWriter, tag: String?, hasTotals: Bool, isJSON: Bool) {
        self.writer = writer
        self.tag = tag
        self.hasTotals = hasTotals
        self.isJSON = isJSON
    }

    /// Takes the next part; throws `protocol_error` or `too_large` for what is no such answer.
    mutating func take(_ part: ByteBuffer) throws(DeployError) {
        guard left == nil else {
            left?.take(part)
            return
        }
        rest.writeImmutableBuffer(part)
        while let length = lineLength(), let line = rest.readSlice(length: length) {
            rest.moveReaderIndex(forwardBy: 1)
            searched = 0
            try take(line: line)
        }
        rest.discardReadBytes()
        guard rest.readableBytes <= Self.longest else {
            throw DeployError(.tooLarge, "a row is over \(Self.longest >> 20) MiB")
        }
    }

    /// The answer is complete; gives the error that it ends with. Throws as ``take(_:)``.
    mutating func end() throws(DeployError) -> ClickHouseException? {
        if let left {
            finish()
            return left.exception
        }
        if rest.readableBytes > 0, let line = rest.readSlice(length: rest.readableBytes) { try take(line: line) }
        if state == .types, let only = names.first, names.count == 1 {
            if let exception = ClickHouseException(only) { return exception }
        }
        if let line = held, state == .rows {
            held = nil
            if !line.contains(UInt8(ascii: "\\")),
                let exception = ClickHouseException(String(decoding: line, as: UTF8.self))
            {
                text = line
                state = .exception
                finish()
                return exception
            }
            try row(of: line)
        }
        finish()
        guard state == .exception || state == .marked else { return nil }
        return exception
    }

    /// Rows that follow are not read any more, only the error that the answer may end with.
    mutating func leaveRest() { if left == nil { left = ClickHouseRaw(tag: tag) } }

    /// Whether there was no result, not even one without rows.
    var isEmpty: Bool { types.isEmpty }

    /// Passes on what was written.
    mutating func send() async { await writer.send() }

    /// Says something behind a table.
    mutating func remark(_ text: String) { writer.remark(text) }

    private mutating func finish() { if !types.isEmpty { writer.end() } }

    private var exception: ClickHouseException {
        var words = String(decoding: text, as: UTF8.self)
        if let tag, let end = words.ranges(of: "\n").map(\.upperBound).last(where: { words[$0...].contains(tag) }) {
            words = String(words[..<end])
        }
        if let known = ClickHouseException(words) { return known }
        return ClickHouseException(status: 200, body: words)
    }

    // MARK: Lines

    private mutating func lineLength() -> Int? {
        let from = searched
        let length = rest.withUnsafeReadableBytes { bytes -> Int? in
            guard let base = bytes.baseAddress, let found = memchr(base + from, 10, bytes.count - from) else {
                return nil
            }
            return UnsafeRawPointer(found) - base
        }
        if length == nil { searched = rest.readableBytes }
        return length
    }

    private mutating func take(line: ByteBuffer) throws(DeployError) {
        try line.withUnsafeReadableBytes { bytes throws(DeployError) in
            switch state {
            case .names:
                names = fields(bytes).map { String(decoding: ClickHouseText.unescape($0), as: UTF8.self) }
                state = .types
            case .types: try begin(bytes)
            case .rows: try candidate(bytes)
            case .marked:
                let word = trimmed(bytes)
                if tag.map({ word.elementsEqual($0.utf8) }) ?? ClickHouseException.mayBegin(bytes) {
                    state = .exception
                    if tag == nil { keep(bytes) }
                } else {
                    // It was a row after all.
                    state = .rows
                    try row(of: Self.marker)
                    try candidate(bytes)
                }
            case .exception: keep(bytes)
            }
        }
    }

    private mutating func begin(_ bytes: UnsafeRawBufferPointer) throws(DeployError) {
        let texts = fields(bytes).map { String(decoding: ClickHouseText.unescape($0), as: UTF8.self) }
        guard texts.count == names.count else { throw unexpected }
        types = texts.map { ClickHouseType($0) }
        begin(prefix: "")
        state = .rows
    }

    private mutating func begin(prefix: String) {
        writer.begin(
            zip(names, types).map { name, type in
                switch type {
                case .scalar(let kind): .init(name: prefix + name, kind: kind)
                default: .init(name: prefix + name, kind: isJSON ? .json : .text)
                }
            })
    }

    /// A line that is a row, unless it is an error or the end of the rows.
    private mutating func candidate(_ bytes: UnsafeRawBufferPointer) throws(DeployError) {
        if let line = held {
            held = nil
            try row(of: line)
        }
        switch bytes.first {
        case nil: try nothing(bytes)
        case UInt8(ascii: "_") where trimmed(bytes).elementsEqual(Self.marker): state = .marked
        case UInt8(ascii: "C"), UInt8(ascii: "P"), UInt8(ascii: "s"):
            guard tag == nil, ClickHouseException.mayBegin(bytes) else { return try row(bytes) }
            if isOneText, !hasQuote(bytes) {
                held = Array(bytes)
            } else if types.count > 1, fields(bytes).count == types.count {
                try row(bytes)
            } else {
                state = .exception
                keep(bytes)
            }
        default: try row(bytes)
        }
    }

    /// An empty line: a row with one empty text, or what is between rows, totals and extremes.
    private mutating func nothing(_ bytes: UnsafeRawBufferPointer) throws(DeployError) {
        if isOneText, !hasTotals { return try row(bytes) }
        writer.end()
        begin(prefix: hasTotals && !isBeyond ? "totals." : "extremes.")
        isBeyond = true
    }

    private var isOneText: Bool { types == [.scalar(.text)] }

    /// Whether there is a quote without a backslash, which no row has.
    private func hasQuote(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.indices.contains { index in
            bytes[index] == UInt8(ascii: "'") && (index == 0 || bytes[index - 1] != UInt8(ascii: "\\"))
        }
    }

    private mutating func keep(_ bytes: UnsafeRawBufferPointer) {
        guard text.count < Self.exceptionLimit else { return }
        text += trimmed(bytes).prefix(Self.exceptionLimit - text.count)
        text.append(10)
    }

    private func trimmed(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        bytes.last == 13 ? UnsafeRawBufferPointer(rebasing: bytes.dropLast()) : bytes
    }

    private var unexpected: DeployError {
        DeployError(.protocolError, "the server's answer is not in the format that was asked for")
    }

    // MARK: Fields

    private func fields(_ line: UnsafeRawBufferPointer) -> [UnsafeRawBufferPointer] {
        var fields: [UnsafeRawBufferPointer] = []
        var start = 0
        while true {
            guard let base = line.baseAddress, let found = memchr(base + start, 9, line.count - start) else {
                fields.append(UnsafeRawBufferPointer(rebasing: line[start...]))
                return fields
            }
            let end = UnsafeRawPointer(found) - base
            fields.append(UnsafeRawBufferPointer(rebasing: line[start..<end]))
            start = end + 1
        }
    }

    private mutating func row(of line: [UInt8]) throws(DeployError) {
        try ByteBuffer(bytes: line).withUnsafeReadableBytes { bytes throws(DeployError) in try row(bytes) }
    }

    private mutating func row(_ line: UnsafeRawBufferPointer) throws(DeployError) {
        if !isBeyond { count += 1 }
        guard writer.beginRow() else { return }
        var column = 0
        var start = 0
        while column < types.count {
            var end = line.count
            if let base = line.baseAddress, let found = memchr(base + start, 9, line.count - start) {
                end = UnsafeRawPointer(found) - base
            }
            field(UnsafeRawBufferPointer(rebasing: line[start..<end]), types[column])
            column += 1
            guard end < line.count else { break }
            start = end + 1
            guard column < types.count else { throw unexpected }
        }
        guard column == types.count else { throw unexpected }
        writer.endRow()
    }

    private mutating func field(_ field: UnsafeRawBufferPointer, _ type: ClickHouseType) {
        if field.count == 2, field[0] == UInt8(ascii: "\\"), field[1] == UInt8(ascii: "N") {
            return writer.field(UnsafeRawBufferPointer?.none)
        }
        guard type.isComposite == false else {
            // What is made of others is escaped by its own quotes.
            guard isJSON else { return writer.field(field) }
            guard let json = ClickHouseLiteral.json(field, type) else { return writer.field(field, as: .text) }
            return json.withUnsafeReadableBytes { writer.field($0) }
        }
        guard let base = field.baseAddress, memchr(base, Int32(UInt8(ascii: "\\")), field.count) != nil else {
            return writer.field(field)
        }
        ClickHouseText.unescape(field).withUnsafeBytes { writer.field($0) }
    }
}
