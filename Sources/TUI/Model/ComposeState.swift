// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// A task being written. It is kept until it was run: leaving the page loses nothing.
struct ComposeState: Equatable, Sendable {
    enum Field: Hashable, Sendable {
        case target, type, command
        case parameter(String)
        case timeout
    }

    private struct Place: Hashable {
        /// The task type, for a parameter: what was typed for one type is there again when it is chosen again.
        var type: String?
        var field: Field
    }

    /// What tasks of the type that is chosen take.
    private(set) var schema = TaskType.shell.schema
    private var texts: [Place: TextField] = [:]
    var focus = Field.target
    /// What is wrong, shown below the form.
    var problem: String?
    /// What the review found; nil until asked for.
    var review: ReviewState?
    /// What a run that is written again says beside what the form shows.
    private var kept = TaskSpec(command: "")

    /// The most scalars of a field: more than any task may have, so that nothing is ever cut.
    private static let longest = 786_432

    subscript(field: Field) -> TextField {
        get { texts[place(field)] ?? empty(field) }
        set {
            var text = newValue
            text.keepsLines = empty(field).keepsLines
            text.limit = Self.longest
            texts[place(field)] = text
        }
    }

    /// Puts a text into a field.
    mutating func write(_ text: String, into field: Field) {
        var new = empty(field)
        new.text = text
        texts[place(field)] = new
    }

    private func place(_ field: Field) -> Place {
        if case .parameter = field { return Place(type: schema.type, field: field) }
        return Place(type: nil, field: field)
    }

    private func empty(_ field: Field) -> TextField {
        TextField(keepsLines: field == .command || form(field)?.keepsLines == true, limit: Self.longest)
    }

    // MARK: Fields

    /// All fields that are shown, in order.
    var fields: [Field] { [.target, .type, .command] + shownParameters.map { .parameter($0.name) } + [.timeout] }

    mutating func moveFocus(_ delta: Int) {
        let fields = fields
        let at = fields.firstIndex(of: focus) ?? 0
        focus = fields[(at + delta + fields.count) % fields.count]
    }

    /// The parameter of a field, as one of a form.
    func form(_ field: Field) -> ParameterForm? {
        guard case .parameter(let name) = field, let parameter = schema[name] else { return nil }
        return ParameterForm(parameter: parameter, type: schema.type)
    }

    /// The form writes a shell command as text, not as a vector; and its input as text, unless it was made otherwise.
    private var shownParameters: [ExecutorParameter] {
        guard schema.type == TaskType.shell.rawValue else { return schema.parameters }
        return schema.parameters.filter { parameter in
            switch parameter.name {
            case "argv": false
            case "stdin_base64": texts[place(.parameter(parameter.name))]?.scalars.isEmpty == false
            default: true
            }
        }
    }

    func label(_ field: Field) -> String {
        switch field {
        case .target: "Target"
        case .type: "Type"
        case .command: schema.command.label.prefix(1).uppercased() + schema.command.label.dropFirst()
        case .parameter(let name): form(field)?.label ?? name
        case .timeout: "Timeout"
        }
    }

    func isRequired(_ field: Field) -> Bool {
        switch field {
        case .target, .type: true
        case .command: schema.command.isRequired || schema.type == TaskType.shell.rawValue
        case .parameter(let name): schema[name]?.isRequired == true
        case .timeout: false
        }
    }

    // MARK: The type

    /// Tasks are of another type from now on.
    mutating func choose(_ schema: ExecutorSchema) {
        self.schema = schema.withoutRepetitions
        problem = nil
        if !fields.contains(focus) { focus = .type }
    }

    /// What is known of the type has changed. What was typed stays, also for parameters that there are no longer: they are
    /// shown, and refused by whoever does not take them.
    mutating func adopt(_ new: ExecutorSchema) {
        guard new.type == schema.type, new != schema else { return }
        let old = schema
        let typed = old.parameters.filter { !self[.parameter($0.name)].scalars.isEmpty }
        var next = new.withoutRepetitions
        next.parameters += typed.filter { next[$0.name] == nil }
        schema = next
        for parameter in typed {
            guard let changed = next[parameter.name], changed != parameter else { continue }
            let text = self[.parameter(parameter.name)].text
            let value = try? ParameterForm(parameter: parameter, type: old.type).value(text)
            write(
                value.map { ParameterForm(parameter: changed, type: next.type).text($0) } ?? text,
                into: .parameter(parameter.name))
        }
        if !fields.contains(focus) { focus = .type }
    }

    // MARK: What it says

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

    /// The agents meant.
    var selector: TargetSelector { Self.selector(self[.target].text) }

    /// The specification as typed; throws `invalid_argument` with the field's name.
    func spec() throws(DeployError) -> TaskSpec {
        var spec = kept
        spec.type = schema.type
        spec.command = self[.command].text
        spec.params = [:]
        for parameter in shownParameters {
            let form = ParameterForm(parameter: parameter, type: schema.type)
            let text = self[.parameter(parameter.name)].text
            if !text.isEmpty { spec.params[parameter.name] = try form.value(text) }
            guard !text.isEmpty || !parameter.isRequired else {
                throw DeployError(.invalidArgument, "\(form.label): must be given")
            }
        }
        let timeout = self[.timeout].text
        if !timeout.isEmpty {
            guard let seconds = try? TimeSpan.seconds(timeout) else {
                throw DeployError(.invalidArgument, "Timeout: '\(timeout)' is not a time such as 90s or 10m")
            }
            spec.timeout = seconds
        }
        try spec.validate()
        try schema.check(spec)
        return spec
    }

    /// Fills the form from a run that was made before.
    ///
    /// - Parameter schema: What its type takes, as far as known.
    mutating func fill(from run: RunRecord, _ schema: ExecutorSchema?) {
        self = ComposeState()
        let spec = run.spec
        choose((schema ?? .guessed(from: spec)).completed(by: spec.params))
        kept = TaskSpec(
            command: "", fileID: spec.fileID, grace: spec.grace, expiresIn: spec.expiresIn, logLimit: spec.logLimit)
        write(run.target, into: .target)
        write(spec.command, into: .command)
        for parameter in self.schema.parameters {
            guard let value = spec.params[parameter.name], value != .null else { continue }
            write(
                ParameterForm(parameter: parameter, type: spec.type).text(value), into: .parameter(parameter.name))
        }
        write(spec.timeout.map { EquivalentCommand.seconds($0) } ?? "", into: .timeout)
        focus = .command
    }
}

extension ExecutorSchema {
    /// Each parameter once: what comes from elsewhere may name one twice.
    fileprivate var withoutRepetitions: ExecutorSchema {
        var schema = self
        var seen: Set<String> = []
        schema.parameters = parameters.filter { seen.insert($0.name).inserted }
        return schema
    }

    /// What a type takes of which nothing is known but one of its tasks.
    fileprivate static func guessed(from spec: TaskSpec) -> ExecutorSchema {
        ExecutorSchema(
            type: spec.type, summary: "",
            command: Command("command", "", required: false, maximum: StatementGuard.maximumBytes), parameters: [])
    }

    /// With the parameters that a task has and the schema does not know, as JSON.
    fileprivate func completed(by params: [String: JSONValue]) -> ExecutorSchema {
        var schema = self
        schema.parameters += params.keys.sorted().filter { self[$0] == nil }.map { ExecutorParameter($0, .json, "") }
        return schema
    }
}

/// What will run where, exactly, before it does.
struct ReviewState: Equatable, Sendable {
    var selector: TargetSelector
    var spec: TaskSpec
    /// What tasks of its type take.
    var schema: ExecutorSchema
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

    /// The command line that does the same.
    var equivalent: String { EquivalentCommand.run(selector, spec, schema) }
}
