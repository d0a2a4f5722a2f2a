// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

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

/// Values as JSON.
enum RowValue {
    /// Writes a value as JSON. A text that is not UTF-8 is written as what it is: bytes.
    static func write(_ bytes: UnsafeRawBufferPointer, as kind: RowKind, into buffer: inout ByteBuffer) {
        switch kind {
        case .number where !isJSONNumber(bytes): writeChecked(bytes, as: .decimal, into: &buffer)
        case .text where !JSONScanner.isText(bytes): writeChecked(bytes, as: .binary, into: &buffer)
        default: writeChecked(bytes, as: kind, into: &buffer)
        }
    }

    /// The same for a value that is what it is called, see ``RowKind/checked(_:isJSON:)``.
    static func writeChecked(_ bytes: UnsafeRawBufferPointer, as kind: RowKind, into buffer: inout ByteBuffer) {
        switch kind {
        case .number, .boolean: buffer.writeBytes(bytes)
        case .text where isQuotable(bytes):
            buffer.writeInteger(UInt8(ascii: "\""))
            buffer.writeBytes(bytes)
            buffer.writeInteger(UInt8(ascii: "\""))
        case .text, .decimal: writeString(bytes, into: &buffer)
        case .binary:
            buffer.writeStaticString("{\"base64\":\"")
            buffer.writeString(Base64.encode(bytes))
            buffer.writeStaticString("\"}")
        case .json:
            // Line ends stand between tokens only: inside its strings they are escaped.
            for byte in bytes { buffer.writeInteger(byte == 10 || byte == 13 ? UInt8(ascii: " ") : byte) }
        }
    }

    /// Writes a text in UTF-8 as a JSON string.
    static func writeString(_ bytes: UnsafeRawBufferPointer, into buffer: inout ByteBuffer) {
        buffer.writeInteger(UInt8(ascii: "\""))
        var start = 0
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            if byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
                buffer.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[start..<index]))
                start = index + 1
                escape(byte, into: &buffer)
            }
            index += 1
        }
        buffer.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[start...]))
        buffer.writeInteger(UInt8(ascii: "\""))
    }

    private static func escape(_ byte: UInt8, into buffer: inout ByteBuffer) {
        switch byte {
        case UInt8(ascii: "\""): buffer.writeStaticString("\\\"")
        case UInt8(ascii: "\\"): buffer.writeStaticString("\\\\")
        case 10: buffer.writeStaticString("\\n")
        case 13: buffer.writeStaticString("\\r")
        case 9: buffer.writeStaticString("\\t")
        default:
            buffer.writeStaticString("\\u00")
            buffer.writeInteger(digits[Int(byte >> 4)])
            buffer.writeInteger(digits[Int(byte & 15)])
        }
    }

    /// Digits of base 16.
    static let digits = Array("0123456789abcdef".utf8)

    /// Whether the bytes are printable ASCII: as many cells of a terminal as bytes.
    static func isPlain(_ bytes: UnsafeRawBufferPointer) -> Bool {
        for byte in bytes where byte < 0x20 || byte >= 0x7F { return false }
        return true
    }

    /// Whether the bytes are such that JSON takes them as they are.
    private static func isQuotable(_ bytes: UnsafeRawBufferPointer) -> Bool {
        for byte in bytes where byte < 0x20 || byte >= 0x80 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
        {
            return false
        }
        return true
    }

    /// Whether the digits are a number for JSON: not `NaN`, `Infinity`, and their like.
    private static func isJSONNumber(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let first = bytes.first else { return false }
        let digit = first == UInt8(ascii: "-") ? bytes.dropFirst().first : first
        return digit.map { (48...57).contains($0) } ?? false
    }
}
