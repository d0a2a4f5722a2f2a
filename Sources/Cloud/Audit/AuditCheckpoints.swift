// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Logging
import ServiceLifecycle
import Synchronization

/// Signs checkpoints of the Cloud's audit, which the agents keep, and keeps those that agents sign of theirs.
final class AuditCheckpoints: Service, CustomStringConvertible {
    private struct State {
        var newest: AuditCheckpoint?
        var signedAt: ContinuousClock.Instant?
        /// The newest checkpoint kept of each agent, so that most heartbeats cost nothing.
        var agents: [AgentID: AuditCheckpoint] = [:]
        /// What was told already.
        var alarmed: Set<Alarm> = []
    }

    /// Which chain an agent has shown not to be the one known before: its own, or the Cloud's.
    private struct Alarm: Hashable {
        let agent: AgentID
        let chain: String
    }

    private let store: Store
    private let signer: AuditSigner
    private let logger: Logger
    private let state = Mutex(State())

    /// After so many records, or so long after the last if there are new ones, the next checkpoint is signed.
    private static let records: Int64 = 256
    private static let interval: Duration = .seconds(60)

    /// For logs.
    var description: String { "audit checkpoints" }

    /// Reads or makes the key in a data directory, and signs what a former process left unsigned.
    static func open(_ store: Store, directory: String, logger: Logger) async throws -> AuditCheckpoints {
        try PrivateFile.makeDirectory("\(directory)/audit")
        let signer = try AuditSigner(path: "\(directory)/audit/key")
        let checkpoints = AuditCheckpoints(store, signer, logger: logger)
        let last = try await store.read { try AuditTable.checkpoints(of: AuditTable.ownChain, limit: 1, $0).last }
        checkpoints.state.withLock { $0.newest = last }
        if let last, last.key != signer.key {
            logger.error("the key of the audit was replaced", metadata: ["checkpoint": "\(last.seq)"])
            let record = AuditRecord(local: "audit.alarm").with(["problem": .string("the signing key was replaced")])
            try await AuditTrail.append(record, to: store)
        }
        try await checkpoints.sign()
        return checkpoints
    }

    private init(_ store: Store, _ signer: AuditSigner, logger: Logger) {
        self.store = store
        self.signer = signer
        self.logger = logger
    }

    /// The newest checkpoint of the Cloud's audit.
    var newest: AuditCheckpoint? { state.withLock { $0.newest } }

    /// Runs until the server stops.
    func run() async {
        await cancelWhenGracefulShutdown {
            while (try? await Task.sleep(for: .seconds(1), tolerance: .milliseconds(200))) != nil {
                do {
                    try await self.signWhenDue()
                } catch {
                    self.logger.error("audit checkpoint not written", metadata: ["error": "\(error)"])
                }
            }
        }
    }

    private func signWhenDue() async throws {
        let head = try await store.read { try AuditTable.head($0) }
        let isDue = state.withLock { state in
            let new = head.seq - (state.newest?.seq ?? 0)
            let isOld = state.signedAt.map { ContinuousClock.now - $0 >= Self.interval } ?? true
            return new >= Self.records || (new > 0 && isOld)
        }
        if isDue { try await sign() }
    }

    /// Signs the head, unless that has been done.
    func sign() async throws {
        let signer = signer
        let newest = newest
        let checkpoint = try await store.write { transaction -> AuditCheckpoint? in
            let head = try AuditTable.head(transaction)
            guard head.seq > newest?.seq ?? 0 else { return nil }
            let checkpoint = try signer.checkpoint(head)
            try AuditTable.keep(checkpoint, chain: AuditTable.ownChain, transaction)
            return checkpoint
        }
        guard let checkpoint else { return }
        state.withLock { state in
            state.newest = checkpoint
            state.signedAt = .now
        }
    }

    // MARK: What agents tell

    /// Records that an agent is here, and takes the heads it tells.
    func connected(
        _ register: AgentRegister, _ agentID: AgentID, token: TokenID, address: String,
        _ transaction: any SQLTransaction
    ) throws {
        guard let agent = try AgentTable.find(id: agentID, transaction) else { return }
        var record = AuditRecord.agent("agent.connect", agent)
        record.source = address
        try AuditTrail.append(
            record.with([
                "token": .string(token.rawValue), "epoch": .integer(agent.epoch), "version": .string(agent.version),
                "hostname": .string(agent.hostname),
            ]), transaction)
        try take(own: register.auditHead, cloud: register.cloudHead, of: agentID, transaction)
    }

    /// Takes the heads an agent tells: of its own audit, to be kept, and of the Cloud's, to be compared. What does not
    /// fit what is known becomes a record.
    func take(
        own: AuditCheckpoint?, cloud: AuditCheckpoint?, of agentID: AgentID, _ transaction: any SQLTransaction
    ) throws {
        if let own {
            try tell(keep(own, agentID, transaction), Alarm(agent: agentID, chain: "agent"), transaction)
        }
        if let cloud {
            try tell(Self.compare(cloud, transaction), Alarm(agent: agentID, chain: "cloud"), transaction)
        }
    }

    /// Records a problem the first time, until the chain is in order again.
    private func tell(_ problem: String?, _ alarm: Alarm, _ transaction: any SQLTransaction) throws {
        guard let problem else {
            state.withLock { _ = $0.alarmed.remove(alarm) }
            return
        }
        guard state.withLock({ $0.alarmed.insert(alarm).inserted }) else { return }
        let agent = try AgentTable.find(id: alarm.agent, transaction)
        var record = agent.map { .agent("audit.alarm", $0) } ?? AuditRecord(action: "audit.alarm", actor: "-")
        record.result = nil
        try AuditTrail.append(
            record.with(["chain": .string(alarm.chain), "problem": .string(problem)]), transaction)
        logger.error(
            "an audit is not the one known before",
            metadata: ["agent.id": "\(alarm.agent)", "chain": "\(alarm.chain)", "problem": "\(problem)"])
    }

    /// Keeps an agent's checkpoint; why not, when it is not a later one of the same chain.
    private func keep(
        _ checkpoint: AuditCheckpoint, _ agentID: AgentID, _ transaction: any SQLTransaction
    ) throws -> String? {
        let known = state.withLock { $0.agents[agentID] }
        if known == checkpoint { return nil }
        guard checkpoint.isSigned else { return "a checkpoint has a wrong signature" }
        let last = try known ?? AuditTable.checkpoints(of: agentID.rawValue, limit: 1, transaction).last
        if let last {
            if checkpoint.key != last.key { return "a checkpoint is signed with another key" }
            if checkpoint.seq < last.seq { return "it ends with record \(checkpoint.seq), it had \(last.seq)" }
            if checkpoint.seq == last.seq, checkpoint.head != last.head {
                return "record \(checkpoint.seq) is not the one it was"
            }
        }
        try AuditTable.keep(checkpoint, chain: agentID.rawValue, transaction)
        state.withLock { $0.agents[agentID] = checkpoint }
        return nil
    }

    /// Whether a checkpoint of the Cloud that an agent holds is still here; what is wrong otherwise.
    private static func compare(_ checkpoint: AuditCheckpoint, _ transaction: any SQLTransaction) throws -> String? {
        let here = try AuditTable.checkpoint(of: AuditTable.ownChain, seq: checkpoint.seq, transaction)
        guard here != checkpoint else { return nil }
        let head = try AuditTable.head(transaction)
        return head.seq < checkpoint.seq
            ? "it ends with record \(head.seq), the agent holds a checkpoint of record \(checkpoint.seq)"
            : "the checkpoint of record \(checkpoint.seq) that the agent holds is not here"
    }
}
