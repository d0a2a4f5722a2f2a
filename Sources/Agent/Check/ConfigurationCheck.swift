// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import Logging
import NIOCore
import NIOSSL

/// Looks for everything that would keep an agent from working, without starting one and without the network. Plugins are
/// started, to be asked what their tasks take.
struct ConfigurationCheck {
    /// Variables that stand above the file, as they would at a start.
    let environment: [String: String]

    /// What is wrong with one file and with what it names, and what looks like a mistake in it.
    func run(_ path: String) async -> (problems: [Problem], warnings: [Problem]) {
        guard let text = Self.text(of: path) else {
            return ([Problem(file: path, text: "cannot be read as a text of at most 256 KiB")], [])
        }
        let settings = SettingsFile(text, path: path)
        let isNamedPolicy = path.split(separator: "/").last?.contains("policy") == true
        if settings.isPolicy || (isNamedPolicy && settings.lines.isEmpty) { return policy(path) }
        guard settings.problems.isEmpty || !settings.lines.isEmpty else { return (settings.problems, []) }
        let (configuration, problems) = await values(settings, path)
        var (all, warnings) = (settings.problems + problems, [Problem]())
        if let configuration {
            let found = surroundings(configuration, settings, path)
            all += found.problems
            all += await executors(configuration).map { Problem(file: path, text: $0) }
            warnings = found.warnings
        }
        let own = all.filter { $0.file == path }.sorted { ($0.line ?? .max) < ($1.line ?? .max) }
        return (own + all.filter { $0.file != path }, warnings)
    }

    private func policy(_ path: String) -> (problems: [Problem], warnings: [Problem]) {
        do throws(DeployError) {
            let policy = try PolicyFile.load(path: path)
            _ = try CommandGuard(policy)
            return ([], PolicyLint.lint(policy).map { Problem(file: path, text: $0) })
        } catch {
            return ([Problem(error, in: path)], [])
        }
    }

    // MARK: Values

    /// All settings, as far as they can be read: a bad one is noted, left out, and the rest is looked at.
    private func values(
        _ settings: SettingsFile, _ path: String
    ) async -> (configuration: AgentConfiguration?, problems: [Problem]) {
        var problems: [Problem] = []
        var overrides: [String: String] = [:]
        while true {
            do throws(DeployError) {
                let reader = try await ConfigurationStack.reader(
                    flags: overrides, file: path, environment: environment)
                return (try AgentConfiguration(reader, file: path), problems)
            } catch {
                let key = Self.key(of: error)
                problems.append(Problem(error, in: path, line: key.flatMap { settings.lines[$0] }))
                guard let key, overrides[key.rawValue] == nil else { return (nil, problems) }
                overrides[key.rawValue] = key == .serverURL ? "https://cloud.invalid" : ""
            }
        }
    }

    /// The setting an error is about.
    private static func key(of error: DeployError) -> AgentConfiguration.Key? {
        if error.message.hasPrefix("server '") { return .serverURL }
        if error.message.hasPrefix("fingerprint") || error.message.contains("fingerprint, not both") {
            return .serverFingerprint
        }
        return AgentConfiguration.Key.allCases.filter { error.message.hasPrefix($0.rawValue) }
            .max { $0.rawValue.count < $1.rawValue.count }
    }

    // MARK: What the settings name

    private func surroundings(
        _ configuration: AgentConfiguration, _ settings: SettingsFile, _ path: String
    ) -> (problems: [Problem], warnings: [Problem]) {
        var problems: [Problem] = []
        func note(_ key: AgentConfiguration.Key, _ text: String) {
            problems.append(Problem(file: path, line: settings.lines[key], text: text))
        }
        func attempt(_ key: AgentConfiguration.Key, _ body: () throws(DeployError) -> Void) {
            do throws(DeployError) { try body() } catch { note(key, error.sentence) }
        }
        attempt(.logLevel) { () throws(DeployError) in
            _ = try LineLogHandler.logger(program: "tiangong-agent", level: configuration.logLevel)
        }
        if case .caFile(let file) = configuration.server.trust,
            (try? NIOSSLCertificate.fromPEMFile(file))?.isEmpty != false
        {
            note(.serverCAFile, "\(file) holds no certificate in PEM, or cannot be read")
        }
        let identity = IdentityDirectory(dataDirectory: configuration.dataDirectory)
        if let file = configuration.tokenFile {
            attempt(.serverTokenFile) { () throws(DeployError) in _ = try PrivateFile.read(file) }
        } else if let file = configuration.enrolmentTokenFile, !identity.isEnrolled {
            attempt(.enrolmentTokenFile) { () throws(DeployError) in _ = try PrivateFile.read(file) }
        } else if !identity.isEnrolled {
            note(.serverTokenFile, "server.token-file is not set, and this agent is not enrolled")
        }
        if let text = Self.directoryProblem(configuration.dataDirectory) { note(.dataDirectory, text) }
        for problem in SecretVault(directory: configuration.secretsDirectory).problems() {
            note(.secretsDirectory, problem)
        }
        let own = policy(configuration.policyFile)
        return (problems + own.problems, own.warnings)
    }

    /// What is wrong with the executors' settings. Plugins are asked what their tasks take, as at a start.
    private func executors(_ configuration: AgentConfiguration) async -> [String] {
        let credentials = LinkCredentials(
            tokenFile: configuration.tokenFile,
            identity: IdentityDirectory(dataDirectory: configuration.dataDirectory))
        let factory = ExecutorFactory(
            hostNamespaces: HostNamespaces(targetProcess: configuration.hostProcess),
            cloud: CloudContent(endpoint: configuration.server, credentials: credentials), own: configuration.ownFiles,
            vault: SecretVault(directory: configuration.secretsDirectory),
            logger: Logger(label: "check") { _ in SwiftLogNoOpLogHandler() },
            judge: { _ in GuardVerdict(.deny, rule: "check", message: "nothing runs", mode: .whitelist) })
        return await factory.problems(configuration.executors)
    }

    /// Why the agent could not keep its state there.
    private static func directoryProblem(_ path: String) -> String? {
        var status = stat()
        guard stat(path, &status) == 0 else {
            guard errno == ENOENT else { return "\(path): \(String(cString: strerror(errno)))" }
            var parent = path[...]
            repeat {
                parent = parent[..<(parent.lastIndex(of: "/") ?? parent.startIndex)]
            } while !parent.isEmpty
                && access(String(parent), F_OK) != 0
            let place = parent.isEmpty ? "/" : String(parent)
            return access(place, W_OK) == 0 ? nil : "\(path) does not exist and cannot be made"
        }
        guard status.st_mode & S_IFMT == S_IFDIR else { return "\(path) is not a directory" }
        guard status.st_uid == geteuid() else {
            return "\(path) belongs to another account; run this as the agent does"
        }
        guard status.st_mode & 0o077 == 0 else { return "\(path) is open to others; chmod 700 \(path)" }
        return access(path, W_OK | X_OK) == 0 ? nil : "\(path) cannot be written"
    }

    private static func text(of path: String) -> String? {
        guard let file = try? StateFile(reading: path), let size = try? file.size(), size <= PolicyFile.maximumBytes,
            let bytes = try? file.read(at: 0, length: size)
        else { return nil }
        return String(validating: bytes.readableBytesView, as: UTF8.self)
    }
}
