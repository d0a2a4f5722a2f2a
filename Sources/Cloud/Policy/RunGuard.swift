// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The Cloud's early word on a run: refused as a whole when a policy refuses it for one of its agents.
enum RunGuard {
    /// What decides for the run: the refusal that `audit` mode let through, if there is one, else the strictest word.
    ///
    /// Throws `policy_denied` naming the rule, the policy and the agents concerned.
    static func check(
        _ spec: TaskSpec, _ agents: [AgentInfo], _ compiled: CompiledPolicies, _ transaction: any SQLTransaction
    ) throws -> Judgement? {
        var book = try PolicyBook(spec, compiled, transaction)
        let judgements = try agents.map { (agent: $0, judgement: try book.judge($0)) }
        let refused = judgements.filter(\.judgement.verdict.isRefusal)
        if let first = refused.first { throw refusal(first, refused.count, of: agents.count) }
        if spec.params["host_namespaces"] == .bool(true) { try checkNamespaces(agents, book, transaction) }
        return judgements.first { $0.judgement.verdict.verdict == .deny }?.judgement
            ?? (judgements.isEmpty ? nil : .strictest(judgements.map(\.judgement)))
    }

    /// Only an agent's own file can open the host's namespaces; where it has told that it does not, nothing is sent.
    private static func checkNamespaces(
        _ agents: [AgentInfo], _ book: PolicyBook, _ transaction: any SQLTransaction
    ) throws {
        for agent in agents {
            let report = try AgentPolicyTable.report(of: agent.id, transaction)
            if let own = try book.judge(report), own.verdict.isRefusal {
                throw refusal((agent, own), 1, of: agents.count)
            }
        }
    }

    private static func refusal(
        _ first: (agent: AgentInfo, judgement: Judgement), _ count: Int, of all: Int
    ) -> DeployError {
        let verdict = first.judgement.verdict
        let place = verdict.position.map { " at byte \($0)" } ?? ""
        let share = all == 1 ? "" : " (\(count) of \(all) agents)"
        var error = DeployError(
            // What no shell could read is a malformed request before it is a forbidden one.
            verdict.rule == "V1" ? .invalidArgument : .policyDenied,
            "\(verdict.rule)\(place): \(verdict.message); \(first.judgement.decidedBy), mode \(verdict.mode.rawValue),"
                + " for \(first.agent.name)\(share)",
            hint: "tiangong policy test shows what each agent's policies say")
        error.rule = verdict.rule
        return error
    }
}
