// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The shape of a value of the API, as data: it checks what comes in and describes what goes out.
indirect enum Shape: Sendable {
    /// A string without NUL, of so many bytes.
    case text(ClosedRange<Int> = 0...262_144)
    /// 1 to 64 of `0-9 A-Z a-z _ -`.
    case id
    /// A name that an operator, a policy or an agent may have.
    case name
    /// A task type: 1 to 32 of `a-z 0-9 -`, the first a letter.
    case typeName
    /// A time, RFC 3339 in UTC.
    case time
    /// One of these words.
    case word([String])
    case boolean
    case integer(ClosedRange<Int64> = Int64.min...Int64.max)
    case number(ClosedRange<Double>)
    case array(Shape, ClosedRange<Int> = 0...1000)
    /// An object with any keys.
    case map(Shape)
    case object([Member])
    /// Any JSON.
    case any
    /// An entry of ``Shapes/all``.
    case reference(String)

    /// One member of an object.
    struct Member: Sendable {
        var name: String
        var schema: Shape
        var isRequired: Bool
        var summary: String

        init(_ name: String, _ schema: Shape, required: Bool = false, _ summary: String = "") {
            self.name = name
            self.schema = schema
            isRequired = required
            self.summary = summary
        }
    }

    static func word<Word: CaseIterable & RawRepresentable>(_: Word.Type) -> Shape where Word.RawValue == String {
        .word(Word.allCases.map(\.rawValue))
    }

    /// A page of items.
    static func page(_ item: Shape) -> Shape {
        .object([
            .init("items", .array(item, 0...200), required: true),
            .init("next", .text(), "The cursor of the next page."),
        ])
    }
}

// MARK: - Checking

extension Shape {
    /// Throws `invalid_argument`, naming the member, when a value is not of this shape. Unknown members are refused.
    func check(_ value: JSONValue, _ path: String = "") throws(DeployError) {
        switch (self, value) {
        case (.any, _): return
        case (.reference(let name), _):
            guard let schema = Shapes.all[name] else { throw DeployError(.internal, "no schema \(name)") }
            try schema.check(value, path)
        case (.text(let range), .string(let text)):
            guard range.contains(text.utf8.count) else {
                throw bad(path, "is not of \(range.lowerBound) to \(range.upperBound) bytes")
            }
            guard !text.utf8.contains(0) else { throw bad(path, "contains NUL") }
        case (.id, .string(let text)):
            guard AgentID(text) != nil else { throw bad(path, "is not 1 to 64 of 0-9 A-Z a-z _ -") }
        case (.name, .string(let text)):
            guard Self.isName(text) else { throw bad(path, "is not a name") }
        case (.typeName, .string(let text)):
            guard ExecutorSchema.isTypeName(text) else { throw bad(path, "is not a task type") }
        case (.time, .string(let text)):
            guard Timestamp(text) != nil else { throw bad(path, "is not a time, RFC 3339 in UTC") }
        case (.word(let words), .string(let text)):
            guard words.contains(text) else { throw bad(path, "is none of \(words.joined(separator: ", "))") }
        case (.boolean, .bool): return
        case (.integer(let range), .integer(let number)):
            guard range.contains(number) else {
                throw bad(path, "is not between \(range.lowerBound) and \(range.upperBound)")
            }
        case (.number(let range), .integer(let number)): try Self.check(Double(number), range, path)
        case (.number(let range), .number(let number)): try Self.check(number, range, path)
        case (.array(let element, let range), .array(let elements)):
            guard range.contains(elements.count) else {
                throw bad(path, "has not \(range.lowerBound) to \(range.upperBound) elements")
            }
            for (index, item) in elements.enumerated() { try element.check(item, "\(path)[\(index)]") }
        case (.map(let schema), .object(let members)):
            for (key, item) in members.sorted(by: { $0.key < $1.key }) { try schema.check(item, Self.path(path, key)) }
        case (.object(let known), .object(let members)): try Self.check(members, known, path)
        default: throw bad(path, "is not \(kind)")
        }
    }

    private static func check(
        _ members: [String: JSONValue], _ known: [Member], _ path: String
    ) throws(DeployError) {
        let names = Set(known.map(\.name))
        if let unknown = members.keys.sorted().first(where: { !names.contains($0) }) {
            throw DeployError(
                .invalidArgument, "'\(Self.path(path, String(unknown.prefix(64))))' is not a member of this request",
                hint: "it takes \(known.map(\.name).joined(separator: ", "))")
        }
        for member in known {
            if let value = members[member.name] {
                try member.schema.check(value, Self.path(path, member.name))
            } else if member.isRequired {
                throw DeployError(.invalidArgument, "'\(Self.path(path, member.name))' is missing")
            }
        }
    }

    private static func check(_ number: Double, _ range: ClosedRange<Double>, _ path: String) throws(DeployError) {
        guard range.contains(number) else {
            throw DeployError(
                .invalidArgument, "'\(path)' is not between \(range.lowerBound) and \(range.upperBound)")
        }
    }

    private static func path(_ path: String, _ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    private func bad(_ path: String, _ what: String) -> DeployError {
        DeployError(.invalidArgument, path.isEmpty ? "the body \(what)" : "'\(path)' \(what)")
    }

    private var kind: String {
        switch self {
        case .text, .id, .name, .typeName, .time, .word: "a string"
        case .boolean: "true or false"
        case .integer: "an integer"
        case .number: "a number"
        case .array: "an array"
        case .map, .object: "an object"
        case .any, .reference: "right"
        }
    }

    /// 1 to 128 of `0-9 A-Z a-z _ . @ + -`, the first neither `.` nor `-`: whole as a piece of a path.
    static func isName(_ text: String) -> Bool {
        (1...128).contains(text.utf8.count) && !text.hasPrefix(".") && !text.hasPrefix("-")
            && text.utf8.allSatisfy {
                (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || "_.@+-".utf8.contains($0)
            }
    }
}

// MARK: - Describing

extension Shape {
    /// As JSON Schema 2020-12, which OpenAPI 3.1 uses. What is sent may get more members; what is received may not.
    var described: JSONValue {
        switch self {
        case .text(let range):
            .object(["type": "string", "minLength": .count(range.lowerBound), "maxLength": .count(range.upperBound)])
        case .id: .object(["type": "string", "pattern": "^[0-9A-Za-z_-]{1,64}$"])
        case .name: .object(["type": "string", "pattern": "^[0-9A-Za-z_@+][0-9A-Za-z_.@+-]{0,127}$"])
        case .typeName: .object(["type": "string", "pattern": "^[a-z][a-z0-9-]{0,31}$"])
        case .time: .object(["type": "string", "format": "date-time", "pattern": "Z$"])
        case .word(let words): .object(["type": "string", "enum": .array(words.map { .string($0) })])
        case .boolean: .object(["type": "boolean"])
        case .integer(let range):
            .object([
                "type": "integer", "format": "int64", "minimum": .integer(range.lowerBound),
                "maximum": .integer(range.upperBound),
            ])
        case .number(let range):
            .object(["type": "number", "minimum": .number(range.lowerBound), "maximum": .number(range.upperBound)])
        case .array(let element, let range):
            .object([
                "type": "array", "items": element.described, "minItems": .count(range.lowerBound),
                "maxItems": .count(range.upperBound),
            ])
        case .map(let schema): .object(["type": "object", "additionalProperties": schema.described])
        case .object(let members): Self.described(members)
        case .any: .object([:])
        case .reference(let name): .object(["$ref": .string("#/components/schemas/\(name)")])
        }
    }

    private static func described(_ members: [Member]) -> JSONValue {
        let required = members.filter(\.isRequired).map { JSONValue.string($0.name) }
        let properties = members.map { member -> (String, JSONValue) in
            var schema = member.schema.described.objectValue ?? [:]
            if !member.summary.isEmpty { schema["description"] = .string(member.summary) }
            return (member.name, .object(schema))
        }
        var object: [String: JSONValue] = [
            "type": "object", "properties": .object(Dictionary(properties) { first, _ in first }),
            "additionalProperties": .bool(false),
        ]
        if !required.isEmpty { object["required"] = .array(required) }
        return .object(object)
    }
}

extension JSONValue: ExpressibleByStringLiteral {
    /// A string.
    public init(stringLiteral value: String) { self = .string(value) }

    static func count(_ count: Int) -> JSONValue { .integer(Int64(count)) }
}
