// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// JSON as it was written: the order of members is kept, numbers keep their digits.
public indirect enum JSONNode: Sendable, Hashable {
    /// `null`.
    case null
    /// `true` or `false`.
    case bool(Bool)
    /// A number, by its digits.
    case number(String)
    /// A string.
    case string(String)
    /// An array.
    case array([JSONNode])
    /// An object; no two members have one name.
    case object([JSONMember])

    /// The value of a member, if this is an object that has it.
    public subscript(_ name: String) -> JSONNode? { members?.first { $0.name == name }?.value }

    /// The members, if this is an object.
    public var members: [JSONMember]? { if case .object(let members) = self { members } else { nil } }
    /// The elements, if this is an array.
    public var elements: [JSONNode]? { if case .array(let elements) = self { elements } else { nil } }
    /// The text, if this is a string.
    public var text: String? { if case .string(let text) = self { text } else { nil } }
    /// Whether this is `true`.
    public var isTrue: Bool { self == .bool(true) }

    /// A number's value; also of `{"$numberInt": "1"}` and its kin.
    public var value: Double? {
        switch self {
        case .number(let digits): return Double(digits)
        case .object(let members):
            guard members.count == 1,
                ["$numberInt", "$numberLong", "$numberDouble", "$numberDecimal"].contains(members[0].name)
            else { return nil }
            return members[0].value.text.flatMap(Double.init)
        default: return nil
        }
    }

    /// Whether a flag is set, in the ways servers take one.
    var isSet: Bool { isTrue || value.map { $0 != 0 } == true || text == "true" }

    /// The shortest text with the same meaning.
    public var compact: String {
        switch self {
        case .null: return "null"
        case .bool(let value): return value ? "true" : "false"
        case .number(let digits): return digits
        case .string(let text): return Self.quoted(text)
        case .array(let elements): return "[" + elements.map(\.compact).joined(separator: ",") + "]"
        case .object(let members):
            return "{" + members.map { Self.quoted($0.name) + ":" + $0.value.compact }.joined(separator: ",") + "}"
        }
    }

    /// A text as a JSON string.
    public static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": result += "\\\(scalar)"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case "\r": result += "\\r"
            case _ where scalar.value < 0x20 || scalar.value == 0x7F:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}

/// A member of an object, and where its name is in the text.
public struct JSONMember: Sendable, Hashable {
    /// What it is called.
    public var name: String
    /// What it holds.
    public var value: JSONNode
    /// Where its name is, in bytes.
    public var position: Int

    /// A member; one that stands in no text is at 0.
    public init(name: String, value: JSONNode, position: Int = 0) {
        self.name = name
        self.value = value
        self.position = position
    }
}

/// Why a text is not JSON.
public struct JSONTextError: Error {
    /// Where, in bytes.
    public var position: Int
    /// What is wrong.
    public var message: String
}

/// Reads strict JSON; names that are repeated in one object, or hold a NUL, are refused: programs read them differently.
public struct JSONText {
    private let bytes: ArraySlice<UInt8>
    private let limit: Int
    private(set) var index: Int

    init(_ bytes: ArraySlice<UInt8>, depth: Int = JSONLimits.depth) {
        self.bytes = bytes
        limit = depth
        index = bytes.startIndex
    }

    /// The one value of a text, which may nest so deep.
    public static func parse(
        _ bytes: ArraySlice<UInt8>, depth: Int = JSONLimits.depth
    ) throws(JSONTextError) -> JSONNode {
        var reader = JSONText(bytes, depth: depth)
        let node = try reader.next()
        guard let node else { throw JSONTextError(position: bytes.startIndex, message: "there is no JSON value") }
        if try reader.next() != nil {
            throw JSONTextError(position: reader.index, message: "there is more than one JSON value")
        }
        return node
    }

    /// The next value of a text of several; nil at its end.
    mutating func next() throws(JSONTextError) -> JSONNode? {
        blanks()
        return index < bytes.endIndex ? try value(depth: 0) : nil
    }

    /// Passes over lines that separate documents of YAML, which JSON values may stand between.
    mutating func separator() {
        blanks()
        while bytes[index...].starts(with: "---".utf8),
            bytes[index...].dropFirst(3).first.map({ $0 == 0x0A || $0 == 0x0D || $0 == 0x20 }) ?? true
        {
            index += 3
            blanks()
        }
    }

    /// Where the next value starts.
    mutating func start() -> Int {
        blanks()
        return index
    }

    private mutating func value(depth: Int) throws(JSONTextError) -> JSONNode {
        guard depth <= limit else { throw error("it nests deeper than \(limit) levels") }
        switch peek {
        case UInt8(ascii: "{"): return try object(depth: depth + 1)
        case UInt8(ascii: "["): return try array(depth: depth + 1)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try literal("true", .bool(true))
        case UInt8(ascii: "f"): return try literal("false", .bool(false))
        case UInt8(ascii: "n"): return try literal("null", .null)
        default: return try number()
        }
    }

    private mutating func object(depth: Int) throws(JSONTextError) -> JSONNode {
        index += 1
        var members: [JSONMember] = []
        var names = MemberNames()
        blanks()
        if take("}") { return .object([]) }
        while true {
            blanks()
            let position = index
            guard peek == UInt8(ascii: "\"") else { throw error("a name in quotes is missing") }
            let name = try string()
            guard !name.utf8.contains(0) else { throw JSONTextError(position: position, message: "a name with a NUL") }
            guard names.insert(name, beside: members) else {
                throw JSONTextError(position: position, message: "the name '\(name.prefix(40))' is given twice")
            }
            blanks()
            guard take(":") else { throw error("':' is missing") }
            blanks()
            members.append(JSONMember(name: name, value: try value(depth: depth), position: position))
            blanks()
            if take("}") { return .object(members) }
            guard take(",") else { throw error("',' or '}' is missing") }
        }
    }

    private mutating func array(depth: Int) throws(JSONTextError) -> JSONNode {
        index += 1
        var elements: [JSONNode] = []
        blanks()
        if take("]") { return .array([]) }
        while true {
            blanks()
            elements.append(try value(depth: depth))
            blanks()
            if take("]") { return .array(elements) }
            guard take(",") else { throw error("',' or ']' is missing") }
        }
    }

    private mutating func string() throws(JSONTextError) -> String {
        let start = index
        index += 1
        // Most strings have no escape and are taken as they stand.
        let plain = bytes[index...].prefix { $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") && $0 >= 0x20 }
        index = plain.endIndex
        if peek == UInt8(ascii: "\"") {
            index += 1
            guard let text = String(validating: plain, as: UTF8.self) else { throw error("not valid UTF-8") }
            return text
        }
        var content = Array(plain)
        while let byte = peek {
            index += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: content, as: UTF8.self) else { throw error("not valid UTF-8") }
                return text
            case UInt8(ascii: "\\"): try escape(&content)
            case 0..<0x20: throw error("a control character in a string")
            default: content.append(byte)
            }
        }
        throw JSONTextError(position: start, message: "a string is not closed")
    }

    private mutating func escape(_ content: inout [UInt8]) throws(JSONTextError) {
        guard let byte = peek else { throw error("a string is not closed") }
        index += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): content.append(byte)
        case UInt8(ascii: "b"): content.append(0x08)
        case UInt8(ascii: "f"): content.append(0x0C)
        case UInt8(ascii: "n"): content.append(0x0A)
        case UInt8(ascii: "r"): content.append(0x0D)
        case UInt8(ascii: "t"): content.append(0x09)
        case UInt8(ascii: "u"):
            var code = try hexadecimal()
            if (0xD800..<0xDC00).contains(code), take("\\"), take("u") {
                let low = try hexadecimal()
                guard (0xDC00..<0xE000).contains(low) else { throw error("half a character") }
                code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(code) else { throw error("half a character") }
            content += Array(String(Character(scalar)).utf8)
        default: throw error("an unknown escape")
        }
    }

    private mutating func hexadecimal() throws(JSONTextError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = peek, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw error("\\u needs four digits")
            }
            value = value * 16 + UInt32(digit)
            index += 1
        }
        return value
    }

    private mutating func number() throws(JSONTextError) -> JSONNode {
        let start = index
        func digits(_ reader: inout JSONText) -> Int {
            let first = reader.index
            while let byte = reader.peek, (0x30...0x39).contains(byte) { reader.index += 1 }
            return reader.index - first
        }
        _ = take("-")
        let zero = peek == 0x30
        let count = digits(&self)
        var valid = count == 1 || (count > 1 && !zero)
        if valid, take(".") { valid = digits(&self) > 0 }
        if valid, take("e") || take("E") {
            _ = take("+") || take("-")
            valid = digits(&self) > 0
        }
        guard valid else { throw error("a value is missing or not JSON", start) }
        return .number(String(decoding: bytes[start..<index], as: UTF8.self))
    }

    private mutating func literal(_ word: String, _ node: JSONNode) throws(JSONTextError) -> JSONNode {
        guard bytes[index...].starts(with: word.utf8) else { throw error("a value is not JSON") }
        index += word.utf8.count
        return node
    }

    private mutating func blanks() {
        while let byte = peek, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { index += 1 }
    }

    private mutating func take(_ expected: Unicode.Scalar) -> Bool {
        guard peek == UInt8(ascii: expected) else { return false }
        index += 1
        return true
    }

    private var peek: UInt8? { index < bytes.endIndex ? bytes[index] : nil }

    private func error(_ message: String, _ position: Int? = nil) -> JSONTextError {
        JSONTextError(position: position ?? index, message: message)
    }
}

/// The names of one object so far, byte for byte: Swift's own comparison takes different spellings of a letter for the same.
private struct MemberNames {
    private var set: Set<[UInt8]> = []

    /// False when there is one of that name already.
    mutating func insert(_ name: String, beside members: [JSONMember]) -> Bool {
        // Few are compared faster than they are hashed.
        guard members.count >= 12 else {
            return !members.contains { $0.name.utf8.elementsEqual(name.utf8) }
        }
        if set.isEmpty { for member in members { set.insert(Array(member.name.utf8)) } }
        return set.insert(Array(name.utf8)).inserted
    }
}
