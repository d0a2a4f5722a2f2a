// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

/// When to put the agent's name before each line.
enum PrefixMode: String, Sendable, CaseIterable, ExpressibleByArgument {
    /// With several tasks.
    case auto
    /// Always.
    case name
    /// Never.
    case none
}

/// `tiangong run`.
struct RunCommand: DeployCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run a command on agents and follow its output.",
        discussion: """
            One COMMAND argument is a text for /bin/sh -c, several are a program and its arguments. \
            ^C cancels the run and waits for it; a second ^C leaves.
            """)

    @OptionGroup var globals: GlobalOptions
    @OptionGroup var targets: SelectorOptions
    @OptionGroup var rollout: RolloutOptions

    @Option(help: ArgumentHelp("End each task after this time.", valueName: "duration"))
    var timeout: SpanArgument?

    @Option(help: ArgumentHelp("Time between TERM and KILL.", valueName: "duration"))
    var grace: SpanArgument?

    @Option(help: ArgumentHelp("Working directory, absolute.", valueName: "dir"))
    var cwd: String?

    @Option(help: ArgumentHelp("A variable for the command; may be given several times.", valueName: "key=value"))
    var env: [String] = []

    @Option(
        help: ArgumentHelp(
            "A variable whose value is a secret that each agent keeps; may be given several times.",
            valueName: "key=secret"))
    var secretEnv: [String] = []

    @Option(help: ArgumentHelp("Run as this account.", valueName: "name"))
    var user: String?

    @Flag(help: "Run in the namespaces of the agents' hosts; their policy files must allow it.")
    var hostNamespaces = false

    @Flag(help: "Send standard input, at most 512 KiB, to every task.")
    var stdin = false

    @Option(help: ArgumentHelp("Give every task a secret that its agent keeps as standard input.", valueName: "secret"))
    var secretStdin: String?

    @Flag(help: "Print the run's id and leave.")
    var detach = false

    @Option(help: ArgumentHelp("Give up tasks not delivered in this time.", valueName: "duration"))
    var expires: SpanArgument?

    @Option(help: ArgumentHelp("Keep at most this much output of each task.", valueName: "size"))
    var logLimit: SizeArgument?

    @Option(help: ArgumentHelp("The same key gives the same run again for 24 hours.", valueName: "key"))
    var idempotencyKey: String?

    @Option(help: ArgumentHelp("Agent names before lines: auto, name or none.", valueName: "mode"))
    var prefix = PrefixMode.auto

    @Option(help: ArgumentHelp("Leave with status 8 when the run takes longer; it goes on.", valueName: "duration"))
    var wait: SpanArgument?

    @Argument(help: "What to run.")
    var command: [String]

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        let request = try request(readInput: { () throws(DeployError) in
            try BoundedFile.bytes(0, name: "standard input", limit: ShellParameters.maximumStandardInput)
        })
        guard !detach else {
            let detail = try await session.withClient { client throws(DeployError) in
                try await client.request(.runCreate(request)).data(as: RunDetail.self)
            }
            try await session.show(detail, detached: true)
            return 0
        }
        let options = RunFollower.Options(prefix: prefix, wait: wait?.duration, grace: grace?.seconds)
        let interrupts = Interrupts()
        return try await session.withClient(reconnect: .afterFirstLink) { client throws(DeployError) in
            try await RunFollower(client: client, session: session, interrupts: interrupts, options: options).run(
                request)
        }
    }

    /// What the options ask for. Throws `invalid_argument` and `too_large` as the Cloud would.
    func request(readInput: () throws(DeployError) -> [UInt8]) throws(DeployError) -> RunCreate {
        var params: [String: JSONValue] = [:]
        if command.count > 1 { params["argv"] = .array(command.map { .string($0) }) }
        if let cwd { params["cwd"] = .string(cwd) }
        if let user { params["user"] = .string(user) }
        var variables: [String: JSONValue] = [:]
        for pair in env {
            let (key, value) = try OptionPair.parse(pair, what: "variable")
            variables[key] = .string(value)
        }
        for pair in secretEnv {
            let (key, name) = try OptionPair.parse(pair, what: "secret")
            guard variables[key] == nil else {
                throw DeployError(.invalidArgument, "variable '\(key)' is given twice")
            }
            variables[key] = try Self.reference(name)
        }
        if hostNamespaces { params["host_namespaces"] = .bool(true) }
        if !variables.isEmpty { params["env"] = .object(variables) }
        let selector = try targets.selector()
        guard !stdin || secretStdin == nil else {
            throw DeployError(.invalidArgument, "--stdin and --secret-stdin exclude each other")
        }
        if let secretStdin { params["stdin"] = try Self.reference(secretStdin) }
        if stdin {
            let bytes = try readInput()
            if let text = String(validating: bytes, as: UTF8.self) {
                params["stdin"] = .string(text)
            } else {
                params["stdin_base64"] = .string(Base64.encode(bytes))
            }
        }
        let spec = TaskSpec(
            command: command.count == 1 ? command[0] : Self.display(command), params: params, timeout: timeout?.seconds,
            grace: grace?.seconds, expiresIn: expires?.seconds, logLimit: logLimit?.bytes)
        try spec.validate()
        let key = idempotencyKey ?? Identifier<RunKind>.random().rawValue
        return RunCreate(
            selector: selector, spec: spec, idempotencyKey: key, follow: detach ? nil : true,
            rollout: try rollout.rollout())
    }

    private static func reference(_ name: String) throws(DeployError) -> JSONValue {
        guard let reference = SecretReference(name) else {
            throw DeployError(
                .invalidArgument, "'\(name)' is not the name of a secret",
                hint: "a name is 1 to 64 letters, digits, _, - or .")
        }
        return reference.value
    }

    /// An argument vector as a shell would have to be told it.
    static func display(_ arguments: [String]) -> String {
        arguments.map { argument in
            let isPlain =
                !argument.isEmpty
                && argument.utf8.allSatisfy {
                    (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0)
                        || "_@%+=:,./-".utf8.contains($0)
                }
            return isPlain ? argument : "'" + argument.replacing("'", with: "'\\''") + "'"
        }.joined(separator: " ")
    }
}

extension CommandSession {
    /// Writes a run: its id alone, or as JSON.
    func show(_ detail: RunDetail, detached: Bool) async throws(DeployError) {
        switch settings.format {
        case .table: if detached { try await print(detail.run.id.rawValue) }
        case .json: try await print(try JSONPrinter.pretty(detail))
        case .jsonl: try await print(try JSONPrinter.line(detail))
        }
    }
}
