// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

// Every message type there is, by who may send it: the closed lists that decoding, authorisation, the API's
// description and the tests read.

/// What an operator may send.
public enum OperatorRequestType: String, Sendable, CaseIterable {
    case serverInfo = "server_info"
    case agentList = "agent_list"
    case agentShow = "agent_show"
    case agentUpdate = "agent_update"
    case agentRemove = "agent_remove"
    case executorList = "executor_list"
    case runCreate = "run_create"
    case runList = "run_list"
    case runShow = "run_show"
    case taskList = "task_list"
    case taskShow = "task_show"
    case taskCancel = "task_cancel"
    case logOpen = "log_open"
    case logClose = "log_close"
    case eventsOpen = "events_open"
    case fileList = "file_list"
    case fileShow = "file_show"
    case fileRemove = "file_remove"
    case fileBegin = "file_begin"
    case fileChunk = "file_chunk"
    case fileCommit = "file_commit"
    case filePut = "file_put"
    case uploadList = "upload_list"
    case uploadRemove = "upload_remove"
    case policyList = "policy_list"
    case policyShow = "policy_show"
    case policyPut = "policy_put"
    case policyRemove = "policy_remove"
    case policyTest = "policy_test"
    case auditList = "audit_list"
    case auditShow = "audit_show"
    case auditExport = "audit_export"
    case auditVerify = "audit_verify"
    case operatorList = "operator_list"
    case operatorPut = "operator_put"
    case operatorRemove = "operator_remove"
    case tokenList = "token_list"
    case tokenCreate = "token_create"
    case tokenRevoke = "token_revoke"
    case enrolmentList = "enrolment_list"
    case enrolmentCreate = "enrolment_create"
    case enrolmentRevoke = "enrolment_revoke"
}

/// What the Cloud may send to an operator.
public enum OperatorMessageType: String, Sendable, CaseIterable {
    case reply
    case error
    case taskLog = "task_log"
    case logEnd = "log_end"
    case agentChanged = "agent_changed"
    case agentRemoved = "agent_removed"
    case taskChanged = "task_changed"
    case fileCredit = "file_credit"
}

/// What an agent may send.
public enum AgentMessageType: String, Sendable, CaseIterable {
    case register = "agent_register"
    case heartbeat = "agent_heartbeat"
    case status = "task_status"
    case log = "task_log"
    case complete = "task_complete"
    case enrol = "agent_enrol"
    case policy = "agent_policy"
    case certificateRequest = "certificate_request"
    case auditReport = "audit_report"
    case error
}

/// What the Cloud may send to an agent.
public enum CloudMessageType: String, Sendable, CaseIterable {
    case status = "agent_status"
    case heartbeat = "agent_heartbeat"
    case create = "task_create"
    case logAck = "task_log_ack"
    case completeAck = "task_complete_ack"
    case cancel = "task_cancel"
    case enrolled = "agent_enrolled"
    case certificate
    case auditQuery = "audit_query"
    case error
}

extension OperatorRequest {
    /// Which of the types it is.
    public var type: OperatorRequestType {
        switch self {
        case .serverInfo: .serverInfo
        case .agentList: .agentList
        case .agentShow: .agentShow
        case .agentUpdate: .agentUpdate
        case .agentRemove: .agentRemove
        case .executorList: .executorList
        case .runCreate: .runCreate
        case .runList: .runList
        case .runShow: .runShow
        case .taskList: .taskList
        case .taskShow: .taskShow
        case .taskCancel: .taskCancel
        case .logOpen: .logOpen
        case .logClose: .logClose
        case .eventsOpen: .eventsOpen
        case .fileList: .fileList
        case .fileShow: .fileShow
        case .fileRemove: .fileRemove
        case .fileBegin: .fileBegin
        case .fileChunk: .fileChunk
        case .fileCommit: .fileCommit
        case .filePut: .filePut
        case .uploadList: .uploadList
        case .uploadRemove: .uploadRemove
        case .policyList: .policyList
        case .policyShow: .policyShow
        case .policyPut: .policyPut
        case .policyRemove: .policyRemove
        case .policyTest: .policyTest
        case .auditList: .auditList
        case .auditShow: .auditShow
        case .auditExport: .auditExport
        case .auditVerify: .auditVerify
        case .operatorList: .operatorList
        case .operatorPut: .operatorPut
        case .operatorRemove: .operatorRemove
        case .tokenList: .tokenList
        case .tokenCreate: .tokenCreate
        case .tokenRevoke: .tokenRevoke
        case .enrolmentList: .enrolmentList
        case .enrolmentCreate: .enrolmentCreate
        case .enrolmentRevoke: .enrolmentRevoke
        }
    }
}
