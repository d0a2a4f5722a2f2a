// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// A type of ClickHouse, as far as it decides how values are written.
indirect enum ClickHouseType: Sendable, Hashable {
    /// A value of its own.
    case scalar(RowKind)
    /// `[a,b]`.
    case array(ClickHouseType)
    /// `(a,b)`, its elements perhaps with names.
    case tuple([Element])
    /// `{k:v}`.
    case map(ClickHouseType, ClickHouseType)

    /// An element of a tuple.
    struct Element: Sendable, Hashable {
        /// What it is called, if it is.
        var name: String?
        /// What it is.
        var type: ClickHouseType
    }

    /// The type that a server calls `text`; what is not known is a text.
    init(_ text: String) {
        var reader = ClickHouseTypeReader(text)
        self = reader.type(depth: 0) ?? .scalar(.text)
    }

    /// Whether its values are written as elements of others are, in quotes and brackets.
    var isComposite: Bool { if case .scalar = self { false } else { true } }

    /// What a plain type's values are.
    static func scalar(named name: String) -> ClickHouseType {
        switch name {
        case "UInt8", "UInt16", "UInt32", "UInt64", "Int8", "Int16", "Int32", "Int64", "Float32", "Float64", "BFloat16":
            return .scalar(.number)
        case "Bool": return .scalar(.boolean)
        case "UInt128", "UInt256", "Int128", "Int256": return .scalar(.decimal)
        case "JSON", "Object": return .scalar(.json)
        case "AggregateFunction": return .scalar(.binary)
        case "Point": return .tuple(Array(repeating: Element(type: .scalar(.number)), count: 2))
        case "Ring", "LineString": return .array(scalar(named: "Point"))
        case "Polygon", "MultiLineString": return .array(scalar(named: "Ring"))
        case "MultiPolygon": return .array(scalar(named: "Polygon"))
        default:
            if name.hasPrefix("Decimal") { return .scalar(.decimal) }
            return .scalar(name.hasPrefix("Interval") ? .number : .text)
        }
    }
}

/// Reads `Array(Nullable(UInt8))` and the like.
private struct ClickHouseTypeReader {
    private static let depth = 32
    private let text: [Character]
    private var index = 0

    init(_ text: String) { self.text = Array(text.prefix(65_536)) }

    mutating func type(depth: Int) -> ClickHouseType? {
        guard depth < Self.depth, let name = name() else { return nil }
        switch name {
        case "Nullable", "LowCardinality": return inside { $0.type(depth: depth + 1) }
        case "Array": return inside { $0.type(depth: depth + 1) }.map { .array($0) }
        case "Nested": return inside { $0.elements(depth: depth + 1) }.map { .array(.tuple($0)) }
        case "Tuple": return inside { $0.elements(depth: depth + 1) }.map { .tuple($0) }
        case "Map":
            let parts = inside { $0.elements(depth: depth + 1) }
            guard let parts, parts.count == 2 else { return nil }
            return .map(parts[0].type, parts[1].type)
        case "SimpleAggregateFunction":
            return inside { reader -> ClickHouseType? in
                reader.skip(to: ",")
                reader.index += 1
                return reader.type(depth: depth + 1)
            }
        default:
            if peek == "(" { skipBrackets() }
            return ClickHouseType.scalar(named: name)
        }
    }

    private mutating func elements(depth: Int) -> [ClickHouseType.Element]? {
        var elements: [ClickHouseType.Element] = []
        while true {
            let start = index
            var label = name()
            // `a UInt8` is an element with a name; `UInt8` and `Array(UInt8)` are types alone.
            if peek == " ", label != nil {
                blanks()
            } else {
                label = nil
                index = start
            }
            guard let type = type(depth: depth) else { return nil }
            elements.append(.init(name: label, type: type))
            blanks()
            guard peek == "," else { return elements }
            index += 1
            blanks()
        }
    }

    private mutating func inside<Value>(_ read: (inout Self) -> Value?) -> Value? {
        guard peek == "(" else { return nil }
        index += 1
        blanks()
        guard let value = read(&self) else { return nil }
        blanks()
        guard peek == ")" else { return nil }
        index += 1
        return value
    }

    private mutating func name() -> String? {
        blanks()
        if peek == "`" {
            let start = index + 1
            index = start
            skip(to: "`")
            guard peek == "`" else { return nil }
            defer { index += 1 }
            return String(text[start..<index])
        }
        let start = index
        while let next = peek, next.isLetter || next.isNumber || next == "_" || next == "." { index += 1 }
        return index > start ? String(text[start..<index]) : nil
    }

    /// Over arguments that do not matter here, such as those of `Enum8('a' = 1)`.
    private mutating func skipBrackets() {
        var open = 0
        while let next = peek {
            index += 1
            switch next {
            case "(": open += 1
            case ")":
                open -= 1
                if open == 0 { return }
            case "'":
                while let inner = peek, inner != "'" { index += inner == "\\" ? 2 : 1 }
                index += 1
            default: break
            }
        }
    }

    private mutating func skip(to end: Character) {
        var open = 0
        while let next = peek, open > 0 || next != end {
            if next == "(" { open += 1 }
            if next == ")" { open -= 1 }
            index += 1
        }
    }

    private mutating func blanks() { while peek == " " || peek == "\n" { index += 1 } }

    private var peek: Character? { index < text.count ? text[index] : nil }
}
