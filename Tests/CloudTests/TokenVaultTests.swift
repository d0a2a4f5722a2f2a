// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Testing

@testable import Cloud

extension CloudFixture {
    var vault: TokenVault { TokenVault(store: store) }

    /// A token made on the server itself.
    func token(
        _ name: String, role: Role? = nil, scope: Scope = Scope(), expiresAt: Timestamp? = nil
    ) async throws -> String {
        try await vault.createOperator(name: name, role: role, scope: scope, expiresAt: expiresAt, actor: "local test")
    }

    /// Whom a token stands for.
    func principal(_ token: String) async throws -> Principal {
        guard case .operator(let principal) = try await vault.verify(token, kind: .operator) else {
            throw DeployError(.internal, "not an operator")
        }
        return principal
    }

    /// The code of what a body throws; nil when it does not.
    func failure(_ body: () async throws -> Void) async -> ErrorCode? {
        do {
            try await body()
            return nil
        } catch {
            return DeployError(wrapping: error).code
        }
    }
}

@Suite struct TokenVaultTests {
    @Test func `a token opens the endpoint of its kind and no other`() async throws {
        let fixture = try await CloudFixture()
        let text = try await fixture.token("ops")
        #expect(try await fixture.principal(text).name == "ops")
        #expect(await fixture.failure { _ = try await fixture.vault.verify(text, kind: .agent) } == .forbidden)
    }

    @Test func `anything else is unauthenticated`() async throws {
        let fixture = try await CloudFixture()
        let good = try await fixture.token("ops")
        let expired = try await fixture.token("old", expiresAt: Timestamp.now().adding(milliseconds: -1))
        let flipped = String(good.dropLast()) + (good.hasSuffix("0") ? "1" : "0")
        for text in [
            "", "tg_", "tg_operator_x_y", flipped, expired, good + "0", "Bearer", String(repeating: "_", count: 300),
        ] {
            let code = await fixture.failure { _ = try await fixture.vault.verify(text, kind: .operator) }
            #expect(code == .unauthenticated, "\(text)")
        }
    }

    @Test func `a revoked token opens nothing`() async throws {
        let fixture = try await CloudFixture()
        let text = try await fixture.token("ops")
        let id = try await fixture.principal(text).token
        #expect(try await fixture.vault.revoke(id, actor: "local test"))
        #expect(await fixture.failure { _ = try await fixture.principal(text) } == .unauthenticated)
        #expect(try await fixture.vault.revoke(id, actor: "local test") == false)
    }

    @Test func `the database never holds the secret`() async throws {
        let fixture = try await CloudFixture()
        let text = try await fixture.token("ops")
        let secret = try #require(text.split(separator: "_").last)
        let stored = try await fixture.store.read { try TokenTable.all($0) }
        #expect(!"\(stored)".contains(secret))
    }

    @Test func `two tokens with one secret would not have one hash`() {
        let (text, stored) = Secret.make()
        #expect(stored.matches(text))
        #expect(!Secret(salt: "other", hash: stored.hash).matches(text))
        #expect(!stored.matches(text + "0") && !stored.matches(String(text.dropLast())) && !stored.matches(""))
    }

    @Test func `a second token for a name is for the same agent`() async throws {
        let fixture = try await CloudFixture()
        func create(_ labels: [String: String]) async throws -> String {
            try await fixture.vault.createAgent(
                name: "web-1", labels: labels, environment: "prod", expiresAt: nil, actor: "local test")
        }
        let first = try await create(["role": "web"])
        let second = try await create([:])
        guard case .agent(let one, _) = try await fixture.vault.verify(first, kind: .agent),
            case .agent(let two, _) = try await fixture.vault.verify(second, kind: .agent)
        else {
            Issue.record("not agents")
            return
        }
        #expect(one == two)
        let agent = try await fixture.service.agent("web-1", as: .test("ops"))
        #expect(agent.labels == ["role": "web"] && agent.environment == "prod")
    }

    @Test(arguments: ["", "a b", "-x", "a,b", "a=b", "\u{7f}", "天"])
    func `names that would confuse a selector are refused`(
        name: String
    ) async throws {
        let fixture = try await CloudFixture()
        await #expect(throws: DeployError.self) { try await fixture.token(name) }
    }

    @Test func `the first operator gets the role that is asked for, operator by itself`() async throws {
        let fixture = try await CloudFixture()
        #expect(try await fixture.principal(fixture.token("ops")).role == .operator)
        #expect(try await fixture.principal(fixture.token("root", role: .admin)).role == .admin)
    }

    @Test func `a token is as strong as the operator now, and as weak as it was made`() async throws {
        let fixture = try await CloudFixture()
        let admin = Principal.test("root")
        _ = try await fixture.token("root", role: .admin)
        let own = try await fixture.token("ada", role: .approver, scope: Scope(environments: ["prod", "lab"]))
        let weak = try await fixture.token("ada", role: .viewer, scope: Scope(environments: ["lab"]))
        #expect(try await fixture.principal(own).role == .approver)
        #expect(try await fixture.principal(weak).role == .viewer)
        #expect(try await fixture.principal(weak).scope.environments == ["lab"])
        _ = try await fixture.service.putOperator(
            OperatorPut(name: "ada", role: .operator, scope: Scope(environments: ["prod"], labels: ["team": "a"])),
            as: admin)
        let now = try await fixture.principal(own)
        #expect(now.role == .operator && now.scope == Scope(environments: ["prod"], labels: ["team": "a"]))
        let nowWeak = try await fixture.principal(weak)
        #expect(nowWeak.role == .viewer && nowWeak.scope.environments == [], "nothing is in both")
    }

    @Test func `a token stronger than its operator is not made`() async throws {
        let fixture = try await CloudFixture()
        _ = try await fixture.token("ada", role: .operator, scope: Scope(environments: ["lab"], labels: ["team": "a"]))
        func create(_ role: Role?, _ scope: Scope) async -> ErrorCode? {
            await fixture.failure { _ = try await fixture.token("ada", role: role, scope: scope) }
        }
        #expect(await create(.admin, Scope()) == .forbidden)
        #expect(await create(nil, Scope(environments: ["lab", "prod"])) == .forbidden)
        #expect(await create(nil, Scope(environments: ["prod"])) == .forbidden)
        #expect(await create(nil, Scope(labels: ["team": "b"])) == .forbidden)
        #expect(await create(.viewer, Scope(environments: ["lab"], labels: ["zone": "1"])) == nil)
    }

    @Test func `a token in use costs one write a minute`() async throws {
        let fixture = try await CloudFixture()
        let text = try await fixture.token("ops")
        let id = try await fixture.principal(text).token
        func lastUse() async throws -> Timestamp? {
            try await fixture.store.write { try TokenTable.find(id: id, $0)?.lastUsedAt }
        }
        let first = try #require(try await lastUse())
        let changes = try await fixture.store.write { try $0.rows("SELECT total_changes()", []).first?.integer(0) }
        for _ in 0..<50 { _ = try await fixture.principal(text) }
        let after = try await fixture.store.write { try $0.rows("SELECT total_changes()", []).first?.integer(0) }
        #expect(try await lastUse() == first)
        #expect(changes == after, "nothing was written")
        try await fixture.store.write { transaction in
            try TokenTable.touch(id, at: first.adding(milliseconds: TokenTable.useResolution), transaction)
        }
        #expect(try await lastUse() == first.adding(milliseconds: TokenTable.useResolution))
    }
}
