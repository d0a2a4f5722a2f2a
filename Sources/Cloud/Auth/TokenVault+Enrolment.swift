// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Tokens by which hosts become agents without anybody carrying a secret to each: short-lived, counted, and bound to
/// an environment, a name's beginning and addresses.
extension TokenVault {
    /// The second part of an enrolment token's text.
    static let enrolmentKind = "enrol"
    /// The longest an enrolment token is good for, in seconds.
    static let maximumEnrolmentSeconds = 86_400.0
    /// The most agents one enrolment token makes.
    static let maximumEnrolmentUses = 10_000
    private static let maximumSources = 32
    /// What the audit calls the making of an agent by an enrolment token.
    static let enrolmentAction = "enrolment.use"
    /// The most enrolment tokens that can be used at one time.
    static let maximumEnrolments = 500

    /// What a new enrolment token is to be; throws `invalid_argument` for anything out of bounds.
    static func enrolment(_ request: EnrolmentCreate, actor: String) throws(DeployError) -> EnrolmentInfo {
        try CredentialName.check(environment: request.environment)
        try CredentialName.check(labels: request.labels ?? [:])
        let prefix = request.namePrefix ?? ""
        if !prefix.isEmpty { try CredentialName.check(name: prefix) }
        let sources = request.sources ?? []
        guard sources.count <= maximumSources else {
            throw DeployError(.invalidArgument, "there are more than \(maximumSources) source ranges")
        }
        for source in sources { _ = try AddressRange(source) }
        let uses = request.uses ?? 1
        guard (1...maximumEnrolmentUses).contains(uses) else {
            throw DeployError(.invalidArgument, "uses is not between 1 and \(maximumEnrolmentUses)")
        }
        let seconds = request.expiresIn ?? 3600
        guard (1...maximumEnrolmentSeconds).contains(seconds) else {
            throw DeployError(.invalidArgument, "an enrolment token is good for 1 second to 24 hours")
        }
        let now = Timestamp.now()
        return EnrolmentInfo(
            id: .random(), environment: request.environment, labels: request.labels ?? [:], namePrefix: prefix,
            sources: sources, usesLeft: uses, actor: actor, createdAt: now,
            expiresAt: now.adding(milliseconds: Int64(seconds * 1000)))
    }

    /// Stores an enrolment token; its text is shown once.
    static func issue(_ info: EnrolmentInfo, _ transaction: any SQLTransaction) throws -> SecretIssued {
        guard try EnrolmentTable.countUsable(transaction) < maximumEnrolments else {
            throw DeployError(
                .rateLimited, "there are \(maximumEnrolments) enrolment tokens that can be used",
                hint: "tiangong enrolment revoke ID")
        }
        let secret = Secret.make()
        try EnrolmentTable.insert(EnrolmentRecord(info: info, secret: secret.stored), transaction)
        return SecretIssued(id: info.id.rawValue, token: "tg_\(enrolmentKind)_\(info.id)_\(secret.text)")
    }

    /// The enrolment token behind a text, if it can be used from an address. Changes nothing.
    ///
    /// Throws `unauthenticated` for anything unknown, expired, revoked or used up, and `forbidden` for another address.
    func verifyEnrolment(_ text: String, source: String) async throws -> EnrolmentID {
        let refusal = DeployError(.unauthenticated, "the enrolment token is not valid")
        guard let (kind, id, secret) = Secret.parse(text, id: EnrolmentID.self), kind == Self.enrolmentKind else {
            throw refusal
        }
        guard let record = try await store.read({ try EnrolmentTable.find(id: id, $0) }),
            record.secret.matches(secret)
        else { throw refusal }
        try Self.check(record.info, source: source)
        return id
    }

    /// Uses an enrolment token once: makes a new agent with a token of its own, and what `also` adds, or nothing.
    ///
    /// - Parameters:
    ///   - id: What ``verifyEnrolment(_:source:)`` returned.
    ///   - name: The name the agent asks for.
    ///   - source: The address it comes from.
    ///   - also: Runs in the same transaction.
    /// - Throws: As ``verifyEnrolment(_:source:)``; also `forbidden` for a name that begins otherwise, `conflict` for a
    ///   taken one and `invalid_argument` for one that is not well formed.
    func redeemEnrolment<Extra: Sendable>(
        _ id: EnrolmentID, name: String, source: String,
        also: @escaping @Sendable (AgentInfo, any SQLTransaction) throws -> Extra
    ) async throws -> (agent: AgentInfo, token: String, extra: Extra) {
        var record = AuditRecord(action: Self.enrolmentAction, actor: "enrolment \(id)")
        record.source = source
        record.agent = String(name.prefix(128))
        record.verdict = "allow"
        record.result = "ok"
        let attempt = record
        do {
            try CredentialName.check(name: name)
            return try await store.write { transaction in
                let info = try Self.enrolment(id, name: name, source: source, transaction)
                let agent = try Self.insertAgent(name, info.environment, info.labels, transaction)
                let token = try Self.issue(for: agent, expiresAt: nil, transaction)
                let extra = try also(agent, transaction)
                var record = attempt
                record.env = info.environment
                record.detail = ["agent_id": .string(agent.id.rawValue), "token": .string(token.id.rawValue)]
                try AuditTrail.append(record, transaction)
                return (agent, token.text, extra)
            }
        } catch {
            record.verdict = "deny"
            record.result = DeployError(wrapping: error).code.rawValue
            try await AuditTrail.append(record, to: store)
            throw error
        }
    }

    /// The enrolment token, used once by this.
    private static func enrolment(
        _ id: EnrolmentID, name: String, source: String, _ transaction: any SQLTransaction
    ) throws -> EnrolmentInfo {
        guard let info = try EnrolmentTable.find(id: id, transaction)?.info else {
            throw DeployError(.unauthenticated, "the enrolment token is not valid")
        }
        try check(info, source: source)
        guard name.utf8.starts(with: info.namePrefix.utf8) else {
            throw DeployError(.forbidden, "the enrolment token is for names with another beginning")
        }
        guard try AgentTable.find(nameOrID: name, in: Scope(), transaction) == nil else {
            throw DeployError(
                .conflict, "an agent is called '\(name)' already",
                hint: "use another name, or remove that agent first: tiangong agent remove \(name)")
        }
        guard try EnrolmentTable.use(id, transaction) else {
            throw DeployError(.unauthenticated, "the enrolment token is used up")
        }
        return info
    }

    private static func check(_ info: EnrolmentInfo, source: String) throws(DeployError) {
        guard info.revokedAt == nil else { throw DeployError(.unauthenticated, "the enrolment token is not valid") }
        guard info.expiresAt > .now() else {
            throw DeployError(.unauthenticated, "the enrolment token has expired", hint: "ask for a new one")
        }
        guard info.usesLeft > 0 else { throw DeployError(.unauthenticated, "the enrolment token is used up") }
        let ranges = try info.sources.map { range throws(DeployError) in try AddressRange(range) }
        guard ranges.isEmpty || ranges.contains(where: { $0.contains(source) }) else {
            throw DeployError(.forbidden, "the enrolment token cannot be used from this address")
        }
    }
}
