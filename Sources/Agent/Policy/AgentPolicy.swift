// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import Logging
import Synchronization

/// The agent's own policy file, as it is now. The Cloud has no say in it: it can refuse more, never allow more.
///
/// The file is looked at before each task, with each heartbeat and on SIGHUP, and read again when it has changed. While it
/// is missing, empty, broken or writable by others, everything is refused.
final class AgentPolicy: Sendable {
    /// The file.
    let path: String
    private let logger: Logger
    private let state: Mutex<State>

    private struct State {
        var stamp: FileStamp?
        var rules: Result<CommandGuard, DeployError>
        var listeners: [Int: AsyncStream<AgentPolicyReport>.Continuation] = [:]
        var nextListener = 0
    }

    /// Reads the file for the first time.
    init(_ path: String, logger: Logger) {
        self.path = path
        self.logger = logger
        let stamp = FileStamp(path)
        state = Mutex(State(stamp: stamp, rules: Self.load(path)))
        tell(rules)
    }

    /// What holds now; reads the file again when it has changed.
    @discardableResult
    func refresh() -> Result<CommandGuard, DeployError> {
        let (rules, isNew) = state.withLock { state -> (Result<CommandGuard, DeployError>, Bool) in
            // Taken before reading: what changes meanwhile is seen the next time.
            let stamp = FileStamp(path)
            guard stamp != state.stamp else { return (state.rules, false) }
            let before = Self.report(state.rules)
            state.stamp = stamp
            state.rules = Self.load(path)
            let report = Self.report(state.rules)
            guard report != before else { return (state.rules, false) }
            for listener in state.listeners.values { listener.yield(report) }
            return (state.rules, true)
        }
        if isNew { tell(rules) }
        return rules
    }

    /// What the file says about a task; a refusal when it cannot be used.
    func judge(_ spec: TaskSpec) -> GuardVerdict {
        switch refresh() {
        case .success(let rules): return rules.judge(spec)
        case .failure(let error):
            return GuardVerdict(.deny, rule: "policy-file", message: error.sentence, mode: .whitelist)
        }
    }

    /// What the Cloud is told now.
    var report: AgentPolicyReport { Self.report(refresh()) }

    /// What the Cloud is to be told from now on, whenever it changes.
    func reports() -> AsyncStream<AgentPolicyReport> {
        let (stream, input) = AsyncStream.makeStream(
            of: AgentPolicyReport.self, bufferingPolicy: .bufferingNewest(1))
        let id = state.withLock { state in
            state.nextListener += 1
            state.listeners[state.nextListener] = input
            return state.nextListener
        }
        input.onTermination = { [weak self] _ in self?.state.withLock { $0.listeners[id] = nil } }
        return stream
    }

    private var rules: Result<CommandGuard, DeployError> { state.withLock { $0.rules } }

    private func tell(_ rules: Result<CommandGuard, DeployError>) {
        switch rules {
        case .success(let rules):
            logger.notice(
                "policy in force",
                metadata: [
                    "file": "\(path)", "mode": "\(rules.policy.mode.rawValue)", "hash": "\(rules.hash.prefix(12))",
                    "host_namespaces": "\(rules.policy.hostNamespaces)",
                ])
            for warning in PolicyLint.lint(rules.policy) {
                logger.warning("policy", metadata: ["file": "\(path)", "warning": "\(warning)"])
            }
        case .failure(let error):
            logger.error("every task is refused: the policy cannot be used", metadata: ["error": "\(error.sentence)"])
        }
    }

    private static func load(_ path: String) -> Result<CommandGuard, DeployError> {
        do throws(DeployError) {
            return .success(try CommandGuard(try PolicyFile.load(path: path)))
        } catch {
            return .failure(error)
        }
    }

    private static func report(_ rules: Result<CommandGuard, DeployError>) -> AgentPolicyReport {
        switch rules {
        case .success(let rules): AgentPolicyReport(policy: rules.policy)
        case .failure(let error): AgentPolicyReport(error: String(error.sentence.prefix(500)))
        }
    }
}

/// What tells one version of a file from the next, however it was written.
private struct FileStamp: Equatable {
    private let numbers: [Int64]

    /// Nil when there is no such file.
    init?(_ path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        numbers = [
            Int64(bitPattern: UInt64(status.st_dev)), Int64(bitPattern: UInt64(status.st_ino)), Int64(status.st_size),
            Int64(status.st_mode), Int64(status.st_uid), Int64(status.st_mtim.tv_sec), Int64(status.st_mtim.tv_nsec),
            Int64(status.st_ctim.tv_sec), Int64(status.st_ctim.tv_nsec),
        ]
    }
}
