// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

extension RowKind {
    /// What a value really is, whatever a server calls it: numbers, flags and JSON are written as they came, and must not be
    /// able to be anything else.
    ///
    /// - Parameters:
    ///   - bytes: The value.
    ///   - isJSON: Whether it is written as JSON.
    func checked(_ bytes: UnsafeRawBufferPointer, isJSON: Bool) -> RowKind {
        switch self {
        case .binary: self
        case .number: JSONScanner.isNumber(bytes) ? self : RowKind.decimal.checked(bytes, isJSON: isJSON)
        case .boolean where bytes.elementsEqual("true".utf8) || bytes.elementsEqual("false".utf8): self
        case .json where !isJSON || JSONScanner.isValid(bytes): self
        case .boolean, .json: RowKind.text.checked(bytes, isJSON: isJSON)
        case .text, .decimal: JSONScanner.isText(bytes) ? self : .binary
        }
    }
}

/// Tells JSON from what only a server calls so, without making values of it.
struct JSONScanner {
    /// Whether bytes are one value of JSON in UTF-8, nested no deeper than ``depth``.
    static func isValid(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard isText(bytes) else { return false }
        var scanner = JSONScanner(bytes: bytes)
        guard scanner.value(0) else { return false }
        scanner.blanks()
        return scanner.index == bytes.count
    }

    /// Whether bytes are one number of JSON: not `NaN`, `Infinity`, `007` and their like.
    static func isNumber(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var scanner = JSONScanner(bytes: bytes)
        return scanner.number() && scanner.index == bytes.count
    }

    /// Whether bytes are UTF-8.
    static func isText(_ bytes: UnsafeRawBufferPointer) -> Bool {
        for byte in bytes where byte >= 0x80 { return String(validating: bytes, as: UTF8.self) != nil }
        return true
    }

    /// The deepest nesting that counts as valid.
    static let depth = 128

    private let bytes: UnsafeRawBufferPointer
    private var index = 0

    private init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    private mutating func value(_ level: Int) -> Bool {
        blanks()
        guard level < Self.depth, let byte = peek else { return false }
        switch byte {
        case UInt8(ascii: "{"): return members(level, until: UInt8(ascii: "}"), named: true)
        case UInt8(ascii: "["): return members(level, until: UInt8(ascii: "]"), named: false)
        case UInt8(ascii: "\""): return string()
        case UInt8(ascii: "t"): return word("true")
        case UInt8(ascii: "f"): return word("false")
        case UInt8(ascii: "n"): return word("null")
        default: return number()
        }
    }

    private mutating func members(_ level: Int, until end: UInt8, named: Bool) -> Bool {
        index += 1
        blanks()
        if take(end) { return true }
        repeat {
            if named {
                blanks()
                guard string() else { return false }
                blanks()
                guard take(UInt8(ascii: ":")) else { return false }
            }
            guard value(level + 1) else { return false }
            blanks()
        } while take(UInt8(ascii: ","))
        return take(end)
    }

    private mutating func string() -> Bool {
        guard take(UInt8(ascii: "\"")) else { return false }
        while let byte = peek {
            index += 1
            switch byte {
            case UInt8(ascii: "\""): return true
            case 0..<0x20: return false
            case UInt8(ascii: "\\"):
                guard let escape = peek else { return false }
                index += 1
                if escape == UInt8(ascii: "u") {
                    for _ in 0..<4 {
                        guard let digit = peek, Self.isHexadecimal(digit) else { return false }
                        index += 1
                    }
                } else if !#""\/bfnrt"#.utf8.contains(escape) {
                    return false
                }
            default: break
            }
        }
        return false
    }

    private mutating func number() -> Bool {
        _ = take(UInt8(ascii: "-"))
        if !take(UInt8(ascii: "0")), !digits() { return false }
        if take(UInt8(ascii: ".")), !digits() { return false }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            return digits()
        }
        return true
    }

    private mutating func digits() -> Bool {
        let start = index
        while let byte = peek, (48...57).contains(byte) { index += 1 }
        return index > start
    }

    private mutating func word(_ word: StaticString) -> Bool {
        for offset in 0..<word.utf8CodeUnitCount {
            guard take(word.utf8Start[offset]) else { return false }
        }
        return true
    }

    private mutating func blanks() {
        while let byte = peek, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { index += 1 }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard peek == byte else { return false }
        index += 1
        return true
    }

    private var peek: UInt8? { index < bytes.count ? bytes[index] : nil }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        (48...57).contains(byte) || (65...70).contains(byte) || (97...102).contains(byte)
    }
}
