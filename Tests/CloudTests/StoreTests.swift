// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Foundation
import NIOCore
import Synchronization
import Testing

@testable import Cloud

@Suite struct StoreTests {
    @Test func `a body that throws is undone alone, its neighbours in the same commit are kept`() async throws {
        let fixture = try await CloudFixture()
        let store = fixture.store
        await withTaskGroup(of: Void.self) { group in
            for index in 0..<100 {
                group.addTask {
                    _ = try? await store.write { transaction in
                        try AgentTable.insert(
                            AgentInfo(id: .random(), name: "a\(index)", createdAt: .now()), transaction)
                        if index % 2 == 1 { throw DeployError(.conflict) }
                    }
                }
            }
        }
        let names = try await store.read { try AgentTable.all(in: Scope(), $0).map(\.name) }
        #expect(names.count == 50)
        #expect(names.allSatisfy { (Int($0.dropFirst()) ?? 1).isMultiple(of: 2) })
    }

    @Test func `bodies run and finish in the order they were submitted`() async throws {
        let fixture = try await CloudFixture()
        let order = Order()
        for index in 0..<500 {
            fixture.store.submit { _ in
                index
            } finish: { result in
                order.append((try? result.get()) ?? -1)
            }
        }
        _ = try await fixture.store.write { _ in true }
        #expect(order.values == Array(0..<500))
    }

    @Test func `what comes while one commit is under way shares the next`() async throws {
        let fixture = try await CloudFixture()
        let log = fixture.directory + "/cloud.db-wal"
        let before = try commits(in: log)
        let gate = DispatchSemaphore(value: 0)
        for index in 0...300 {
            fixture.store.submit { transaction in
                if index == 0 { gate.wait() }
                try AgentTable.insert(AgentInfo(id: .random(), name: "a\(index)", createdAt: .now()), transaction)
            } finish: { _ in
            }
        }
        gate.signal()
        _ = try await fixture.store.write { _ in true }
        #expect(try await fixture.store.read { try AgentTable.all(in: Scope(), $0).count } == 301)
        // Those that were there when it began, those that waited, and at most one for the question whether they are through.
        #expect(try (1...3).contains(commits(in: log) - before))
    }

    /// Commits in a write-ahead log that has not begun anew: frames that say how large the database is afterwards.
    private func commits(in log: String) throws -> Int {
        let bytes = [UInt8](try Data(contentsOf: URL(filePath: log)))
        let page = bytes[8..<12].reduce(0) { $0 << 8 | Int($1) }
        return stride(from: 32, to: bytes.count, by: 24 + page).count { frame in
            bytes[(frame + 4)..<(frame + 8)].contains { $0 != 0 }
        }
    }

    @Test func `what was committed is there after opening again, and migrations run once`() async throws {
        let fixture = try await CloudFixture()
        _ = try await fixture.agent("web-1")
        await fixture.store.driver.close()
        let again = try await Store.open(directory: fixture.directory)
        let (names, versions) = try await again.read { transaction in
            (
                try AgentTable.all(in: Scope(), transaction).map(\.name),
                try transaction.rows("SELECT count(*) FROM schema_migrations", []).first?.integer(0)
            )
        }
        #expect(names == ["web-1"])
        #expect(versions == Int64(Schema.migrations.count))
        await again.driver.close()
    }

    @Test func `a log has no hole, even when one of its chunks could not be stored`() async throws {
        let fixture = try await CloudFixture()
        let task = try await fixture.task(on: try await fixture.agent("web-1"))
        func insert(_ seq: Int64) async throws {
            let chunk = LogChunk(
                seq: seq, stream: .stdout, offset: seq, at: .now(), codec: .identity, rawLength: 1,
                payload: ByteBuffer(string: "x"))
            try await fixture.store.write { try LogTable.insert(chunk, taskID: task.id, attempt: 1, $0) }
        }
        try await insert(0)
        let error = await #expect(throws: DeployError.self) { try await insert(2) }
        #expect(error?.code == .conflict)
        try await insert(1)
        try await insert(2)
        #expect(try await fixture.store.read { try LogTable.nextSeq(task.id, attempt: 1, $0) } == 3)
    }

    @Test func `the database is for its owner only, whatever the directory's mode`() async throws {
        let fixture = try await CloudFixture()
        _ = try await fixture.agent("web-1")
        for name in ["cloud.db", "cloud.db-wal"] {
            let attributes = try FileManager.default.attributesOfItem(atPath: "\(fixture.directory)/\(name)")
            #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)
        }
    }

    @Test func `a database of a newer version is refused`() async throws {
        let fixture = try await CloudFixture()
        try await fixture.store.write { transaction in
            _ = try transaction.execute("INSERT INTO schema_migrations (version, applied_at) VALUES (999, 0)", [])
        }
        let error = await #expect(throws: DeployError.self) { try await Schema.migrate(fixture.store.driver) }
        #expect(error?.code == .conflict)
    }

    @Test func `every connection syncs fully`() async throws {
        let fixture = try await CloudFixture()
        let mode = try await fixture.store.write { try $0.rows("PRAGMA synchronous", []).first?.integer(0) }
        let journal = try await fixture.store.write { try $0.rows("PRAGMA journal_mode", []).first?.text(0) }
        #expect(mode == 2)
        #expect(journal == "wal")
    }

    @Test func `two servers cannot share a data directory`() async throws {
        let fixture = try await CloudFixture()
        let lock = try DataDirectoryLock(directory: fixture.directory)
        let error = #expect(throws: DeployError.self) { try DataDirectoryLock(directory: fixture.directory) }
        #expect(error?.code == .conflict)
        withExtendedLifetime(lock) {}
    }
}

/// Numbers in the order they came.
private final class Order: Sendable {
    private let numbers = Mutex<[Int]>([])
    var values: [Int] { numbers.withLock { $0 } }
    func append(_ number: Int) { numbers.withLock { $0.append(number) } }
}
