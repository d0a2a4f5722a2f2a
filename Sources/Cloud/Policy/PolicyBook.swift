// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Synchronization

/// Compiled policies by hash, so that a command for a thousand agents is not compiled a thousand times.
final class CompiledPolicies: Sendable {
    private let guards = Mutex<[String: CommandGuard]>([:])

    /// More policies than this at once are compiled anew each time.
    private static let capacity = 256

    /// The guard of a policy; throws `invalid_argument` when an expression in it is not valid.
    func guarding(_ policy: GuardPolicy) throws(DeployError) -> CommandGuard {
        let hash = policy.hash
        if let known = guards.withLock({ $0[hash] }) { return known }
        let compiled = try CommandGuard(policy)
        guards.withLock { guards in
            if guards.count >= Self.capacity { guards.removeAll() }
            guards[hash] = compiled
        }
        return compiled
    }
}

/// All policies at one moment, ready to judge one specification for any number of agents.
struct PolicyBook {
    private let policies: [PolicyRecord]
    private let compiled: CompiledPolicies
    private let spec: TaskSpec
    /// What the Cloud's own policies judge: whether the host's namespaces may be entered is the agent's file's to say.
    private let insideSpec: TaskSpec
    private var verdicts: [String: GuardVerdict] = [:]

    /// Reads the policies in the transaction of the act they decide about.
    init(_ spec: TaskSpec, _ compiled: CompiledPolicies, _ transaction: any SQLTransaction) throws {
        self.spec = spec
        var inside = spec
        inside.params["host_namespaces"] = nil
        insideSpec = inside
        self.compiled = compiled
        policies = try PolicyTable.all(transaction)
    }

    /// What the Cloud says about the specification on one agent: the first refusal of a policy that is for the agent,
    /// or the word of the strictest one.
    mutating func judge(_ agent: AgentInfo) throws -> Judgement {
        let applicable = policies.filter { $0.scope.reaches(agent) }
        var said = try applicable.map { Judgement(decidedBy: "policy \($0.name)", verdict: try verdict($0.policy)) }
        if said.isEmpty {
            said = [
                Judgement(
                    decidedBy: "standard", verdict: try verdict(.standard(environment: agent.environment)))
            ]
        }
        return Judgement.strictest(said)
    }

    private mutating func verdict(_ policy: GuardPolicy) throws -> GuardVerdict {
        let hash = policy.hash
        if let known = verdicts[hash] { return known }
        let verdict = try compiled.guarding(policy).judge(insideSpec)
        verdicts[hash] = verdict
        return verdict
    }

    /// What an agent's own file says, as far as the agent has told.
    func judge(_ report: AgentPolicyReport?) throws -> Judgement? {
        if let error = report?.error {
            return Judgement(
                decidedBy: "agent file",
                verdict: GuardVerdict(.deny, rule: "agent-file", message: error, mode: .whitelist))
        }
        guard let policy = report?.policy else { return nil }
        return Judgement(decidedBy: "agent file", verdict: try compiled.guarding(policy).judge(spec))
    }
}

/// A verdict and whose word it is.
struct Judgement: Sendable {
    let decidedBy: String
    let verdict: GuardVerdict

    /// The one that decides among several: the first refusal, else the allowing one of the strictest mode.
    static func strictest(_ judgements: [Judgement]) -> Judgement {
        judgements.first(where: \.verdict.isRefusal)
            ?? judgements.min { $0.verdict.mode.strictness > $1.verdict.mode.strictness } ?? judgements[0]
    }
}

extension GuardMode {
    /// Greater for modes that let less through.
    fileprivate var strictness: Int {
        switch self {
        case .whitelist: 3
        case .noInjection: 2
        case .blacklistDefault: 1
        case .audit: 0
        }
    }
}
