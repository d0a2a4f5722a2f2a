// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

@testable import Cloud

/// Two environments with one of everything in each, and every request an operator can make of what is in one.
struct TwoEnvironments {
    let fixture: CloudFixture
    let prod: Corner
    let lab: Corner

    /// What belongs to one environment.
    struct Corner {
        let environment: String
        let agent: AgentInfo
        let task: TaskRecord
        let enrolment: String
        let agentToken: TokenID
        let operatorName: String
        let operatorToken: TokenID
        let policy: String
        let file: FileInfo
        /// An upload of this environment's administrator that is not complete.
        let upload: UploadID
        /// What its agent alone tells of its executors.
        var told: [String] { ["db-\(environment)", "summary-\(environment)"] }
    }

    init() async throws {
        fixture = try await CloudFixture()
        _ = try await fixture.token("root", role: .admin)
        prod = try await Self.corner("prod", fixture)
        lab = try await Self.corner("lab", fixture)
    }

    private static func corner(_ environment: String, _ fixture: CloudFixture) async throws -> Corner {
        let root = Principal.test("root")
        let token = try await fixture.vault.createAgent(
            name: "agent-\(environment)", labels: [:], environment: environment, expiresAt: nil, actor: "local test")
        guard case .agent(_, let agentToken) = try await fixture.vault.verify(token, kind: .agent) else {
            throw DeployError(.internal, "not an agent")
        }
        let agent = try await fixture.service.agent("agent-\(environment)", as: root)
        try await fixture.tell(
            agent,
            [
                ExecutorReport(type: "shell"), ExecutorReport(type: "mysql", datasources: ["db-\(environment)"]),
                ExecutorReport(type: "ship", schema: .plugin("ship", summary: "summary-\(environment)")),
            ])
        var policy = GuardPolicy.standard(environment: environment)
        policy.mode = .blacklistDefault
        let scope = Scope(environments: [environment])
        _ = try await fixture.service.putPolicy(
            PolicyPut(name: "policy-\(environment)", scope: scope, policy: policy), as: root)
        let task = try await fixture.task(on: agent)
        let enrolment = try await fixture.service.createEnrolment(EnrolmentCreate(environment: environment), as: root)
        let owner = try await fixture.token("op-\(environment)", role: .operator, scope: scope)
        let admin = FileService.Owner(.test("admin-\(environment)", scope: scope))
        let file = try await fixture.files.put(
            FileBegin(name: "file-\(environment)"), ByteBuffer(string: environment), by: admin)
        let (_, upload) = try await fixture.files.begin(FileBegin(name: "upload-\(environment)"), by: admin)
        return Corner(
            environment: environment, agent: agent, task: task, enrolment: enrolment.id, agentToken: agentToken,
            operatorName: "op-\(environment)", operatorToken: try await fixture.principal(owner).token,
            policy: "policy-\(environment)", file: file, upload: upload.id)
    }

    /// Somebody who may do what a role may, in one environment.
    func principal(_ role: Role, in corner: Corner) -> Principal {
        .test("\(role)-\(corner.environment)", role: role, scope: Scope(environments: [corner.environment]))
    }

    /// Everything that can be asked about what is in a corner, at least one request of each type.
    func requests(_ type: OperatorRequestType, about corner: Corner) -> [OperatorRequest] {
        let selector = TargetSelector(agents: [corner.agent.name])
        let byID = TargetSelector(agents: [corner.agent.id.rawValue])
        let spec = TaskSpec(command: "true")
        var audit = AuditQuery()
        audit.agent = corner.agent.name
        var update = AgentUpdate(id: corner.agent.name)
        update.environment = corner.environment
        func object(_ id: String) -> ObjectQuery { ObjectQuery(id: id) }
        let (task, run) = (corner.task.id.rawValue, corner.task.runID.rawValue)
        let scope = Scope(environments: [corner.environment])
        return switch type {
        case .serverInfo: [.serverInfo]
        case .agentList: [.agentList(AgentListQuery()), .agentList(AgentListQuery(selector: selector))]
        case .agentShow: [.agentShow(object(corner.agent.name)), .agentShow(object(corner.agent.id.rawValue))]
        case .agentUpdate: [.agentUpdate(update)]
        case .agentRemove: [.agentRemove(object(corner.agent.name)), .agentRemove(object(corner.agent.id.rawValue))]
        case .executorList: [.executorList(ExecutorListQuery()), .executorList(ExecutorListQuery(type: "ship"))]
        case .runCreate:
            [.runCreate(RunCreate(selector: selector, spec: spec)), .runCreate(RunCreate(selector: byID, spec: spec))]
        case .runList: [.runList(TaskListQuery())]
        case .runShow: [.runShow(object(run)), .runShow(object(String(run.prefix(8))))]
        case .taskList:
            [.taskList(TaskListQuery()), .taskList(TaskListQuery(runID: corner.task.runID))]
        case .taskShow: [.taskShow(object(task)), .taskShow(object(String(task.prefix(8))))]
        case .taskCancel:
            [.taskCancel(CancelRequest(taskID: task)), .taskCancel(CancelRequest(runID: run))]
        case .logOpen: [.logOpen(LogOpen(taskID: task)), .logOpen(LogOpen(taskID: String(task.prefix(8))))]
        case .logClose: [.logClose(object(task))]
        case .eventsOpen: [.eventsOpen]
        case .fileList: [.fileList(FileListQuery())]
        case .fileShow: [.fileShow(object(corner.file.id.rawValue)), .fileShow(object(corner.file.id.short))]
        case .fileRemove: [.fileRemove(object(corner.file.id.rawValue))]
        case .fileBegin:
            [
                .fileBegin(FileBegin(resuming: corner.upload)),
                .fileBegin(FileBegin(name: "x", environment: corner.environment)),
            ]
        case .fileChunk:
            [.fileChunk(FileChunkHead(uploadID: corner.upload, offset: 0), ByteBuffer(string: "x"))]
        case .fileCommit: [.fileCommit(FileCommit(uploadID: corner.upload))]
        case .filePut:
            [.filePut(FileBegin(name: "x", environment: corner.environment), ByteBuffer(string: "x"))]
        case .uploadList: [.uploadList]
        case .uploadRemove: [.uploadRemove(object(corner.upload.rawValue))]
        case .policyList: [.policyList]
        case .policyShow: [.policyShow(object(corner.policy))]
        case .policyPut:
            [.policyPut(PolicyPut(name: corner.policy, scope: scope, policy: .standard(environment: "lab")))]
        case .policyRemove: [.policyRemove(object(corner.policy))]
        case .policyTest: [.policyTest(PolicyTest(selector: selector, spec: spec))]
        case .auditList: [.auditList(audit)]
        case .auditShow: [.auditShow(object("1"))]
        case .auditExport: [.auditExport(audit)]
        case .auditVerify: [.auditVerify(AuditVerify(agents: [corner.agent.name]))]
        case .operatorList: [.operatorList]
        case .operatorPut: [.operatorPut(OperatorPut(name: corner.operatorName, role: .admin, scope: scope))]
        case .operatorRemove: [.operatorRemove(object(corner.operatorName))]
        case .tokenList: [.tokenList(TokenListQuery()), .tokenList(TokenListQuery(name: corner.agent.name))]
        case .tokenCreate: [.tokenCreate(TokenRequest(name: corner.operatorName))]
        case .tokenRevoke:
            [.tokenRevoke(object(corner.agentToken.rawValue)), .tokenRevoke(object(corner.operatorToken.rawValue))]
        case .enrolmentList: [.enrolmentList]
        case .enrolmentCreate: [.enrolmentCreate(EnrolmentCreate(environment: corner.environment))]
        case .enrolmentRevoke: [.enrolmentRevoke(object(corner.enrolment))]
        }
    }

    /// Everything that identities, agents and tasks are, as text. The audit may grow, and last uses may change.
    func state() async throws -> String {
        try await fixture.store.write { transaction in
            var text = ""
            for (table, columns) in [
                ("agents", "id, name, environment, labels, removed_at"), ("agent_labels", "agent_id, name, value"),
                ("operators", "name, role, environments, labels, disabled_at"), ("tokens", "id, role, revoked_at"),
                ("enrolment_tokens", "id, uses_left, revoked_at"), ("policies", "name, policy"),
                ("runs", "id"), ("tasks", "id, state"), ("files", "id, name, environment"), ("contents", "sha256"),
            ] {
                for row in try transaction.rows("SELECT \(columns) FROM \(table) ORDER BY \(columns)", []) {
                    text += "\(table) \(row.values)\n"
                }
            }
            return text
        }
    }
}
