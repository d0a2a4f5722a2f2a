// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Foundation
import Testing

@testable import Cloud

@Suite struct MigrationTests {
    @Test func `a database of the version before keeps its agents and tokens, and everybody's rights`() async throws {
        let directory = NSTemporaryDirectory() + "/tiangong-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try PrivateFile.makeDirectory(directory)
        let driver = try SQLiteDriver(path: "\(directory)/cloud.db")
        try await driver.write { transaction in
            try transaction.execute(
                "CREATE TABLE schema_migrations (version BIGINT PRIMARY KEY, applied_at BIGINT NOT NULL)", [])
            for statement in Schema.migrations[0].statements { try transaction.execute(statement, []) }
            try transaction.execute("INSERT INTO schema_migrations (version, applied_at) VALUES (1, 0)", [])
            for (id, environment) in [("a1", ""), ("a2", "prod")] {
                try transaction.execute(
                    """
                    INSERT INTO agents (id, name, labels, reported_labels, environment, hostname, ip, os, arch, version,
                      executors, max_concurrency, status, running, queued, epoch, replica, created_at)
                    VALUES (?, ?, '{"team":"a\\"b"}', '{}', ?, '', '', '', '', '', '[]', 0, 'offline', 0, 0, 0, '', 1)
                    """, [.text(id), .text("name-\(id)"), .text(environment)])
            }
            for (id, name) in [("t1", "ada"), ("t2", "ada"), ("t3", "eve")] {
                try transaction.execute(
                    "INSERT INTO tokens (id, kind, name, salt, hash, created_at) VALUES (?, 'operator', ?, '', '', 5)",
                    [.text(id), .text(name)])
            }
        }
        await driver.close()
        let store = try await Store.open(directory: directory)
        let (agents, operators, tokens) = try await store.read { transaction in
            (
                try AgentTable.all(in: Scope(labels: ["team": "a\"b"]), transaction),
                try OperatorTable.all(transaction), try TokenTable.all(transaction)
            )
        }
        #expect(agents.map(\.environment) == ["default", "prod"])
        #expect(agents.allSatisfy { $0.executorDetails == nil })
        #expect(operators.map(\.name) == ["ada", "eve"])
        #expect(operators.allSatisfy { $0.role == .admin && $0.scope == Scope() && $0.disabledAt == nil })
        #expect(tokens.count == 3 && tokens.allSatisfy { $0.role == nil && $0.scope == Scope() })
        await store.driver.close()
    }
}
