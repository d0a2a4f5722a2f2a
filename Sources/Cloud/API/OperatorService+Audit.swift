// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The audit, for those who may read it; reading it is itself recorded.
extension OperatorService {
    func auditList(_ query: AuditQuery, as principal: Principal) async throws -> Page<AuditRecord> {
        try await auditPage(query, .auditRead, newestFirst: true, as: principal)
    }

    func auditExport(_ query: AuditQuery, as principal: Principal) async throws -> Page<AuditRecord> {
        try await auditPage(query, .auditExport, newestFirst: false, as: principal)
    }

    private func auditPage(
        _ query: AuditQuery, _ action: Action, newestFirst: Bool, as principal: Principal
    ) async throws -> Page<AuditRecord> {
        let limit = try Self.limit(query.limit, default: 50)
        let cursor = try query.cursor.map { text throws(DeployError) in
            guard let seq = Int64(text) else { throw DeployError(.invalidArgument, "cursor is not one of ours") }
            return seq
        }
        try query.validate()
        try await AuditTrail.append(AuditRecord(action, as: principal).with(query.auditDetail), to: store)
        let records = try await store.read { transaction in
            try AuditTable.list(
                query, after: cursor, newestFirst: newestFirst, limit: limit, within: principal.scope, transaction)
        }
        return Self.page(records, limit) { String($0.seq) }
    }

    func auditRecord(_ id: String, as principal: Principal) async throws -> AuditRecord {
        guard let seq = Int64(id), seq > 0 else {
            throw DeployError(.invalidArgument, "'\(id.prefix(64))' is not the number of a record")
        }
        let record = AuditRecord(.auditRead, as: principal).with(["seq": .integer(seq)])
        try await AuditTrail.append(record, to: store)
        guard let found = try await store.read({ try AuditTable.find(seq: seq, within: principal.scope, $0) }) else {
            throw DeployError(.notFound, "the audit has no record \(seq)", hint: "tiangong audit list")
        }
        return found
    }

    /// Verifies the Cloud's chain against what it and the agents hold, and asks agents to verify theirs.
    func auditVerify(_ request: AuditVerify, as principal: Principal) async throws -> AuditVerification {
        try await AuditTrail.append(AuditRecord(.auditVerify, as: principal), to: store)
        let agents = try await store.read { transaction in
            guard let names = request.agents else { return try AgentTable.all(in: principal.scope, transaction) }
            return try names.map { name in
                guard let agent = try AgentTable.find(nameOrID: name, in: principal.scope, transaction) else {
                    throw Self.missingAgent(name)
                }
                return agent
            }
        }
        let (reports, held) = await inquire(agents, isNamed: request.agents != nil)
        let cloud = try await CloudChain.verify(store, held: held)
        return AuditVerification(chains: [cloud] + reports)
    }

    private func inquire(
        _ agents: [AgentInfo], isNamed: Bool
    ) async -> (reports: [AuditChainReport], held: [AuditVerifier.Held]) {
        await withTaskGroup(of: (AuditChainReport, AuditVerifier.Held?).self) { group in
            for agent in agents {
                if let session = tasks.hub.session(of: agent.id), session.acknowledges {
                    group.addTask { await self.inquire(agent, session) }
                } else if isNamed {
                    group.addTask { (Self.unanswered(agent, "the agent is not connected"), nil) }
                }
            }
            var reports: [AuditChainReport] = []
            var held: [AuditVerifier.Held] = []
            for await (report, checkpoints) in group {
                reports.append(report)
                if let checkpoints { held.append(checkpoints) }
            }
            return (reports.sorted { $0.chain < $1.chain }, held.sorted { $0.by < $1.by })
        }
    }

    /// Asks one agent. What it says is bounded: an agent may be hostile.
    private func inquire(
        _ agent: AgentInfo, _ session: AgentSession
    ) async -> (AuditChainReport, AuditVerifier.Held?) {
        let held = try? await store.read {
            try AuditTable.checkpoints(of: agent.id.rawValue, limit: Self.toldCheckpoints, $0)
        }
        guard let answer = await tasks.hub.inquiries.ask(session, held: held ?? []) else {
            return (Self.unanswered(agent, "the agent did not answer"), nil)
        }
        var report = answer.report
        report.chain = agent.name
        report.head = report.head.map { String($0.prefix(128)) }
        report.findings = report.findings.prefix(Self.maximumFindings).map { finding in
            AuditFinding(finding.kind, seq: finding.seq, through: finding.through, String(finding.message.prefix(512)))
        }
        if let error = report.error { report.error = DeployError(error.code, String(error.message.prefix(512))) }
        return (report, .init(by: "agent \(agent.name)", Array(answer.held.suffix(Self.toldCheckpoints))))
    }

    private static let toldCheckpoints = 50
    private static let maximumFindings = 200

    private static func unanswered(_ agent: AgentInfo, _ why: String) -> AuditChainReport {
        AuditChainReport(
            chain: agent.name, records: 0, head: nil, checkpoints: 0, findings: [],
            error: DeployError(.unreachable, why))
    }
}

extension AuditQuery {
    /// Throws `invalid_argument` for what cannot be meant.
    fileprivate func validate() throws(DeployError) {
        for (name, value) in [("actor", actor), ("action", action), ("agent", agent), ("task", task)] {
            if (value?.utf8.count ?? 0) > 256 { throw DeployError(.invalidArgument, "\(name) is over 256 bytes") }
        }
        if let verdict, !["allow", "deny", "audit"].contains(verdict) {
            throw DeployError(.invalidArgument, "verdict is not allow, deny or audit")
        }
    }

    /// What was asked for, as detail of the record of the asking.
    fileprivate var auditDetail: [String: JSONValue] {
        var detail: [String: JSONValue] = [:]
        for (name, value) in [
            ("actor", actor), ("action", action), ("agent", agent), ("task", task), ("verdict", verdict),
            ("since", since?.description), ("until", until?.description), ("cursor", cursor),
        ] { if let value { detail[name] = .string(value) } }
        return detail
    }
}
