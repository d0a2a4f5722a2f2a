// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

/// The program `tiangong-agent`.
public enum AgentProgram {
    /// Parses the command line, runs the command and exits with its status.
    public static func main() async { await AgentCommand.main() }
}

/// Names and subcommands of the program.
struct AgentCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tiangong-agent", abstract: "Runs tasks on this host for a Tiangong Cloud.",
        subcommands: [
            RunCommand.self, EnrolCommand.self, ValidateCommand.self, CheckCommand.self, CheckPathCommand.self,
            AuditCommand.self, VersionCommand.self,
        ],
        defaultSubcommand: RunCommand.self)
}

/// Prints the version.
struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "version", abstract: "Print the version.")

    func run() { print("tiangong-agent \(ProtocolVersion.product)") }
}
