// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Testing

@testable import Cloud

@Suite struct ReachTests {
    private static let scopes = [
        Scope(), Scope(environments: []), Scope(environments: ["prod"]), Scope(environments: ["prod", "lab"]),
        Scope(environments: ["pro"]), Scope(labels: ["team": "a"]), Scope(labels: ["team": "a", "zone": "1"]),
        Scope(environments: ["lab"], labels: ["team": "a"]), Scope(environments: ["lab"], labels: ["tea": "ma"]),
        Scope(environments: ["prod' OR '1'='1"]), Scope(labels: ["team": "a' OR '1'='1"]), Scope(environments: ["%"]),
    ]

    private static let agents: [(name: String, environment: String, labels: [String: String])] = [
        ("p1", "prod", [:]), ("p2", "prod", ["team": "a"]), ("l1", "lab", ["team": "a", "zone": "1"]),
        ("l2", "lab", ["team": "b", "zone": "1"]), ("s1", "staging", ["team": "a"]), ("d1", "default", ["zone": "1"]),
    ]

    @Test func `the database and the program agree about what a scope reaches`() async throws {
        let fixture = try await CloudFixture()
        for agent in Self.agents {
            _ = try await fixture.agent(agent.name, labels: agent.labels, environment: agent.environment)
        }
        for scope in Self.scopes {
            let expected = Self.agents.filter { scope.reaches(environment: $0.environment, labels: $0.labels) }.map(
                \.name)
            let found = try await fixture.store.read { try AgentTable.all(in: scope, $0).map(\.name) }
            #expect(found == expected.sorted(), "\(scope)")
        }
    }

    @Test func `what both scopes reach is what each reaches`() {
        for left in Self.scopes {
            for right in Self.scopes {
                let both = left.limited(to: right)
                for agent in Self.agents {
                    let (environment, labels) = (agent.environment, agent.labels)
                    #expect(
                        both.reaches(environment: environment, labels: labels)
                            == (left.reaches(environment: environment, labels: labels)
                                && right.reaches(environment: environment, labels: labels)),
                        "\(left) and \(right) on \(agent.name)")
                }
            }
        }
    }

    @Test func `labels an agent reports of itself open nothing`() async throws {
        let fixture = try await CloudFixture()
        let agent = try await fixture.agent("web-1", labels: ["team": "b"])
        var register = AgentRegister()
        register.labels = ["team": "a", "zone": "1"]
        register.environment = "prod"
        let said = register
        try await fixture.store.write {
            _ = try AgentTable.connect(agent.id, said, replica: "test", address: "192.0.2.1", $0)
        }
        func reaches(_ scope: Scope) async throws -> Bool {
            try await fixture.store.read { try AgentTable.find(nameOrID: "web-1", in: scope, $0) != nil }
        }
        #expect(try await !reaches(Scope(labels: ["zone": "1"])))
        #expect(try await !reaches(Scope(labels: ["team": "a"])))
        #expect(try await !reaches(Scope(environments: ["prod"])))
        #expect(try await reaches(Scope(environments: ["default"], labels: ["team": "b"])))
        let shown = try await fixture.service.agent("web-1", as: .test("ops"))
        #expect(shown.reportedEnvironment == "prod" && shown.environment == "default")
        #expect(shown.labels == ["team": "b", "zone": "1"], "they match selectors")
    }

    @Test(arguments: [
        ("10.0.0.0/8", "10.255.1.2", true), ("10.0.0.0/8", "11.0.0.1", false), ("0.0.0.0/0", "203.0.113.9", true),
        ("192.0.2.7", "192.0.2.7", true), ("192.0.2.7", "192.0.2.8", false), ("192.0.2.128/25", "192.0.2.127", false),
        ("192.0.2.128/25", "192.0.2.128", true), ("2001:db8::/32", "2001:db8:1::9", true),
        ("2001:db8::/32", "2001:db9::1", false), ("::/0", "2001:db8::1", true), ("::/0", "192.0.2.1", false),
        ("0.0.0.0/0", "::1", false), ("192.0.2.0/24", "::ffff:192.0.2.9", true), ("fe80::1", "fe80::1", true),
        ("10.0.0.0/8", "unknown", false), ("10.0.0.0/8", "", false), ("2001:db8::8000:0/97", "2001:db8::7fff:1", false),
    ])
    func `an address lies in a range or not`(range: String, address: String, expected: Bool) throws {
        #expect(try AddressRange(range).contains(address) == expected)
    }

    @Test(arguments: [
        "", "/", "10.0.0.0/", "/8", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/8/8", "10.0.0.1/8",
        "10.1/16", "::/129", "2001:db8::1/32", "localhost", "10.0.0.0/ 8", "10.0.0.0/０", "010.0.0.1", "10.0.0.1\0x",
        "1.2.3.4.5", "0x7f.0.0.1", "::g",
    ])
    func `what is no range is refused`(text: String) {
        let error = #expect(throws: DeployError.self) { try AddressRange(text) }
        #expect(error?.code == .invalidArgument)
    }
}
