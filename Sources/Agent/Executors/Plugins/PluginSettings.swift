// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// What agent.yaml says of one plugin.
struct PluginSettings: Sendable {
    /// The task type.
    var name: String
    /// The program, an absolute path.
    var program: String
    /// What it is always started with.
    var arguments: [String]
    /// Variables added to its small environment.
    var environment: [String: String]
    /// Variables that hold secrets; only when it runs a task.
    var secrets: [String: SecretReference]

    /// Reads `plugins.NAME`; throws `invalid_argument` naming the setting.
    init(_ name: String, _ node: SettingsNode) throws(DeployError) {
        var node = node
        self.name = name
        let command = try node.list("command") ?? []
        environment = [:]
        if var variables = try node.node("env") {
            for key in variables.keys { environment[key] = try variables.text(key) ?? "" }
            try variables.finish()
        }
        secrets = [:]
        if var variables = try node.node("secrets") {
            for key in variables.keys { secrets[key] = try variables.secret(key) }
            try variables.finish()
        }
        try node.finish()
        guard let program = command.first, program.hasPrefix("/"), !program.utf8.contains(0) else {
            throw DeployError(
                .invalidArgument, "\(node.path).command does not begin with the absolute path of a program",
                hint: "write it like command: [/usr/local/libexec/tiangong/tiangong-redis, --port, 6379]")
        }
        self.program = program
        arguments = Array(command.dropFirst())
        guard arguments.allSatisfy({ !$0.utf8.contains(0) }) else {
            throw DeployError(.invalidArgument, "\(node.path).command holds a NUL")
        }
        for key in Array(environment.keys) + Array(secrets.keys) {
            guard Self.isVariable(key), !ProtectedVariable.includes(key), !key.hasPrefix("TIANGONG_TASK_") else {
                throw DeployError(
                    .invalidArgument, "\(node.path): no plugin is given the variable \(key.prefix(64))",
                    hint: "it is no name of a variable, or decides which code runs, or is the agent's own")
            }
            guard environment[key] == nil || secrets[key] == nil else {
                throw DeployError(.invalidArgument, "\(node.path): \(key.prefix(64)) is in env and in secrets")
            }
        }
    }

    private static func isVariable(_ name: String) -> Bool {
        guard let first = name.utf8.first, !(48...57).contains(first) else { return false }
        return name.utf8.allSatisfy {
            (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 95
        }
    }

    /// The program as it is started for a task, without its secrets. Throws `start_failed` when others could have changed it.
    func command(for reference: TaskReference) throws(DeployError) -> ProcessCommand {
        try TrustedFile.check(program, isProgram: true)
        // A script given to an interpreter is as good as a program.
        for argument in arguments where argument.hasPrefix("/") { try TrustedFile.check(argument, isProgram: false) }
        let account = Account.current()
        return ProcessCommand(
            program: program, arguments: arguments,
            environment: ProcessCommand.baseEnvironment(for: account, of: reference).merging(environment) { $1 },
            workingDirectory: StateDirectory.exists(account.home) ? account.home : "/")
    }
}
