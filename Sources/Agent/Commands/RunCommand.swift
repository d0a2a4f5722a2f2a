// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core
import Glibc

/// Runs the agent until it is told to stop.
struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Connect to the Cloud and run its tasks until SIGTERM.")

    @Option(help: "Settings; \(Self.defaultFile) when it exists.")
    var config: String?
    @Option(help: "Where the Cloud is, such as https://cloud.example:8443.")
    var server: String?
    @Option(help: "The file that holds this agent's token; mode 0600.")
    var tokenFile: String?
    @Option(help: "A file with an enrolment token, for an agent that has no token yet; mode 0600.")
    var enrolmentTokenFile: String?
    @Option(help: "The name to enrol with; this host's name when left out.")
    var name: String?
    @Option(help: "The Cloud's certificate authority in PEM.")
    var caFile: String?
    @Option(help: "SHA-256 of the Cloud's authority or certificate.")
    var fingerprint: String?
    @Option(help: "Where the agent keeps its state.")
    var dataDir: String?
    @Option(help: "A label, key=value; may be repeated.")
    var label: [String] = []
    @Option(help: "Tasks at once; more wait in order (100).")
    var maxConcurrency: Int?
    @Option(help: "Where this host belongs, such as prod.")
    var environment: String?
    @Option(help: "trace, debug, info, notice, warning, error or critical (info).")
    var logLevel: String?

    static let defaultFile = "/etc/tiangong/agent.yaml"

    /// The settings file that was named, or the standard one when it exists.
    static func settings(_ given: String?) -> String? {
        given ?? (access(defaultFile, R_OK) == 0 ? defaultFile : nil)
    }

    func run() async throws {
        do throws(DeployError) {
            let file = Self.settings(config)
            let reader = try await ConfigurationStack.reader(flags: flags, file: file)
            let configuration = try AgentConfiguration(reader, file: file)
            let logger = try LineLogHandler.logger(program: "tiangong-agent", level: configuration.logLevel)
            try await AgentDaemon(configuration, logger: logger).run()
        } catch {
            StandardError.report(error, program: "tiangong-agent")
            throw ExitCode(error.code.exitStatus)
        }
    }

    /// What was given on the command line, by the setting's key.
    private var flags: [String: String] {
        var flags: [String: String] = [:]
        flags["server.url"] = server
        flags["server.token-file"] = tokenFile
        flags["server.enrolment-token-file"] = enrolmentTokenFile
        flags["name"] = name
        flags["server.ca-file"] = caFile
        flags["server.fingerprint"] = fingerprint
        flags["data-dir"] = dataDir
        flags["labels"] = label.isEmpty ? nil : label.joined(separator: ",")
        flags["max-concurrency"] = maxConcurrency.map(String.init)
        flags["environment"] = environment
        flags["log.level"] = logLevel
        return flags
    }
}
