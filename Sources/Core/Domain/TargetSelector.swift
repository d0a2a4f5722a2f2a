// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Which agents a run is for: by name, by label, or all. An empty selector matches none.
public struct TargetSelector: Sendable, Hashable, Codable {
    /// Names or ids, compared whole.
    public var agents: [String]
    /// Labels that must all be present with these values.
    public var labels: [String: String]
    /// Every agent.
    public var all: Bool

    /// A selector; an agent matches when it is named, or when labels are given and all of them match, or when `all`.
    public init(agents: [String] = [], labels: [String: String] = [:], all: Bool = false) {
        self.agents = agents
        self.labels = labels
        self.all = all
    }

    /// Reads a selector; every field may be left out.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        agents = try values.decodeIfPresent([String].self, forKey: .agents) ?? []
        labels = try values.decodeIfPresent([String: String].self, forKey: .labels) ?? [:]
        all = try values.decodeIfPresent(Bool.self, forKey: .all) ?? false
    }

    /// Whether nothing at all was asked for.
    public var isEmpty: Bool { agents.isEmpty && labels.isEmpty && !all }

    /// Whether an agent is meant.
    public func matches(_ agent: AgentInfo) -> Bool {
        if all || agents.contains(agent.name) || agents.contains(agent.id.rawValue) { return true }
        return !labels.isEmpty && labels.allSatisfy { agent.labels[$0.key] == $0.value }
    }

    /// As an operator would type it: `web-1,web-2 role=db` or `all`.
    public var description: String {
        if all { return "all" }
        let parts = [agents.joined(separator: ","), KeyValue.text(labels)]
        return parts.filter { !$0.isEmpty }.joined(separator: " ")
    }
}
