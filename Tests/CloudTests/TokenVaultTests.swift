// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Testing

@testable import Cloud

@Suite struct TokenVaultTests {
    @Test func `a token opens the endpoint of its kind and no other`() async throws {
        let fixture = try await CloudFixture()
        let vault = TokenVault(store: fixture.store)
        let text = try await vault.createOperator(name: "ops", expiresAt: nil)
        guard case .operator(let principal) = try await vault.verify(text, kind: .operator) else {
            Issue.record("not an operator")
            return
        }
        #expect(principal.name == "ops")
        let error = await #expect(throws: DeployError.self) { try await vault.verify(text, kind: .agent) }
        #expect(error?.code == .forbidden)
    }

    @Test func `anything else is unauthenticated`() async throws {
        let fixture = try await CloudFixture()
        let vault = TokenVault(store: fixture.store)
        let good = try await vault.createOperator(name: "ops", expiresAt: nil)
        let expired = try await vault.createOperator(name: "old", expiresAt: Timestamp.now().adding(milliseconds: -1))
        let flipped = String(good.dropLast()) + (good.hasSuffix("0") ? "1" : "0")
        for text in [
            "", "tg_", "tg_operator_x_y", flipped, expired, good + "0", "Bearer", String(repeating: "_", count: 300),
        ] {
            let error = await #expect(throws: DeployError.self) { try await vault.verify(text, kind: .operator) }
            #expect(error?.code == .unauthenticated, "\(text)")
        }
    }

    @Test func `a revoked token opens nothing`() async throws {
        let fixture = try await CloudFixture()
        let vault = TokenVault(store: fixture.store)
        let text = try await vault.createOperator(name: "ops", expiresAt: nil)
        guard case .operator(let principal) = try await vault.verify(text, kind: .operator) else { return }
        let id = principal.token
        #expect(try await fixture.store.write { try TokenTable.revoke(id, $0) })
        await #expect(throws: DeployError.self) { try await vault.verify(text, kind: .operator) }
        #expect(try await fixture.store.write { try TokenTable.revoke(id, $0) } == false)
    }

    @Test func `the database never holds the secret`() async throws {
        let fixture = try await CloudFixture()
        let text = try await TokenVault(store: fixture.store).createOperator(name: "ops", expiresAt: nil)
        let secret = try #require(text.split(separator: "_").last)
        let stored = try await fixture.store.read { try TokenTable.all($0) }
        #expect(!"\(stored)".contains(secret))
    }

    @Test func `a second token for a name is for the same agent`() async throws {
        let fixture = try await CloudFixture()
        let vault = TokenVault(store: fixture.store)
        let first = try await vault.createAgent(name: "web-1", labels: ["role": "web"], environment: "", expiresAt: nil)
        let second = try await vault.createAgent(name: "web-1", labels: [:], environment: "", expiresAt: nil)
        guard case .agent(let one, _) = try await vault.verify(first, kind: .agent),
            case .agent(let two, _) = try await vault.verify(second, kind: .agent)
        else { return }
        #expect(one == two)
        #expect(try await fixture.service.agent("web-1", as: .test("ops")).labels == ["role": "web"])
    }

    @Test(arguments: ["", "a b", "-x", "a,b", "a=b", "\u{7f}", "天"])
    func `names that would confuse a selector are refused`(
        name: String
    ) async throws {
        let fixture = try await CloudFixture()
        await #expect(throws: DeployError.self) {
            try await TokenVault(store: fixture.store).createOperator(name: name, expiresAt: nil)
        }
    }
}
