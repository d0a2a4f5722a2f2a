// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Foundation
import GRDB
import Logging
import Testing

@testable import Cloud

extension CloudFixture {
    fileprivate func audit(_ action: String? = nil) async throws -> [AuditRecord] {
        var query = AuditQuery()
        query.action = action
        let wanted = query
        return try await store.read {
            try AuditTable.list(wanted, after: nil, newestFirst: false, limit: 10_000, within: Scope(), $0)
        }
    }

    fileprivate func sql(_ statement: String) async throws {
        try await store.write { _ = try $0.execute(statement, []) }
    }

    /// A database with the same rows, to be tampered with.
    fileprivate func copyDatabase(to path: String) async throws {
        let from = try DatabaseQueue(path: directory + "/cloud.db")
        try await from.vacuum(into: path)
    }

    fileprivate func findings(held: [AuditVerifier.Held] = []) async throws -> [AuditFinding] {
        try await CloudChain.verify(store, held: held).findings
    }

    fileprivate func run(_ agents: [String], _ command: String = "true") async throws -> RunDetail {
        try await tasks.create(
            RunCreate(selector: TargetSelector(agents: agents), spec: TaskSpec(command: command)), as: .test("ops"))
    }
}

@Suite struct `The Cloud's audit` {
    @Test func `has a row for a run, for each task and for its end, in one chain`() async throws {
        let fixture = try await CloudFixture()
        for name in ["a", "b"] { _ = try await fixture.agent(name, environment: "test") }
        let run = try await fixture.run(["a", "b"], "uptime")
        _ = try await fixture.tasks.cancel(run.tasks.map(\.id), grace: nil, as: .test("olga"))
        let rows = try await fixture.audit()
        #expect(
            rows.map(\.action) == [
                "run.create", "task.create", "task.create", "task.cancel", "task.end", "task.cancel", "task.end",
            ])
        #expect(rows[0].command == "uptime" && rows[0].actor == "ops" && rows[0].verdict == "allow")
        #expect(rows[0].detail?["tasks"] == .integer(2) && rows[0].env == "test" && rows[0].source == "127.0.0.1")
        #expect(rows[1].task == run.tasks[0].id.rawValue && rows[1].agent == "a" && rows[1].env == "test")
        #expect(rows[4].result == "canceled" && rows[4].actor == "olga")
        #expect(try await fixture.findings().isEmpty)
    }

    @Test func `refuses every act while it cannot be written, and takes them again afterwards`() async throws {
        let fixture = try await CloudFixture()
        _ = try await fixture.agent("a")
        let task = try await fixture.run(["a"]).tasks[0]
        let counts =
            "SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM policies), (SELECT count(*) FROM tokens)"
        let before = try await fixture.store.read { try $0.rows(counts, [])[0].values }
        try await fixture.sql(
            "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no room for the audit'); END")
        let requests: [OperatorRequest] = [
            .runCreate(RunCreate(selector: TargetSelector(agents: ["a"]), spec: TaskSpec(command: "true"))),
            .taskCancel(CancelRequest(taskID: task.id.rawValue)),
            .policyPut(PolicyPut(name: "p", policy: .init(mode: .audit))),
            .auditList(AuditQuery()), .auditExport(AuditQuery()), .auditVerify(AuditVerify()),
            .operatorPut(OperatorPut(name: "new", role: .viewer)), .agentRemove(ObjectQuery(id: "a")),
            .policyRemove(ObjectQuery(id: "not there")),
        ]
        for request in requests {
            let error = await #expect(throws: DeployError.self, "\(request.action)") {
                _ = try await fixture.service.answer(request, as: .test("ops"))
            }
            #expect(error?.code == .unavailable, "\(request.action)")
            #expect(
                error?.message == "the audit cannot be written: database: no room for the audit", "\(request.action)")
            #expect(error?.hint != nil)
        }
        #expect(try await fixture.store.read { try $0.rows(counts, [])[0].values } == before, "nothing was done")
        #expect(try await fixture.state(of: task) == .pending)
        try await fixture.sql("DROP TRIGGER full")
        _ = try await fixture.service.answer(requests[0], as: .test("ops"))
        #expect(try await fixture.findings().isEmpty)
    }

    @Test func `has a row for each refusal, with the command and the rule`() async throws {
        let fixture = try await CloudFixture()
        _ = try await fixture.agent("a")
        let bad = RunCreate(selector: TargetSelector(agents: ["a"]), spec: TaskSpec(command: "rm -rf /"))
        let missing = RunCreate(selector: TargetSelector(agents: ["zz"]), spec: TaskSpec(command: "true"))
        for (request, principal, code) in [
            (OperatorRequest.runCreate(bad), Principal.test("ops"), ErrorCode.policyDenied),
            (.runCreate(missing), .test("ops"), .notFound),
            (.runCreate(missing), .test("eve", role: .viewer), .forbidden),
            (.auditList(AuditQuery()), .test("eve", role: .operator), .forbidden),
            (.tokenList(TokenListQuery()), .test("eve", role: .approver), .forbidden),
        ] {
            let error = await #expect(throws: DeployError.self) {
                _ = try await fixture.service.answer(request, as: principal)
            }
            #expect(error?.code == code)
        }
        let rows = try await fixture.audit()
        #expect(rows.map(\.result) == ["policy_denied", "not_found", "forbidden", "forbidden", "forbidden"])
        #expect(rows.allSatisfy { $0.verdict == "deny" })
        #expect(rows[0].command == "rm -rf /" && rows[0].rule == "D1", "\(rows[0])")
        #expect(rows.map(\.action) == ["run.create", "run.create", "run.create", "audit.read", "token.read"])
        // What only looks and finds nothing is no attempt at anything.
        await #expect(throws: DeployError.self) {
            _ = try await fixture.service.answer(.agentShow(ObjectQuery(id: "zz")), as: .test("ops"))
        }
        #expect(try await fixture.audit().count == 5)
    }

    @Test func `shows an approver of one environment only what happened there`() async throws {
        let fixture = try await CloudFixture()
        _ = try await fixture.agent("a", environment: "test")
        _ = try await fixture.agent("b", labels: ["team": "x"], environment: "stage-eu")
        for name in ["a", "b"] { _ = try? await fixture.run([name]) }
        _ = try await fixture.tasks.create(
            RunCreate(selector: TargetSelector(all: true), spec: TaskSpec(command: "true")), as: .test("ops"))
        let approver = Principal.test("ann", role: .approver, scope: Scope(environments: ["test"]))
        let seen = try await fixture.service.auditList(AuditQuery(), as: approver).items
        #expect(!seen.isEmpty && seen.allSatisfy { $0.env == "test" }, "\(seen.map(\.env))")
        let all = try await fixture.audit()
        for record in all {
            let isSeen = seen.contains(record)
            let found = try? await fixture.service.auditRecord(String(record.seq), as: approver)
            #expect(
                (found != nil) == isSeen && isSeen == (record.env == "test"), "\(record.action) \(record.env ?? "-")")
        }
        #expect(try await fixture.service.auditExport(AuditQuery(), as: approver).items.allSatisfy { $0.env == "test" })
        let labelled = Principal.test("lee", role: .approver, scope: Scope(labels: ["team": "x"]))
        #expect(try await fixture.service.auditList(AuditQuery(), as: labelled).items.allSatisfy { $0.agent == "b" })
    }

    @Test func `pages through everything once, filtered`() async throws {
        let fixture = try await CloudFixture()
        _ = try await fixture.agent("a")
        for _ in 0..<15 { _ = try await fixture.run(["a"]) }
        var query = AuditQuery()
        query.action = "task"
        query.limit = 4
        var seqs: [Int64] = []
        repeat {
            let page = try await fixture.service.auditExport(query, as: .test("ann"))
            #expect(page.items.allSatisfy { $0.action == "task.create" })
            seqs += page.items.map(\.seq)
            query.cursor = page.next
        } while query.cursor != nil
        #expect(seqs.count == 15 && seqs == seqs.sorted() && Set(seqs).count == 15)
        query.cursor = "x"
        await #expect(throws: DeployError.self) { try await fixture.service.auditExport(query, as: .test("ann")) }
    }

    @Test func `has each kind of tampering in the database named`() async throws {
        let fixture = try await CloudFixture()
        _ = try await fixture.agent("a")
        for number in 0..<10 { _ = try await fixture.run(["a"], "echo \(number)") }
        let checkpoints = try await AuditCheckpoints.open(
            fixture.store, directory: fixture.directory, logger: Logger(label: "test"))
        let held = try #require(checkpoints.newest)
        #expect(held.seq == 20)
        func found(_ statement: String...) async throws -> [String] {
            let copy = try await CloudFixture()
            let path = copy.directory + "/from.db"
            try await fixture.copyDatabase(to: path)
            let store = Store(driver: try SQLiteDriver(path: path))
            for statement in statement { try await store.write { _ = try $0.execute(statement, []) } }
            return try await CloudChain.verify(store, held: [.init(by: "agent a", [held])]).findings
                .map { "\($0.kind.rawValue) \($0.seq)" }
        }
        #expect(try await found() == [])
        #expect(
            try await found(
                "UPDATE audit SET record = replace(record, 'echo 3', 'echo x') WHERE record LIKE '%echo 3%'")
                == ["changed 7"])
        #expect(try await found("UPDATE audit SET actor = 'eve' WHERE seq = 5") == ["changed 5"])
        #expect(try await found("UPDATE audit SET ts = ts + 1 WHERE seq = 5") == ["changed 5"])
        #expect(try await found("DELETE FROM audit WHERE seq IN (5, 6, 12)") == ["deleted 5", "deleted 12"])
        #expect(try await found("UPDATE audit SET record = 'x' WHERE seq = 5") == ["unreadable 5"])
        #expect(
            try await found(
                "UPDATE audit SET seq = -1 WHERE seq = 4", "UPDATE audit SET seq = 4 WHERE seq = 9",
                "UPDATE audit SET seq = 9 WHERE seq = -1") == ["reordered 4", "reordered 9"])
        #expect(try await found("DELETE FROM audit WHERE seq > 15") == ["truncated 15"])
        #expect(
            try await found("DELETE FROM audit WHERE seq > 15", "DELETE FROM audit_checkpoints")
                == ["truncated 15", "checkpoint 20"])
        #expect(
            try await found("UPDATE audit_checkpoints SET checkpoint = replace(checkpoint, '\"seq\":20', '\"seq\":19')")
                .contains("checkpoint 19"))
    }

    @Test func `keeps what agents sign, and alarms when it goes back`() async throws {
        let fixture = try await CloudFixture()
        let agent = try await fixture.agent("a")
        _ = try await fixture.run(["a"])
        let checkpoints = try await AuditCheckpoints.open(
            fixture.store, directory: fixture.directory, logger: Logger(label: "test"))
        let key = try AuditSigner(path: fixture.directory + "/agent-key")
        func tell(own: AuditCheckpoint?, cloud: AuditCheckpoint? = nil) async throws {
            try await fixture.store.write { try checkpoints.take(own: own, cloud: cloud, of: agent.id, $0) }
        }
        let points = try [5, 9].map { try key.checkpoint(AuditChain.Head(seq: $0, hash: "h\($0)")) }
        for point in points { try await tell(own: point, cloud: checkpoints.newest) }
        #expect(try await fixture.audit("audit.alarm").isEmpty)
        try await tell(own: points[0])
        try await tell(own: points[0])
        #expect(try await fixture.audit("audit.alarm").count == 1)
        let kept = try await fixture.store.read { try AuditTable.checkpoints(of: agent.id.rawValue, limit: 10, $0) }
        #expect(kept == points)
        // The agent holds a checkpoint of the Cloud that the Cloud does not have: it was put back to an older state.
        try await tell(own: points[1])
        try await tell(own: nil, cloud: try key.checkpoint(AuditChain.Head(seq: 99, hash: "x")))
        #expect(try await fixture.audit("audit.alarm").last?.detail?["chain"]?.stringValue == "cloud")
    }
}
