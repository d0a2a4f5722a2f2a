// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

public import NIOCore

/// What an operator may ask. Each carries an `id` that its answer repeats.
public enum OperatorRequest: Sendable, Equatable {
    /// `server_info` → ``ServerInfo``.
    case serverInfo
    /// `agent_list` → ``Page`` of ``AgentInfo``.
    case agentList(AgentListQuery)
    /// `agent_show` → ``AgentInfo``.
    case agentShow(ObjectQuery)
    /// `run_create` → ``RunDetail``.
    case runCreate(RunCreate)
    /// `run_list` → ``Page`` of ``RunRecord``.
    case runList(TaskListQuery)
    /// `run_show` → ``RunDetail``.
    case runShow(ObjectQuery)
    /// `task_list` → ``Page`` of ``TaskRecord``.
    case taskList(TaskListQuery)
    /// `task_show` → ``TaskDetail``.
    case taskShow(ObjectQuery)
    /// `task_cancel` → ``CancelReply``.
    case taskCancel(CancelRequest)
    /// `log_open` → ``LogState``, then `task_log` frames and at last `log_end`.
    case logOpen(LogOpen)
    /// `log_close` → ``NoParameters``.
    case logClose(ObjectQuery)
    /// `events_open` → ``NoParameters``, then `agent_changed`, `task_changed` for as long as the link lasts.
    case eventsOpen
    /// `agent_update` → ``AgentInfo``.
    case agentUpdate(AgentUpdate)
    /// `agent_remove` → ``NoParameters``.
    case agentRemove(ObjectQuery)
    /// `policy_list` → ``Page`` of ``PolicyRecord``.
    case policyList
    /// `policy_show` → ``PolicyRecord``.
    case policyShow(ObjectQuery)
    /// `policy_put` → ``PolicyRecord``.
    case policyPut(PolicyPut)
    /// `policy_remove` → ``NoParameters``.
    case policyRemove(ObjectQuery)
    /// `policy_test` → ``PolicyTestReply``.
    case policyTest(PolicyTest)
    /// `audit_list` → ``Page`` of ``AuditRecord``.
    case auditList(AuditQuery)
    /// `audit_show` → ``AuditRecord``.
    case auditShow(ObjectQuery)
    /// `audit_export` → ``Page`` of ``AuditRecord``.
    case auditExport(AuditQuery)
    /// `audit_verify` → ``AuditVerification``.
    case auditVerify(AuditVerify)
    /// `operator_list` → ``Page`` of ``OperatorInfo``.
    case operatorList
    /// `operator_put` → ``OperatorInfo``.
    case operatorPut(OperatorPut)
    /// `operator_remove` → ``NoParameters``.
    case operatorRemove(ObjectQuery)
    /// `token_list` → ``Page`` of ``TokenInfo``.
    case tokenList(TokenListQuery)
    /// `token_create` → ``SecretIssued``.
    case tokenCreate(TokenRequest)
    /// `token_revoke` → ``NoParameters``.
    case tokenRevoke(ObjectQuery)
    /// `enrolment_list` → ``Page`` of ``EnrolmentInfo``.
    case enrolmentList
    /// `enrolment_create` → ``SecretIssued``.
    case enrolmentCreate(EnrolmentCreate)
    /// `enrolment_revoke` → ``NoParameters``.
    case enrolmentRevoke(ObjectQuery)

    /// Reads a frame; throws `unsupported` for an unknown type and `invalid_argument` for bad data. Never traps.
    public static func decode(_ frame: WireFrame) throws(OperatorFrameError) -> (id: String, request: OperatorRequest) {
        var id: String?
        do throws(DeployError) {
            let envelope = try IncomingEnvelope(frame)
            id = envelope.head.id
            guard let id else { throw DeployError(.invalidArgument, "id is missing") }
            return (id, try request(envelope))
        } catch {
            throw OperatorFrameError(id: id, error: error)
        }
    }

    private static func request(_ envelope: IncomingEnvelope) throws(DeployError) -> OperatorRequest {
        switch envelope.head.type {
        case "server_info": .serverInfo
        case "agent_list": .agentList(try envelope.data())
        case "agent_show": .agentShow(try envelope.data())
        case "run_create": .runCreate(try envelope.data())
        case "run_list": .runList(try envelope.data())
        case "run_show": .runShow(try envelope.data())
        case "task_list": .taskList(try envelope.data())
        case "task_show": .taskShow(try envelope.data())
        case "task_cancel": .taskCancel(try envelope.data())
        case "log_open": .logOpen(try envelope.data())
        case "log_close": .logClose(try envelope.data())
        case "events_open": .eventsOpen
        case "agent_update": .agentUpdate(try envelope.data())
        case "agent_remove": .agentRemove(try envelope.data())
        case "policy_list": .policyList
        case "policy_show": .policyShow(try envelope.data())
        case "policy_put": .policyPut(try envelope.data())
        case "policy_remove": .policyRemove(try envelope.data())
        case "policy_test": .policyTest(try envelope.data())
        case "audit_list": .auditList(try envelope.data())
        case "audit_show": .auditShow(try envelope.data())
        case "audit_export": .auditExport(try envelope.data())
        case "audit_verify": .auditVerify(try envelope.data())
        case "operator_list": .operatorList
        case "operator_put": .operatorPut(try envelope.data())
        case "operator_remove": .operatorRemove(try envelope.data())
        case "token_list": .tokenList(try envelope.data())
        case "token_create": .tokenCreate(try envelope.data())
        case "token_revoke": .tokenRevoke(try envelope.data())
        case "enrolment_list": .enrolmentList
        case "enrolment_create": .enrolmentCreate(try envelope.data())
        case "enrolment_revoke": .enrolmentRevoke(try envelope.data())
        default: throw DeployError(.unsupported, "type '\(envelope.head.type)' is not one an operator may send")
        }
    }

    /// Writes the frame.
    public func frame(id: String) -> WireFrame {
        switch self {
        case .serverInfo: FrameBuilder.frame("server_info", id: id, NoParameters())
        case .agentList(let data): FrameBuilder.frame("agent_list", id: id, data)
        case .agentShow(let data): FrameBuilder.frame("agent_show", id: id, data)
        case .runCreate(let data): FrameBuilder.frame("run_create", id: id, data)
        case .runList(let data): FrameBuilder.frame("run_list", id: id, data)
        case .runShow(let data): FrameBuilder.frame("run_show", id: id, data)
        case .taskList(let data): FrameBuilder.frame("task_list", id: id, data)
        case .taskShow(let data): FrameBuilder.frame("task_show", id: id, data)
        case .taskCancel(let data): FrameBuilder.frame("task_cancel", id: id, data)
        case .logOpen(let data): FrameBuilder.frame("log_open", id: id, data)
        case .logClose(let data): FrameBuilder.frame("log_close", id: id, data)
        case .eventsOpen: FrameBuilder.frame("events_open", id: id, NoParameters())
        case .agentUpdate(let data): FrameBuilder.frame("agent_update", id: id, data)
        case .agentRemove(let data): FrameBuilder.frame("agent_remove", id: id, data)
        case .policyList: FrameBuilder.frame("policy_list", id: id, NoParameters())
        case .policyShow(let data): FrameBuilder.frame("policy_show", id: id, data)
        case .policyPut(let data): FrameBuilder.frame("policy_put", id: id, data)
        case .policyRemove(let data): FrameBuilder.frame("policy_remove", id: id, data)
        case .policyTest(let data): FrameBuilder.frame("policy_test", id: id, data)
        case .auditList(let data): FrameBuilder.frame("audit_list", id: id, data)
        case .auditShow(let data): FrameBuilder.frame("audit_show", id: id, data)
        case .auditExport(let data): FrameBuilder.frame("audit_export", id: id, data)
        case .auditVerify(let data): FrameBuilder.frame("audit_verify", id: id, data)
        case .operatorList: FrameBuilder.frame("operator_list", id: id, NoParameters())
        case .operatorPut(let data): FrameBuilder.frame("operator_put", id: id, data)
        case .operatorRemove(let data): FrameBuilder.frame("operator_remove", id: id, data)
        case .tokenList(let data): FrameBuilder.frame("token_list", id: id, data)
        case .tokenCreate(let data): FrameBuilder.frame("token_create", id: id, data)
        case .tokenRevoke(let data): FrameBuilder.frame("token_revoke", id: id, data)
        case .enrolmentList: FrameBuilder.frame("enrolment_list", id: id, NoParameters())
        case .enrolmentCreate(let data): FrameBuilder.frame("enrolment_create", id: id, data)
        case .enrolmentRevoke(let data): FrameBuilder.frame("enrolment_revoke", id: id, data)
        }
    }
}

/// A frame of an operator that could not be read, with the `id` to answer to, if there was one.
public struct OperatorFrameError: Error, Sendable, Equatable {
    /// The request's id.
    public var id: String?
    /// What is wrong.
    public var error: DeployError
}

/// What the Cloud sends to an operator.
public enum OperatorMessage: Sendable {
    /// The answer to request `id`; decode it with ``OperatorMessage/Reply/data(as:)``.
    case reply(Reply)
    /// Request `id` failed; a nil id means a frame could not be read at all.
    case error(id: String?, DeployError)
    /// A piece of a followed log.
    case log(taskID: TaskID, attempt: Int, LogChunk)
    /// A followed log is complete up to the task's end, or up to now when it was not to be followed.
    case logEnd(LogState)
    /// An agent came, went or changed.
    case agentChanged(AgentInfo)
    /// An agent was removed, or moved to where this operator does not reach.
    case agentRemoved(AgentID)
    /// A task changed state.
    case taskChanged(TaskRecord)

    /// An answer whose data is not yet decoded.
    public struct Reply: Sendable {
        /// The request's id.
        public var id: String
        let envelope: @Sendable () throws(DeployError) -> IncomingEnvelope

        /// The data; throws `invalid_argument` when it is not of this shape.
        public func data<Value: Decodable>(as _: Value.Type = Value.self) throws(DeployError) -> Value {
            try envelope().data()
        }
    }

    /// Reads a frame; throws `unsupported` for an unknown type and `invalid_argument` for bad data. Never traps.
    public static func decode(_ frame: WireFrame) throws(DeployError) -> OperatorMessage {
        let envelope = try IncomingEnvelope(frame, separators: JSONLimits.answerSeparators)
        switch envelope.head.type {
        case "reply":
            guard let id = envelope.head.id else { throw DeployError(.invalidArgument, "id is missing") }
            return .reply(
                Reply(id: id) { () throws(DeployError) in
                    try IncomingEnvelope(frame, separators: JSONLimits.answerSeparators)
                })
        case "error": return .error(id: envelope.head.id, try envelope.data())
        case "task_log":
            let header = try envelope.data(TaskLogHeader.self)
            guard let payload = envelope.payload else { throw DeployError(.protocolError, "task_log without payload") }
            return .log(taskID: header.taskID, attempt: header.attempt ?? 1, try header.chunk(payload: payload))
        case "log_end": return .logEnd(try envelope.data())
        case "agent_changed": return .agentChanged(try envelope.data())
        case "agent_removed":
            guard let id = AgentID(try envelope.data(ObjectQuery.self).id) else {
                throw DeployError(.invalidArgument, "data.id is not an agent's id")
            }
            return .agentRemoved(id)
        case "task_changed": return .taskChanged(try envelope.data())
        case let other: throw DeployError(.unsupported, "type '\(other)' is not one the Cloud may send")
        }
    }

    /// The frame of an answer.
    public static func reply(id: String, _ data: some Encodable) -> WireFrame {
        FrameBuilder.frame("reply", id: id, data)
    }

    /// The frame of an error.
    public static func errorFrame(id: String?, _ error: DeployError) -> WireFrame {
        FrameBuilder.frame("error", id: id, error)
    }

    /// The frame of a log chunk.
    public static func logFrame(taskID: TaskID, attempt: Int, _ chunk: LogChunk) -> WireFrame {
        FrameBuilder.frame(
            "task_log", TaskLogHeader(taskID: taskID, attempt: attempt, chunk: chunk), payload: chunk.payload)
    }

    /// The frame that ends a log.
    public static func logEndFrame(_ state: LogState) -> WireFrame { FrameBuilder.frame("log_end", state) }

    /// The frame of a changed agent.
    public static func agentFrame(_ agent: AgentInfo) -> WireFrame { FrameBuilder.frame("agent_changed", agent) }

    /// The frame of an agent that is gone.
    public static func agentRemovedFrame(_ id: AgentID) -> WireFrame {
        FrameBuilder.frame("agent_removed", ObjectQuery(id: id.rawValue))
    }

    /// The frame of a changed task.
    public static func taskFrame(_ task: TaskRecord) -> WireFrame { FrameBuilder.frame("task_changed", task) }
}

extension TaskLogHeader {
    /// The chunk of a numbered log frame; throws `invalid_argument` when a needed field is missing or out of range.
    public func chunk(payload: ByteBuffer) throws(DeployError) -> LogChunk {
        let codec = codec ?? .identity
        let raw = rawLength ?? payload.readableBytes
        guard let seq, seq >= 0 else { throw DeployError(.invalidArgument, "data.seq is missing or negative") }
        guard let offset, (0...LogChunk.maximumOffset).contains(offset) else {
            throw DeployError(.invalidArgument, "data.offset is missing or out of range")
        }
        guard (0...LogChunk.maximumRawLength).contains(raw), payload.readableBytes <= LogChunk.maximumRawLength,
            codec == .zstd || payload.readableBytes == raw
        else { throw DeployError(.invalidArgument, "data.raw_length is out of range or not the payload's length") }
        return LogChunk(
            seq: seq, stream: stream ?? .stdout, offset: offset, at: at ?? .now(), codec: codec, rawLength: raw,
            payload: payload)
    }
}
