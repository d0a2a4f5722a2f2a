// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Parameters of `agent_list`.
public struct AgentListQuery: Sendable, Equatable, Codable {
    /// Only agents this selects; nil for every agent.
    public var selector: TargetSelector?
    /// Where to go on: `next` of the page before.
    public var cursor: String?
    /// Items wanted, 1 to 200; nil for 200.
    public var limit: Int?

    /// A query.
    public init(selector: TargetSelector? = nil, cursor: String? = nil, limit: Int? = nil) {
        self.selector = selector
        self.cursor = cursor
        self.limit = limit
    }
}

/// Parameters of `task_list` and `run_list`, newest first.
public struct TaskListQuery: Sendable, Equatable, Codable {
    /// Only tasks in this state.
    public var state: TaskState?
    /// Only tasks of this agent, by name or id.
    public var agent: String?
    /// Only tasks of this run.
    public var runID: RunID?
    /// Where to go on: `next` of the page before.
    public var cursor: String?
    /// Items wanted, 1 to 200; nil for 50.
    public var limit: Int?

    enum CodingKeys: String, CodingKey {
        case state, agent, cursor, limit
        case runID = "run_id"
    }

    /// A query.
    public init(
        state: TaskState? = nil, agent: String? = nil, runID: RunID? = nil, cursor: String? = nil, limit: Int? = nil
    ) {
        self.state = state
        self.agent = agent
        self.runID = runID
        self.cursor = cursor
        self.limit = limit
    }
}

/// Names one object: a whole id, or for runs and tasks a prefix of at least four characters; for agents the name or id.
public struct ObjectQuery: Sendable, Equatable, Codable {
    /// The name, id or prefix.
    public var id: String

    /// A query.
    public init(id: String) { self.id = id }
}

/// Parameters of `run_create`.
public struct RunCreate: Sendable, Equatable, Codable {
    /// For which agents; an empty selector is refused.
    public var selector: TargetSelector
    /// What to do.
    public var spec: TaskSpec
    /// The same key within 24 hours gives the same run again instead of a second one.
    public var idempotencyKey: String?
    /// Follow every task's log on this link from the start, as `log_open` does.
    public var follow: Bool?
    /// How it goes over its targets; nil for all at once.
    public var rollout: Rollout?

    enum CodingKeys: String, CodingKey {
        case selector, spec, follow, rollout
        case idempotencyKey = "idempotency_key"
    }

    /// A request.
    public init(
        selector: TargetSelector, spec: TaskSpec, idempotencyKey: String? = nil, follow: Bool? = nil,
        rollout: Rollout? = nil
    ) {
        self.selector = selector
        self.spec = spec
        self.idempotencyKey = idempotencyKey
        self.follow = follow
        self.rollout = rollout
    }
}

/// Parameters of `task_cancel`: one task, or every unfinished task of a run.
public struct CancelRequest: Sendable, Equatable, Codable {
    /// A task's id or prefix.
    public var taskID: String?
    /// A run's id or prefix.
    public var runID: String?
    /// Seconds between TERM and KILL; nil keeps the task's own.
    public var grace: Double?

    enum CodingKeys: String, CodingKey {
        case grace
        case taskID = "task_id"
        case runID = "run_id"
    }

    /// A request.
    public init(taskID: String? = nil, runID: String? = nil, grace: Double? = nil) {
        self.taskID = taskID
        self.runID = runID
        self.grace = grace
    }
}

/// Parameters of `log_open`. One subscription per task and link.
public struct LogOpen: Sendable, Equatable, Codable {
    /// The task's id or prefix.
    public var taskID: String
    /// The first seq wanted; 0 for the whole log.
    public var fromSeq: Int64
    /// Go on with new chunks until the task ends.
    public var follow: Bool

    enum CodingKeys: String, CodingKey {
        case follow
        case taskID = "task_id"
        case fromSeq = "from_seq"
    }

    /// A subscription.
    public init(taskID: String, fromSeq: Int64 = 0, follow: Bool = true) {
        self.taskID = taskID
        self.fromSeq = fromSeq
        self.follow = follow
    }
}

/// Parameters of requests that need none.
public struct NoParameters: Sendable, Equatable, Codable {
    /// Nothing.
    public init() {}
}

/// A page of a list.
public struct Page<Item: Codable & Sendable>: Sendable, Codable {
    /// The items.
    public var items: [Item]
    /// The cursor of the next page; nil at the end.
    public var next: String?

    /// A page.
    public init(items: [Item], next: String?) {
        self.items = items
        self.next = next
    }
}

/// A run and a page of its tasks.
public struct RunDetail: Sendable, Codable, Equatable {
    /// The run.
    public var run: RunRecord
    /// All its tasks.
    public var tasks: [TaskRecord]

    /// A run with its tasks.
    public init(run: RunRecord, tasks: [TaskRecord]) {
        self.run = run
        self.tasks = tasks
    }
}

/// A task with its run.
public struct TaskDetail: Sendable, Codable, Equatable {
    /// The task.
    public var task: TaskRecord
    /// The run it belongs to.
    public var run: RunRecord

    /// A task with its run.
    public init(task: TaskRecord, run: RunRecord) {
        self.task = task
        self.run = run
    }
}

/// The tasks a cancel request reached, as they stand after it.
public struct CancelReply: Sendable, Codable, Equatable {
    /// The tasks.
    public var tasks: [TaskRecord]

    /// A reply.
    public init(tasks: [TaskRecord]) { self.tasks = tasks }
}

/// The answer to `log_open`, and the data of `log_end`.
public struct LogState: Sendable, Codable, Equatable {
    /// The task as it stands.
    public var task: TaskRecord
    /// Everything before this seq is committed.
    public var nextSeq: Int64

    enum CodingKeys: String, CodingKey {
        case task
        case nextSeq = "next_seq"
    }

    /// A state.
    public init(task: TaskRecord, nextSeq: Int64) {
        self.task = task
        self.nextSeq = nextSeq
    }
}

/// The answer to `server_info`.
public struct ServerInfo: Sendable, Codable, Equatable {
    /// The server's version.
    public var version: String
    /// The wire it speaks.
    public var `protocol`: Int
    /// This replica's name.
    public var server: String
    /// The operator the credential belongs to.
    public var actor: String
    /// What the credential may do at most.
    public var role: Role
    /// Which agents it reaches.
    public var scope: Scope
    /// The server's clock.
    public var clock: Timestamp

    /// Facts about the server.
    public init(
        version: String, protocol: Int, server: String, actor: String, role: Role, scope: Scope, clock: Timestamp
    ) {
        self.version = version
        self.protocol = `protocol`
        self.server = server
        self.actor = actor
        self.role = role
        self.scope = scope
        self.clock = clock
    }
}
