// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

public import ArgumentParser
import Core
import NIOCore

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The root command: the console on a terminal, help elsewhere.
public struct TiangongCommand: AsyncParsableCommand {
    /// Names, subcommands and help.
    public static let configuration = CommandConfiguration(
        commandName: "tiangong", abstract: "Run commands on many hosts and watch their output.",
        discussion: "Without a subcommand, on a terminal, the full-screen console opens. See tiangong(1).",
        version: "tiangong \(ProtocolVersion.product)",
        subcommands: [
            LoginCommand.self, WhoamiCommand.self, AgentCommand.self, ExecutorCommand.self, RunCommand.self,
            TaskCommand.self, LogsCommand.self, FileCommand.self, PolicyCommand.self, OperatorCommand.self,
            TokenCommand.self, EnrolmentCommand.self, AuditCommand.self, VersionCommand.self, SanitizeCommand.self,
        ])

    @OptionGroup var globals: GlobalOptions

    /// For ArgumentParser.
    public init() {}

    /// Opens the console; prints help and throws exit status 2 when there is no terminal.
    public func run() async throws {
        guard isatty(0) == 1, isatty(1) == 1 else {
            try RawOutput.writeNow(ByteBuffer(string: Self.helpMessage() + "\n"), to: 2)
            throw ExitCode(2)
        }
        let environment = globals.connection.environment(over: ProcessInfo.processInfo.environment)
        do {
            throw ExitCode(try await Console.run(environment: environment))
        } catch let error as DeployError {
            CommandSession.report(error, format: .table)
            throw ExitCode(error.code.exitStatus)
        }
    }

    /// Parses the process's arguments, performs the command and ends the process with its exit status.
    public static func start() async -> Never {
        do {
            var command = try await asyncParseAsRoot()
            if var command = command as? any AsyncParsableCommand { try await command.run() } else { try command.run() }
            end(0)
        } catch {
            let code = exitCode(for: error)
            guard code == .validationFailure else { exit(withError: error) }
            CommandSession.report(
                UsageError.explain(fullMessage(for: error)), format: UsageError.format(CommandLine.arguments))
            end(ErrorCode.invalidArgument.exitStatus)
        }
    }
}

private func end(_ status: Int32) -> Never { exit(status) }

/// ArgumentParser's complaints in our words.
enum UsageError {
    /// The lines before the usage are what is wrong; the last line names the help to read.
    static func explain(_ message: String) -> DeployError {
        let lines = message.split(separator: "\n").map(String.init)
        let complaint = lines.prefix { !$0.hasPrefix("Usage:") && !$0.hasPrefix("Help:") && !$0.hasPrefix("  See '") }
        var what = complaint.map { $0.drop { $0 == " " } }.joined(separator: " ")
        if what.hasPrefix("Error: ") { what.removeFirst(7) }
        let see = lines.last { $0.contains("See '") }.flatMap { line in
            line.split(separator: "'").dropFirst().first.map(String.init)
        }
        return DeployError(.invalidArgument, what.isEmpty ? "the command line is not valid" : what, hint: see)
    }

    /// The format asked for by arguments that could not be parsed.
    static func format(
        _ arguments: [String], environment: [String: String] = ProcessInfo.processInfo.environment
    ) -> OutputFormat {
        var found = environment["TIANGONG_OUTPUT"].flatMap(OutputFormat.init(rawValue:)) ?? .table
        for (index, argument) in arguments.prefix(while: { $0 != "--" }).enumerated() {
            let value: String? =
                switch argument {
                case "-o", "--output": index + 1 < arguments.count ? arguments[index + 1] : nil
                case _ where argument.hasPrefix("--output="): String(argument.dropFirst(9))
                case _ where argument.hasPrefix("-o") && !argument.hasPrefix("--"): String(argument.dropFirst(2))
                default: nil
                }
            found = value.flatMap(OutputFormat.init(rawValue:)) ?? found
        }
        return found
    }
}

extension ConnectionFlags {
    /// The environment as it would have to be to say the same without flags.
    func environment(over base: [String: String]) -> [String: String] {
        var environment = context == nil ? base : base.filter { !TargetResolver.connectionVariables.contains($0.key) }
        environment["TIANGONG_CONTEXT"] = context ?? environment["TIANGONG_CONTEXT"]
        environment["TIANGONG_SERVER"] = server ?? environment["TIANGONG_SERVER"]
        environment["TIANGONG_TOKEN_FILE"] = tokenFile ?? environment["TIANGONG_TOKEN_FILE"]
        if caFile != nil || fingerprint != nil {
            environment["TIANGONG_CA_FILE"] = caFile
            environment["TIANGONG_FINGERPRINT"] = fingerprint
        }
        return environment
    }
}
