// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Configuration
import Core
import Glibc

extension AgentConfiguration {
    /// Every setting there is.
    enum Key: String, CaseIterable {
        case serverURL = "server.url"
        case serverTokenFile = "server.token-file"
        case enrolmentTokenFile = "server.enrolment-token-file"
        case serverCAFile = "server.ca-file"
        case serverFingerprint = "server.fingerprint"
        case dataDirectory = "data-dir"
        case name
        case environment
        case labels
        case maxConcurrency = "max-concurrency"
        case shellGrace = "shell.grace"
        case taskLogLimit = "log.task-limit"
        case logLevel = "log.level"
        case spoolLimit = "spool.limit"
        case policyFile = "policy.file"
        case secretsDirectory = "secrets.directory"
        case hostProcess = "host-namespaces.target-pid"
    }

    /// Reads and checks all settings; throws `invalid_argument` naming the setting.
    ///
    /// - Parameters:
    ///   - reader: All settings but those of executors, which only a file can hold.
    ///   - file: The settings file, if there is one.
    init(_ reader: ConfigReader, file: String? = nil) throws(DeployError) {
        executors = try ExecutorSettings(file: file)
        settingsFile = file
        let settings = Settings<Key>(reader)
        guard let url = settings.text(.serverURL) else {
            throw DeployError(
                .invalidArgument, "server.url is not set",
                hint: "give --server https://HOST:8443 or TIANGONG_SERVER_URL")
        }
        let trust = try ServerTrust(
            caFile: settings.text(.serverCAFile), fingerprint: settings.text(.serverFingerprint))
        server = try ServerEndpoint(url: url, trust: trust)
        tokenFile = settings.text(.serverTokenFile)
        enrolmentTokenFile = settings.text(.enrolmentTokenFile)
        name = settings.text(.name) ?? HostFacts.hostname
        dataDirectory = Self.dataDirectory(reader)
        environment = settings.text(.environment) ?? ""
        labels = try Self.labels(settings.list(.labels) ?? [])
        maxConcurrency = try settings.number(.maxConcurrency, in: 1...100_000) ?? 100
        grace = .seconds(try settings.seconds(.shellGrace, in: 0...31_536_000) ?? 10)
        taskLogLimit = try settings.bytes(.taskLogLimit, in: 0...Int64.max) ?? 64 << 20
        spoolLimit = Int(clamping: try settings.bytes(.spoolLimit, in: 1 << 20...Int64.max) ?? 256 << 20)
        policyFile =
            try settings.path(.policyFile)
            ?? (geteuid() == 0 ? "/etc/tiangong" : StandardPaths.configDirectory()) + "/policy.yaml"
        secretsDirectory = try settings.path(.secretsDirectory) ?? "/etc/tiangong/secrets"
        hostProcess = Int32(try settings.number(.hostProcess, in: 1...4_194_304) ?? 1)
        logLevel = settings.text(.logLevel) ?? "info"
        guard environment.utf8.count <= 64 else { throw DeployError(.invalidArgument, "environment is over 64 bytes") }
    }

    /// Where the agent keeps its state; for commands that need nothing else.
    static func dataDirectory(_ reader: ConfigReader) -> String {
        Settings<Key>(reader).text(.dataDirectory) ?? StandardPaths.stateDirectory(for: "tiangong-agent")
    }

    private static func labels(_ items: [String]) throws(DeployError) -> [String: String] {
        var labels: [String: String] = [:]
        for item in items {
            let parts = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty, parts[0].utf8.count <= 63, parts[1].utf8.count <= 128 else {
                throw DeployError(
                    .invalidArgument, "labels: '\(item.prefix(200))' is not key=value within 63 and 128 bytes")
            }
            labels[String(parts[0])] = String(parts[1])
        }
        guard labels.count <= 32 else { throw DeployError(.invalidArgument, "labels: more than 32") }
        return labels
    }
}
