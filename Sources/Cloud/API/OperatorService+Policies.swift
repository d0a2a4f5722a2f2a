// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Policies of the Cloud: read by all whose agents they are for, set by approvers within their scope.
extension OperatorService {
    func policies(as principal: Principal) async throws -> Page<PolicyRecord> {
        let all = try await store.read { try PolicyTable.all($0) }
        return Page(items: all.filter { $0.scope.overlaps(principal.scope) }, next: nil)
    }

    func policy(_ name: String, as principal: Principal) async throws -> PolicyRecord {
        try await store.read { try Self.policy(name, principal, $0) }
    }

    /// Sets a policy. Every expression is compiled first: one that is not valid is refused here, never at judging.
    func putPolicy(_ put: PolicyPut, as principal: Principal) async throws -> PolicyRecord {
        try Self.check(put)
        _ = try CommandGuard(put.policy)
        let record = PolicyRecord(
            name: put.name, scope: put.scope ?? principal.scope, policy: put.policy,
            warnings: PolicyLint.lint(put.policy), actor: principal.name, updatedAt: .now())
        guard record.scope.isWithin(principal.scope) else {
            throw DeployError(
                .forbidden, "the policy would hold for agents beyond your scope",
                hint: "give --environment with one of yours")
        }
        return try await store.write { transaction in
            if let old = try PolicyTable.find(put.name, transaction), !old.scope.isWithin(principal.scope) {
                throw DeployError(.forbidden, "a policy of that name holds beyond your scope", hint: "use another name")
            }
            try PolicyTable.put(record, transaction)
            try AuditTrail.append(Self.audit("set", record, principal), transaction)
            return record
        }
    }

    func removePolicy(_ name: String, as principal: Principal) async throws {
        try await store.write { transaction in
            let policy = try Self.policy(name, principal, transaction)
            guard policy.scope.isWithin(principal.scope) else {
                throw DeployError(.forbidden, "the policy '\(name)' also holds beyond your scope")
            }
            try PolicyTable.remove(name, transaction)
            try AuditTrail.append(Self.audit("removed", policy, principal), transaction)
        }
    }

    /// What would be said about a command, agent by agent, by the Cloud's policies and by the agents' own files.
    func testPolicy(_ test: PolicyTest, as principal: Principal) async throws -> PolicyTestReply {
        // Statements can be tried also where no executor runs them yet.
        if StatementLanguage(rawValue: test.spec.type) == nil { try test.spec.validate() }
        return try await store.read { transaction in
            var book = try PolicyBook(test.spec, tasks.policies, transaction)
            let verdicts = try tasks.targets(test.selector, as: principal, transaction).map { agent in
                let report = try AgentPolicyTable.report(of: agent.id, transaction)
                let cloud = try book.judge(agent)
                let own = try book.judge(report)
                let deciding = Judgement.strictest([cloud] + (own.map { [$0] } ?? []))
                return AgentVerdict(
                    agent: agent.name, environment: agent.environment, decidedBy: deciding.decidedBy,
                    verdict: deciding.verdict, knowsAgentFile: report != nil, agentFileError: report?.error)
            }
            return PolicyTestReply(agents: verdicts)
        }
    }

    private static func audit(_ change: String, _ policy: PolicyRecord, _ principal: Principal) -> AuditRecord {
        var record = AuditRecord(.policyWrite, as: principal).with([
            "name": .string(policy.name), "change": .string(change), "mode": .string(policy.policy.mode.rawValue),
            "policy": .string(policy.hash),
            "scope": .object(policy.scope.facts),
        ])
        if let environments = policy.scope.environments, environments.count == 1 { record.env = environments.first }
        return record
    }

    private static func policy(
        _ name: String, _ principal: Principal, _ transaction: any SQLTransaction
    ) throws -> PolicyRecord {
        guard let record = try PolicyTable.find(name, transaction), record.scope.overlaps(principal.scope) else {
            throw DeployError(.notFound, "no policy is called '\(name.prefix(64))'", hint: "tiangong policy list")
        }
        return record
    }

    private static func check(_ put: PolicyPut) throws(DeployError) {
        guard let name = Identifier<PolicyRecord>(put.name), name.rawValue.first != "-" else {
            throw DeployError(.invalidArgument, "a policy's name is 1 to 64 of 0-9 A-Z a-z _ - and begins with no -")
        }
        guard !put.policy.hostNamespaces else {
            throw DeployError(
                .invalidArgument, "host_namespaces cannot be allowed from here",
                hint: "set it in the agent's own policy file")
        }
        if let environments = put.scope?.environments, environments.count > 64 || environments.isEmpty {
            throw DeployError(.invalidArgument, "a policy is for 1 to 64 environments, or for all")
        }
    }
}

extension Scope {
    /// Whether some agent could be within both.
    fileprivate func overlaps(_ other: Scope) -> Bool {
        if let environments, let theirs = other.environments, Set(environments).isDisjoint(with: theirs) {
            return false
        }
        return labels.allSatisfy { other.labels[$0.key] == nil || other.labels[$0.key] == $0.value }
    }
}
