// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Configuration
import Core

extension AgentConfiguration {
    /// Reads and checks all settings; throws `invalid_argument` naming the setting.
    init(_ reader: ConfigReader) throws(DeployError) {
        let settings = Settings(reader: reader)
        guard let url = try settings.text("server.url") else {
            throw DeployError(
                .invalidArgument, "server.url is not set",
                hint: "give --server https://HOST:8443 or TIANGONG_SERVER_URL")
        }
        let trust = try ServerTrust(
            caFile: settings.text("server.ca-file"), fingerprint: settings.text("server.fingerprint"))
        server = try ServerEndpoint(url: url, trust: trust)
        guard let tokenFile = try settings.text("server.token-file") else {
            throw DeployError(
                .invalidArgument, "server.token-file is not set",
                hint:
                    "put the output of 'tiangong-cloud token create agent NAME' into a file, and give --token-file FILE"
            )
        }
        self.tokenFile = tokenFile
        dataDirectory = try settings.text("data-dir") ?? StandardPaths.stateDirectory(for: "tiangong-agent")
        environment = try settings.text("environment") ?? ""
        labels = try Self.labels(settings.list("labels"))
        maxConcurrency = try settings.number("max-concurrency", in: 1...100_000) ?? 100
        grace = try settings.parsed("shell.grace", "a duration such as 10s", Self.duration) ?? .seconds(10)
        taskLogLimit = try settings.parsed("log.task-limit", "a size such as 64MiB", Self.bytes) ?? 64 << 20
        let spool = try settings.parsed("spool.limit", "a size such as 256MiB", Self.bytes) ?? 256 << 20
        spoolLimit = Int(clamping: spool)
        logLevel = try settings.text("log.level") ?? "info"
        guard environment.utf8.count <= 64 else { throw DeployError(.invalidArgument, "environment is over 64 bytes") }
        guard spoolLimit >= 1 << 20 else { throw DeployError(.invalidArgument, "spool.limit is under 1 MiB") }
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
                    .invalidArgument, "label '\(item.prefix(200))' is not key=value within 63 and 128 bytes")
            }
            labels[String(parts[0])] = String(parts[1])
        }
        guard labels.count <= 32 else { throw DeployError(.invalidArgument, "more than 32 labels") }
        return labels
    }
}

/// Reads single settings; a value of the wrong kind is an error, never silently the default.
private struct Settings {
    let reader: ConfigReader

    func text(_ key: String) throws(DeployError) -> String? {
        if let text = reader.string(forKey: ConfigKey(key)) { return text.isEmpty ? nil : text }
        return reader.int(forKey: ConfigKey(key)).map(String.init)
    }

    func number(_ key: String, in range: ClosedRange<Int>) throws(DeployError) -> Int? {
        guard let text = try text(key) else { return nil }
        guard let value = Int(text), range.contains(value) else {
            throw DeployError(
                .invalidArgument, "\(key) '\(text)' is not a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    func parsed<Value>(_ key: String, _ expected: String, _ parse: (String) -> Value?) throws(DeployError) -> Value? {
        guard let text = try text(key) else { return nil }
        guard let value = parse(text) else {
            throw DeployError(.invalidArgument, "\(key) '\(text)' is not \(expected)")
        }
        return value
    }

    func list(_ key: String) throws(DeployError) -> [String] {
        if let items = reader.stringArray(forKey: ConfigKey(key)) { return items.filter { !$0.isEmpty } }
        return try text(key)?.split(separator: ",").map(String.init) ?? []
    }
}
