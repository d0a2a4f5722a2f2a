// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Turns the text form of a value that is made of others, such as `['a',NULL]` or `{'k':(1,2)}`, into JSON.
struct ClickHouseLiteral {
    private let text: UnsafeRawBufferPointer
    private var index = 0
    private var result = ByteBuffer()

    private init(_ text: UnsafeRawBufferPointer) { self.text = text }

    /// The value as JSON; nil for a text that is no value of the type.
    static func json(_ text: UnsafeRawBufferPointer, _ type: ClickHouseType) -> ByteBuffer? {
        var reader = ClickHouseLiteral(text)
        guard reader.value(type), reader.index == text.count else { return nil }
        return reader.result
    }

    private mutating func value(_ type: ClickHouseType) -> Bool {
        if type.isComposite == false || peek == UInt8(ascii: "N") { return scalar(type) }
        switch type {
        case .scalar: return scalar(type)
        case .array(let element): return list("[", "]") { reader, _ in reader.value(element) }
        case .tuple(let elements): return tuple(elements)
        case .map(let key, let value): return map(key, value)
        }
    }

    private mutating func tuple(_ elements: [ClickHouseType.Element]) -> Bool {
        let isNamed = !elements.isEmpty && elements.allSatisfy { $0.name != nil }
        var count = 0
        let isRead = list("(", ")", isNamed ? ("{", "}") : ("[", "]")) { reader, index in
            guard index < elements.count else { return false }
            count = index + 1
            if isNamed, let name = elements[index].name { reader.key(name) }
            return reader.value(elements[index].type)
        }
        return isRead && count == elements.count
    }

    private mutating func map(_ key: ClickHouseType, _ value: ClickHouseType) -> Bool {
        list("{", "}", ("{", "}")) { reader, _ in
            guard let name = reader.token() else { return false }
            name.withUnsafeBytes { RowValue.writeString($0, into: &reader.result) }
            guard reader.take(":") else { return false }
            reader.result.writeStaticString(":")
            return reader.value(value)
        }
    }

    private mutating func key(_ name: String) {
        var name = name
        name.withUTF8 { RowValue.writeString(UnsafeRawBufferPointer($0), into: &result) }
        result.writeStaticString(":")
    }

    /// What stands in brackets, with commas between.
    private mutating func list(
        _ open: Unicode.Scalar, _ close: Unicode.Scalar, _ brackets: (StaticString, StaticString) = ("[", "]"),
        _ element: (inout Self, Int) -> Bool
    ) -> Bool {
        guard take(open) else { return false }
        result.writeStaticString(brackets.0)
        var count = 0
        while !take(close) {
            if count > 0 { result.writeStaticString(",") }
            guard element(&self, count) else { return false }
            count += 1
            if take(",") { continue }
            guard take(close) else { return false }
            break
        }
        result.writeStaticString(brackets.1)
        return true
    }

    private mutating func scalar(_ type: ClickHouseType) -> Bool {
        let isQuoted = peek == UInt8(ascii: "'")
        guard let bytes = token() else { return false }
        if !isQuoted, bytes == Array("NULL".utf8) {
            result.writeStaticString("null")
            return true
        }
        var kind = RowKind.text
        if case .scalar(let known) = type { kind = known }
        bytes.withUnsafeBytes { RowValue.write($0, as: kind, into: &result) }
        return true
    }

    /// A quoted text without its quotes and escapes, or what stands up to the next comma or bracket.
    private mutating func token() -> [UInt8]? {
        var bytes: [UInt8] = []
        guard take("'") else {
            while let byte = peek, !",]):}".utf8.contains(byte) {
                bytes.append(byte)
                index += 1
            }
            return bytes.isEmpty ? nil : bytes
        }
        while let byte = peek {
            index += 1
            switch byte {
            case UInt8(ascii: "'"):
                // Two of them stand for one.
                guard take("'") else { return bytes }
                bytes.append(byte)
            case UInt8(ascii: "\\"):
                guard let next = peek else { return nil }
                index += 1
                bytes.append(ClickHouseText.unescaped(next))
            default: bytes.append(byte)
            }
        }
        return nil
    }

    private var peek: UInt8? { index < text.count ? text[index] : nil }

    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard peek == UInt8(ascii: scalar) else { return false }
        index += 1
        return true
    }
}

/// The escapes of TabSeparated.
enum ClickHouseText {
    /// What the byte behind a backslash stands for.
    static func unescaped(_ byte: UInt8) -> UInt8 {
        switch byte {
        case UInt8(ascii: "b"): 8
        case UInt8(ascii: "f"): 12
        case UInt8(ascii: "n"): 10
        case UInt8(ascii: "r"): 13
        case UInt8(ascii: "t"): 9
        case UInt8(ascii: "0"): 0
        case UInt8(ascii: "a"): 7
        case UInt8(ascii: "v"): 11
        default: byte
        }
    }

    /// A field without its escapes.
    static func unescape(_ field: UnsafeRawBufferPointer) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(field.count)
        var index = 0
        while index < field.count {
            if field[index] == UInt8(ascii: "\\"), index + 1 < field.count {
                index += 1
                result.append(unescaped(field[index]))
            } else {
                result.append(field[index])
            }
            index += 1
        }
        return result
    }
}
