// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

/// `tiangong run shell`, or `tiangong run` alone.
struct ShellRunCommand: DeployCommand {
    static let configuration = CommandConfiguration(
        commandName: TaskType.shell.rawValue, abstract: TaskType.shell.schema.summary,
        discussion: "One COMMAND argument is a text for /bin/sh -c, several are a program and its arguments.")

    @OptionGroup var globals: GlobalOptions
    @OptionGroup var targets: SelectorOptions
    @OptionGroup var options: RunOptions
    @OptionGroup var text: CommandText

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

    @Argument(help: "What to run.")
    var command: [String] = []

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        let request = try request(readInput: { () throws(DeployError) in
            try BoundedFile.bytes(0, name: "standard input", limit: ShellParameters.maximumStandardInput)
        })
        return try await options.perform(session) { _ throws(DeployError) in request }
    }

    /// What the options ask for. Throws `invalid_argument` and `too_large` as the Cloud would.
    func request(readInput: () throws(DeployError) -> [UInt8]) throws(DeployError) -> RunCreate {
        var params: [String: JSONValue] = [:]
        if command.count > 1 { params["argv"] = .array(command.map { .string($0) }) }
        if let cwd { params["cwd"] = .string(cwd) }
        if let user { params["user"] = .string(user) }
        let variables = try variables()
        if hostNamespaces { params["host_namespaces"] = .bool(true) }
        if !variables.isEmpty { params["env"] = .object(variables) }
        let selector = try targets.selector()
        guard !stdin || secretStdin == nil, !stdin || text.file != "-" else {
            throw DeployError(
                .invalidArgument, "--stdin excludes \(secretStdin == nil ? "--file -" : "--secret-stdin")")
        }
        guard !command.isEmpty || text.file != nil else {
            throw DeployError(.invalidArgument, "nothing is to be run", hint: "give a command behind --, or --file")
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
        let words = command.count > 1 ? [ShellWords.display(command)] : command
        let line = try text.text(words, limit: TaskSpec.maximumCommandBytes)
        return try options.request(selector, TaskType.shell.rawValue, command: line, params: params)
    }

    private func variables() throws(DeployError) -> [String: JSONValue] {
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
        return variables
    }

    private static func reference(_ name: String) throws(DeployError) -> JSONValue {
        guard let reference = SecretReference(name) else {
            throw DeployError(
                .invalidArgument, "'\(name)' is not the name of a secret",
                hint: "a name is 1 to 64 letters, digits, _, - or .")
        }
        return reference.value
    }
}
