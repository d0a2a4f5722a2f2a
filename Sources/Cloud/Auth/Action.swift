// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Everything an operator can do, with the least role it takes. The one table that authorisation, audit, the API's
/// description and the manual read.
enum Action: String, Sendable, CaseIterable {
    case serverInfo = "server.info"
    case agentRead = "agent.read"
    case agentUpdate = "agent.update"
    case agentRemove = "agent.remove"
    case executorRead = "executor.read"
    case runCreate = "run.create"
    case runRead = "run.read"
    case taskRead = "task.read"
    case taskCancel = "task.cancel"
    case logRead = "log.read"
    case eventsRead = "events.read"
    case fileList = "file.list"
    case fileRead = "file.read"
    case fileWrite = "file.write"
    case fileRemove = "file.remove"
    case policyRead = "policy.read"
    case policyTest = "policy.test"
    case policyWrite = "policy.write"
    case auditRead = "audit.read"
    case auditExport = "audit.export"
    case auditVerify = "audit.verify"
    case operatorRead = "operator.read"
    case operatorWrite = "operator.write"
    case tokenRead = "token.read"
    case tokenWrite = "token.write"
    case enrolmentRead = "enrolment.read"
    case enrolmentWrite = "enrolment.write"

    /// The least role that may do it.
    var minimumRole: Role {
        switch self {
        case .serverInfo, .agentRead, .executorRead, .runRead, .taskRead, .logRead, .eventsRead, .fileList, .policyRead,
            .policyTest:
            .viewer
        case .runCreate, .taskCancel, .fileRead, .fileWrite, .fileRemove: .operator
        case .policyWrite, .auditRead, .auditExport, .auditVerify: .approver
        case .agentUpdate, .agentRemove, .operatorRead, .operatorWrite, .tokenRead, .tokenWrite, .enrolmentRead,
            .enrolmentWrite:
            .admin
        }
    }

    /// Whether it is written to the audit also when it succeeds; refusals always are.
    var isAudited: Bool {
        switch self {
        case .serverInfo, .agentRead, .executorRead, .runRead, .taskRead, .eventsRead, .fileList, .policyRead,
            .policyTest,
            .operatorRead, .tokenRead, .enrolmentRead:
            false
        case .agentUpdate, .agentRemove, .runCreate, .taskCancel, .logRead, .fileRead, .fileWrite, .fileRemove,
            .policyWrite, .auditRead, .auditExport,
            .auditVerify, .operatorWrite, .tokenWrite, .enrolmentWrite:
            true
        }
    }
}

extension OperatorRequest {
    /// What the request does.
    var action: Action { type.action }
}

extension OperatorRequestType {
    /// What a request of this type does.
    var action: Action {
        switch self {
        case .serverInfo: .serverInfo
        case .agentList, .agentShow: .agentRead
        case .agentUpdate: .agentUpdate
        case .agentRemove: .agentRemove
        case .executorList: .executorRead
        case .runCreate: .runCreate
        case .runList, .runShow: .runRead
        case .taskList, .taskShow: .taskRead
        case .taskCancel: .taskCancel
        case .logOpen, .logClose: .logRead
        case .eventsOpen: .eventsRead
        case .fileList, .fileShow, .uploadList: .fileList
        case .fileBegin, .fileChunk, .fileCommit, .filePut, .uploadRemove: .fileWrite
        case .fileRemove: .fileRemove
        case .policyList, .policyShow: .policyRead
        case .policyPut, .policyRemove: .policyWrite
        case .policyTest: .policyTest
        case .auditList, .auditShow: .auditRead
        case .auditExport: .auditExport
        case .auditVerify: .auditVerify
        case .operatorList: .operatorRead
        case .operatorPut, .operatorRemove: .operatorWrite
        case .tokenList: .tokenRead
        case .tokenCreate, .tokenRevoke: .tokenWrite
        case .enrolmentList: .enrolmentRead
        case .enrolmentCreate, .enrolmentRevoke: .enrolmentWrite
        }
    }
}
