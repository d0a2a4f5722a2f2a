// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Reads a request's body as RFC 8259 says and stricter: what two parsers could read in two ways is refused.
///
/// Refused beside malformed text: a key given twice, a lone surrogate, NUL in a string, a byte order mark, a number that
/// fits neither 64 bits nor a double, and everything over the limits.
struct StrictJSON {
    /// The most members of one object.
    static let maximumKeys = 1000
    /// The longest string, in bytes of UTF-8, beside ``JSONLimits/depth`` and the size of the whole body. Standard input
    /// in base64 is the longest there is.
    static let maximumStringBytes = 786_432

    private let bytes: [UInt8]
    private var position = 0
    private var depth = 0

    /// The value of a whole text; throws `invalid_argument` or `too_large`.
    static func value(_ bytes: [UInt8]) throws(DeployError) -> JSONValue {
        var parser = StrictJSON(bytes: bytes)
        guard !bytes.isEmpty else { throw DeployError(.invalidArgument, "the body is empty") }
        guard String(validating: bytes, as: UTF8.self) != nil else {
            throw DeployError(.invalidArgument, "the body is not UTF-8")
        }
        let value = try parser.value()
        parser.skipBlanks()
        guard parser.position == bytes.count else { throw parser.error("more text follows the value") }
        return value
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    private func error(_ what: String) -> DeployError {
        DeployError(.invalidArgument, "the body is not valid JSON: \(what) at byte \(position)")
    }

    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skipBlanks() {
        while let byte = next, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { position += 1 }
    }

    private mutating func expect(_ byte: UInt8) throws(DeployError) {
        guard next == byte else { throw error("'\(UnicodeScalar(byte))' is missing") }
        position += 1
    }

    private mutating func value() throws(DeployError) -> JSONValue {
        skipBlanks()
        switch next {
        case UInt8(ascii: "{"): return try nested { parser throws(DeployError) in try parser.object() }
        case UInt8(ascii: "["): return try nested { parser throws(DeployError) in try parser.array() }
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case nil: throw error("the text ends early")
        case let byte?:
            guard byte == UInt8(ascii: "-") || (48...57).contains(byte) else { throw error("no value begins so") }
            return try number()
        }
    }

    private mutating func nested(
        _ body: (inout StrictJSON) throws(DeployError) -> JSONValue
    ) throws(DeployError) -> JSONValue {
        depth += 1
        guard depth <= JSONLimits.depth else {
            throw DeployError(.tooLarge, "JSON nests deeper than \(JSONLimits.depth) levels")
        }
        position += 1
        let value = try body(&self)
        depth -= 1
        return value
    }

    private mutating func object() throws(DeployError) -> JSONValue {
        var members: [String: JSONValue] = [:]
        skipBlanks()
        if next == UInt8(ascii: "}") {
            position += 1
            return .object(members)
        }
        while true {
            skipBlanks()
            guard next == UInt8(ascii: "\"") else { throw error("a key is missing") }
            let key = try string()
            skipBlanks()
            try expect(UInt8(ascii: ":"))
            let member = try value()
            guard members.updateValue(member, forKey: key) == nil else {
                throw DeployError(.invalidArgument, "the key '\(key.prefix(64))' is given twice")
            }
            guard members.count <= Self.maximumKeys else {
                throw DeployError(.tooLarge, "an object has more than \(Self.maximumKeys) members")
            }
            skipBlanks()
            if next == UInt8(ascii: "}") { break }
            try expect(UInt8(ascii: ","))
        }
        position += 1
        return .object(members)
    }

    private mutating func array() throws(DeployError) -> JSONValue {
        var elements: [JSONValue] = []
        skipBlanks()
        if next == UInt8(ascii: "]") {
            position += 1
            return .array(elements)
        }
        while true {
            elements.append(try value())
            skipBlanks()
            if next == UInt8(ascii: "]") { break }
            try expect(UInt8(ascii: ","))
        }
        position += 1
        return .array(elements)
    }

    private mutating func word(_ word: StaticString, _ value: JSONValue) throws(DeployError) -> JSONValue {
        let text = "\(word)".utf8
        guard bytes[position...].starts(with: text) else { throw error("no value begins so") }
        position += text.count
        return value
    }

    private mutating func digits() -> Int {
        let start = position
        while let byte = next, (48...57).contains(byte) { position += 1 }
        return position - start
    }

    private mutating func number() throws(DeployError) -> JSONValue {
        let start = position
        if next == UInt8(ascii: "-") { position += 1 }
        let leadingZero = next == UInt8(ascii: "0")
        let count = digits()
        guard count > 0, !leadingZero || count == 1 else { throw error("a number is malformed") }
        var isInteger = true
        if next == UInt8(ascii: ".") {
            isInteger = false
            position += 1
            guard digits() > 0 else { throw error("a number is malformed") }
        }
        if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
            isInteger = false
            position += 1
            if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { position += 1 }
            guard digits() > 0 else { throw error("a number is malformed") }
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        guard text.utf8.count <= 64 else { throw error("a number is too long") }
        if isInteger {
            guard let integer = Int64(text) else { throw error("a number does not fit 64 bits") }
            return .integer(integer)
        }
        guard let number = Double(text), number.isFinite else { throw error("a number is too large") }
        return .number(number)
    }

    private mutating func string() throws(DeployError) -> String {
        position += 1
        var text: [UInt8] = []
        var start = position
        while true {
            guard let byte = next else { throw error("a string is not closed") }
            switch byte {
            case UInt8(ascii: "\""):
                text += bytes[start..<position]
                position += 1
                guard text.count <= Self.maximumStringBytes else {
                    throw DeployError(.tooLarge, "a string is over \(Self.maximumStringBytes) bytes")
                }
                return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"):
                text += bytes[start..<position]
                position += 1
                text += try escape()
                start = position
            case 0..<0x20: throw error("a control character is not escaped")
            default: position += 1
            }
        }
    }

    private mutating func escape() throws(DeployError) -> [UInt8] {
        defer { position += 1 }
        switch next {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [bytes[position]]
        case UInt8(ascii: "b"): return [8]
        case UInt8(ascii: "f"): return [12]
        case UInt8(ascii: "n"): return [10]
        case UInt8(ascii: "r"): return [13]
        case UInt8(ascii: "t"): return [9]
        case UInt8(ascii: "u"):
            let first = try codeUnit()
            var units = [first]
            if UTF16.isLeadSurrogate(first) {
                guard position + 2 < bytes.count, bytes[position + 1] == UInt8(ascii: "\\"),
                    bytes[position + 2] == UInt8(ascii: "u")
                else { throw error("half of a surrogate pair") }
                position += 2
                units.append(try codeUnit())
            }
            guard first != 0 else { throw DeployError(.invalidArgument, "a string contains NUL") }
            guard let text = String(validating: units, as: UTF16.self) else { throw error("half of a surrogate pair") }
            return Array(text.utf8)
        default: throw error("an unknown escape")
        }
    }

    /// The four digits after `\u`; leaves the position at the last of them.
    private mutating func codeUnit() throws(DeployError) -> UInt16 {
        var unit: UInt16 = 0
        for _ in 0..<4 {
            position += 1
            guard let byte = next, let digit = Character(UnicodeScalar(byte)).hexDigitValue else {
                throw error("\\u needs four hexadecimal digits")
            }
            unit = unit << 4 | UInt16(digit)
        }
        return unit
    }
}
