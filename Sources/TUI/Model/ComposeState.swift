// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// A shell task being written. It is kept until it was run: leaving the page loses nothing.
struct ComposeState: Equatable, Sendable {
    enum Field: Int, CaseIterable, Sendable {
        case target, command, directory, environment, user, timeout, namespaces

        var label: String {
            switch self {
            case .target: "Target"
            case .command: "Command"
            case .directory: "Directory"
            case .environment: "Environment"
            case .user: "User"
            case .timeout: "Timeout"
            case .namespaces: "Namespaces"
            }
        }

        var help: String {
            switch self {
            case .target: "agent names, label pairs such as role=web, or all"
            case .command: "one line for /bin/sh"
            case .directory: "absolute path; empty for the agent's own"
            case .environment: "NAME=value NAME2='two words' NAME3=secret:NAME-OF-A-SECRET"
            case .user: "account to run as; empty for the agent's own"
            case .timeout: "90s, 10m, 2h; empty for none"
            case .namespaces: "'host' for those of the agent's host; empty for the agent's own"
            }
        }
    }

    private(set) var fields = Field.allCases.map { _ in TextField() }
    var focus = Field.target
    /// What is wrong, shown below the form.
    var problem: String?
    /// What the review found; nil until asked for.
    var review: ReviewState?

    subscript(field: Field) -> TextField {
        get { fields[field.rawValue] }
        set { fields[field.rawValue] = newValue }
    }

    mutating func moveFocus(_ delta: Int) {
        let count = Field.allCases.count
        focus = Field(rawValue: (focus.rawValue + delta + count) % count) ?? .target
    }

    /// The selector as typed: words with `=` are labels, `all` alone is every agent, the rest are names.
    static func selector(_ text: String) -> TargetSelector {
        var selector = TargetSelector()
        for word in text.split(whereSeparator: { $0 == " " || $0 == "," }).map(String.init) {
            if word == "all" {
                selector.all = true
            } else if let sign = word.firstIndex(of: "="), sign != word.startIndex {
                selector.labels[String(word[..<sign])] = String(word[word.index(after: sign)...])
            } else {
                selector.agents.append(word)
            }
        }
        return selector
    }

    /// Seconds of `90`, `90s`, `10m`, `2h`; nil when it is none of these.
    static func seconds(_ text: String) -> Double? {
        let factors: [Character: Double] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
        guard let last = text.last else { return nil }
        let factor = factors[last]
        let digits = factor == nil ? text[...] : text.dropLast()
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (48...57).contains($0) || $0 == 46 }),
            let value = Double(String(digits))
        else { return nil }
        return value * (factor ?? 1)
    }

    /// `A=1 B='two words'` as pairs; throws `invalid_argument` for a word without `=` or an open quote.
    static func variables(_ text: String) throws(DeployError) -> [String: String] {
        var result: [String: String] = [:]
        for word in try words(text) {
            guard let sign = word.firstIndex(of: "="), sign != word.startIndex else {
                throw DeployError(.invalidArgument, "Environment: '\(word)' has no NAME=")
            }
            result[String(word[..<sign])] = String(word[word.index(after: sign)...])
        }
        return result
    }

    /// `secret:NAME` is a secret that the agent keeps, anything else is itself.
    private static func value(_ text: String) throws(DeployError) -> JSONValue {
        guard text.hasPrefix(secretPrefix) else { return .string(text) }
        guard let secret = SecretReference(String(text.dropFirst(secretPrefix.count))) else {
            throw DeployError(.invalidArgument, "Environment: '\(text)' does not name a secret")
        }
        return secret.value
    }

    private static let secretPrefix = "secret:"

    private static func words(_ text: String) throws(DeployError) -> [String] {
        var words: [String] = []
        var word: String?
        var quote: Character?
        for character in text {
            if let open = quote {
                if character == open { quote = nil } else { word?.append(character) }
            } else if character == "'" || character == "\"" {
                quote = character
                word = word ?? ""
            } else if character == " " {
                if let done = word { words.append(done) }
                word = nil
            } else {
                word = (word ?? "") + String(character)
            }
        }
        if quote != nil { throw DeployError(.invalidArgument, "Environment: a quote is not closed") }
        return words + (word.map { [$0] } ?? [])
    }

    /// The specification as typed; throws `invalid_argument` with the field's name.
    func spec() throws(DeployError) -> TaskSpec {
        var params: [String: JSONValue] = [:]
        let directory = self[.directory].text
        if !directory.isEmpty { params["cwd"] = .string(directory) }
        let user = self[.user].text
        if !user.isEmpty { params["user"] = .string(user) }
        let variables = try Self.variables(self[.environment].text)
        var values: [String: JSONValue] = [:]
        for (name, text) in variables { values[name] = try Self.value(text) }
        if !values.isEmpty { params["env"] = .object(values) }
        switch self[.namespaces].text {
        case "": break
        case "host": params["host_namespaces"] = .bool(true)
        default: throw DeployError(.invalidArgument, "Namespaces: write 'host' or nothing")
        }
        var timeout: Double?
        if !self[.timeout].text.isEmpty {
            guard let seconds = Self.seconds(self[.timeout].text) else {
                throw DeployError(
                    .invalidArgument, "Timeout: '\(self[.timeout].text)' is not a time such as 90s or 10m")
            }
            timeout = seconds
        }
        let spec = TaskSpec(command: self[.command].text, params: params, timeout: timeout)
        try spec.validate()
        return spec
    }

    /// Fills the form from a run that was made before.
    mutating func fill(from run: RunRecord) {
        self = ComposeState()
        self[.target] = TextField(run.target)
        self[.command] = TextField(run.spec.command)
        self[.directory] = TextField(run.spec.params["cwd"]?.stringValue ?? "")
        self[.user] = TextField(run.spec.params["user"]?.stringValue ?? "")
        let pairs = (run.spec.params["env"]?.objectValue ?? [:]).sorted { $0.key < $1.key }
        self[.environment] = TextField(
            pairs.map { key, value in
                let text = value.secretName.map { Self.secretPrefix + $0 } ?? value.stringValue ?? ""
                return "\(key)=\(EquivalentCommand.quoted(text))"
            }.joined(separator: " "))
        self[.namespaces] = TextField(run.spec.usesHostNamespaces ? "host" : "")
        self[.timeout] = TextField(run.spec.timeout.map { EquivalentCommand.seconds($0) } ?? "")
        focus = .command
    }
}

/// What will run where, exactly, before it does.
struct ReviewState: Equatable, Sendable {
    var selector: TargetSelector
    var spec: TaskSpec
    /// The agents meant, as they were when the review began: these and no others get the task.
    var agents: [AgentInfo]
    var list = ListState()
    /// 0 is Back, 1 is Run.
    var focus = 0
    /// The same for every press of Run on this review: a second press cannot make a second run.
    var key: String

    /// Above this many agents the number must be typed.
    static let severeCount = 10

    /// The request for exactly the agents that were shown.
    var request: RunCreate {
        RunCreate(selector: TargetSelector(agents: agents.map(\.name)), spec: spec, idempotencyKey: key)
    }
}

extension TaskSpec {
    /// Whether it is to run in the namespaces of the agent's host.
    var usesHostNamespaces: Bool { params["host_namespaces"] == .bool(true) }
}

extension JSONValue {
    /// The name in `{"secret_ref": NAME}`.
    var secretName: String? { objectValue?["secret_ref"]?.stringValue }
}

/// The command line that does the same.
enum EquivalentCommand {
    static func run(_ selector: TargetSelector, _ spec: TaskSpec) -> String {
        var words = ["tiangong", "run"] + targets(selector)
        if let directory = spec.params["cwd"]?.stringValue { words += ["--cwd", quoted(directory)] }
        if let user = spec.params["user"]?.stringValue { words += ["--user", quoted(user)] }
        for (key, value) in (spec.params["env"]?.objectValue ?? [:]).sorted(by: { $0.key < $1.key }) {
            if let secret = value.secretName {
                words += ["--secret-env", quoted("\(key)=\(secret)")]
            } else {
                words += ["--env", quoted("\(key)=\(value.stringValue ?? "")")]
            }
        }
        if spec.usesHostNamespaces { words.append("--host-namespaces") }
        if let timeout = spec.timeout { words += ["--timeout", seconds(timeout)] }
        words += ["--", quoted(spec.command)]
        return words.joined(separator: " ")
    }

    static func policyTest(_ test: PolicyTest) -> String {
        let words = ["tiangong", "policy", "test"] + targets(test.selector)
        return
            (words + (test.spec.usesHostNamespaces ? ["--host-namespaces"] : []) + ["--", quoted(test.spec.command)])
            .joined(separator: " ")
    }

    static func audit(_ query: AuditQuery) -> String {
        let options: [(name: String, value: String?)] = [
            ("actor", query.actor), ("action", query.action), ("agent", query.agent), ("task", query.task),
            ("verdict", query.verdict), ("since", query.since?.description), ("until", query.until?.description),
        ]
        return
            (["tiangong audit list"]
            + options.compactMap { option in option.value.map { "--\(option.name) \(quoted($0))" } })
            .joined(separator: " ")
    }

    private static func targets(_ selector: TargetSelector) -> [String] {
        (selector.all ? ["--all"] : []) + selector.agents.flatMap { ["-a", quoted($0)] }
            + selector.labels.sorted { $0.key < $1.key }.flatMap { ["-l", quoted("\($0.key)=\($0.value)")] }
    }

    static func seconds(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e9 ? "\(Int(value))s" : "\(value)s"
    }

    /// A word as the shell reads it back unchanged.
    static func quoted(_ word: String) -> String {
        let plain = word.utf8.allSatisfy {
            (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0)
                || "-_./=:,@%+".utf8.contains($0)
        }
        if plain, !word.isEmpty { return word }
        return "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }
}
