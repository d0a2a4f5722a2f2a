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
    init(_ reader: ConfigReader) throws(DeployError) {
        let settings = Settings(reader: reader)
        guard let url = try settings.text(.serverURL) else {
            throw DeployError(
                .invalidArgument, "server.url is not set",
                hint: "give --server https://HOST:8443 or TIANGONG_SERVER_URL")
        }
        let trust = try ServerTrust(
            caFile: settings.text(.serverCAFile), fingerprint: settings.text(.serverFingerprint))
        server = try ServerEndpoint(url: url, trust: trust)
        tokenFile = try settings.text(.serverTokenFile)
        enrolmentTokenFile = try settings.text(.enrolmentTokenFile)
        name = try settings.text(.name) ?? HostFacts.hostname
        dataDirectory = try Self.dataDirectory(reader)
        environment = try settings.text(.environment) ?? ""
        labels = try Self.labels(settings.list(.labels))
        maxConcurrency = try settings.number(.maxConcurrency, in: 1...100_000) ?? 100
        grace = try settings.parsed(.shellGrace, "a duration such as 10s", Self.duration) ?? .seconds(10)
        taskLogLimit = try settings.parsed(.taskLogLimit, "a size such as 64MiB", Self.bytes) ?? 64 << 20
        let spool = try settings.parsed(.spoolLimit, "a size such as 256MiB", Self.bytes) ?? 256 << 20
        spoolLimit = Int(clamping: spool)
        policyFile =
            try settings.path(.policyFile)
            ?? (geteuid() == 0 ? "/etc/tiangong" : StandardPaths.configDirectory()) + "/policy.yaml"
        secretsDirectory = try settings.path(.secretsDirectory) ?? "/etc/tiangong/secrets"
        hostProcess = Int32(try settings.number(.hostProcess, in: 1...4_194_304) ?? 1)
        logLevel = try settings.text(.logLevel) ?? "info"
        guard environment.utf8.count <= 64 else { throw DeployError(.invalidArgument, "environment is over 64 bytes") }
        guard spoolLimit >= 1 << 20 else { throw DeployError(.invalidArgument, "spool.limit is under 1 MiB") }
    }

    /// Where the agent keeps its state; for commands that need nothing else. Throws as the initialiser.
    static func dataDirectory(_ reader: ConfigReader) throws(DeployError) -> String {
        try Settings(reader: reader).text(.dataDirectory) ?? StandardPaths.stateDirectory(for: "tiangong-agent")
    }

    private static func duration(_ text: String) -> Duration? {
        guard let seconds = try? TimeSpan.seconds(text), seconds <= 31_536_000 else { return nil }
        return .milliseconds(Int64(seconds * 1000))
    }

    private static func bytes(_ text: String) -> Int64? { try? ByteSize.bytes(text) }

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

/// Reads single settings; a value of the wrong kind is an error, never silently the default.
private struct Settings {
    let reader: ConfigReader

    func text(_ key: AgentConfiguration.Key) throws(DeployError) -> String? {
        if let text = reader.string(forKey: ConfigKey(key.rawValue)) { return text.isEmpty ? nil : text }
        return reader.int(forKey: ConfigKey(key.rawValue)).map(String.init)
    }

    func path(_ key: AgentConfiguration.Key) throws(DeployError) -> String? {
        guard let text = try text(key) else { return nil }
        guard text.hasPrefix("/") else {
            throw DeployError(.invalidArgument, "\(key.rawValue) '\(text)' is not an absolute path")
        }
        return text
    }

    func number(_ key: AgentConfiguration.Key, in range: ClosedRange<Int>) throws(DeployError) -> Int? {
        guard let text = try text(key) else { return nil }
        guard let value = Int(text), range.contains(value) else {
            throw DeployError(
                .invalidArgument,
                "\(key.rawValue) '\(text)' is not a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    func parsed<Value>(
        _ key: AgentConfiguration.Key, _ expected: String, _ parse: (String) -> Value?
    ) throws(DeployError) -> Value? {
        guard let text = try text(key) else { return nil }
        guard let value = parse(text) else {
            throw DeployError(.invalidArgument, "\(key.rawValue) '\(text)' is not \(expected)")
        }
        return value
    }

    func list(_ key: AgentConfiguration.Key) throws(DeployError) -> [String] {
        if let items = reader.stringArray(forKey: ConfigKey(key.rawValue)) { return items.filter { !$0.isEmpty } }
        return try text(key)?.split(separator: ",").map(String.init) ?? []
    }
}
