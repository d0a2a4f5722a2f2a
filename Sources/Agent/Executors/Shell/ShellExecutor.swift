// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Runs a command line with `/bin/sh -c`, or an argument vector, as a session of its own.
struct ShellExecutor: Executor {
    var schema: ExecutorSchema { TaskType.shell.schema }

    /// Where tasks go that ask for the host's namespaces.
    var hostNamespaces = HostNamespaces()

    func run(_ context: ExecutionContext) async throws(DeployError) -> ExecutionOutcome {
        let command = try command(for: context)
        let runner = ProcessRunner(command: command, reference: context.reference, log: context.log)
        let end = try await runner.run(grace: context.grace) { pid in await context.onStart(pid) }
        return ExecutionOutcome(exitCode: end.exitCode, signal: end.signal)
    }

    private func command(for context: ExecutionContext) throws(DeployError) -> ProcessCommand {
        let parameters = try ShellParameters(context.spec)
        let own = Account.current()
        var account = own
        if let user = parameters.user {
            account = try Account.named(user)
            guard account.userID == own.userID || own.userID == 0 else {
                throw DeployError(
                    .startFailed, "the agent runs as '\(own.name)' and cannot start programs as '\(user)'",
                    hint: "run the agent as root, or leave the user out")
            }
        }
        var command = ProcessCommand(
            program: parameters.arguments?.first ?? "/bin/sh",
            arguments: parameters.arguments.map { Array($0.dropFirst()) } ?? ["-c", context.spec.command],
            environment: ProcessCommand.baseEnvironment(for: account, of: context.reference),
            workingDirectory: parameters.workingDirectory ?? (StateDirectory.exists(account.home) ? account.home : "/"),
            account: account.userID == own.userID ? nil : account)
        for (name, value) in parameters.environment {
            try command.set(name, to: value, context.secrets)
        }
        switch parameters.standardInput {
        case .bytes(let bytes): command.standardInput = .bytes(bytes)
        case .secret(let reference): command.standardInput = .secret(try context.secrets.secret(reference))
        case nil: break
        }
        if parameters.hostNamespaces {
            try hostNamespaces.enter(&command, workingDirectory: parameters.workingDirectory)
        }
        return command
    }
}
