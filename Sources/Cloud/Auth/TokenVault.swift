// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Who is at the other end, as the verified credential says, never as the message says.
enum Identity: Sendable, Equatable {
    /// A person or script, by name.
    case `operator`(Principal)
    /// One agent.
    case agent(AgentID, token: TokenID)
    /// A host that may become an agent.
    case enrolment(EnrolmentID)
}

/// Makes, checks and revokes bearer tokens.
struct TokenVault: Sendable {
    let store: Store

    /// Where agents belong that nobody has assigned.
    static let standardEnvironment = "default"

    /// Makes a token for an operator, and the operator with that role and scope unless one of the name exists; the
    /// text is shown once and never stored.
    ///
    /// Throws `forbidden` when an operator of that name may do less, and `conflict` when it is shut out.
    func createOperator(
        name: String, role: Role?, scope: Scope, expiresAt: Timestamp?, actor: String
    ) async throws -> String {
        try CredentialName.check(name: name)
        try scope.validate()
        return try await store.write { transaction in
            let known = try OperatorTable.find(name, transaction)
            let owner =
                known
                ?? OperatorInfo(name: name, role: role ?? .operator, scope: scope, createdAt: .now())
            if known == nil { try OperatorTable.insert(owner, transaction) }
            // A token of a new operator is as strong as the operator, and grows and shrinks with it.
            let token = try Self.issue(
                for: owner, role: known == nil ? nil : role, scope: known == nil ? Scope() : scope,
                expiresAt: expiresAt, transaction)
            try AuditTrail.append(
                Self.record(actor, .operator, token.id, name, role: role ?? owner.role, expiresAt: expiresAt),
                transaction)
            return token.text
        }
    }

    /// Makes an agent, unless one of that name exists, and a token bound to it.
    func createAgent(
        name: String, labels: [String: String], environment: String, expiresAt: Timestamp?, actor: String
    ) async throws -> String {
        try CredentialName.check(name: name)
        try CredentialName.check(environment: environment)
        try CredentialName.check(labels: labels)
        return try await store.write { transaction in
            let existing = try AgentTable.find(nameOrID: name, in: Scope(), transaction)
            let agent = try existing ?? Self.insertAgent(name, environment, labels, transaction)
            let token = try Self.issue(for: agent, expiresAt: expiresAt, transaction)
            var record = Self.record(actor, .agent, token.id, name, role: nil, expiresAt: expiresAt)
            record.agent = agent.name
            record.env = agent.environment
            try AuditTrail.append(record, transaction)
            return token.text
        }
    }

    /// Revokes a token on the server itself; false when no valid one has the id.
    func revoke(_ id: TokenID, actor: String) async throws -> Bool {
        try await store.write { transaction in
            guard let token = try TokenTable.find(id: id, transaction), try TokenTable.revoke(id, transaction) else {
                return false
            }
            var record = Self.record(actor, token.kind, id, token.name, role: nil, expiresAt: token.expiresAt)
            record.detail?["change"] = .string("revoked")
            try AuditTrail.append(record, transaction)
            return true
        }
    }

    /// Shuts an operator out on the server itself; false when no enabled one has the name.
    func disable(operator name: String, actor: String) async throws -> Bool {
        try await store.write { transaction in
            guard try OperatorTable.disable(name, transaction) else { return false }
            try TokenTable.revokeAll(operator: name, transaction)
            var record = AuditRecord(action: Action.operatorWrite.rawValue, actor: actor)
            record.verdict = "allow"
            record.result = "ok"
            record.detail = ["operator": .string(name), "change": .string("disabled")]
            try AuditTrail.append(record, transaction)
            return true
        }
    }

    private static func record(
        _ actor: String, _ kind: TokenKind, _ id: TokenID, _ name: String, role: Role?, expiresAt: Timestamp?
    ) -> AuditRecord {
        var record = AuditRecord(action: Action.tokenWrite.rawValue, actor: actor)
        record.verdict = "allow"
        record.result = "ok"
        var facts: [String: JSONValue] = [
            kind.rawValue: .string(name), "change": .string("created"), "token": .string(id.rawValue),
        ]
        if let role { facts["role"] = .string(role.rawValue) }
        if let expiresAt { facts["expires_at"] = .string(expiresAt.description) }
        record.detail = facts
        return record
    }

    /// The identity behind a token; throws `unauthenticated` for anything unknown, expired or revoked, and
    /// `forbidden` when it is of another kind than the endpoint takes. The caller fills in where it comes from.
    func verify(_ text: String, kind: TokenKind) async throws -> Identity {
        let refusal = DeployError(.unauthenticated, "the token is not valid")
        guard let (_, id, secret) = Secret.parse(text, id: TokenID.self) else { throw refusal }
        let found = try await store.read { transaction -> (TokenRecord, OperatorInfo?)? in
            guard let token = try TokenTable.find(id: id, transaction) else { return nil }
            return (token, token.kind == .operator ? try OperatorTable.find(token.name, transaction) : nil)
        }
        guard let (record, owner) = found, record.secret.matches(secret), record.revokedAt == nil else {
            throw refusal
        }
        let now = Timestamp.now()
        if let expiry = record.expiresAt, expiry <= now {
            throw DeployError(.unauthenticated, "the token has expired", hint: "ask for a new one")
        }
        guard record.kind == kind else {
            throw DeployError(.forbidden, "this is a token for \(record.kind == .agent ? "an agent" : "an operator")")
        }
        let identity: Identity
        switch (record.kind, record.agentID, owner) {
        case (.operator, _, let owner?) where owner.disabledAt == nil:
            identity = .operator(
                Principal(
                    name: owner.name, token: id, role: min(owner.role, record.role ?? owner.role),
                    scope: owner.scope.limited(to: record.scope), source: ""))
        case (.agent, let agentID?, _): identity = .agent(agentID, token: id)
        default: throw refusal
        }
        touch(record, at: now)
        return identity
    }

    /// Notes the use for people; nothing waits for it, and a token in constant use costs one write a minute.
    private func touch(_ record: TokenRecord, at now: Timestamp) {
        let last = record.lastUsedAt?.milliseconds ?? 0
        guard now.milliseconds - last >= TokenTable.useResolution else { return }
        store.submit {
            try TokenTable.touch(record.id, at: now, $0)
        } finish: { _ in
        }
    }

    /// Makes a token of an operator; throws when it would be stronger than the operator or the operator is shut out.
    static func issue(
        for owner: OperatorInfo, role: Role?, scope: Scope, expiresAt: Timestamp?, _ transaction: any SQLTransaction
    ) throws -> (id: TokenID, text: String) {
        guard owner.disabledAt == nil else {
            throw DeployError(
                .conflict, "operator \(owner.name) is disabled", hint: "tiangong operator set \(owner.name) --role ROLE"
            )
        }
        if let role, role > owner.role {
            throw DeployError(
                .forbidden, "operator \(owner.name) is \(owner.role.rawValue); a token cannot be \(role.rawValue)",
                hint: "change the operator first, or use another name")
        }
        let effective = owner.scope.limited(to: scope)
        let asked = scope.environments ?? effective.environments ?? []
        guard effective.environments?.isEmpty != true, Set(effective.environments ?? []) == Set(asked) else {
            throw DeployError(
                .forbidden, "the scope goes beyond that of operator \(owner.name)",
                hint: "change the operator first, or narrow the scope")
        }
        return try insert(
            kind: .operator, name: owner.name, agentID: nil, role: role, scope: scope, expiresAt: expiresAt, transaction
        )
    }

    /// Makes a token of an agent.
    static func issue(
        for agent: AgentInfo, expiresAt: Timestamp?, _ transaction: any SQLTransaction
    ) throws -> (id: TokenID, text: String) {
        try insert(
            kind: .agent, name: agent.name, agentID: agent.id, role: nil, scope: Scope(), expiresAt: expiresAt,
            transaction)
    }

    /// Makes an agent with an id that was never used before.
    static func insertAgent(
        _ name: String, _ environment: String, _ labels: [String: String], _ transaction: any SQLTransaction
    ) throws -> AgentInfo {
        var agent = AgentInfo(id: .random(), name: name, createdAt: .now())
        agent.environment = environment
        agent.labels = labels
        agent.assignedLabels = labels
        try AgentTable.insert(agent, transaction)
        return agent
    }

    private static func insert(
        kind: TokenKind, name: String, agentID: AgentID?, role: Role?, scope: Scope, expiresAt: Timestamp?,
        _ transaction: any SQLTransaction
    ) throws -> (id: TokenID, text: String) {
        let id = TokenID.random()
        let secret = Secret.make()
        try TokenTable.insert(
            TokenRecord(
                id: id, kind: kind, name: name, agentID: agentID, secret: secret.stored, role: role, scope: scope,
                createdAt: .now(), expiresAt: expiresAt), transaction)
        return (id, "tg_\(kind.rawValue)_\(id)_\(secret.text)")
    }
}
