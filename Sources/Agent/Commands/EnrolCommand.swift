// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

/// Makes this host an agent, and ends.
struct EnrolCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "enrol", abstract: "Show an enrolment token and keep the identity the Cloud gives for it.")

    @Option(help: "Settings; \(RunCommand.defaultFile) when it exists.")
    var config: String?
    @Option(help: "Where the Cloud is, such as https://cloud.example:8443.")
    var server: String?
    @Option(help: "The file that holds the enrolment token; mode 0600.")
    var tokenFile: String?
    @Option(help: "The Cloud's certificate authority in PEM.")
    var caFile: String?
    @Option(help: "SHA-256 of the Cloud's authority or certificate.")
    var fingerprint: String?
    @Option(help: "The agent's name; this host's name when left out.")
    var name: String?
    @Option(help: "Where the agent keeps its state.")
    var dataDir: String?

    func run() async throws {
        do throws(DeployError) {
            var flags: [String: String] = [:]
            flags["server.url"] = server
            flags["server.enrolment-token-file"] = tokenFile
            flags["server.ca-file"] = caFile
            flags["server.fingerprint"] = fingerprint
            flags["name"] = name
            flags["data-dir"] = dataDir
            let reader = try await ConfigurationStack.reader(flags: flags, file: RunCommand.settings(config))
            let configuration = try AgentConfiguration(reader)
            guard let tokenFile = configuration.enrolmentTokenFile else {
                throw DeployError(
                    .invalidArgument, "the file with the enrolment token is not given",
                    hint: "tiangong enrolment create prints one; give --token-file FILE")
            }
            let directory = try StateDirectory(configuration.dataDirectory)
            let identity = IdentityDirectory(dataDirectory: directory.path)
            guard !identity.isEnrolled else {
                throw DeployError(
                    .conflict, "this agent is enrolled already",
                    hint: "remove \(directory.path)/identity to enrol it anew")
            }
            let logger = try LineLogHandler.logger(program: "tiangong-agent", level: configuration.logLevel)
            try await Enrolment(
                endpoint: configuration.server, tokenFile: tokenFile, name: configuration.name, identity: identity,
                logger: logger
            ).run()
            withExtendedLifetime(directory) {}
        } catch {
            StandardError.report(error, program: "tiangong-agent")
            throw ExitCode(error.code.exitStatus)
        }
    }
}
