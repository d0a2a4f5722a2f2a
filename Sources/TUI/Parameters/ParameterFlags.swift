// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The flags that the parameters of a task type make on the command line: read from words, and written as words again.
struct ParameterFlags: Sendable {
    /// What words of a command line say.
    struct Reading: Equatable, Sendable {
        /// The parameters.
        var params: [String: JSONValue] = [:]
        /// What is no flag, in order.
        var words: [String] = []
    }

    /// One flag, for help.
    struct Row: Equatable, Sendable {
        /// With dashes and a word for its value.
        var flag: String
        /// One line.
        var help: String
    }

    private enum Form { case value, yes, no, secret }

    /// What the type takes.
    let schema: ExecutorSchema

    /// Flags that mean something to `run` itself. A parameter of such a name is given as `--param-NAME`, which every
    /// parameter understands.
    static let reserved: Set<String> = [
        "agent", "all", "batch", "ca-file", "color", "context", "detach", "expires", "file", "fingerprint", "grace",
        "help",
        "idempotency-key", "label", "log-limit", "output", "prefix", "quiet", "server", "stop-after", "timeout",
        "token-file", "version", "wait",
    ]

    private static let longForm = "param-"

    // MARK: Reading

    /// Reads words. Throws `invalid_argument` for a flag the type does not have, one without a value, or a bad value.
    func read(_ words: [String]) throws(DeployError) -> Reading {
        var reading = Reading()
        var texts: [String: [String]] = [:]
        var secrets: [String: [String: JSONValue]] = [:]
        var rest = words[...]
        while let word = rest.popFirst() {
            guard word.hasPrefix("-"), word != "-" else {
                reading.words.append(word)
                continue
            }
            let (name, attached) = Self.split(word)
            guard word.hasPrefix("--"), let (parameter, form) = find(name) else { throw unknown(word) }
            switch form {
            case .yes: texts[parameter.name] = [attached ?? "true"]
            case .no:
                guard attached == nil else {
                    throw DeployError(.invalidArgument, "--\(name) takes no value")
                }
                texts[parameter.name] = ["false"]
            case .value:
                texts[parameter.name, default: []].append(try Self.value(of: name, attached, &rest))
            case .secret:
                let (key, secret) = try Self.secret(try Self.value(of: name, attached, &rest), name)
                secrets[parameter.name, default: [:]][key] = secret
            }
        }
        for parameter in schema.parameters where texts[parameter.name] != nil || secrets[parameter.name] != nil {
            reading.params[parameter.name] = try Self.value(parameter, texts[parameter.name], secrets[parameter.name])
        }
        return reading
    }

    private static func split(_ word: String) -> (name: String, attached: String?) {
        let body = word.drop { $0 == "-" }
        guard let sign = body.firstIndex(of: "=") else { return (String(body), nil) }
        return (String(body[..<sign]), String(body[body.index(after: sign)...]))
    }

    private static func value(
        of name: String, _ attached: String?, _ rest: inout ArraySlice<String>
    ) throws(DeployError) -> String {
        if let attached { return attached }
        guard let next = rest.first, !next.hasPrefix("--") else {
            throw DeployError(
                .invalidArgument, "--\(name) needs a value", hint: "one that begins with -- is given as --\(name)=VALUE"
            )
        }
        rest = rest.dropFirst()
        return next
    }

    private static func secret(_ text: String, _ name: String) throws(DeployError) -> (String, JSONValue) {
        let (key, secret) = try OptionPair.parse(text, what: "--\(name)")
        guard let reference = SecretReference(secret) else {
            throw DeployError(
                .invalidArgument, "--\(name): '\(secret.prefix(64))' is not the name of a secret",
                hint: "a name is 1 to 64 letters, digits, _, - or .")
        }
        return (key, reference.value)
    }

    private static func value(
        _ parameter: ExecutorParameter, _ texts: [String]?, _ secrets: [String: JSONValue]?
    ) throws(DeployError) -> JSONValue {
        let plain = try texts.map { texts throws(DeployError) in
            try parameter.value(of: texts, called: "--\(name(parameter))")
        }
        guard let secrets else { return plain ?? .null }
        var members = plain?.objectValue ?? [:]
        for (key, secret) in secrets {
            guard members[key] == nil else {
                throw DeployError(.invalidArgument, "--\(name(parameter)): '\(key)' is given twice")
            }
            members[key] = secret
        }
        return .object(members)
    }

    private func find(_ name: String) -> (ExecutorParameter, Form)? {
        func parameter(_ flag: Substring) -> ExecutorParameter? {
            schema.parameters.first { $0.flag == flag && !Self.reserved.contains($0.flag) }
                ?? (flag.hasPrefix(Self.longForm)
                    ? schema.parameters.first { $0.flag == flag.dropFirst(Self.longForm.count) } : nil)
        }
        if let exact = parameter(name[...]) { return (exact, exact.kind == .flag ? .yes : .value) }
        if name.hasPrefix("no-"), let denied = parameter(name.dropFirst(3)), denied.kind == .flag {
            return (denied, .no)
        }
        if name.hasPrefix("secret-"), let pairs = parameter(name.dropFirst(7)), pairs.kind == .pairs {
            return (pairs, .secret)
        }
        return nil
    }

    private func unknown(_ word: String) -> DeployError {
        let known = schema.parameters.map { "--" + Self.name($0) }.joined(separator: ", ")
        return DeployError(
            .invalidArgument, "'\(word.prefix(64))' is not a flag of \(schema.type)",
            hint: (known.isEmpty ? "it has none of its own" : "its own are \(known)")
                + "; tiangong executor show \(schema.type) explains them")
    }

    /// How the parameter's flag is called here, without its dashes.
    private static func name(_ parameter: ExecutorParameter) -> String {
        reserved.contains(parameter.flag) ? longForm + parameter.flag : parameter.flag
    }

    // MARK: Writing

    /// The words that ``read(_:)`` makes these parameters of.
    func words(_ params: [String: JSONValue]) -> [String] {
        schema.parameters.flatMap { parameter -> [String] in
            guard let value = params[parameter.name], value != .null else { return [] }
            let name = Self.name(parameter)
            switch (parameter.kind, value) {
            case (.flag, .bool(let isOn)): return [isOn ? "--\(name)" : "--no-\(name)"]
            case (.pairs, .object(let members)):
                return members.sorted { $0.key < $1.key }.flatMap { key, member in
                    if let secret = member.secretName { return ["--secret-\(name)", "\(key)=\(secret)"] }
                    return Self.option(name, "\(key)=\(member.stringValue ?? "")")
                }
            default: return parameter.texts(of: value).flatMap { Self.option(name, $0) }
            }
        }
    }

    private static func option(_ name: String, _ text: String) -> [String] {
        text.hasPrefix("--") ? ["--\(name)=\(text)"] : ["--\(name)", text]
    }

    // MARK: Help

    /// Every flag, in the order of the schema.
    var rows: [Row] {
        schema.parameters.flatMap { parameter -> [Row] in
            let name = Self.name(parameter)
            let help = Self.help(parameter)
            switch parameter.kind {
            case .flag: return [Row(flag: "--\(name), --no-\(name)", help: help)]
            case .pairs:
                return [
                    Row(flag: "--\(name) <key=value>", help: help),
                    Row(flag: "--secret-\(name) <key=secret>", help: "The same with a secret that the agent keeps."),
                ]
            default: return [Row(flag: "--\(name) <\(Self.placeholder(parameter))>", help: help)]
            }
        }
    }

    private static func placeholder(_ parameter: ExecutorParameter) -> String {
        switch parameter.kind {
        case .text, .list: "text"
        case .word: (parameter.words ?? []).joined(separator: "|")
        case .integer: "n"
        case .number: "number"
        case .flag: "true|false"
        case .duration: "duration"
        case .size: "size"
        case .pairs: "key=value"
        case .secret: "secret"
        case .json: "json"
        }
    }

    private static func help(_ parameter: ExecutorParameter) -> String {
        var help = parameter.help
        if parameter.isRepeated { help += " May be given several times." }
        if parameter.isRequired { help += " (required)" }
        if let standard = parameter.standard {
            let texts = parameter.texts(of: standard).joined(separator: " ")
            if !texts.isEmpty { help += " (default: \(texts))" }
        }
        return help
    }
}
