// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Tells which lines of output are rows: JSON objects, checked byte by byte, so that they can be passed on as they are,
/// every digit of their numbers kept.
struct RowText {
    private var bytes: ArraySlice<UInt8>
    /// What is open, the innermost last: true for an object.
    private var open: [Bool] = []

    /// The row in a line without its end; nil when it is not one JSON object.
    static func row(_ line: ArraySlice<UInt8>) -> String? {
        var text = RowText(bytes: line)
        guard text.isObject(), let row = String(validating: line, as: UTF8.self) else { return nil }
        // Only blanks between values can still be controls.
        return line.contains { $0 < 0x20 } ? String(row.map { $0 == "\t" || $0 == "\r" ? " " : $0 }) : row
    }

    private mutating func isObject() -> Bool {
        skipBlanks()
        guard bytes.first == UInt8(ascii: "{"), value() else { return false }
        while !open.isEmpty { guard next() else { return false } }
        skipBlanks()
        return bytes.isEmpty
    }

    /// Reads one value; of an array or object only that it begins.
    private mutating func value() -> Bool {
        skipBlanks()
        switch bytes.first {
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            guard open.count < JSONLimits.depth else { return false }
            open.append(bytes.removeFirst() == UInt8(ascii: "{"))
            return first()
        case UInt8(ascii: "\""): return string()
        case UInt8(ascii: "t"): return take("true")
        case UInt8(ascii: "f"): return take("false")
        case UInt8(ascii: "n"): return take("null")
        default: return number()
        }
    }

    /// What stands first in the innermost array or object: its end, or a member.
    private mutating func first() -> Bool {
        skipBlanks()
        return close() || member()
    }

    /// What stands behind a value: the end, or a comma and a member.
    private mutating func next() -> Bool {
        skipBlanks()
        return close() || take(",") && member()
    }

    private mutating func close() -> Bool {
        guard let isObject = open.last, bytes.first == UInt8(ascii: isObject ? "}" : "]") else { return false }
        bytes.removeFirst()
        open.removeLast()
        return true
    }

    private mutating func member() -> Bool {
        guard open.last == true else { return value() }
        skipBlanks()
        guard string() else { return false }
        skipBlanks()
        return take(":") && value()
    }

    private mutating func string() -> Bool {
        guard take("\"") else { return false }
        while let byte = bytes.popFirst() {
            switch byte {
            case UInt8(ascii: "\""): return true
            case UInt8(ascii: "\\"): guard escape() else { return false }
            case 0..<0x20: return false
            default: break
            }
        }
        return false
    }

    private mutating func escape() -> Bool {
        switch bytes.popFirst() {
        case UInt8(ascii: "u"):
            let digits = bytes.prefix(4)
            bytes = bytes.dropFirst(4)
            return digits.count == 4 && digits.allSatisfy { Self.isHexadecimal($0) }
        case let byte?: return "\"\\/bfnrt".utf8.contains(byte)
        case nil: return false
        }
    }

    private mutating func number() -> Bool {
        if bytes.first == UInt8(ascii: "-") { bytes.removeFirst() }
        let whole = digits()
        guard let first = whole.first, first != UInt8(ascii: "0") || whole.count == 1 else { return false }
        if bytes.first == UInt8(ascii: ".") {
            bytes.removeFirst()
            guard !digits().isEmpty else { return false }
        }
        guard bytes.first == UInt8(ascii: "e") || bytes.first == UInt8(ascii: "E") else { return true }
        bytes.removeFirst()
        if bytes.first == UInt8(ascii: "+") || bytes.first == UInt8(ascii: "-") { bytes.removeFirst() }
        return !digits().isEmpty
    }

    private mutating func digits() -> ArraySlice<UInt8> {
        let digits = bytes.prefix { (48...57).contains($0) }
        bytes = bytes.dropFirst(digits.count)
        return digits
    }

    private mutating func take(_ word: StaticString) -> Bool {
        let wanted = UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount)
        guard bytes.starts(with: wanted) else { return false }
        bytes = bytes.dropFirst(wanted.count)
        return true
    }

    private mutating func skipBlanks() {
        bytes = bytes.drop { $0 == 0x20 || $0 == 0x09 || $0 == 0x0A || $0 == 0x0D }
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        (48...57).contains(byte) || (65...70).contains(byte) || (97...102).contains(byte)
    }
}
