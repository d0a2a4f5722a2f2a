// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Brings files to this host and back, and manages them, below the directories that the settings name.
struct FileExecutor: Executor {
    var schema: ExecutorSchema { TaskType.file.schema }

    let settings: FileSettings
    let policy: PathPolicy
    let cloud: CloudContent
    /// Bytes a second of all tasks together.
    let bandwidth: RateLimiter

    /// Reads `executors.file`; throws `invalid_argument` naming the key.
    ///
    /// - Parameters:
    ///   - node: The settings.
    ///   - own: Files and directories of the agent's own, which no task reaches.
    ///   - cloud: Where stored files are.
    init(_ node: SettingsNode, own: [String], cloud: CloudContent) throws(DeployError) {
        settings = try FileSettings(node)
        do throws(DeployError) {
            policy = try PathPolicy(roots: settings.roots, excluding: own)
        } catch {
            throw DeployError(.invalidArgument, "\(node.path).roots: \(error.message)")
        }
        self.cloud = cloud
        bandwidth = RateLimiter(bytesPerSecond: settings.bandwidth)
    }

    func run(_ context: ExecutionContext) async throws(DeployError) -> ExecutionOutcome {
        let parameters = try FileParameters(context.spec)
        return try await TaskThread.run { () async throws(DeployError) -> ExecutionOutcome in
            switch parameters.act {
            case .put: return try await PutTask(context, parameters, self).run()
            case .fetch: return try await FetchTask(context, parameters, self).run()
            case .delete, .mkdir, .stat, .list: return try await ManageTask(context, parameters, self).run()
            }
        }
    }
}

/// What the settings say of file tasks.
struct FileSettings: Sendable, Equatable {
    /// The directories below which files may be.
    var roots: [String]
    /// Bytes a second, in and out together; nil for no limit.
    var bandwidth: Int64?
    /// The largest file.
    var maximumSize: Int64
    /// Backups kept of one file; the oldest go.
    var backups: Int

    /// Throws `invalid_argument` naming the key.
    init(_ node: SettingsNode) throws(DeployError) {
        var node = node
        guard let roots = try node.list("roots"), !roots.isEmpty else {
            throw DeployError(
                .invalidArgument, "\(node.path).roots is missing",
                hint: "name the directories below which tasks may read and write, such as [/srv/app]")
        }
        self.roots = roots
        bandwidth = try node.bytes("bandwidth")
        if let bandwidth, bandwidth < 65_536 {
            throw DeployError(.invalidArgument, "\(node.path).bandwidth is less than 64KiB a second")
        }
        maximumSize = try node.bytes("max-size") ?? .max
        backups = try node.number("backups", in: 1...10_000) ?? 10
        try node.finish()
    }
}

/// Stored files of the Cloud, asked for with whatever credentials this agent has by then.
struct CloudContent: Sendable {
    /// Where the Cloud is.
    let endpoint: ServerEndpoint
    /// What to show; read anew for each client.
    let credentials: LinkCredentials

    /// A client, for one task. Throws when there are no credentials.
    func client(for limiter: RateLimiter) throws(DeployError) -> TransferClient {
        let (token, identity) = try credentials.load()
        // Two seconds' worth: of what is not taken soon, the Cloud would think that nobody takes it.
        let window = min(4 << 20, max(256 << 10, limiter.piece(of: 1 << 20) * 64))
        return try TransferClient(endpoint, token: token, identity: identity, window: window)
    }

    /// The path of a task's content.
    static func path(_ task: TaskID, _ rest: String) -> String { "/api/v1/agent/tasks/\(task.rawValue)/\(rest)" }
}

extension TaskFailure {
    /// Of an error, with what to try.
    init(_ error: DeployError) { self.init(error.code, error.sentence) }
}
