// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

/// Works on the agent's own audit, beside a running agent too.
struct AuditCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "Check this agent's audit.", subcommands: [AuditVerifyCommand.self])
}

/// Verifies the files of the audit.
struct AuditVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Verify the audit's chain and checkpoints, and name what is wrong.")

    @Option(help: "The agent's configuration file.")
    var config: String?
    @Option(help: "Where the agent keeps its state.")
    var dataDir: String?

    func run() async throws {
        do throws(DeployError) {
            var flags: [String: String] = [:]
            flags["data-dir"] = dataDir
            let reader = try await ConfigurationStack.reader(flags: flags, file: RunCommand.settings(config))
            let directory = AgentConfiguration.dataDirectory(reader)
            guard StateDirectory.exists(directory) else {
                throw DeployError(
                    .notFound, "\(directory) is no agent's data directory", hint: "give --data-dir, or --config")
            }
            let report = try AuditStore(directory: directory + "/audit").verify(chain: "agent", held: [])
            print(report.text)
            if !report.isWhole { throw DeployError(.conflict, "the audit is not whole") }
        } catch {
            StandardError.report(error, program: "tiangong-agent")
            throw ExitCode(error.code.exitStatus)
        }
    }
}
