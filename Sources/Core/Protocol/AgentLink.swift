// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

public import NIOCore

/// What an agent may send. The strings live here only.
public enum AgentMessage: Sendable, Equatable {
    /// `agent_register`: first message of every link.
    case register(AgentRegister)
    /// `agent_heartbeat`.
    case heartbeat(AgentHeartbeat)
    /// `task_status`.
    case status(TaskStatusReport)
    /// `task_log`, with the stored bytes behind it or as `content`.
    case log(TaskLogHeader, payload: ByteBuffer)
    /// `task_complete`.
    case complete(TaskCompletion)
    /// `agent_enrol`: the only message of a link that was opened with an enrolment token.
    case enrol(AgentEnrol)
    /// `agent_policy`: the agent's own policy file has changed.
    case policy(AgentPolicyReport)
    /// `certificate_request`.
    case certificateRequest(CertificateRequest)
    /// `audit_report`: the answer to `audit_query`.
    case auditReport(AuditReport)
    /// `error`: something the agent could not accept.
    case error(DeployError)

    /// Reads a frame; throws `unsupported` for an unknown type and `invalid_argument` for bad data. Never traps.
    public static func decode(_ frame: WireFrame) throws(DeployError) -> (id: String?, message: AgentMessage) {
        let envelope = try IncomingEnvelope(frame)
        return (envelope.head.id, try message(envelope))
    }

    private static func message(_ envelope: IncomingEnvelope) throws(DeployError) -> AgentMessage {
        switch envelope.head.type {
        case "agent_register":
            let register = try envelope.data(AgentRegister.self)
            try register.validate()
            return .register(register)
        case "agent_heartbeat": return .heartbeat(try envelope.data())
        case "task_status": return .status(try envelope.data())
        case "task_complete": return .complete(try envelope.data())
        case "agent_enrol": return .enrol(try envelope.data())
        case "agent_policy": return .policy(try envelope.data())
        case "certificate_request": return .certificateRequest(try envelope.data())
        case "audit_report": return .auditReport(try envelope.data())
        case "error": return .error(try envelope.data())
        case "task_log":
            let header = try envelope.data(TaskLogHeader.self)
            if let payload = envelope.payload { return .log(header, payload: payload) }
            guard let content = header.content else {
                throw DeployError(.invalidArgument, "data.content is missing in a text frame")
            }
            return .log(header, payload: ByteBuffer(string: content))
        case let other:
            throw DeployError(.unsupported, "type '\(other)' is not one an agent may send")
        }
    }

    /// Writes the frame.
    public func frame(id: String? = nil) -> WireFrame {
        switch self {
        case .register(let data): FrameBuilder.frame("agent_register", id: id, data)
        case .heartbeat(let data): FrameBuilder.frame("agent_heartbeat", id: id, data)
        case .status(let data): FrameBuilder.frame("task_status", id: id, data)
        case .log(let header, let payload): FrameBuilder.frame("task_log", id: id, header, payload: payload)
        case .complete(let data): FrameBuilder.frame("task_complete", id: id, data)
        case .enrol(let data): FrameBuilder.frame("agent_enrol", id: id, data)
        case .policy(let data): FrameBuilder.frame("agent_policy", id: id, data)
        case .certificateRequest(let data): FrameBuilder.frame("certificate_request", id: id, data)
        case .auditReport(let data): FrameBuilder.frame("audit_report", id: id, data)
        case .error(let data): FrameBuilder.frame("error", id: id, data)
        }
    }
}

/// What the Cloud may send to an agent.
public enum CloudMessage: Sendable, Equatable {
    /// `agent_status`: the answer to a registration.
    case status(AgentStatusReply)
    /// `agent_heartbeat`: the answer to a heartbeat.
    case heartbeat(HeartbeatReply)
    /// `task_create`.
    case create(TaskCreate)
    /// `task_log_ack`.
    case logAck(TaskLogAck)
    /// `task_complete_ack`.
    case completeAck(TaskReference)
    /// `task_cancel`.
    case cancel(TaskCancel)
    /// `agent_enrolled`: the answer to `agent_enrol`; the link ends after it.
    case enrolled(AgentEnrolled)
    /// `certificate`: the answer to `certificate_request`.
    case certificate(CertificateIssued)
    /// `audit_query`.
    case auditQuery(AuditInquiry)
    /// `error`: something the Cloud could not accept; the link stays.
    case error(DeployError)

    /// Reads a frame; throws `unsupported` for an unknown type and `invalid_argument` for bad data. Never traps.
    public static func decode(_ frame: WireFrame) throws(DeployError) -> (id: String?, message: CloudMessage) {
        let envelope = try IncomingEnvelope(frame)
        let message: CloudMessage
        switch envelope.head.type {
        case "agent_status": message = .status(try envelope.data())
        case "agent_heartbeat": message = .heartbeat(try envelope.data())
        case "task_create": message = .create(try envelope.data())
        case "task_log_ack": message = .logAck(try envelope.data())
        case "task_complete_ack": message = .completeAck(try envelope.data())
        case "task_cancel": message = .cancel(try envelope.data())
        case "agent_enrolled": message = .enrolled(try envelope.data())
        case "certificate": message = .certificate(try envelope.data())
        case "audit_query": message = .auditQuery(try envelope.data())
        case "error": message = .error(try envelope.data())
        case let other: throw DeployError(.unsupported, "type '\(other)' is not one the Cloud may send")
        }
        return (envelope.head.id, message)
    }

    /// Writes the frame.
    public func frame(id: String? = nil) -> WireFrame {
        switch self {
        case .status(let data): FrameBuilder.frame("agent_status", id: id, data)
        case .heartbeat(let data): FrameBuilder.frame("agent_heartbeat", id: id, data)
        case .create(let data): FrameBuilder.frame("task_create", id: id, data)
        case .logAck(let data): FrameBuilder.frame("task_log_ack", id: id, data)
        case .completeAck(let data): FrameBuilder.frame("task_complete_ack", id: id, data)
        case .cancel(let data): FrameBuilder.frame("task_cancel", id: id, data)
        case .enrolled(let data): FrameBuilder.frame("agent_enrolled", id: id, data)
        case .certificate(let data): FrameBuilder.frame("certificate", id: id, data)
        case .auditQuery(let data): FrameBuilder.frame("audit_query", id: id, data)
        case .error(let data): FrameBuilder.frame("error", id: id, data)
        }
    }
}
