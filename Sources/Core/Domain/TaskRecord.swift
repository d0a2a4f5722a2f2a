// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Why a task ended other than by itself, or why it could not start.
public struct TaskFailure: Sendable, Hashable, Codable {
    /// A code from the error table; foreign agents may send others.
    public var code: String
    /// One sentence for people.
    public var message: String

    /// A failure.
    public init(code: String, message: String) {
        self.code = code
        self.message = message
    }

    /// A failure with a code from the table.
    public init(_ code: ErrorCode, _ message: String) { self.init(code: code.rawValue, message: message) }
}

/// One execution on one agent, as stored and shown.
public struct TaskRecord: Sendable, Hashable, Codable, Identifiable {
    /// The task.
    public var id: TaskID
    /// The run it belongs to.
    public var runID: RunID
    /// The agent it is for.
    public var agentID: AgentID
    /// That agent's name.
    public var agentName: String
    /// Which try this is; starts at 1.
    public var attempt: Int
    /// Where it stands.
    public var state: TaskState
    /// Which executor.
    public var type: String
    /// The command text.
    public var command: String
    /// Who asked for it.
    public var actor: String
    /// The program's exit status, once it exited.
    public var exitCode: Int32?
    /// The signal that ended the program.
    public var signal: Int32?
    /// Why it failed, if it did not simply exit.
    public var error: TaskFailure?
    /// What the executor reports besides its output.
    public var result: [String: JSONValue]?
    /// When it was asked for.
    public var createdAt: Timestamp
    /// When it was handed to the agent.
    public var dispatchedAt: Timestamp?
    /// When it started, by the agent's clock.
    public var startedAt: Timestamp?
    /// When it ended, by the agent's clock; by the Cloud's when the agent had no part in it.
    public var finishedAt: Timestamp?
    /// When it is given up if it was not delivered.
    public var expiresAt: Timestamp?
    /// The number of log chunks of the whole log, known at the end.
    public var logSeq: Int64?
    /// Whether its agent was connected when this record was read.
    public var agentOnline: Bool
    /// How far it has come, where its executor tells.
    public var progress: TaskProgress?
    /// Whether it waits for its turn in a run that goes over its targets in batches.
    public var held: Bool?

    enum CodingKeys: String, CodingKey {
        case id, attempt, state, type, command, actor, signal, error, result, progress, held
        case runID = "run_id"
        case agentID = "agent_id"
        case agentName = "agent_name"
        case exitCode = "exit_code"
        case createdAt = "created_at"
        case dispatchedAt = "dispatched_at"
        case startedAt = "started_at"
        case finishedAt = "finished_at"
        case expiresAt = "expires_at"
        case logSeq = "log_seq"
        case agentOnline = "agent_online"
    }

    /// A new task, attempt 1, pending.
    public init(
        id: TaskID, runID: RunID, agentID: AgentID, agentName: String, type: String, command: String, actor: String,
        createdAt: Timestamp, expiresAt: Timestamp?
    ) {
        self.id = id
        self.runID = runID
        self.agentID = agentID
        self.agentName = agentName
        self.type = type
        self.command = command
        self.actor = actor
        self.createdAt = createdAt
        self.expiresAt = expiresAt
        attempt = 1
        state = .pending
        agentOnline = false
    }

    /// The state in words, with what an operator needs to know beside it.
    public var stateText: String {
        switch state {
        case .pending where held == true: "waiting for its batch"
        case .pending: agentOnline ? "pending" : "waiting for agent"
        case .running where !agentOnline, .dispatched where !agentOnline: "\(state.rawValue) (agent offline)"
        case .running: progress?.note.map { "running: \($0)" } ?? state.rawValue
        default: state.rawValue
        }
    }
}

/// One operator request with its frozen set of targets.
public struct RunRecord: Sendable, Hashable, Codable, Identifiable {
    /// The run.
    public var id: RunID
    /// What was asked for.
    public var spec: TaskSpec
    /// The selector as it was typed.
    public var target: String
    /// Who asked for it.
    public var actor: String
    /// When.
    public var createdAt: Timestamp
    /// How many of its tasks are in each state.
    public var counts: [String: Int]
    /// How it goes over its targets; nil for all at once.
    public var rollout: Rollout?

    enum CodingKeys: String, CodingKey {
        case id, spec, target, actor, counts, rollout
        case createdAt = "created_at"
    }

    /// A run; see the properties.
    public init(
        id: RunID, spec: TaskSpec, target: String, actor: String, createdAt: Timestamp, counts: [String: Int] = [:]
    ) {
        self.id = id
        self.spec = spec
        self.target = target
        self.actor = actor
        self.createdAt = createdAt
        self.counts = counts
    }

    /// The number of tasks.
    public var taskCount: Int { counts.values.reduce(0, +) }
    /// The number of tasks that have ended.
    public var endedCount: Int {
        counts.reduce(0) { $0 + ((TaskState(rawValue: $1.key)?.isFinal ?? false) ? $1.value : 0) }
    }
}
