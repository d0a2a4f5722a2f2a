// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Foundation
import Testing

@testable import Cloud

/// What the API says of its values, beside the values: with everything set that can be.
@Suite struct APIShapeTests {
    private static let now = Timestamp(milliseconds: 1_700_000_000_000)
    private static let scope = Scope(environments: ["prod"], labels: ["role": "db"])
    private static let policy = GuardPolicy(
        mode: .whitelist, allow: ["uptime"], deny: ["rm .*"], statements: ["sql.drop"], hostNamespaces: true)
    private static let spec = TaskSpec(
        command: "uptime", params: ["argv": .array([.string("uptime")])], fileID: "f", timeout: 1, grace: 1,
        expiresIn: 1, logLimit: 1)
    private static let hash = ContentHash(digest: [UInt8](repeating: 7, count: 32))
    private static let file = FileInfo(
        id: .random(), name: "a", size: 1, sha256: hash, environment: "prod", actor: "olga", createdAt: now,
        expiresAt: now, taskID: .random())

    private static var run: RunRecord {
        var run = RunRecord(
            id: .random(), spec: spec, target: "web-1", actor: "olga", createdAt: now, counts: ["failed": 1])
        run.rollout = Rollout(batch: "1", stopAfter: 1)
        return run
    }

    private static var upload: UploadInfo {
        var upload = UploadInfo(
            id: .random(), name: "a", offset: 1, size: 1, sha256: hash, environment: "prod", actor: "olga",
            createdAt: now)
        upload.file = file
        return upload
    }

    private static var begin: FileBegin {
        var begin = FileBegin(name: "a", size: 1, sha256: hash, environment: "prod", keep: 1)
        begin.uploadID = .random()
        return begin
    }

    private static var agent: AgentInfo {
        var agent = AgentInfo(id: .random(), name: "web-1", createdAt: now)
        agent.labels = ["a": "b"]
        agent.assignedLabels = ["a": "b"]
        agent.environment = "prod"
        agent.reportedEnvironment = "test"
        agent.executors = ["shell"]
        agent.executorDetails = [ExecutorReport(type: "mysql", datasources: ["main"])]
        agent.load = 0.5
        agent.lastSeen = now
        agent.connectedAt = now
        agent.policyMode = .audit
        agent.hostNamespaces = true
        return agent
    }

    private static let parameter = ExecutorParameter(
        "mode", .word, "How.", required: true, standard: .string("a"), words: ["a", "b"], minimum: 0, maximum: 9e15)
    private static let executor = ExecutorInfo(
        .plugin("ship", parameters: [parameter]), agents: 2, datasources: ["main"], isConflicting: true)

    private static var task: TaskRecord {
        var task = TaskRecord(
            id: .random(), runID: run.id, agentID: agent.id, agentName: "web-1", type: "shell", command: "uptime",
            actor: "olga", createdAt: now, expiresAt: now)
        task.exitCode = -1
        task.signal = 9
        task.error = TaskFailure(.timedOut, "too late")
        task.result = ["pid": .integer(1)]
        task.dispatchedAt = now
        task.startedAt = now
        task.finishedAt = now
        task.logSeq = 3
        task.progress = TaskProgress(done: 1, total: 2, note: "n")
        task.held = true
        return task
    }

    private static var audit: AuditRecord {
        var record = AuditRecord(action: "run.create", actor: "olga")
        record.seq = 1
        record.source = "192.0.2.1"
        record.agent = "web-1"
        record.env = "prod"
        record.run = "r"
        record.task = "t"
        record.attempt = 1
        record.command = "uptime"
        record.verdict = "allow"
        record.rule = "none"
        record.result = "ok"
        record.detail = ["a": .bool(true)]
        return record
    }

    private static var failure: DeployError {
        var error = DeployError(.policyDenied, "no", hint: "ask", retryAfter: 1)
        error.rule = "D1"
        return error
    }

    private static var token: TokenInfo {
        var token = TokenInfo(id: .random(), kind: .operator, name: "olga", createdAt: now)
        token.role = .viewer
        token.scope = scope
        token.expiresAt = now
        token.lastUsedAt = now
        token.revokedAt = now
        return token
    }

    private static let verdict = GuardVerdict(
        .deny, rule: "D1", message: "no", position: 1, commands: ["rm"], mode: .audit, policy: "hash")

    private static let values: [(String, any Encodable & Sendable)] = [
        ("Agent", agent), ("Executor", executor), ("ExecutorCommand", executor.command),
        ("ExecutorParameter", parameter), ("Run", run), ("Task", task), ("TaskSpec", spec), ("Scope", scope),
        ("GuardPolicy", policy), ("File", file), ("Upload", upload), ("FileBegin", begin),
        ("Rollout", Rollout(batch: "1", stopAfter: 1)),
        ("RunDetail", RunDetail(run: run, tasks: [task])), ("TaskDetail", TaskDetail(task: task, run: run)),
        ("Tasks", CancelReply(tasks: [task])),
        ("Selector", TargetSelector(agents: ["a"], labels: ["b": "c"], all: true)),
        (
            "Policy",
            PolicyRecord(name: "p", scope: scope, policy: policy, warnings: ["w"], actor: "olga", updatedAt: now)
        ), ("Verdict", verdict),
        (
            "PolicyTestReply",
            PolicyTestReply(agents: [
                AgentVerdict(
                    agent: "a", environment: "prod", decidedBy: "standard", verdict: verdict, knowsAgentFile: true,
                    agentFileError: "missing")
            ])
        ), ("AuditRecord", audit),
        (
            "AuditVerification",
            AuditVerification(chains: [
                AuditChainReport(
                    chain: "cloud", records: 1, head: "1 ab", checkpoints: 1,
                    findings: [AuditFinding(.deleted, seq: 1, through: 2, "gone")], error: failure)
            ])
        ), ("Operator", OperatorInfo(name: "olga", role: .admin, scope: scope, createdAt: now, disabledAt: now)),
        ("Token", token), ("SecretIssued", SecretIssued(id: "x", token: "y")),
        (
            "Enrolment",
            EnrolmentInfo(
                id: .random(), environment: "prod", labels: [:], namePrefix: "", sources: [], usesLeft: 1,
                actor: "olga",
                createdAt: now, expiresAt: now, revokedAt: now)
        ),
        (
            "ServerInfo",
            ServerInfo(version: "1", protocol: 1, server: "s", actor: "olga", role: .admin, scope: scope, clock: now)
        ), ("Failure", failure), ("Error", ["error": failure]),
    ]

    @Test(arguments: values.map(\.0))
    func valuesAreAsDescribed(_ name: String) throws {
        let value = try #require(Self.values.first { $0.0 == name }?.1)
        let json = try JSONDecoder().decode(JSONValue.self, from: JSONEncoder().encode(value))
        let shape = try #require(Shapes.all[name])
        try shape.check(json)
        guard case .object(let members) = shape else { return }
        // Nothing is described that is not there: the values have everything set.
        #expect(Set(members.map(\.name)) == Set(try #require(json.objectValue).keys))
    }

    @Test func everyNamedShapeIsUsed() throws {
        for name in Shapes.all.keys where name != "Error" {
            #expect(OpenAPI.text.contains("\"#/components/schemas/\(name)\""), "\(name)")
        }
    }

    @Test func whatIsNotDescribedIsRefused() throws {
        let shape = Shape.reference("TaskCreate")
        let good: [String: JSONValue] = ["agent_id": "web-1", "type": "shell", "command": "uptime"]
        try shape.check(.object(good))
        for (name, value) in [
            ("status", JSONValue.string("ok")), ("timeout", .integer(-1)), ("timeout", .number(1e9)),
            ("timeout", .string("5")), ("timeout", .null), ("command", .array([])), ("type", "SHELL"), ("type", ""),
            ("agent_id", ""), ("file_id", "../x"), ("params", .array([])), ("log_limit", .number(1.5)),
        ] {
            let error = #expect(throws: DeployError.self, "\(name)") {
                try shape.check(.object(good.merging([name: value]) { $1 }))
            }
            #expect(error?.code == .invalidArgument && error?.message.contains("'\(name)'") == true)
        }
        for name in good.keys {
            #expect(throws: DeployError.self) { try shape.check(.object(good.filter { $0.key != name })) }
        }
    }

    @Test func everyActionHasARoute() {
        let actions = Set(RouteTable.all.map(\.action))
        #expect(actions == Set(Action.allCases))
        let names = RouteTable.all.map { "\($0.method) \($0.path)" }
        #expect(Set(names).count == names.count)
        for route in RouteTable.all {
            for piece in route.pieces where piece.hasPrefix("{") {
                #expect(Route.Parameter.path[String(piece.dropFirst().dropLast())] != nil, "\(piece)")
            }
        }
    }

    /// A parameter and a member of one name would be one value.
    @Test func noParameterHidesAMember() {
        for route in RouteTable.all {
            var names = route.pieces.filter { $0.hasPrefix("{") }.map { String($0.dropFirst().dropLast()) }
            names += route.parameters.map(\.name)
            switch route.body {
            case .none, .bytes: break
            case .required(let name), .optional(let name):
                if case .object(let members)? = Shapes.all[name] { names += members.map(\.name) }
            }
            #expect(Set(names).count == names.count, "\(route.method) \(route.path)")
        }
    }

    @Test func theManualNamesEveryRoute() throws {
        let page = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../man/tiangong-api.7")
        let text = try String(contentsOf: page, encoding: .utf8)
        for route in RouteTable.all {
            let entry = text.split(separator: ".It Ic ").first {
                $0.hasPrefix("\(route.method) \(route.path)\n")
            }
            let description = try #require(entry, "\(route.method) \(route.path)")
            #expect(description.contains(".Pq \(route.action.minimumRole.rawValue)\n"), "\(route.method) \(route.path)")
            let names = route.parameters.map(\.name)
            for name in names { #expect(description.contains(name), "\(route.path) \(name)") }
        }
        #expect(text.matches(of: /\.It Ic [A-Z]+ \//).count == RouteTable.all.count)
    }
}
