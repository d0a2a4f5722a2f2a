// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

/// A built-in task type as the name of a command.
protocol TypedTasks: Sendable {
    static var type: TaskType { get }
}

/// `tiangong run TYPE` for a type whose flags are its schema's.
struct TypedRunCommand<Tasks: TypedTasks>: DeployCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: Tasks.type.rawValue, abstract: Tasks.type.schema.summary,
            usage: "tiangong run \(Tasks.type.rawValue) [<options>] [<flags>] -- <command> ...",
            discussion: SchemaHelp.text(Tasks.type.schema))
    }

    @OptionGroup var globals: GlobalOptions
    @OptionGroup var targets: SelectorOptions
    @OptionGroup var options: RunOptions
    @OptionGroup var text: CommandText

    @Argument(
        parsing: .allUnrecognized,
        help: ArgumentHelp("What to do; several words are joined by blanks.", valueName: "command"))
    var words: [String] = []

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        let request = try request(format: session.settings.format)
        return try await options.perform(session) { _ throws(DeployError) in request }
    }

    /// What the options ask for. Throws `invalid_argument` and `too_large` as the Cloud would.
    func request(format: OutputFormat) throws(DeployError) -> RunCreate {
        try SchemaRequest(schema: Tasks.type.schema, words: CommandWords(words), text: text)
            .make(try targets.selector(), options, format)
    }
}

/// `tiangong run plugin NAME`: its flags are known once the Cloud has told them.
struct PluginRunCommand: DeployCommand {
    static let configuration = CommandConfiguration(
        commandName: "plugin", abstract: "Runs a task of a plugin, a type that agents add themselves.",
        usage: "tiangong run plugin <name> [<options>] [<flags>] -- <command> ...",
        discussion: "tiangong executor list names the plugins; with a name, --help shows the plugin's own flags.",
        helpNames: [])

    @OptionGroup var globals: GlobalOptions
    @OptionGroup var targets: SelectorOptions
    @OptionGroup var options: RunOptions
    @OptionGroup var text: CommandText

    @Argument(
        parsing: .allUnrecognized,
        help: ArgumentHelp("The plugin's name; then what to do, joined by blanks.", valueName: "name"))
    var words: [String] = []

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        let (name, words) = named
        let asksHelp = words.flags.contains("--help") || words.flags.contains("-h")
        guard let name else {
            guard asksHelp else {
                throw DeployError(
                    .invalidArgument, "the plugin's name is missing", hint: "tiangong executor list names them")
            }
            try await session.print(Self.helpMessage())
            return 0
        }
        guard !asksHelp else {
            let executor = try await session.withClient { client throws(DeployError) in
                try await Self.plugin(name, client)
            }
            try await session.print(Self.helpMessage() + "\n\n" + SchemaHelp.text(executor.schema))
            return 0
        }
        let (selector, arguments, format) = (try targets.selector(), self, session.settings.format)
        return try await options.perform(session) { client throws(DeployError) in
            let executor = try await Self.plugin(name, client)
            if executor.isConflicting {
                try await session.note(
                    "agents describe \(name) differently; these flags are those of the first by name")
            }
            return try SchemaRequest(schema: executor.schema, words: words, text: arguments.text)
                .make(selector, arguments.options, format)
        }
    }

    /// The plugin's name, and the words behind it.
    var named: (name: String?, words: CommandWords) {
        var words = CommandWords(words)
        guard let name = words.flags.first, !name.hasPrefix("-") else { return (nil, words) }
        words.flags.removeFirst()
        return (name, words)
    }

    private static func plugin(_ name: String, _ client: OperatorClient) async throws(DeployError) -> ExecutorInfo {
        if TaskType(rawValue: name) != nil {
            throw DeployError(.invalidArgument, "\(name) is no plugin", hint: "tiangong run \(name)")
        }
        return try await ExecutorLookup.find(name, client)
    }
}

/// Words of a command line that no option took.
struct CommandWords: Equatable, Sendable {
    /// Those before `--`, flags and others.
    var flags: [String]
    /// Those behind it, which are no flags whatever they look like.
    var command: [String]

    init(_ words: [String]) {
        let end = words.firstIndex(of: "--") ?? words.endIndex
        flags = Array(words[..<end])
        command = Array(words[end...].dropFirst())
    }
}

/// What is to be done by a type that is described by a schema.
struct SchemaRequest {
    /// What the type takes.
    let schema: ExecutorSchema
    /// Words that no option took.
    let words: CommandWords
    /// Where else the command may be.
    let text: CommandText

    /// The run. With JSON as the format of results, a type that can write rows as JSON writes them so.
    ///
    /// Throws `invalid_argument` and `too_large` as the Cloud would.
    func make(
        _ selector: TargetSelector, _ options: RunOptions, _ format: OutputFormat
    ) throws(DeployError) -> RunCreate {
        var reading = try ParameterFlags(schema: schema).read(words.flags)
        if format != .table, schema.writesRows, reading.params[RowFormat.parameter] == nil {
            reading.params[RowFormat.parameter] = .string(RowFormat.lines)
        }
        let command = try text.text(reading.words + words.command, limit: schema.command.maximum)
        let request = try options.request(selector, schema.type, command: command, params: reading.params)
        try schema.check(request.spec)
        return request
    }
}

/// The parameter by which types that write rows are told how.
enum RowFormat {
    static let parameter = "format"
    static let lines = "jsonl"
}

extension ExecutorSchema {
    /// Whether tasks can write their rows as JSON lines.
    var writesRows: Bool { self[RowFormat.parameter]?.words?.contains(RowFormat.lines) == true }
}

extension TaskSpec {
    /// Whether its output is rows as JSON lines.
    var writesRowsAsLines: Bool { params[RowFormat.parameter] == .string(RowFormat.lines) }
}

/// What a type takes, as text for `--help`.
enum SchemaHelp {
    private static let columns = 80
    private static let flagColumns = 24

    static func text(_ schema: ExecutorSchema) -> String {
        let command = schema.command
        let needed = command.isRequired ? "" : " (may be left out)"
        var lines = Prose.lines(
            Sanitizer.line("COMMAND is the \(command.label)\(needed): \(command.help)"), columns)
        let rows = ParameterFlags(schema: schema).rows
        if !rows.isEmpty { lines += ["", Sanitizer.line("FLAGS OF \(schema.type.uppercased()):")] }
        for row in rows {
            let flag = Sanitizer.line(row.flag)
            var help = Prose.lines(Sanitizer.line(row.help), columns - flagColumns - 4)
            let isWide = TextWidth.of(flag) > flagColumns
            lines.append(isWide ? "  \(flag)" : "  \(TextWidth.pad(flag, flagColumns))  \(help.removeFirst())")
            lines += help.map { TextWidth.pad("", flagColumns + 4) + $0 }
        }
        return lines.joined(separator: "\n")
    }
}
