// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Turns the text form of an array, such as `{1,NULL,"a b"}`, into JSON.
struct PostgresArray {
    /// The most dimensions that are read; the server itself knows six.
    private static let depth = 16

    private let text: [UInt8]
    private let kind: RowKind
    private let delimiter: UInt8
    private var index = 0
    private var result = ByteBuffer()

    private init(_ text: [UInt8], _ kind: RowKind, _ delimiter: UInt8) {
        self.text = text
        self.kind = kind
        self.delimiter = delimiter
    }

    /// The array as JSON, its elements written as `kind`; nil for what is no array.
    static func json(_ text: some Sequence<UInt8>, of kind: RowKind, delimiter: UInt8 = UInt8(ascii: ","))
        -> ByteBuffer?
    {
        var reader = PostgresArray(Array(text), kind, delimiter)
        reader.skipBounds()
        guard reader.array(depth: 0), reader.index == reader.text.count else { return nil }
        return reader.result
    }

    /// `[0:1][5:6]=` stands before arrays that do not start at 1.
    private mutating func skipBounds() {
        guard text.first == UInt8(ascii: "["), let equals = text.firstIndex(of: UInt8(ascii: "=")) else { return }
        index = equals + 1
    }

    private mutating func array(depth: Int) -> Bool {
        guard depth < Self.depth, take(UInt8(ascii: "{")) else { return false }
        result.writeStaticString("[")
        if take(UInt8(ascii: "}")) {
            result.writeStaticString("]")
            return true
        }
        while true {
            if peek == UInt8(ascii: "{") {
                guard array(depth: depth + 1) else { return false }
            } else {
                guard element() else { return false }
            }
            if take(UInt8(ascii: "}")) {
                result.writeStaticString("]")
                return true
            }
            guard take(delimiter) else { return false }
            result.writeStaticString(",")
        }
    }

    private mutating func element() -> Bool {
        var content: [UInt8] = []
        let isQuoted = take(UInt8(ascii: "\""))
        while let byte = peek {
            if isQuoted, byte == UInt8(ascii: "\"") { break }
            if !isQuoted, byte == delimiter || byte == UInt8(ascii: "}") { break }
            if !isQuoted, byte == UInt8(ascii: "{") || byte == UInt8(ascii: "\"") { return false }
            index += 1
            if byte == UInt8(ascii: "\\") {
                guard let next = peek else { return false }
                index += 1
                content.append(next)
            } else {
                content.append(byte)
            }
        }
        if isQuoted, !take(UInt8(ascii: "\"")) { return false }
        if !isQuoted, content.isEmpty { return false }
        let isNull = !isQuoted && content.count == 4 && String(decoding: content, as: UTF8.self).uppercased() == "NULL"
        if isNull { return result.writeStaticString("null") > 0 }
        switch kind {
        case .boolean: result.writeStaticString(content.first == UInt8(ascii: "t") ? "true" : "false")
        case .binary:
            guard let bytes = PostgresBytes.decode(content) else { return false }
            bytes.withUnsafeBytes { RowValue.write($0, as: .binary, into: &result) }
        case .text, .number, .decimal, .json:
            content.withUnsafeBytes { RowValue.write($0, as: kind, into: &result) }
        }
        return true
    }

    private var peek: UInt8? { index < text.count ? text[index] : nil }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard peek == byte else { return false }
        index += 1
        return true
    }
}
