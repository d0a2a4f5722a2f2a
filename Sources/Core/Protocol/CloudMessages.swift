// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// The Cloud's answer to a registration.
public struct AgentStatusReply: Sendable, Equatable, Codable {
    /// The agent's id.
    public var agentID: AgentID
    /// `registered`.
    public var status: String
    /// Fences this link; messages of older links are refused.
    public var epoch: Int64
    /// Seconds between heartbeats.
    public var heartbeatInterval: Double
    /// For each unfinished task, the seq the Cloud wants next.
    public var expect: [Expectation]
    /// The newest checkpoint of the Cloud's audit, for the agent to keep.
    public var auditHead: AuditCheckpoint?

    enum CodingKeys: String, CodingKey {
        case status, epoch, expect
        case auditHead = "audit_head"
        case agentID = "agent_id"
        case heartbeatInterval = "heartbeat_interval"
    }

    /// A reply.
    public init(agentID: AgentID, status: String, epoch: Int64, heartbeatInterval: Double, expect: [Expectation]) {
        self.agentID = agentID
        self.status = status
        self.epoch = epoch
        self.heartbeatInterval = heartbeatInterval
        self.expect = expect
    }

    /// What the Cloud holds of one task's log.
    public struct Expectation: Sendable, Equatable, Codable {
        /// The task.
        public var taskID: TaskID
        /// Which try.
        public var attempt: Int
        /// Everything before this is committed.
        public var nextSeq: Int64

        enum CodingKeys: String, CodingKey {
            case attempt
            case taskID = "task_id"
            case nextSeq = "next_seq"
        }

        /// An expectation.
        public init(taskID: TaskID, attempt: Int, nextSeq: Int64) {
            self.taskID = taskID
            self.attempt = attempt
            self.nextSeq = nextSeq
        }
    }
}

/// The Cloud's answer to a heartbeat.
public struct HeartbeatReply: Sendable, Equatable, Codable {
    /// The agent's clock as it was sent, so that the round trip is known.
    public var clock: Timestamp?
    /// The Cloud's clock.
    public var serverClock: Timestamp
    /// The newest checkpoint of the Cloud's audit, for the agent to keep.
    public var auditHead: AuditCheckpoint?

    enum CodingKeys: String, CodingKey {
        case clock
        case auditHead = "audit_head"
        case serverClock = "server_clock"
    }

    /// A reply.
    public init(clock: Timestamp?, serverClock: Timestamp) {
        self.clock = clock
        self.serverClock = serverClock
    }
}

/// Do this.
public struct TaskCreate: Sendable, Equatable, Codable {
    /// The task.
    public var taskID: TaskID
    /// Its run.
    public var runID: RunID
    /// Which try.
    public var attempt: Int
    /// The link's epoch; an agent refuses an older one.
    public var epoch: Int64
    /// Which executor.
    public var type: String
    /// The command text.
    public var command: String
    /// The executor's parameters.
    public var params: [String: JSONValue]
    /// A stored file; empty for none, as the origin document has it.
    public var fileID: String
    /// Seconds until it is ended as timed out.
    public var timeout: Double?
    /// Seconds between TERM and KILL.
    public var grace: Double?
    /// Bytes of output kept.
    public var logLimit: Int64?
    /// Who asked for it.
    public var actor: String

    enum CodingKeys: String, CodingKey {
        case attempt, epoch, type, command, params, timeout, grace, actor
        case taskID = "task_id"
        case runID = "run_id"
        case fileID = "file_id"
        case logLimit = "log_limit"
    }

    /// The message for one task of a run.
    public init(taskID: TaskID, runID: RunID, attempt: Int, epoch: Int64, spec: TaskSpec, actor: String) {
        self.taskID = taskID
        self.runID = runID
        self.attempt = attempt
        self.epoch = epoch
        type = spec.type
        command = spec.command
        params = spec.params
        fileID = spec.fileID ?? ""
        timeout = spec.timeout
        grace = spec.grace
        logLimit = spec.logLimit
        self.actor = actor
    }

    /// The specification it carries.
    public var spec: TaskSpec {
        TaskSpec(
            type: type, command: command, params: params, fileID: fileID.isEmpty ? nil : fileID, timeout: timeout,
            grace: grace, logLimit: logLimit)
    }
}

/// Everything of this log up to and including `seq` is committed.
public struct TaskLogAck: Sendable, Equatable, Codable {
    /// The task.
    public var taskID: TaskID
    /// Which try.
    public var attempt: Int
    /// The last committed seq.
    public var seq: Int64

    enum CodingKeys: String, CodingKey {
        case attempt, seq
        case taskID = "task_id"
    }

    /// An acknowledgement.
    public init(taskID: TaskID, attempt: Int, seq: Int64) {
        self.taskID = taskID
        self.attempt = attempt
        self.seq = seq
    }
}

/// Names one try of one task: the data of `task_complete_ack`.
public struct TaskReference: Sendable, Hashable, Codable {
    /// The task.
    public var taskID: TaskID
    /// Which try.
    public var attempt: Int

    enum CodingKeys: String, CodingKey {
        case attempt
        case taskID = "task_id"
    }

    /// A reference.
    public init(taskID: TaskID, attempt: Int) {
        self.taskID = taskID
        self.attempt = attempt
    }
}

/// Stop this task.
public struct TaskCancel: Sendable, Equatable, Codable {
    /// The task.
    public var taskID: TaskID
    /// Which try.
    public var attempt: Int
    /// Seconds between TERM and KILL; nil keeps the task's own.
    public var grace: Double?

    enum CodingKeys: String, CodingKey {
        case attempt, grace
        case taskID = "task_id"
    }

    /// A request to stop.
    public init(taskID: TaskID, attempt: Int, grace: Double? = nil) {
        self.taskID = taskID
        self.attempt = attempt
        self.grace = grace
    }
}
