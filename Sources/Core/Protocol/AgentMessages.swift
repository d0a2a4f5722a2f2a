// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// What an agent says of itself on each new link. Only `hostname` or `name` is needed; a foreign agent may send no more.
public struct AgentRegister: Sendable, Equatable, Codable {
    /// The wire version; absent means an agent written from the origin document.
    public var `protocol`: Int?
    /// If sent, must be the id the credential belongs to.
    public var agentID: AgentID?
    /// A display name; the credential decides the real one.
    public var name: String?
    /// What the host calls itself.
    public var hostname: String?
    /// The host's address.
    public var ip: String?
    /// Operating system.
    public var os: String?
    /// Processor architecture.
    public var arch: String?
    /// Program version.
    public var version: String?
    /// Where it belongs.
    public var environment: String?
    /// Labels from its configuration.
    public var labels: [String: String]?
    /// Task types it runs.
    public var executors: [String]?
    /// What they take and where they connect to.
    public var executorDetails: [ExecutorReport]?
    /// Tasks at once.
    public var maxConcurrency: Int?
    /// Every task it still answers for; absent means it keeps no journal.
    public var journal: [JournalEntry]?
    /// Which journal that is: another one proves nothing about what was handed to this one. At most 64 bytes.
    public var journalID: String?
    /// Its own policy; absent when it does not tell.
    public var policy: AgentPolicyReport?
    /// The newest checkpoint of its own audit.
    public var auditHead: AuditCheckpoint?
    /// The newest checkpoint of the Cloud's audit it holds.
    public var cloudHead: AuditCheckpoint?

    enum CodingKeys: String, CodingKey {
        case name, hostname, ip, os, arch, version, environment, labels, executors, journal, policy
        case journalID = "journal_id"
        case auditHead = "audit_head"
        case cloudHead = "cloud_head"
        case `protocol` = "protocol"
        case agentID = "agent_id"
        case executorDetails = "executor_details"
        case maxConcurrency = "max_concurrency"
    }

    /// A registration; set what is known.
    public init() {}

    /// One task the agent has accepted and whose end is not yet acknowledged.
    public struct JournalEntry: Sendable, Equatable, Codable {
        /// The task.
        public var taskID: TaskID
        /// Which try.
        public var attempt: Int
        /// `accepted`, `running`, or an end state whose `task_complete` follows.
        public var state: String
        /// The seq the next new chunk will have.
        public var nextSeq: Int64

        enum CodingKeys: String, CodingKey {
            case attempt, state
            case taskID = "task_id"
            case nextSeq = "next_seq"
        }

        /// An entry.
        public init(taskID: TaskID, attempt: Int, state: String, nextSeq: Int64) {
            self.taskID = taskID
            self.attempt = attempt
            self.state = state
            self.nextSeq = nextSeq
        }
    }

    /// Checks lengths and counts; throws `invalid_argument` naming the field.
    public func validate() throws(DeployError) {
        for (field, value, limit) in [
            ("name", name, 128), ("hostname", hostname, 253), ("ip", ip, 64), ("os", os, 128), ("arch", arch, 32),
            ("version", version, 64), ("environment", environment, 64),
            ("journal_id", journalID, 64),
        ] where (value?.utf8.count ?? 0) > limit {
            throw DeployError(.invalidArgument, "data.\(field) is over \(limit) bytes")
        }
        if let labels {
            guard labels.count <= 32, labels.allSatisfy({ $0.key.utf8.count <= 63 && $0.value.utf8.count <= 128 })
            else {
                throw DeployError(.invalidArgument, "data.labels is over 32 labels, or one is over 128 bytes")
            }
        }
        try policy?.validate()
        if let executors, executors.count > 64 || executors.contains(where: { $0.utf8.count > 64 }) {
            throw DeployError(.invalidArgument, "data.executors is too long")
        }
        if let executorDetails {
            guard executorDetails.count <= 64 else {
                throw DeployError(.invalidArgument, "data.executor_details is too long")
            }
            guard executorDetails.reduce(0, { $0 + $1.datasources.count }) <= ExecutorReport.maximumDatasources else {
                throw DeployError(
                    .tooLarge, "data.executor_details has over \(ExecutorReport.maximumDatasources) datasources")
            }
            for report in executorDetails { try report.validate() }
        }
        if let maxConcurrency, !(1...100_000).contains(maxConcurrency) {
            throw DeployError(.invalidArgument, "data.max_concurrency is not between 1 and 100000")
        }
        if let version = `protocol`, !(0...ProtocolVersion.current).contains(version) {
            throw DeployError(
                .unsupported, "protocol \(version) is newer than this server's \(ProtocolVersion.current)",
                hint: "upgrade the Cloud first")
        }
    }
}

/// How an agent fares, every heartbeat interval.
public struct AgentHeartbeat: Sendable, Equatable, Codable {
    /// Tasks running.
    public var running: Int?
    /// Tasks waiting for a slot.
    public var queued: Int?
    /// One-minute load average.
    public var load: Double?
    /// Memory in use, in bytes, of the agent program.
    public var memory: Int64?
    /// Free bytes where it keeps its state.
    public var disk: Int64?
    /// The agent's clock.
    public var clock: Timestamp?
    /// The newest checkpoint of its own audit.
    public var auditHead: AuditCheckpoint?
    /// The newest checkpoint of the Cloud's audit it holds.
    public var cloudHead: AuditCheckpoint?

    enum CodingKeys: String, CodingKey {
        case running, queued, load, memory, disk, clock
        case auditHead = "audit_head"
        case cloudHead = "cloud_head"
    }

    /// A heartbeat; set what is known.
    public init() {}
}

/// A task got on.
public struct TaskStatusReport: Sendable, Equatable, Codable {
    /// The task.
    public var taskID: TaskID
    /// Which try; absent means 1.
    public var attempt: Int?
    /// `accepted` (waits for a slot) or `running`.
    public var state: String
    /// The program's process id.
    public var pid: Int?
    /// When it started, by the agent's clock.
    public var startedAt: Timestamp?
    /// How far it has come, with `running`; told at most once a second.
    public var progress: TaskProgress?

    enum CodingKeys: String, CodingKey {
        case attempt, state, pid, progress
        case taskID = "task_id"
        case startedAt = "started_at"
    }

    /// A report.
    public init(
        taskID: TaskID, attempt: Int?, state: String, pid: Int? = nil, startedAt: Timestamp? = nil,
        progress: TaskProgress? = nil
    ) {
        self.taskID = taskID
        self.attempt = attempt
        self.state = state
        self.pid = pid
        self.startedAt = startedAt
        self.progress = progress
    }
}

/// The header of a `task_log` frame. In a text frame `content` holds the bytes as a string instead of the payload.
public struct TaskLogHeader: Sendable, Equatable, Codable {
    /// The task.
    public var taskID: TaskID
    /// Which try; absent means 1.
    public var attempt: Int?
    /// Position in the log; absent means "next", as foreign agents send.
    public var seq: Int64?
    /// Where in the stream the raw bytes begin.
    public var offset: Int64?
    /// Which output; absent means stdout.
    public var stream: LogStream?
    /// When the agent read them.
    public var at: Timestamp?
    /// How the payload is stored.
    public var codec: LogCodec?
    /// Raw bytes the payload stands for; needed with zstd.
    public var rawLength: Int?
    /// The text itself, in a text frame.
    public var content: String?

    enum CodingKeys: String, CodingKey {
        case attempt, seq, offset, stream, at, codec, content
        case taskID = "task_id"
        case rawLength = "raw_length"
    }

    private enum ForeignKeys: String, CodingKey { case data }

    /// Reads a header. Foreign agents may call the text `data` instead of `content`.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        taskID = try values.decode(TaskID.self, forKey: .taskID)
        attempt = try values.decodeIfPresent(Int.self, forKey: .attempt)
        seq = try values.decodeIfPresent(Int64.self, forKey: .seq)
        offset = try values.decodeIfPresent(Int64.self, forKey: .offset)
        stream = try values.decodeIfPresent(LogStream.self, forKey: .stream)
        at = try values.decodeIfPresent(Timestamp.self, forKey: .at)
        codec = try values.decodeIfPresent(LogCodec.self, forKey: .codec)
        rawLength = try values.decodeIfPresent(Int.self, forKey: .rawLength)
        content = try values.decodeIfPresent(String.self, forKey: .content)
        if content == nil {
            content = try decoder.container(keyedBy: ForeignKeys.self).decodeIfPresent(String.self, forKey: .data)
        }
    }

    /// The header of a chunk.
    public init(taskID: TaskID, attempt: Int, chunk: LogChunk) {
        self.taskID = taskID
        self.attempt = attempt
        seq = chunk.seq
        offset = chunk.offset
        stream = chunk.stream
        at = chunk.at
        codec = chunk.codec
        rawLength = chunk.rawLength
    }
}

/// A task ended.
public struct TaskCompletion: Sendable, Equatable, Codable {
    /// The task.
    public var taskID: TaskID
    /// Which try; absent means 1.
    public var attempt: Int?
    /// The end state; foreign agents may also say `success`, `error`, `cancelled` or `timeout`.
    public var status: String
    /// Exit status, if the program exited.
    public var exitCode: Int32?
    /// The signal that ended it.
    public var signal: Int32?
    /// Why it failed.
    public var error: TaskFailure?
    /// What the executor reports.
    public var result: [String: JSONValue]?
    /// By the agent's clock.
    public var startedAt: Timestamp?
    /// By the agent's clock.
    public var finishedAt: Timestamp?
    /// Chunks in the whole log: the seq after the last.
    public var logSeq: Int64?

    enum CodingKeys: String, CodingKey {
        case attempt, status, signal, error, result
        case taskID = "task_id"
        case exitCode = "exit_code"
        case startedAt = "started_at"
        case finishedAt = "finished_at"
        case logSeq = "log_seq"
    }

    /// A completion; set what is known.
    public init(taskID: TaskID, attempt: Int?, status: String) {
        self.taskID = taskID
        self.attempt = attempt
        self.status = status
    }

    /// Reads a completion. As foreign agents send it, `error` may be a plain string, `result` anything, and `status` may
    /// be left out where `exit_code` says it.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        taskID = try values.decode(TaskID.self, forKey: .taskID)
        attempt = try values.decodeIfPresent(Int.self, forKey: .attempt)
        exitCode = try values.decodeIfPresent(Int32.self, forKey: .exitCode)
        if let exitCode, try !values.contains(.status) || values.decodeNil(forKey: .status) {
            status = exitCode == 0 ? TaskState.succeeded.rawValue : TaskState.failed.rawValue
        } else {
            status = try values.decode(String.self, forKey: .status)
        }
        signal = try values.decodeIfPresent(Int32.self, forKey: .signal)
        startedAt = try values.decodeIfPresent(Timestamp.self, forKey: .startedAt)
        finishedAt = try values.decodeIfPresent(Timestamp.self, forKey: .finishedAt)
        logSeq = try values.decodeIfPresent(Int64.self, forKey: .logSeq)
        switch try values.decodeIfPresent(JSONValue.self, forKey: .result) {
        case nil, .null: result = nil
        case .object(let members): result = members
        case .some(let other): result = ["value": other]
        }
        if let text = try? values.decodeIfPresent(String.self, forKey: .error) {
            error = text.isEmpty ? nil : TaskFailure(code: "failed", message: text)
        } else {
            error = try values.decodeIfPresent(TaskFailure.self, forKey: .error)
        }
    }

    /// The end state that `status` names, or nil.
    public var endState: TaskState? {
        switch status {
        case "success", "completed": .succeeded
        case "error", "failure": .failed
        case "cancelled": .canceled
        case "timeout": .timedOut
        default: TaskState(rawValue: status).flatMap { $0.isFinal ? $0 : nil }
        }
    }
}
