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
    /// `executor_list` → ``Page`` of ``ExecutorInfo``.
    case executorList(ExecutorListQuery)
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
    /// `file_list` → ``Page`` of ``FileInfo``.
    case fileList(FileListQuery)
    /// `file_show` → ``FileInfo``.
    case fileShow(ObjectQuery)
    /// `file_remove` → ``NoParameters``.
    case fileRemove(ObjectQuery)
    /// `file_begin` → ``UploadInfo``; then `file_credit` as bytes are written.
    case fileBegin(FileBegin)
    /// `file_chunk` with bytes, no answer unless it fails.
    case fileChunk(FileChunkHead, ByteBuffer)
    /// `file_commit` → ``FileInfo``.
    case fileCommit(FileCommit)
    /// `file_put` with all bytes of a small file → ``FileInfo``.
    case filePut(FileBegin, ByteBuffer)
    /// `upload_list` → ``Page`` of ``UploadInfo``.
    case uploadList
    /// `upload_remove` → ``NoParameters``.
    case uploadRemove(ObjectQuery)
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
        switch OperatorRequestType(rawValue: envelope.head.type) {
        case .serverInfo: .serverInfo
        case .agentList: .agentList(try envelope.data())
        case .agentShow: .agentShow(try envelope.data())
        case .executorList: .executorList(try envelope.data())
        case .runCreate: .runCreate(try envelope.data())
        case .runList: .runList(try envelope.data())
        case .runShow: .runShow(try envelope.data())
        case .taskList: .taskList(try envelope.data())
        case .taskShow: .taskShow(try envelope.data())
        case .taskCancel: .taskCancel(try envelope.data())
        case .logOpen: .logOpen(try envelope.data())
        case .logClose: .logClose(try envelope.data())
        case .eventsOpen: .eventsOpen
        case .fileList: .fileList(try envelope.data())
        case .fileShow: .fileShow(try envelope.data())
        case .fileRemove: .fileRemove(try envelope.data())
        case .fileBegin: .fileBegin(try envelope.data())
        case .fileChunk: .fileChunk(try envelope.data(), try content(envelope, FileTransfer.chunk))
        case .fileCommit: .fileCommit(try envelope.data())
        case .filePut: .filePut(try envelope.data(), try content(envelope, FileTransfer.smallFile))
        case .uploadList: .uploadList
        case .uploadRemove: .uploadRemove(try envelope.data())
        case .agentUpdate: .agentUpdate(try envelope.data())
        case .agentRemove: .agentRemove(try envelope.data())
        case .policyList: .policyList
        case .policyShow: .policyShow(try envelope.data())
        case .policyPut: .policyPut(try envelope.data())
        case .policyRemove: .policyRemove(try envelope.data())
        case .policyTest: .policyTest(try envelope.data())
        case .auditList: .auditList(try envelope.data())
        case .auditShow: .auditShow(try envelope.data())
        case .auditExport: .auditExport(try envelope.data())
        case .auditVerify: .auditVerify(try envelope.data())
        case .operatorList: .operatorList
        case .operatorPut: .operatorPut(try envelope.data())
        case .operatorRemove: .operatorRemove(try envelope.data())
        case .tokenList: .tokenList(try envelope.data())
        case .tokenCreate: .tokenCreate(try envelope.data())
        case .tokenRevoke: .tokenRevoke(try envelope.data())
        case .enrolmentList: .enrolmentList
        case .enrolmentCreate: .enrolmentCreate(try envelope.data())
        case .enrolmentRevoke: .enrolmentRevoke(try envelope.data())
        case nil: throw DeployError(.unsupported, "type '\(envelope.head.type)' is not one an operator may send")
        }
    }

    private static func content(_ envelope: IncomingEnvelope, _ limit: Int) throws(DeployError) -> ByteBuffer {
        guard let payload = envelope.payload else {
            throw DeployError(.protocolError, "\(envelope.head.type) comes in a binary frame with bytes behind it")
        }
        guard payload.readableBytes <= limit else {
            throw DeployError(.tooLarge, "\(envelope.head.type) has over \(limit) bytes")
        }
        return payload
    }

    /// Writes the frame.
    public func frame(id: String) -> WireFrame {
        switch self {
        case .serverInfo: FrameBuilder.frame(type.rawValue, id: id, NoParameters())
        case .agentList(let data): FrameBuilder.frame(type.rawValue, id: id, data)
        case .agentShow(let data): FrameBuilder.frame(type.rawValue, id: id, data)
        case .executorList(let data): FrameBuilder.frame(type.rawValue, id: id, data)
        case .runCreate(let data): FrameBuilder.frame(type.rawValue, id: id, data)
        case .runList(let data): FrameBuilder.frame(type.rawValue, id: id, data)
        case .runShow(let data): FrameBuilder.frame(type.rawValue, id: id, data)
        case .taskList(let data): FrameBuilder.frame(type.rawValue, id: id, data)
        case .taskShow(let data): FrameBuilder.frame(type.rawValue, id: id, data)
        case .taskCancel(let data): FrameBuilder.frame(type.rawValue, id: id, data)
        case .logOpen(let data): FrameBuilder.frame(type.rawValue, id: id, data)
        case .logClose(let data): FrameBuilder.frame(type.rawValue, id: id, data)
        case .eventsOpen: FrameBuilder.frame(type.rawValue, id: id, NoParameters())
        case .fileList(let data): FrameBuilder.frame(type.rawValue, id: id, data)
        case .fileShow(let data): FrameBuilder.frame(type.rawValue, id: id, data)
        case .fileRemove(let data): FrameBuilder.frame(type.rawValue, id: id, data)
        case .fileBegin(let data): FrameBuilder.frame(type.rawValue, id: id, data)
        case .fileChunk(let data, let payload): FrameBuilder.frame(type.rawValue, id: id, data, payload: payload)
        case .fileCommit(let data): FrameBuilder.frame(type.rawValue, id: id, data)
        case .filePut(let data, let payload): FrameBuilder.frame(type.rawValue, id: id, data, payload: payload)
        case .uploadList: FrameBuilder.frame(type.rawValue, id: id, NoParameters())
        case .uploadRemove(let data): FrameBuilder.frame(type.rawValue, id: id, data)
        case .agentUpdate(let data): FrameBuilder.frame(type.rawValue, id: id, data)
        case .agentRemove(let data): FrameBuilder.frame(type.rawValue, id: id, data)
        case .policyList: FrameBuilder.frame(type.rawValue, id: id, NoParameters())
        case .policyShow(let data): FrameBuilder.frame(type.rawValue, id: id, data)
        case .policyPut(let data): FrameBuilder.frame(type.rawValue, id: id, data)
        case .policyRemove(let data): FrameBuilder.frame(type.rawValue, id: id, data)
        case .policyTest(let data): FrameBuilder.frame(type.rawValue, id: id, data)
        case .auditList(let data): FrameBuilder.frame(type.rawValue, id: id, data)
        case .auditShow(let data): FrameBuilder.frame(type.rawValue, id: id, data)
        case .auditExport(let data): FrameBuilder.frame(type.rawValue, id: id, data)
        case .auditVerify(let data): FrameBuilder.frame(type.rawValue, id: id, data)
        case .operatorList: FrameBuilder.frame(type.rawValue, id: id, NoParameters())
        case .operatorPut(let data): FrameBuilder.frame(type.rawValue, id: id, data)
        case .operatorRemove(let data): FrameBuilder.frame(type.rawValue, id: id, data)
        case .tokenList(let data): FrameBuilder.frame(type.rawValue, id: id, data)
        case .tokenCreate(let data): FrameBuilder.frame(type.rawValue, id: id, data)
        case .tokenRevoke(let data): FrameBuilder.frame(type.rawValue, id: id, data)
        case .enrolmentList: FrameBuilder.frame(type.rawValue, id: id, NoParameters())
        case .enrolmentCreate(let data): FrameBuilder.frame(type.rawValue, id: id, data)
        case .enrolmentRevoke(let data): FrameBuilder.frame(type.rawValue, id: id, data)
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
    /// So much of an upload is written.
    case fileCredit(FileCredit)

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
        switch OperatorMessageType(rawValue: envelope.head.type) {
        case .reply:
            guard let id = envelope.head.id else { throw DeployError(.invalidArgument, "id is missing") }
            return .reply(
                Reply(id: id) { () throws(DeployError) in
                    try IncomingEnvelope(frame, separators: JSONLimits.answerSeparators)
                })
        case .error: return .error(id: envelope.head.id, try envelope.data())
        case .taskLog:
            let header = try envelope.data(TaskLogHeader.self)
            guard let payload = envelope.payload else { throw DeployError(.protocolError, "task_log without payload") }
            return .log(taskID: header.taskID, attempt: header.attempt ?? 1, try header.chunk(payload: payload))
        case .logEnd: return .logEnd(try envelope.data())
        case .agentChanged: return .agentChanged(try envelope.data())
        case .agentRemoved:
            guard let id = AgentID(try envelope.data(ObjectQuery.self).id) else {
                throw DeployError(.invalidArgument, "data.id is not an agent's id")
            }
            return .agentRemoved(id)
        case .taskChanged: return .taskChanged(try envelope.data())
        case .fileCredit: return .fileCredit(try envelope.data())
        case nil: throw DeployError(.unsupported, "type '\(envelope.head.type)' is not one the Cloud may send")
        }
    }

    private static func frame(
        _ type: OperatorMessageType, id: String? = nil, _ data: some Encodable, payload: ByteBuffer? = nil
    ) -> WireFrame {
        FrameBuilder.frame(type.rawValue, id: id, data, payload: payload)
    }

    /// The frame of an answer.
    public static func reply(id: String, _ data: some Encodable) -> WireFrame {
        frame(.reply, id: id, data)
    }

    /// The frame of an error.
    public static func errorFrame(id: String?, _ error: DeployError) -> WireFrame {
        frame(.error, id: id, error)
    }

    /// The frame of a log chunk.
    public static func logFrame(taskID: TaskID, attempt: Int, _ chunk: LogChunk) -> WireFrame {
        frame(
            .taskLog, TaskLogHeader(taskID: taskID, attempt: attempt, chunk: chunk), payload: chunk.payload)
    }

    /// The frame that ends a log.
    public static func logEndFrame(_ state: LogState) -> WireFrame { frame(.logEnd, state) }

    /// The frame of a changed agent.
    public static func agentFrame(_ agent: AgentInfo) -> WireFrame { frame(.agentChanged, agent) }

    /// The frame of an agent that is gone.
    public static func agentRemovedFrame(_ id: AgentID) -> WireFrame {
        frame(.agentRemoved, ObjectQuery(id: id.rawValue))
    }

    /// The frame of a changed task.
    public static func taskFrame(_ task: TaskRecord) -> WireFrame { frame(.taskChanged, task) }

    /// The frame of what is written of an upload.
    public static func creditFrame(_ credit: FileCredit) -> WireFrame { frame(.fileCredit, credit) }
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
