// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// An operator as the Cloud keeps it.
public struct OperatorInfo: Sendable, Hashable, Codable {
    /// The name, unique.
    public var name: String
    /// What it may do at most.
    public var role: Role
    /// Which agents it reaches.
    public var scope: Scope
    /// When it was made.
    public var createdAt: Timestamp
    /// When it was shut out, with all its tokens; nil while it may sign in.
    public var disabledAt: Timestamp?

    enum CodingKeys: String, CodingKey {
        case name, role, scope
        case createdAt = "created_at"
        case disabledAt = "disabled_at"
    }

    /// An operator; see the properties.
    public init(name: String, role: Role, scope: Scope, createdAt: Timestamp, disabledAt: Timestamp? = nil) {
        self.name = name
        self.role = role
        self.scope = scope
        self.createdAt = createdAt
        self.disabledAt = disabledAt
    }
}

/// Parameters of `operator_put`: makes an operator, or changes one.
public struct OperatorPut: Sendable, Hashable, Codable {
    /// The name, unique.
    public var name: String
    /// What it may do at most.
    public var role: Role
    /// Which agents it reaches; nil for all.
    public var scope: Scope?

    /// A request.
    public init(name: String, role: Role, scope: Scope? = nil) {
        self.name = name
        self.role = role
        self.scope = scope
    }
}

/// What a credential is for; each endpoint accepts one kind.
public enum TokenKind: String, Sendable, Hashable, Codable, CaseIterable {
    /// A person or a script that gives orders.
    case `operator`
    /// One agent.
    case agent
}

/// A token as it can be shown: never the secret.
public struct TokenInfo: Sendable, Hashable, Codable {
    /// The id, the third part of the token's text.
    public var id: TokenID
    /// What it is for.
    public var kind: TokenKind
    /// The operator's or agent's name.
    public var name: String
    /// An operator's token: the role it acts with.
    public var role: Role?
    /// An operator's token: the agents it reaches.
    public var scope: Scope?
    /// When it was made.
    public var createdAt: Timestamp
    /// When it ends; nil for never.
    public var expiresAt: Timestamp?
    /// When it was last shown, to the minute.
    public var lastUsedAt: Timestamp?
    /// When it was revoked.
    public var revokedAt: Timestamp?

    enum CodingKeys: String, CodingKey {
        case id, kind, name, role, scope
        case createdAt = "created_at"
        case expiresAt = "expires_at"
        case lastUsedAt = "last_used_at"
        case revokedAt = "revoked_at"
    }

    /// A token; set the rest as known.
    public init(id: TokenID, kind: TokenKind, name: String, createdAt: Timestamp) {
        self.id = id
        self.kind = kind
        self.name = name
        self.createdAt = createdAt
    }
}

/// Parameters of `token_list`: the most recently used first.
public struct TokenListQuery: Sendable, Hashable, Codable {
    /// Only tokens of this kind.
    public var kind: TokenKind?
    /// Only tokens of this operator or agent.
    public var name: String?
    /// Where to go on: `next` of the page before.
    public var cursor: String?
    /// Items wanted, 1 to 200; nil for 200.
    public var limit: Int?

    /// A query.
    public init(kind: TokenKind? = nil, name: String? = nil, cursor: String? = nil, limit: Int? = nil) {
        self.kind = kind
        self.name = name
        self.cursor = cursor
        self.limit = limit
    }
}

/// Parameters of `token_create`: a further token of an operator, as strong as the operator or weaker.
public struct TokenRequest: Sendable, Hashable, Codable {
    /// The operator; must exist.
    public var name: String
    /// The role it acts with; nil for the operator's own.
    public var role: Role?
    /// The agents it reaches; nil for the operator's own.
    public var scope: Scope?
    /// Seconds it is good for; nil for ever.
    public var expiresIn: Double?

    enum CodingKeys: String, CodingKey {
        case name, role, scope
        case expiresIn = "expires_in"
    }

    /// A request.
    public init(name: String, role: Role? = nil, scope: Scope? = nil, expiresIn: Double? = nil) {
        self.name = name
        self.role = role
        self.scope = scope
        self.expiresIn = expiresIn
    }
}

/// The answer to `token_create` and `enrolment_create`: the only time the secret is shown.
public struct SecretIssued: Sendable, Hashable, Codable {
    /// The id, by which it is listed and revoked.
    public var id: String
    /// The text to give to whom it is for.
    public var token: String

    /// An answer.
    public init(id: String, token: String) {
        self.id = id
        self.token = token
    }
}

/// A token that lets agents enrol, as it can be shown.
public struct EnrolmentInfo: Sendable, Hashable, Codable {
    /// The id.
    public var id: EnrolmentID
    /// Where agents that use it belong.
    public var environment: String
    /// Labels assigned to agents that use it.
    public var labels: [String: String]
    /// Only names that begin so; empty for any.
    public var namePrefix: String
    /// Source addresses it may be used from, as CIDR ranges; empty for any.
    public var sources: [String]
    /// How many agents may still use it.
    public var usesLeft: Int
    /// Who made it.
    public var actor: String
    /// When it was made.
    public var createdAt: Timestamp
    /// When it ends.
    public var expiresAt: Timestamp
    /// When it was revoked.
    public var revokedAt: Timestamp?

    enum CodingKeys: String, CodingKey {
        case id, environment, labels, sources, actor
        case namePrefix = "name_prefix"
        case usesLeft = "uses_left"
        case createdAt = "created_at"
        case expiresAt = "expires_at"
        case revokedAt = "revoked_at"
    }

    /// An enrolment token; see the properties.
    public init(
        id: EnrolmentID, environment: String, labels: [String: String], namePrefix: String, sources: [String],
        usesLeft: Int, actor: String, createdAt: Timestamp, expiresAt: Timestamp, revokedAt: Timestamp? = nil
    ) {
        self.id = id
        self.environment = environment
        self.labels = labels
        self.namePrefix = namePrefix
        self.sources = sources
        self.usesLeft = usesLeft
        self.actor = actor
        self.createdAt = createdAt
        self.expiresAt = expiresAt
        self.revokedAt = revokedAt
    }
}

/// Parameters of `enrolment_create`.
public struct EnrolmentCreate: Sendable, Hashable, Codable {
    /// Where agents that use it belong.
    public var environment: String
    /// Labels assigned to agents that use it.
    public var labels: [String: String]?
    /// Only names that begin so.
    public var namePrefix: String?
    /// Source addresses it may be used from, as CIDR ranges.
    public var sources: [String]?
    /// How many agents may use it; nil for one.
    public var uses: Int?
    /// Seconds it is good for, at most a day; nil for an hour.
    public var expiresIn: Double?

    enum CodingKeys: String, CodingKey {
        case environment, labels, sources, uses
        case namePrefix = "name_prefix"
        case expiresIn = "expires_in"
    }

    /// A request; set what is wanted.
    public init(environment: String) { self.environment = environment }
}

/// Parameters of `agent_update`: what the Cloud assigns to an agent; nil leaves it as it is.
public struct AgentUpdate: Sendable, Hashable, Codable {
    /// The agent's name or id.
    public var id: String
    /// Where it belongs from now on.
    public var environment: String?
    /// All its assigned labels from now on.
    public var labels: [String: String]?

    /// A request; set what changes.
    public init(id: String) { self.id = id }
}

/// `agent_enrol`: the one message on a link that was opened with an enrolment token.
public struct AgentEnrol: Sendable, Hashable, Codable {
    /// The name the agent asks for; nil for its host name.
    public var name: String?
    /// What the host calls itself.
    public var hostname: String?
    /// A PEM certificate request for a client certificate; nil for none.
    public var csr: String?

    /// A request; set what is known.
    public init(name: String? = nil, hostname: String? = nil, csr: String? = nil) {
        self.name = name
        self.hostname = hostname
        self.csr = csr
    }
}

/// `agent_enrolled`: the agent's identity; the link ends after it.
public struct AgentEnrolled: Sendable, Hashable, Codable {
    /// Made by the Cloud, never used before.
    public var agentID: AgentID
    /// The name it got.
    public var name: String
    /// Its own token.
    public var token: String
    /// The client certificate it asked for, PEM.
    public var certificate: String?

    enum CodingKeys: String, CodingKey {
        case name, token, certificate
        case agentID = "agent_id"
    }

    /// An answer.
    public init(agentID: AgentID, name: String, token: String, certificate: String? = nil) {
        self.agentID = agentID
        self.name = name
        self.token = token
        self.certificate = certificate
    }
}

/// `certificate_request` of a registered agent: a new client certificate before the old one ends.
public struct CertificateRequest: Sendable, Hashable, Codable {
    /// A PEM certificate request.
    public var csr: String

    /// A request.
    public init(csr: String) { self.csr = csr }
}

/// `certificate`: the answer to `certificate_request`.
public struct CertificateIssued: Sendable, Hashable, Codable {
    /// The client certificate, PEM.
    public var certificate: String

    /// An answer.
    public init(certificate: String) { self.certificate = certificate }
}
