// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// A stored connection: where, and under which name.
struct ContextSummary: Equatable, Sendable {
    var name: String
    var server: String
    /// Whether a credential is stored with it.
    var hasCredential: Bool
}

/// All stored connections, and the one in use.
struct ContextList: Equatable, Sendable {
    var items: [ContextSummary] = []
    var current: String?
}

/// A piece of a followed log, decompressed.
struct LogPiece: Equatable, Sendable {
    var task: TaskID
    var stream: LogStream
    var at: Timestamp
    var bytes: [UInt8]
}

/// What happens without being asked for.
enum BackendEvent: Equatable, Sendable {
    /// An attempt to connect has begun.
    case connecting(context: String)
    /// The link is up; everything known before may be old.
    case connected(ServerInfo)
    /// The link is down. `retry` is when the next attempt starts, nil when there will be none until asked.
    case offline(reason: String, attempt: Int, retry: Timestamp?)
    /// The credential was refused: retrying is useless.
    case loginNeeded(String)
    case agentChanged(AgentInfo)
    /// An agent was removed, or is out of reach now.
    case agentRemoved(AgentID)
    case taskChanged(TaskRecord)
    case log(LogPiece)
    /// Chunks that will not come any more.
    case logGap(task: TaskID, from: Int64, to: Int64)
    case logEnd(TaskRecord)
}

/// What the console needs from the other side. It knows nothing of sockets; tests put a made-up world behind it.
/// Every request throws ``DeployError``; while offline, `unreachable`, at once.
protocol ConsoleBackend: FileBackend {
    /// Connects, and reconnects for as long as the task that calls it is not cancelled. Everything that happens is
    /// handed to `deliver`, which may wait: a slow screen slows the link down, and nothing grows.
    func run(deliver: @escaping @Sendable (BackendEvent) async -> Void) async
    /// Gives up waiting and tries now.
    func retryNow() async

    func contexts() async throws -> ContextList
    /// Leaves the present server and connects to another.
    func use(context: String) async throws

    func agents() async throws -> [AgentInfo]
    /// The task types that agents run.
    func executors() async throws -> [ExecutorInfo]
    /// The newest runs, at most 200.
    func runs() async throws -> [RunRecord]
    func run(_ id: RunID) async throws -> RunDetail
    func create(_ request: RunCreate) async throws -> RunDetail
    func cancel(_ request: CancelRequest) async throws -> [TaskRecord]
    func policies() async throws -> [PolicyRecord]
    /// What the policies say about a command, agent by agent. Nothing runs.
    func test(_ test: PolicyTest) async throws -> [AgentVerdict]
    /// A page of the audit, newest first.
    func audit(_ query: AuditQuery) async throws -> Page<AuditRecord>
    /// Follows a log from the start; after a lost link it goes on by itself where it stopped.
    func openLog(_ task: TaskID) async throws -> LogState
    func closeLog(_ task: TaskID) async
}
