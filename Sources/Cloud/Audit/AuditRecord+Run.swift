// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

extension AuditRecord {
    /// The records of a new run: one of the run with its command, one of each task.
    static func creation(
        of run: RunRecord, _ tasks: [TaskRecord], on agents: [AgentInfo], _ judgement: Judgement?,
        by principal: Principal
    ) -> [AuditRecord] {
        let environments = Dictionary(agents.map { ($0.id, $0.environment) }) { first, _ in first }
        var record = AuditRecord(.runCreate, as: principal)
        record.run = run.id.rawValue
        record.command = run.spec.command
        record.env = Set(environments.values).count == 1 ? environments.values.first : nil
        record.detail = run.spec.auditDetail
        record = record.with(["target": .string(run.target), "tasks": .integer(Int64(tasks.count))])
        if let judgement { record.note(judgement) }
        return [record]
            + tasks.map { task in
                var created = AuditRecord("task.create", as: principal)
                created.name(task, environment: environments[task.agentID])
                created.verdict = record.verdict
                return created
            }
    }

    /// The record of something an agent did or told.
    static func agent(_ action: String, _ agent: AgentInfo) -> AuditRecord {
        var record = AuditRecord(action: action, actor: "agent \(agent.name)")
        record.agent = agent.name
        record.env = agent.environment
        record.result = "ok"
        return record
    }

    /// The record of a change of an agent's own policy.
    static func policyChanged(_ report: AgentPolicyReport, on info: AgentInfo) -> AuditRecord {
        let record = agent("agent.policy", info)
        guard let policy = report.policy else {
            return record.with(["error": .string(String((report.error ?? "").prefix(512)))])
        }
        return record.with([
            "mode": .string(policy.mode.rawValue), "policy": .string(policy.hash),
            "host_namespaces": .bool(policy.hostNamespaces),
        ])
    }

    /// The record of somebody's wish to stop a task.
    static func cancel(
        _ task: TaskRecord, by principal: Principal, _ transaction: any SQLTransaction
    ) throws -> AuditRecord {
        var record = AuditRecord(.taskCancel, as: principal)
        try record.name(task, transaction)
        return record
    }

    /// Says which task it is about.
    mutating func name(_ task: TaskRecord, _ transaction: any SQLTransaction) throws {
        let agent = try transaction.rows("SELECT environment FROM agents WHERE id = ?", [.text(task.agentID.rawValue)])
        name(task, environment: agent.first?.text(0))
    }

    private mutating func name(_ task: TaskRecord, environment: String?) {
        agent = task.agentName
        env = environment
        run = task.runID.rawValue
        self.task = task.id.rawValue
        attempt = task.attempt
    }

    /// Says what the guard said and whose word it was.
    private mutating func note(_ judgement: Judgement) {
        let said = judgement.verdict
        verdict = said.verdict == .deny ? "audit" : said.verdict.rawValue
        rule = said.rule
        self = with([
            "mode": .string(said.mode.rawValue), "policy": .string(said.policy),
            "decided_by": .string(judgement.decidedBy),
        ])
    }
}
