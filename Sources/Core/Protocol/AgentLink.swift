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
        switch AgentMessageType(rawValue: envelope.head.type) {
        case .register:
            let register = try envelope.data(AgentRegister.self)
            try register.validate()
            return .register(register)
        case .heartbeat: return .heartbeat(try envelope.data())
        case .status: return .status(try envelope.data())
        case .complete: return .complete(try envelope.data())
        case .enrol: return .enrol(try envelope.data())
        case .policy: return .policy(try envelope.data())
        case .certificateRequest: return .certificateRequest(try envelope.data())
        case .auditReport: return .auditReport(try envelope.data())
        case .error: return .error(try envelope.data())
        case .log:
            let header = try envelope.data(TaskLogHeader.self)
            if let payload = envelope.payload { return .log(header, payload: payload) }
            guard let content = header.content else {
                throw DeployError(.invalidArgument, "data.content is missing in a text frame")
            }
            return .log(header, payload: ByteBuffer(string: content))
        case nil:
            throw DeployError(.unsupported, "type '\(envelope.head.type)' is not one an agent may send")
        }
    }

    /// Writes the frame.
    public func frame(id: String? = nil) -> WireFrame {
        switch self {
        case .register(let data): Self.frame(.register, id: id, data)
        case .heartbeat(let data): Self.frame(.heartbeat, id: id, data)
        case .status(let data): Self.frame(.status, id: id, data)
        case .log(let header, let payload): Self.frame(.log, id: id, header, payload: payload)
        case .complete(let data): Self.frame(.complete, id: id, data)
        case .enrol(let data): Self.frame(.enrol, id: id, data)
        case .policy(let data): Self.frame(.policy, id: id, data)
        case .certificateRequest(let data): Self.frame(.certificateRequest, id: id, data)
        case .auditReport(let data): Self.frame(.auditReport, id: id, data)
        case .error(let data): Self.frame(.error, id: id, data)
        }
    }

    private static func frame(
        _ type: AgentMessageType, id: String?, _ data: some Encodable, payload: ByteBuffer? = nil
    ) -> WireFrame {
        FrameBuilder.frame(type.rawValue, id: id, data, payload: payload)
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
        switch CloudMessageType(rawValue: envelope.head.type) {
        case .status: message = .status(try envelope.data())
        case .heartbeat: message = .heartbeat(try envelope.data())
        case .create: message = .create(try envelope.data())
        case .logAck: message = .logAck(try envelope.data())
        case .completeAck: message = .completeAck(try envelope.data())
        case .cancel: message = .cancel(try envelope.data())
        case .enrolled: message = .enrolled(try envelope.data())
        case .certificate: message = .certificate(try envelope.data())
        case .auditQuery: message = .auditQuery(try envelope.data())
        case .error: message = .error(try envelope.data())
        case nil: throw DeployError(.unsupported, "type '\(envelope.head.type)' is not one the Cloud may send")
        }
        return (envelope.head.id, message)
    }

    /// Writes the frame.
    public func frame(id: String? = nil) -> WireFrame {
        switch self {
        case .status(let data): Self.frame(.status, id: id, data)
        case .heartbeat(let data): Self.frame(.heartbeat, id: id, data)
        case .create(let data): Self.frame(.create, id: id, data)
        case .logAck(let data): Self.frame(.logAck, id: id, data)
        case .completeAck(let data): Self.frame(.completeAck, id: id, data)
        case .cancel(let data): Self.frame(.cancel, id: id, data)
        case .enrolled(let data): Self.frame(.enrolled, id: id, data)
        case .certificate(let data): Self.frame(.certificate, id: id, data)
        case .auditQuery(let data): Self.frame(.auditQuery, id: id, data)
        case .error(let data): Self.frame(.error, id: id, data)
        }
    }

    private static func frame(
        _ type: CloudMessageType, id: String?, _ data: some Encodable, payload: ByteBuffer? = nil
    ) -> WireFrame {
        FrameBuilder.frame(type.rawValue, id: id, data, payload: payload)
    }
}
