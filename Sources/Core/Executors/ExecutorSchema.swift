// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// What tasks of one type take. The one table that validation, command-line flags, the console's form, the manual and the
/// API are made of.
public struct ExecutorSchema: Sendable, Hashable, Codable {
    /// What the command text of a task is.
    public struct Command: Sendable, Hashable, Codable {
        /// What it is called, such as `SQL`.
        public var label: String
        /// One line for people.
        public var help: String
        /// Whether a task without one is refused.
        public var isRequired: Bool
        /// The most bytes.
        public var maximum: Int

        enum CodingKeys: String, CodingKey {
            case label, help, maximum
            case isRequired = "required"
        }

        /// A command; see the properties.
        public init(_ label: String, _ help: String, required: Bool = true, maximum: Int = TaskSpec.maximumCommandBytes)
        {
            self.label = label
            self.help = help
            isRequired = required
            self.maximum = maximum
        }

        /// Reads a command; only `label` is required.
        public init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: CodingKeys.self)
            label = try values.decode(String.self, forKey: .label)
            help = try values.decodeIfPresent(String.self, forKey: .help) ?? ""
            isRequired = try values.decodeIfPresent(Bool.self, forKey: .isRequired) ?? true
            maximum = try values.decodeIfPresent(Int.self, forKey: .maximum) ?? TaskSpec.maximumCommandBytes
        }
    }

    /// What tasks call it.
    public var type: String
    /// What it does, in one line.
    public var summary: String
    /// What the command text is.
    public var command: Command
    /// What `params` may hold.
    public var parameters: [ExecutorParameter]

    /// A schema; see the properties.
    public init(type: String, summary: String, command: Command, parameters: [ExecutorParameter]) {
        self.type = type
        self.summary = summary
        self.command = command
        self.parameters = parameters
    }

    /// The parameter of that name.
    public subscript(_ name: String) -> ExecutorParameter? { parameters.first { $0.name == name } }

    /// Checks a specification's command and `params`; throws `invalid_argument` or `too_large`, naming what is wrong.
    public func check(_ spec: TaskSpec) throws(DeployError) {
        guard spec.command.utf8.count <= command.maximum else {
            throw DeployError(
                .tooLarge, "\(command.label) is over \(command.maximum) bytes", hint: "send large input as a file")
        }
        if command.isRequired, spec.command.allSatisfy(\.isWhitespace) {
            throw DeployError(.invalidArgument, "\(command.label) is empty")
        }
        if let unknown = spec.params.keys.sorted().first(where: { self[$0] == nil }) {
            let known = parameters.map(\.name).joined(separator: ", ")
            throw DeployError(
                .invalidArgument, "params.\(unknown.prefix(64)) is not a parameter of \(type)",
                hint: known.isEmpty ? nil : "it takes \(known)")
        }
        for parameter in parameters {
            if let value = spec.params[parameter.name], value != .null {
                try parameter.check(value)
            } else if parameter.isRequired {
                throw DeployError(
                    .invalidArgument, "params.\(parameter.name) is missing",
                    hint: "--\(parameter.flag): \(parameter.help)")
            }
        }
    }

    /// Throws `invalid_argument` when a schema that came from elsewhere is not well formed.
    public func validate() throws(DeployError) {
        guard Self.isTypeName(type) else {
            throw DeployError(.invalidArgument, "a type is 1 to 32 of a-z 0-9 -, the first a letter")
        }
        guard parameters.count <= 64, summary.utf8.count <= 256, (1...32).contains(command.label.utf8.count),
            command.help.utf8.count <= 256, (1...262_144).contains(command.maximum)
        else { throw DeployError(.tooLarge, "the schema of \(type) is too large, or its command has no label") }
        guard textBytes <= Self.maximumText else {
            throw DeployError(.tooLarge, "the schema of \(type) has over \(Self.maximumText) bytes of text")
        }
        guard Set(parameters.map(\.name)).count == parameters.count else {
            throw DeployError(.invalidArgument, "the schema of \(type) has a parameter twice")
        }
        for parameter in parameters {
            guard Self.isParameterName(parameter.name) else {
                throw DeployError(
                    .invalidArgument, "the schema of \(type): a parameter is 1 to 32 of a-z 0-9 _, the first a letter")
            }
            guard parameter.help.utf8.count <= 256, (parameter.words ?? []).count <= 64,
                (parameter.words ?? []).allSatisfy({ $0.utf8.count <= 64 }),
                (parameter.standard?.text.utf8.count ?? 0) <= 256
            else { throw DeployError(.tooLarge, "the schema of \(type): \(parameter.name) is too large") }
            guard (parameter.kind == .word) == (parameter.words?.isEmpty == false) else {
                throw DeployError(
                    .invalidArgument, "the schema of \(type): \(parameter.name) needs words, or is no word")
            }
            guard (parameter.words ?? []).allSatisfy({ !$0.isEmpty && !$0.utf8.contains(0) }) else {
                throw DeployError(
                    .invalidArgument, "the schema of \(type): a word of \(parameter.name) is empty or has NUL")
            }
            let least = parameter.minimum ?? -ExecutorParameter.largest
            let most = parameter.maximum ?? ExecutorParameter.largest
            guard least >= -ExecutorParameter.largest, most <= ExecutorParameter.largest, least <= most else {
                throw DeployError(
                    .invalidArgument,
                    "the schema of \(type): minimum and maximum of \(parameter.name) are not a range within 9e15")
            }
        }
    }

    /// The most bytes of text in a schema, so that several fit a message.
    static let maximumText = 32_768

    private var textBytes: Int {
        parameters.reduce(summary.utf8.count + command.help.utf8.count) { sum, parameter in
            sum + parameter.name.utf8.count + parameter.help.utf8.count + (parameter.standard?.text.utf8.count ?? 0)
                + (parameter.words ?? []).reduce(0) { $0 + $1.utf8.count }
        }
    }

    /// Whether a text may be a task's type: 1 to 32 of `a-z 0-9 -`, the first a letter.
    public static func isTypeName(_ text: String) -> Bool { isName(text, "-") }

    private static func isParameterName(_ text: String) -> Bool { isName(text, "_") }

    private static func isName(_ text: String, _ stroke: Character) -> Bool {
        guard (1...32).contains(text.utf8.count), let first = text.first, ("a"..."z").contains(first) else {
            return false
        }
        return text.allSatisfy { ("a"..."z").contains($0) || ("0"..."9").contains($0) || $0 == stroke }
    }
}

/// The parameters of one task, checked by its schema.
public struct TaskParameters: Sendable, Equatable {
    private let values: [String: JSONValue]

    /// Checks a specification by its schema; throws as ``ExecutorSchema/check(_:)``.
    public init(_ spec: TaskSpec, _ schema: ExecutorSchema) throws(DeployError) {
        try schema.check(spec)
        values = spec.params.filter { $0.value != .null }
    }

    /// A `text` or `word`.
    public func text(_ name: String) -> String? { values[name]?.stringValue }
    /// An `integer` or `size`.
    public func integer(_ name: String) -> Int64? { values[name]?.integerValue }
    /// A `number` or `duration`.
    public func number(_ name: String) -> Double? { values[name]?.doubleValue }
    /// A `flag`; false when it is left out.
    public func flag(_ name: String, default standard: Bool = false) -> Bool { values[name]?.boolValue ?? standard }
    /// A `list`.
    public func list(_ name: String) -> [String]? { values[name]?.arrayValue?.compactMap(\.stringValue) }
    /// A `secret`.
    public func secret(_ name: String) -> SecretReference? {
        values[name]?.objectValue?["secret_ref"]?.stringValue.flatMap { SecretReference($0) }
    }
    /// The `pairs`, each a text or a secret.
    public func pairs(_ name: String) -> [String: TaskValue] {
        (values[name]?.objectValue ?? [:]).compactMapValues { value in
            if let secret = value.objectValue?["secret_ref"]?.stringValue.flatMap({ SecretReference($0) }) {
                return .secret(secret)
            }
            return value.stringValue.map { .text($0) }
        }
    }
    /// Whatever was given.
    public func json(_ name: String) -> JSONValue? { values[name] }
}
