// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// A policy of the Cloud: which agents it is for, and what it says.
public struct PolicyRecord: Sendable, Hashable, Codable {
    /// The name, unique.
    public var name: String
    /// Agents it holds for; an empty scope is every agent.
    public var scope: Scope
    /// What it says.
    public var policy: GuardPolicy
    /// The hash of what it says.
    public var hash: String
    /// What looks like a mistake in it, for people.
    public var warnings: [String]
    /// Who set it.
    public var actor: String
    /// When.
    public var updatedAt: Timestamp

    enum CodingKeys: String, CodingKey {
        case name, scope, policy, hash, warnings, actor
        case updatedAt = "updated_at"
    }

    /// A record; the hash is computed.
    public init(
        name: String, scope: Scope, policy: GuardPolicy, warnings: [String], actor: String, updatedAt: Timestamp
    ) {
        self.name = name
        self.scope = scope
        self.policy = policy
        hash = policy.hash
        self.warnings = warnings
        self.actor = actor
        self.updatedAt = updatedAt
    }
}

/// Parameters of `policy_put`: sets a policy, or replaces the one of that name.
public struct PolicyPut: Sendable, Hashable, Codable {
    /// The name, unique.
    public var name: String
    /// Agents it holds for; nil for every agent.
    public var scope: Scope?
    /// What it says.
    public var policy: GuardPolicy

    /// A request.
    public init(name: String, scope: Scope? = nil, policy: GuardPolicy) {
        self.name = name
        self.scope = scope
        self.policy = policy
    }
}

/// Parameters of `policy_test`: what would be said about this, agent by agent. Nothing is run.
public struct PolicyTest: Sendable, Hashable, Codable {
    /// For which agents.
    public var selector: TargetSelector
    /// What would be done.
    public var spec: TaskSpec

    /// A question.
    public init(selector: TargetSelector, spec: TaskSpec) {
        self.selector = selector
        self.spec = spec
    }
}

/// The answer to `policy_test`.
public struct PolicyTestReply: Sendable, Hashable, Codable {
    /// One answer per agent, by name.
    public var agents: [AgentVerdict]

    /// An answer.
    public init(agents: [AgentVerdict]) { self.agents = agents }
}

/// What the policies say about one command on one agent, and which of them decides.
public struct AgentVerdict: Sendable, Hashable, Codable {
    /// The agent's name.
    public var agent: String
    /// Where it belongs.
    public var environment: String
    /// Whose word it is: `policy NAME`, `standard` when no policy of the Cloud is for this agent, or `agent file`.
    public var decidedBy: String
    /// The verdict that decides: the first refusal, or the strictest mode that allows.
    public var verdict: GuardVerdict
    /// Whether the agent has told its own policy; if not, it may still refuse.
    public var knowsAgentFile: Bool
    /// Why the agent would refuse everything: its file is missing or broken.
    public var agentFileError: String?

    enum CodingKeys: String, CodingKey {
        case agent, environment, verdict
        case decidedBy = "decided_by"
        case knowsAgentFile = "knows_agent_file"
        case agentFileError = "agent_file_error"
    }

    /// A verdict; see the properties.
    public init(
        agent: String, environment: String, decidedBy: String, verdict: GuardVerdict, knowsAgentFile: Bool,
        agentFileError: String? = nil
    ) {
        self.agent = agent
        self.environment = environment
        self.decidedBy = decidedBy
        self.verdict = verdict
        self.knowsAgentFile = knowsAgentFile
        self.agentFileError = agentFileError
    }
}

/// What an agent tells of its own policy file at registration, and when the file changes (`agent_policy`).
public struct AgentPolicyReport: Sendable, Hashable, Codable {
    /// The policy, unless it cannot be used.
    public var policy: GuardPolicy?
    /// Why every task is refused: the file is missing, empty or broken.
    public var error: String?

    /// A report.
    public init(policy: GuardPolicy? = nil, error: String? = nil) {
        self.policy = policy
        self.error = error
    }

    /// Checks counts and lengths; throws `invalid_argument`.
    public func validate() throws(DeployError) {
        let texts = (policy?.allow ?? []) + (policy?.deny ?? []) + (policy?.statements ?? [])
        guard texts.count <= 3 * GuardPolicy.maximumExpressions, texts.allSatisfy({ $0.utf8.count <= 512 }),
            (error?.utf8.count ?? 0) <= 2048
        else { throw DeployError(.invalidArgument, "data.policy is too long") }
    }
}
