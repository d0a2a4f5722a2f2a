// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Testing

@testable import Cloud

@Suite struct IdentityTests {
    let root = Principal.test("root")

    private func audited(_ fixture: CloudFixture) async throws -> [String] {
        try await fixture.store.read { try $0.rows("SELECT action FROM audit ORDER BY seq", []).map { $0.text(0) } }
    }

    @Test func `an operator is made, changed and shut out, each with its line in the audit`() async throws {
        let fixture = try await CloudFixture()
        _ = try await fixture.token("root", role: .admin)
        let service = fixture.service
        _ = try await service.putOperator(OperatorPut(name: "ada", role: .viewer), as: root)
        let issued = try await service.createToken(TokenRequest(name: "ada"), as: root)
        #expect(try await fixture.principal(issued.token).role == .viewer)
        let changed = try await service.putOperator(OperatorPut(name: "ada", role: .operator), as: root)
        #expect(changed.role == .operator)
        #expect(try await fixture.principal(issued.token).role == .operator)
        try await service.removeOperator("ada", as: root)
        #expect(await fixture.failure { _ = try await fixture.principal(issued.token) } == .unauthenticated)
        let code = await fixture.failure { _ = try await service.createToken(TokenRequest(name: "ada"), as: root) }
        #expect(code == .conflict)
        _ = try await service.putOperator(OperatorPut(name: "ada", role: .viewer), as: root)
        #expect(
            await fixture.failure { _ = try await fixture.principal(issued.token) } == .unauthenticated,
            "let in again, with none of the old tokens")
        #expect(
            try await audited(fixture) == [
                "token.write", "operator.write", "token.write", "operator.write", "operator.write", "operator.write",
            ])
    }

    @Test func `the last administrator of everything stays`() async throws {
        let fixture = try await CloudFixture()
        _ = try await fixture.token("root", role: .admin)
        _ = try await fixture.token("part", role: .admin, scope: Scope(environments: ["lab"]))
        let service = fixture.service
        #expect(await fixture.failure { try await service.removeOperator("root", as: root) } == .conflict)
        let weaker = OperatorPut(name: "root", role: .approver)
        #expect(await fixture.failure { _ = try await service.putOperator(weaker, as: root) } == .conflict)
        #expect(try await service.operators(as: root).items.allSatisfy { $0.disabledAt == nil && $0.role == .admin })
        _ = try await fixture.token("other", role: .admin)
        #expect(await fixture.failure { try await service.removeOperator("root", as: root) } == nil)
    }

    @Test func `an administrator of one environment gives nothing beyond it`() async throws {
        let site = try await TwoEnvironments()
        let (service, fixture) = (site.fixture.service, site.fixture)
        let lab = site.principal(.admin, in: site.lab)
        func put(_ scope: Scope?) async -> ErrorCode? {
            await fixture.failure {
                _ = try await service.putOperator(OperatorPut(name: "new", role: .viewer, scope: scope), as: lab)
            }
        }
        #expect(await put(nil) == .forbidden)
        #expect(await put(Scope(environments: ["lab", "prod"])) == .forbidden)
        #expect(await put(Scope(labels: ["team": "a"])) == .forbidden)
        #expect(await put(Scope(environments: ["lab"], labels: ["team": "a"])) == nil)
        for name in ["root", "op-prod"] {
            let code = await fixture.failure { _ = try await service.createToken(TokenRequest(name: name), as: lab) }
            #expect(code == .notFound)
        }
        let enrolment = await fixture.failure {
            _ = try await service.createEnrolment(EnrolmentCreate(environment: "prod"), as: lab)
        }
        #expect(enrolment == .forbidden)
        var move = AgentUpdate(id: "agent-lab")
        move.environment = "prod"
        let away = move
        #expect(await fixture.failure { _ = try await service.updateAgent(away, as: lab) } == .forbidden)
    }

    @Test func `tokens are listed by last use, page by page, without secrets`() async throws {
        let fixture = try await CloudFixture()
        for index in 0..<5 { _ = try await fixture.token("op-\(index)") }
        try await fixture.store.write { transaction in
            for (index, token) in try TokenTable.all(transaction).enumerated() {
                try TokenTable.touch(token.id, at: Timestamp(milliseconds: Int64(index + 1) * 100_000), transaction)
            }
        }
        var names: [String] = []
        var cursor: String?
        repeat {
            let page = try await fixture.service.tokens(TokenListQuery(cursor: cursor, limit: 2), as: root)
            names += page.items.map(\.name)
            cursor = page.next
        } while cursor != nil
        #expect(names.count == 5 && Set(names).count == 5)
        let uses = try await fixture.service.tokens(TokenListQuery(), as: root).items.compactMap(\.lastUsedAt)
        #expect(uses == uses.sorted(by: >) && uses.count == 5)
    }

    @Test func `a life of a token that is no number of seconds is refused`() async throws {
        let fixture = try await CloudFixture()
        _ = try await fixture.token("ada")
        for seconds in [0, -1, .nan, .infinity, 1e300, -Double.infinity] {
            let request = TokenRequest(name: "ada", expiresIn: seconds)
            let code = await fixture.failure { _ = try await fixture.service.createToken(request, as: root) }
            #expect(code == .invalidArgument, "\(seconds)")
        }
    }

    // MARK: Agents

    @Test func `an agent that was removed cannot come back, its history stays, its name is free`() async throws {
        let site = try await TwoEnvironments()
        let (service, fixture, agent) = (site.fixture.service, site.fixture, site.lab.agent)
        try await service.removeAgent(agent.name, as: root)
        #expect(await fixture.failure { _ = try await service.agent(agent.name, as: root) } == .notFound)
        #expect(await fixture.failure { _ = try await service.agent(agent.id.rawValue, as: root) } == .notFound)
        let token = try await fixture.store.read { try TokenTable.find(id: site.lab.agentToken, $0) }
        #expect(token?.revokedAt != nil)
        let register = AgentRegister()
        let back = await fixture.failure {
            try await fixture.store.write {
                _ = try AgentTable.connect(agent.id, register, replica: "test", address: "192.0.2.1", $0)
            }
        }
        #expect(back == .notFound)
        let task = try await service.task(site.lab.task.id.rawValue, as: site.principal(.viewer, in: site.lab)).task
        #expect(task.agentName == agent.name && task.state == .canceled)
        let again = try await fixture.agent(agent.name, environment: "prod")
        #expect(again.id != agent.id)
        let ofNew = try await service.taskList(TaskListQuery(agent: agent.name), as: root)
        #expect(ofNew.items.isEmpty, "what the old one did is not the new one's")
        #expect(
            await fixture.failure {
                _ = try await service.task(site.lab.task.id.rawValue, as: site.principal(.viewer, in: site.prod))
            } == .notFound, "and does not move with the name")
        let names = try await service.agents(AgentListQuery(), as: root).items.map(\.name)
        #expect(names == [agent.name, "agent-prod"])
    }

    @Test func `running tasks of a removed agent are over, for good`() async throws {
        let fixture = try await CloudFixture()
        let agent = try await fixture.agent("web-1")
        let running = try await fixture.task(on: agent, after: [.dispatched, .started])
        let waiting = try await fixture.task(on: agent)
        try await fixture.service.removeAgent("web-1", as: root)
        #expect(try await fixture.state(of: running) == .interrupted)
        #expect(try await fixture.state(of: waiting) == .canceled)
    }

    @Test func `an agent is assigned an environment and labels, which then decide who reaches it`() async throws {
        let fixture = try await CloudFixture()
        _ = try await fixture.agent("web-1", labels: ["team": "a"], environment: "lab")
        var update = AgentUpdate(id: "web-1")
        update.environment = "prod"
        let first = update
        let moved = try await fixture.service.updateAgent(first, as: root)
        #expect(moved.environment == "prod" && moved.assignedLabels == ["team": "a"])
        update.environment = nil
        update.labels = ["team": "b"]
        let second = update
        let labelled = try await fixture.service.updateAgent(second, as: root)
        #expect(labelled.environment == "prod" && labelled.labels == ["team": "b"])
        func sees(_ scope: Scope) async throws -> Bool {
            try await !fixture.service.agents(AgentListQuery(), as: .test("x", scope: scope)).items.isEmpty
        }
        #expect(try await sees(Scope(environments: ["prod"], labels: ["team": "b"])))
        #expect(try await !sees(Scope(environments: ["lab"])))
        #expect(try await !sees(Scope(labels: ["team": "a"])))
    }

    // MARK: Enrolment

    private func enrol(
        _ fixture: CloudFixture, _ change: (inout EnrolmentCreate) -> Void = { _ in }
    ) async throws -> String {
        var request = EnrolmentCreate(environment: "lab")
        change(&request)
        return try await fixture.service.createEnrolment(request, as: root).token
    }

    private func redeem(
        _ fixture: CloudFixture, _ token: String, _ name: String, from source: String = "192.0.2.1"
    ) async throws -> (AgentInfo, String) {
        let id = try await fixture.vault.verifyEnrolment(token, source: source)
        let made = try await fixture.vault.redeemEnrolment(id, name: name, source: source) { _, _ in }
        return (made.agent, made.token)
    }

    @Test func `an enrolment token makes a new agent where it says, as often as it says`() async throws {
        let fixture = try await CloudFixture()
        let token = try await enrol(fixture) {
            $0.uses = 2
            $0.labels = ["role": "web"]
        }
        let (agent, own) = try await redeem(fixture, token, "web-1")
        #expect(agent.environment == "lab" && agent.labels == ["role": "web"])
        guard case .agent(let id, _) = try await fixture.vault.verify(own, kind: .agent) else { return }
        #expect(id == agent.id)
        #expect(await fixture.failure { _ = try await redeem(fixture, token, "web-1") } == .conflict)
        #expect(await fixture.failure { _ = try await redeem(fixture, token, agent.id.rawValue) } == .conflict)
        let (second, _) = try await redeem(fixture, token, "web-2")
        #expect(second.id != agent.id)
        #expect(await fixture.failure { _ = try await redeem(fixture, token, "web-3") } == .unauthenticated)
        let names = try await fixture.store.read { try AgentTable.all(in: Scope(), $0).map(\.name) }
        #expect(names == ["web-1", "web-2"])
    }

    @Test func `of many at once no more enrol than the token has uses`() async throws {
        let fixture = try await CloudFixture()
        let id = try await fixture.vault.verifyEnrolment(try await enrol(fixture) { $0.uses = 3 }, source: "192.0.2.1")
        let made = await withTaskGroup(of: Bool.self) { group in
            for index in 0..<20 {
                group.addTask {
                    let made = try? await fixture.vault.redeemEnrolment(
                        id, name: "web-\(index)", source: "192.0.2.1"
                    ) { _, _ in }
                    return made != nil
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(made == 3)
    }

    @Test func `a use is given back when what belongs to it fails`() async throws {
        let fixture = try await CloudFixture()
        let token = try await enrol(fixture)
        let id = try await fixture.vault.verifyEnrolment(token, source: "192.0.2.1")
        let code = await fixture.failure {
            _ = try await fixture.vault.redeemEnrolment(id, name: "web-1", source: "192.0.2.1") { _, _ in
                throw DeployError(.invalidArgument, "no certificate for this request")
            }
        }
        #expect(code == .invalidArgument)
        _ = try await redeem(fixture, token, "web-1")
    }

    @Test func `name, source, expiry and revocation are held to`() async throws {
        let fixture = try await CloudFixture()
        let token = try await enrol(fixture) {
            $0.namePrefix = "web-"
            $0.sources = ["10.0.0.0/8", "2001:db8::/32"]
            $0.uses = 10
        }
        func code(_ name: String, _ source: String) async -> ErrorCode? {
            await fixture.failure { _ = try await redeem(fixture, token, name, from: source) }
        }
        #expect(await code("web-1", "192.0.2.1") == .forbidden)
        #expect(await code("db-1", "10.1.2.3") == .forbidden)
        #expect(await code("web 1", "10.1.2.3") == .invalidArgument)
        #expect(await code("web-1", "10.1.2.3") == nil)
        #expect(await code("web-2", "2001:db8::7") == nil)
        let id = try #require(token.split(separator: "_").dropFirst(2).first)
        try await fixture.store.write { _ = try $0.execute("UPDATE enrolment_tokens SET expires_at = 1", []) }
        #expect(await code("web-3", "10.1.2.3") == .unauthenticated)
        try await fixture.store.write {
            _ = try $0.execute("UPDATE enrolment_tokens SET expires_at = 9999999999999", [])
        }
        try await fixture.service.revokeEnrolment(String(id), as: root)
        #expect(await code("web-4", "10.1.2.3") == .unauthenticated)
        let denied = try await fixture.store.read {
            try $0.rows("SELECT count(*) FROM audit WHERE action = 'enrolment.use' AND verdict = 'deny'", [])
                .first?.integer(0)
        }
        #expect(denied == 2, "what had a good token and was refused is recorded; what had none is the door's to record")
    }

    @Test func `an enrolment token is no other token, nor the other way round`() async throws {
        let fixture = try await CloudFixture()
        let enrolment = try await enrol(fixture)
        let token = try await fixture.token("ops")
        for kind in TokenKind.allCases {
            let code = await fixture.failure { _ = try await fixture.vault.verify(enrolment, kind: kind) }
            #expect(code == .unauthenticated)
        }
        for text in [token, token.replacing("tg_operator_", with: "tg_enrol_"), enrolment + "0"] {
            let code = await fixture.failure {
                _ = try await fixture.vault.verifyEnrolment(text, source: "192.0.2.1")
            }
            #expect(code == .unauthenticated)
        }
    }

    @Test func `an enrolment out of bounds is refused`() async throws {
        let fixture = try await CloudFixture()
        let changes: [(inout EnrolmentCreate) -> Void] = [
            { $0.expiresIn = 86_401 }, { $0.expiresIn = 0 }, { $0.expiresIn = .nan }, { $0.uses = 0 },
            { $0.uses = 10_001 }, { $0.uses = -1 }, { $0.environment = "" }, { $0.environment = "a b" },
            { $0.sources = ["10.0.0.1/8"] }, { $0.namePrefix = "a b" }, { $0.labels = ["": "x"] },
            { $0.sources = Array(repeating: "10.0.0.0/8", count: 33) },
        ]
        for (index, change) in changes.enumerated() {
            #expect(await fixture.failure { _ = try await enrol(fixture, change) } == .invalidArgument, "\(index)")
        }
    }
}
