// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

/// The real world behind the console: one client, stored contexts, and the logs that are followed.
actor LiveBackend: ConsoleBackend {
    /// Pages asked for at most, of 200 items each: 10 000 agents.
    private static let pageLimit = 50

    private struct Followed {
        var attempt = 1
        var next: Int64 = 0
    }

    private let resolver: TargetResolver
    private let decompressor = ChunkDecompressor()
    private let changes = BoundedChannel<Void>(capacity: 1)
    private let uploads = LiveUploads()
    private var chosen: String?
    private var client: OperatorClient?
    private var logs: [TaskID: Followed] = [:]

    init(environment: [String: String], context: String?) {
        resolver = TargetResolver(environment: environment)
        chosen = context
    }

    // MARK: the link

    func run(deliver: @escaping @Sendable (BackendEvent) async -> Void) async {
        while !Task.isCancelled {
            let target: ServerTarget
            do throws(DeployError) {
                target = try resolver.resolve(ConnectionFlags(context: chosen))
            } catch {
                let hint = error.hint.map { " (\($0))" } ?? ""
                await deliver(.loginNeeded(error.message + hint))
                _ = await changes.next()
                continue
            }
            let client = OperatorClient(target, reconnect: .always)
            self.client = client
            let name = target.context ?? target.server
            await withTaskCancellationHandler {
                await withDiscardingTaskGroup { group in
                    group.addTask { await client.run() }
                    while let event = await client.next() {
                        if case .connected(let info) = event {
                            group.addTask { await self.resume(client, info, deliver) }
                        } else if let events = self.translate(event, name) {
                            for event in events { await deliver(event) }
                        }
                    }
                }
            } onCancel: {
                client.close()
            }
        }
    }

    /// After a link is made: changes are asked for before the lists, so that none falls between; then the logs go on.
    private func resume(
        _ client: OperatorClient, _ info: ServerInfo, _ deliver: @Sendable (BackendEvent) async -> Void
    ) async {
        _ = try? await client.request(.eventsOpen)
        await deliver(.connected(info))
        for (task, followed) in logs {
            _ = try? await client.request(.logOpen(LogOpen(taskID: task.rawValue, fromSeq: followed.next)))
        }
    }

    private func translate(_ event: OperatorClient.Event, _ name: String) -> [BackendEvent]? {
        switch event {
        case .connecting: [.connecting(context: name)]
        case .connected: nil
        case .offline(let error, let attempt, let retryIn):
            if error.code == .unauthenticated || error.code == .forbidden {
                [.loginNeeded(error.message)]
            } else {
                [.offline(reason: error.message, attempt: attempt, retry: retryIn.map { Self.moment(in: $0) })]
            }
        case .message(let message): translate(message)
        }
    }

    private static func moment(in duration: Duration) -> Timestamp {
        let parts = duration.components
        return Timestamp.now().adding(
            milliseconds: min(parts.seconds, 86_400) * 1000 + parts.attoseconds / 1_000_000_000_000_000)
    }

    private func translate(_ message: OperatorMessage) -> [BackendEvent]? {
        switch message {
        case .agentChanged(let agent): [.agentChanged(agent)]
        case .agentRemoved(let id): [.agentRemoved(id)]
        case .taskChanged(let task): [.taskChanged(task)]
        case .log(let task, let attempt, let chunk): piece(task, attempt, chunk)
        case .logEnd(let state): logs.removeValue(forKey: state.task.id) == nil ? nil : [.logEnd(state.task)]
        case .reply, .error, .fileCredit: nil
        }
    }

    /// Each chunk once and in order; what is missing is said.
    private func piece(_ task: TaskID, _ attempt: Int, _ chunk: LogChunk) -> [BackendEvent]? {
        guard var followed = logs[task], attempt >= followed.attempt else { return nil }
        if attempt > followed.attempt { followed = Followed(attempt: attempt) }
        guard chunk.seq >= followed.next, chunk.seq < .max else { return nil }
        var events: [BackendEvent] = []
        if chunk.seq > followed.next { events.append(.logGap(task: task, from: followed.next, to: chunk.seq - 1)) }
        if let raw = try? decompressor.decompress(chunk) {
            events.append(
                .log(LogPiece(task: task, stream: chunk.stream, at: chunk.at, bytes: Array(raw.readableBytesView))))
        } else {
            events.append(.logGap(task: task, from: chunk.seq, to: chunk.seq))
        }
        followed.next = chunk.seq + 1
        logs[task] = followed
        return events
    }

    func retryNow() {
        client?.retryNow()
        changes.offer(())
    }

    // MARK: contexts

    func contexts() throws -> ContextList {
        let file = try resolver.store.load()
        let items = file.contexts.sorted { $0.key < $1.key }.map {
            ContextSummary(name: $0.key, server: $0.value.server, hasCredential: $0.value.token != nil)
        }
        let target = try? resolver.resolve(ConnectionFlags(context: chosen))
        return ContextList(items: items, current: target.map { $0.context ?? $0.server } ?? chosen ?? file.current)
    }

    func use(context: String) throws {
        chosen = context
        logs = [:]
        client?.close()
        changes.offer(())
    }

    // MARK: requests

    private func request<Value: Decodable>(_ request: OperatorRequest) async throws -> Value {
        guard let client else { throw DeployError(.unreachable, "not connected") }
        return try await client.request(request).data()
    }

    func agents() async throws -> [AgentInfo] {
        var all: [AgentInfo] = []
        var cursor: String?
        for _ in 0..<Self.pageLimit {
            let page: Page<AgentInfo> = try await request(.agentList(AgentListQuery(cursor: cursor, limit: 200)))
            all += page.items
            cursor = page.next
            if cursor == nil { break }
        }
        return all
    }

    func executors() async throws -> [ExecutorInfo] {
        var all: [ExecutorInfo] = []
        var cursor: String?
        for _ in 0..<Self.pageLimit {
            let page: Page<ExecutorInfo> = try await request(.executorList(ExecutorListQuery(cursor: cursor)))
            all += page.items
            cursor = page.next
            if cursor == nil { break }
        }
        return all
    }

    func runs() async throws -> [RunRecord] {
        let page: Page<RunRecord> = try await request(.runList(TaskListQuery(limit: 200)))
        return page.items
    }

    func run(_ id: RunID) async throws -> RunDetail {
        try await request(.runShow(ObjectQuery(id: id.rawValue)))
    }

    func create(_ request: RunCreate) async throws -> RunDetail {
        try await self.request(.runCreate(request))
    }

    func cancel(_ request: CancelRequest) async throws -> [TaskRecord] {
        let reply: CancelReply = try await self.request(.taskCancel(request))
        return reply.tasks
    }

    func policies() async throws -> [PolicyRecord] {
        let page: Page<PolicyRecord> = try await request(.policyList)
        return page.items
    }

    func test(_ test: PolicyTest) async throws -> [AgentVerdict] {
        let reply: PolicyTestReply = try await request(.policyTest(test))
        return reply.agents
    }

    func audit(_ query: AuditQuery) async throws -> Page<AuditRecord> {
        try await request(.auditList(query))
    }

    func openLog(_ task: TaskID) async throws -> LogState {
        logs[task] = Followed()
        return try await request(.logOpen(LogOpen(taskID: task.rawValue)))
    }

    func closeLog(_ task: TaskID) async {
        guard logs.removeValue(forKey: task) != nil, let client else { return }
        _ = try? await client.request(.logClose(ObjectQuery(id: task.rawValue)))
    }

    // MARK: files

    func files() async throws -> [FileInfo] {
        let page: Page<FileInfo> = try await request(.fileList(FileListQuery(limit: 200)))
        return page.items
    }

    func removeFile(_ id: FileID) async throws {
        let _: NoParameters = try await request(.fileRemove(ObjectQuery(id: id.rawValue)))
    }

    func upload(_ row: UploadRow, report: @escaping @Sendable (UploadProgress) -> Void) async throws -> FileInfo {
        let target = try resolver.resolve(ConnectionFlags(context: chosen))
        return try await uploads.run(row, to: target, report: report)
    }

    func stopUpload(_ number: Int, _ upload: UploadID?) async {
        uploads.stop(number)
        guard let upload else { return }
        let _: NoParameters? = try? await request(.uploadRemove(ObjectQuery(id: upload.rawValue)))
    }
}
