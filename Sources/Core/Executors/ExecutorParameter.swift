// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// One parameter of tasks of a type, as data: it checks values, makes command-line flags, form fields, and the manual.
public struct ExecutorParameter: Sendable, Hashable, Codable {
    /// What a value looks like.
    public enum Kind: String, Sendable, Hashable, Codable, CaseIterable {
        /// A string without NUL.
        case text
        /// One of ``ExecutorParameter/words``.
        case word
        /// A whole number.
        case integer
        /// Any number.
        case number
        /// `true` or `false`.
        case flag
        /// Seconds; on the command line a span such as `90s`.
        case duration
        /// Bytes; on the command line a size such as `64MiB`.
        case size
        /// An array of strings; on the command line given several times.
        case list
        /// An object of strings; on the command line `key=value`, given several times.
        case pairs
        /// A secret that the agent keeps: `{"secret_ref": "NAME"}`; on the command line its name.
        case secret
        /// Any JSON.
        case json
    }

    /// The member of `params`, in snake_case.
    public var name: String
    /// What a value looks like.
    public var kind: Kind
    /// One line for people.
    public var help: String
    /// Whether it must be given.
    public var isRequired: Bool
    /// What holds when it is left out; only told, the executor knows it.
    public var standard: JSONValue?
    /// What a `word` may be.
    public var words: [String]?
    /// The least number, or the least bytes of a text.
    public var minimum: Double?
    /// The greatest number, or the most bytes of a text; a text without it has at most 4096.
    public var maximum: Double?

    enum CodingKeys: String, CodingKey {
        case name, kind, help, words, minimum, maximum
        case isRequired = "required"
        case standard = "default"
    }

    /// A parameter; see the properties.
    public init(
        _ name: String, _ kind: Kind, _ help: String, required: Bool = false, standard: JSONValue? = nil,
        words: [String]? = nil, minimum: Double? = nil, maximum: Double? = nil
    ) {
        self.name = name
        self.kind = kind
        self.help = help
        isRequired = required
        self.standard = standard
        self.words = words
        self.minimum = minimum
        self.maximum = maximum
    }

    /// Reads a parameter; `required` may be left out.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        name = try values.decode(String.self, forKey: .name)
        kind = try values.decode(Kind.self, forKey: .kind)
        help = try values.decodeIfPresent(String.self, forKey: .help) ?? ""
        isRequired = try values.decodeIfPresent(Bool.self, forKey: .isRequired) ?? false
        standard = try values.decodeIfPresent(JSONValue.self, forKey: .standard)
        words = try values.decodeIfPresent([String].self, forKey: .words)
        minimum = try values.decodeIfPresent(Double.self, forKey: .minimum)
        maximum = try values.decodeIfPresent(Double.self, forKey: .maximum)
    }

    /// The greatest number that `minimum` and `maximum` may be, and, unless they say more, a value.
    static let largest = 9e15

    /// The most bytes of a text for which nothing else is said.
    static let maximumText = 4096.0

    /// The flag on the command line, without its dashes.
    public var flag: String { name.replacing("_", with: "-") }

    // MARK: Checking

    /// Throws `invalid_argument`, naming the parameter, for a value that is not of its kind.
    public func check(_ value: JSONValue) throws(DeployError) {
        switch (kind, value) {
        case (.text, .string(let text)):
            guard !text.utf8.contains(0) else { throw bad("contains NUL") }
            guard Double(text.utf8.count) >= minimum ?? 0 else { throw bad("is too short") }
            guard Double(text.utf8.count) <= maximum ?? Self.maximumText else {
                throw bad("is over \(Self.plain(maximum ?? Self.maximumText)) bytes")
            }
        case (.word, .string(let text)):
            guard words?.contains(text) == true else {
                throw bad("is none of \((words ?? []).joined(separator: ", "))")
            }
        case (.integer, .integer(let number)), (.size, .integer(let number)): try checkRange(Double(number))
        case (.number, .integer(let number)), (.duration, .integer(let number)): try checkRange(Double(number))
        case (.number, .number(let number)), (.duration, .number(let number)): try checkRange(number)
        case (.flag, .bool), (.json, _): break
        case (.list, .array(let items)):
            guard items.count <= 1000 else { throw bad("has over 1000 items") }
            for item in items {
                guard let text = item.stringValue, !text.utf8.contains(0) else {
                    throw bad("has an item that is not a string without NUL")
                }
            }
        case (.pairs, .object(let members)):
            guard members.count <= 1000 else { throw bad("has over 1000 members") }
            for (key, member) in members {
                guard !key.isEmpty, !key.utf8.contains(0) else { throw bad("has a member without a name") }
                if try SecretReference(value: member, of: "\(name).\(key)") != nil { continue }
                guard let text = member.stringValue, !text.utf8.contains(0) else {
                    throw bad("has a member that is not a string without NUL")
                }
            }
        case (.secret, .object): _ = try SecretReference(value: value, of: name)
        default: throw bad("is not \(kindText)")
        }
    }

    private func checkRange(_ number: Double) throws(DeployError) {
        guard number.isFinite, number >= minimum ?? -Self.largest, number <= maximum ?? Self.largest else {
            throw bad(
                "is not between \(Self.plain(minimum ?? -Self.largest)) and \(Self.plain(maximum ?? Self.largest))"
                    + (kind == .duration ? " seconds" : kind == .size ? " bytes" : ""))
        }
    }

    private func bad(_ what: String) -> DeployError { DeployError(.invalidArgument, "params.\(name) \(what)") }

    private static func plain(_ number: Double) -> String {
        number == number.rounded() && abs(number) <= largest ? "\(Int64(number))" : "\(number)"
    }

    private var kindText: String {
        switch kind {
        case .text: "a string"
        case .word: "one of \((words ?? []).joined(separator: ", "))"
        case .integer: "a whole number"
        case .number: "a number"
        case .flag: "true or false"
        case .duration: "a number of seconds"
        case .size: "a number of bytes"
        case .list: "an array of strings"
        case .pairs: "an object of strings"
        case .secret: "{\"secret_ref\": \"NAME\"}"
        case .json: "JSON"
        }
    }

    // MARK: Text

    /// Whether it is given several times on the command line.
    public var isRepeated: Bool { kind == .list || kind == .pairs }

    /// The value that texts from a command line or a form stand for; one text, unless it ``isRepeated``.
    ///
    /// Throws `invalid_argument` naming it: by its flag, unless it is `called` otherwise there.
    public func value(of texts: [String], called name: String? = nil) throws(DeployError) -> JSONValue {
        let called = name ?? "--\(flag)"
        let text = texts.last ?? ""
        let value: JSONValue
        switch kind {
        case .text, .word: value = .string(text)
        case .integer:
            guard let number = Int64(text) else { throw wrong(text, called) }
            value = .integer(number)
        case .number:
            guard let number = Double(text), number.isFinite else { throw wrong(text, called) }
            value = .number(number)
        case .flag:
            guard let flag = Bool(text) else { throw wrong(text, called) }
            value = .bool(flag)
        case .duration:
            guard let seconds = try? TimeSpan.seconds(text) else { throw wrong(text, called) }
            value = .number(seconds)
        case .size:
            guard let bytes = try? ByteSize.bytes(text) else { throw wrong(text, called) }
            value = .integer(bytes)
        case .list: value = .array(texts.map { .string($0) })
        case .pairs:
            do throws(DeployError) {
                value = .object(try KeyValue.dictionary(texts).mapValues { .string($0) })
            } catch { throw DeployError(.invalidArgument, "\(called): \(error.message)") }
        case .secret:
            guard let reference = SecretReference(text) else {
                throw DeployError(
                    .invalidArgument, "\(called) '\(text.prefix(64))' is not the name of a secret",
                    hint: "a name is 1 to 64 letters, digits, _, - or .")
            }
            value = reference.value
        case .json: value = try Self.json(text, called)
        }
        try check(value)
        return value
    }

    /// The texts that ``value(of:)`` reads back.
    public func texts(of value: JSONValue) -> [String] {
        switch value {
        case _ where kind == .json: [value.text]
        case .string(let text): [text]
        case .integer(let number): [String(number)]
        case .number(let number): [Self.plain(number)]
        case .bool(let flag): [flag ? "true" : "false"]
        case .array(let items): items.compactMap(\.stringValue)
        case .object(let members):
            if let name = members["secret_ref"]?.stringValue, kind == .secret {
                [name]
            } else {
                members.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value.stringValue ?? "")" }
            }
        case .null: []
        }
    }

    private func wrong(_ text: String, _ called: String) -> DeployError {
        DeployError(.invalidArgument, "\(called) '\(text.prefix(64))' is not \(kindText)")
    }

    private static func json(_ text: String, _ called: String) throws(DeployError) -> JSONValue {
        do throws(DeployError) {
            return try JSONValue(text: text)
        } catch { throw DeployError(.invalidArgument, "\(called) is not JSON: \(error.message)") }
    }
}
