// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Whether an agent's link is up.
public enum AgentStatus: String, Sendable, Codable, CaseIterable {
    /// Connected, and heard from within the idle limit.
    case online
    /// Not connected.
    case offline
}

/// One agent as the Cloud knows it. Everything the agent said of itself is untrusted text.
public struct AgentInfo: Sendable, Hashable, Codable, Identifiable {
    /// Made by the Cloud when the agent's token was made.
    public var id: AgentID
    /// Unique among agents; chosen with the token.
    public var name: String
    /// Whether the link is up.
    public var status: AgentStatus
    /// `key=value` pairs that selectors match: what it was assigned, and what it reports beside that.
    public var labels: [String: String]
    /// The labels it was assigned; these alone count for who reaches it.
    public var assignedLabels: [String: String]?
    /// Where it belongs, such as `prod`: assigned by the Cloud.
    public var environment: String
    /// Where it says it belongs; only shown.
    public var reportedEnvironment: String?
    /// What the host calls itself.
    public var hostname: String
    /// The host's address, as the agent reports it.
    public var ip: String
    /// Operating system.
    public var os: String
    /// Processor architecture.
    public var arch: String
    /// The agent program's version.
    public var version: String
    /// Task types it runs.
    public var executors: [String]
    /// The names of its executors' connections; nil when it has not told. What plugins take is told by `executor_list`.
    public var executorDetails: [ExecutorReport]?
    /// Tasks it runs at once; more wait in its queue.
    public var maxConcurrency: Int
    /// Tasks running, at the last heartbeat.
    public var running: Int
    /// Tasks waiting in its queue, at the last heartbeat.
    public var queued: Int
    /// One-minute load average, at the last heartbeat.
    public var load: Double?
    /// When anything was last heard from it.
    public var lastSeen: Timestamp?
    /// When the present or last link was made.
    public var connectedAt: Timestamp?
    /// How often it has connected; each link is fenced by this number.
    public var epoch: Int64
    /// When its token was made.
    public var createdAt: Timestamp
    /// The mode of the agent's own policy file; nil when it has not told one that can be used.
    public var policyMode: GuardMode?
    /// Whether its own policy file lets tasks enter the host's namespaces; nil when it has not told.
    public var hostNamespaces: Bool?

    enum CodingKeys: String, CodingKey {
        case id, name, status, labels, environment, hostname, ip, os, arch, version, executors, running, queued, load,
            epoch
        case assignedLabels = "assigned_labels"
        case reportedEnvironment = "reported_environment"
        case executorDetails = "executor_details"
        case maxConcurrency = "max_concurrency"
        case lastSeen = "last_seen"
        case connectedAt = "connected_at"
        case createdAt = "created_at"
        case policyMode = "policy_mode"
        case hostNamespaces = "host_namespaces"
    }

    /// The names of the connections that its executor of a type has; nil when it has not told.
    public func datasources(of type: String) -> [String]? {
        executorDetails?.first { $0.type == type }?.datasources
    }

    /// An agent that has never connected; set what is known.
    public init(id: AgentID, name: String, createdAt: Timestamp) {
        self.id = id
        self.name = name
        self.createdAt = createdAt
        status = .offline
        labels = [:]
        environment = ""
        hostname = ""
        ip = ""
        os = ""
        arch = ""
        version = ""
        executors = []
        maxConcurrency = 0
        running = 0
        queued = 0
        epoch = 0
    }
}
