// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Operators, tokens and enrolment tokens: an administrator sees and gives no more than lies within its own scope.
extension OperatorService {
    /// The most bytes all operators together take as JSON: a list of them is one message.
    private static let maximumOperatorBytes = 786_432

    // MARK: Operators

    func operators(as principal: Principal) async throws -> Page<OperatorInfo> {
        let all = try await store.read { try OperatorTable.all($0) }
        return Page(items: all.filter { $0.scope.isWithin(principal.scope) }, next: nil)
    }

    /// Makes or changes an operator. Live sessions of one that changed end at once and come back as it is now.
    func putOperator(_ put: OperatorPut, as principal: Principal) async throws -> OperatorInfo {
        try CredentialName.check(name: put.name)
        let scope = put.scope ?? Scope()
        try scope.validate()
        guard put.role <= principal.role, scope.isWithin(principal.scope) else {
            throw DeployError(
                .forbidden, "the operator would reach beyond your scope", hint: "give --environment with one of yours")
        }
        let (info, changed) = try await store.write { transaction in
            var info = OperatorInfo(name: put.name, role: put.role, scope: scope, createdAt: .now())
            guard let old = try OperatorTable.find(put.name, transaction) else {
                try OperatorTable.insert(info, transaction)
                guard try StoredJSON.text(OperatorTable.all(transaction)).utf8.count <= Self.maximumOperatorBytes else {
                    throw DeployError(.tooLarge, "there are too many operators")
                }
                try AuditTrail.append(Self.record(principal, info, change: "created"), transaction)
                return (info, false)
            }
            guard old.scope.isWithin(principal.scope) else {
                throw DeployError(.conflict, "the name '\(put.name)' cannot be used", hint: "use another name")
            }
            info.createdAt = old.createdAt
            try OperatorTable.update(info, transaction)
            try Self.keepsAdministrator(transaction)
            try AuditTrail.append(Self.record(principal, info, change: "changed"), transaction)
            return (info, info != old)
        }
        if changed { tasks.hub.end(operator: put.name, .policy("the operator was changed")) }
        return info
    }

    /// Shuts an operator out: its tokens are revoked and its sessions end at once.
    func removeOperator(_ name: String, as principal: Principal) async throws {
        try await store.write { transaction in
            let info = try Self.operatorInfo(name, principal, transaction)
            guard try OperatorTable.disable(name, transaction) else {
                throw DeployError(.conflict, "operator \(name) is disabled already")
            }
            try TokenTable.revokeAll(operator: name, transaction)
            try Self.keepsAdministrator(transaction)
            try AuditTrail.append(Self.record(principal, info, change: "disabled"), transaction)
        }
        tasks.hub.end(operator: name, .policy("the operator was disabled"))
    }

    private static func record(_ principal: Principal, _ info: OperatorInfo, change: String) -> AuditRecord {
        let facts: [String: JSONValue] = [
            "operator": .string(info.name), "change": .string(change), "role": .string(info.role.rawValue),
        ]
        return principal.record(of: .operatorWrite, facts.merging(info.scope.facts) { first, _ in first })
    }

    private static func keepsAdministrator(_ transaction: any SQLTransaction) throws {
        let remains = try OperatorTable.all(transaction).contains {
            $0.role == .admin && $0.scope.isEverything && $0.disabledAt == nil
        }
        guard remains else {
            throw DeployError(
                .conflict, "no administrator of everything would be left", hint: "make another one first")
        }
    }

    private static func operatorInfo(
        _ name: String, _ principal: Principal, _ transaction: any SQLTransaction
    ) throws -> OperatorInfo {
        guard let info = try OperatorTable.find(name, transaction), info.scope.isWithin(principal.scope) else {
            throw DeployError(
                .notFound, "no operator is called '\(name.prefix(128))'", hint: "tiangong operator list")
        }
        return info
    }

    // MARK: Tokens

    func tokens(_ query: TokenListQuery, as principal: Principal) async throws -> Page<TokenInfo> {
        let limit = try Self.limit(query.limit, default: 200)
        let cursor = try ListCursor(query.cursor)
        return try await store.read { transaction in
            let operators: [String]? =
                principal.scope.isEverything
                ? nil
                : try OperatorTable.all(transaction).filter { $0.scope.isWithin(principal.scope) }.map(\.name)
            let items = try TokenTable.list(
                query, operators: operators, before: cursor, limit: limit, in: principal.scope, transaction)
            return Self.page(items.map(\.info), limit) {
                ListCursor(createdAt: $0.lastUsedAt ?? Timestamp(milliseconds: 0), id: $0.id.rawValue)
            }
        }
    }

    func createToken(_ request: TokenRequest, as principal: Principal) async throws -> SecretIssued {
        let scope = request.scope ?? Scope()
        try scope.validate()
        let expiry = try request.expiresIn.map { seconds throws(DeployError) in
            guard (1...Self.maximumTokenSeconds).contains(seconds) else {
                throw DeployError(.invalidArgument, "expires_in is not between 1 second and 100 years")
            }
            return Timestamp.now().adding(milliseconds: Int64(seconds * 1000))
        }
        return try await store.write { transaction in
            let owner = try Self.operatorInfo(request.name, principal, transaction)
            let token = try TokenVault.issue(
                for: owner, role: request.role, scope: scope, expiresAt: expiry, transaction)
            let facts: [String: JSONValue] = [
                "operator": .string(owner.name), "change": .string("created"), "token": .string(token.id.rawValue),
                "role": .string((request.role ?? owner.role).rawValue),
                "expires_at": expiry.map { .string($0.description) } ?? .null,
            ]
            try AuditTrail.append(
                principal.record(of: .tokenWrite, facts.merging(scope.facts) { first, _ in first }), transaction)
            return SecretIssued(id: token.id.rawValue, token: token.text)
        }
    }

    private static let maximumTokenSeconds = 3_155_760_000.0

    /// Revokes a token of an operator or an agent; its sessions end at once.
    func revokeToken(_ id: String, as principal: Principal) async throws {
        let missing = DeployError(
            .notFound, "no valid token has the id '\(id.prefix(64))'", hint: "tiangong token list")
        guard let id = TokenID(id) else { throw missing }
        try await store.write { transaction in
            guard let token = try TokenTable.find(id: id, transaction) else { throw missing }
            let isReached =
                switch (token.kind, token.agentID) {
                case (.operator, _):
                    try OperatorTable.find(token.name, transaction)?.scope.isWithin(principal.scope) ?? false
                case (.agent, let agent?):
                    try !AgentTable.reached([agent], in: principal.scope, transaction).isEmpty
                case (.agent, nil): principal.scope.isEverything
                }
            guard isReached, try TokenTable.revoke(id, transaction) else { throw missing }
            try AuditTrail.append(
                principal.record(
                    of: .tokenWrite,
                    [
                        token.kind.rawValue: .string(token.name), "change": .string("revoked"),
                        "token": .string(id.rawValue),
                    ]), transaction)
        }
        tasks.hub.end(tokens: [id], .policy("the token was revoked"))
    }

    // MARK: Enrolment tokens

    func enrolments(as principal: Principal) async throws -> Page<EnrolmentInfo> {
        let recent = try await store.read {
            try EnrolmentTable.recent(limit: TokenVault.maximumEnrolments, $0).map(\.info)
        }
        return Page(
            items: recent.filter { principal.scope.reaches(environment: $0.environment, labels: $0.labels) }, next: nil)
    }

    func createEnrolment(_ request: EnrolmentCreate, as principal: Principal) async throws -> SecretIssued {
        let info = try TokenVault.enrolment(request, actor: principal.name)
        guard principal.scope.reaches(environment: info.environment, labels: info.labels) else {
            throw DeployError(
                .forbidden, "agents it enrols would be beyond your scope",
                hint: "use an environment and labels of yours")
        }
        return try await store.write { transaction in
            let issued = try TokenVault.issue(info, transaction)
            try AuditTrail.append(Self.record(principal, info, change: "created"), transaction)
            return issued
        }
    }

    func revokeEnrolment(_ id: String, as principal: Principal) async throws {
        let missing = DeployError(
            .notFound, "no enrolment token that can be used has the id '\(id.prefix(64))'",
            hint: "tiangong enrolment list")
        guard let id = EnrolmentID(id) else { throw missing }
        try await store.write { transaction in
            guard let info = try EnrolmentTable.find(id: id, transaction)?.info,
                principal.scope.reaches(environment: info.environment, labels: info.labels),
                try EnrolmentTable.revoke(id, transaction)
            else { throw missing }
            try AuditTrail.append(Self.record(principal, info, change: "revoked"), transaction)
        }
    }

    private static func record(_ principal: Principal, _ info: EnrolmentInfo, change: String) -> AuditRecord {
        var record = principal.record(
            of: .enrolmentWrite,
            [
                "enrolment": .string(info.id.rawValue), "change": .string(change),
                "uses": .integer(Int64(info.usesLeft)), "expires_at": .string(info.expiresAt.description),
                "name_prefix": .string(info.namePrefix), "sources": .array(info.sources.map { .string($0) }),
                "labels": .object(info.labels.mapValues { .string($0) }),
            ])
        record.env = info.environment
        return record
    }
}
