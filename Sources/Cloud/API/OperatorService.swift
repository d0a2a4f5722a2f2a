// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// What an operator can ask, once, for every door: the WebSocket calls these functions.
struct OperatorService: Sendable {
    let store: Store
    let tasks: TaskManager
    let feed: LogFeed
    let files: FileService
    let replica: String

    func info(_ principal: Principal) -> ServerInfo {
        ServerInfo(
            version: ProtocolVersion.product, protocol: ProtocolVersion.current, server: replica,
            actor: principal.name, role: principal.role, scope: principal.scope, clock: .now())
    }

    func create(_ request: RunCreate, as principal: Principal) async throws -> RunDetail {
        try await tasks.create(request, as: principal)
    }

    func agents(_ query: AgentListQuery, as principal: Principal) async throws -> Page<AgentInfo> {
        let limit = try Self.limit(query.limit, default: 200)
        let scope = principal.scope
        return try await store.read { transaction in
            var items: [AgentInfo] = []
            var cursor = query.cursor
            while true {
                let page = try AgentTable.list(after: cursor, limit: limit, in: scope, transaction)
                for agent in page where query.selector?.matches(agent) ?? true {
                    if items.count == limit { return Self.page(items, limit, isWhole: false) { $0.name } }
                    items.append(agent)
                }
                guard page.count == limit, let last = page.last else {
                    return Self.page(items, limit, isWhole: true) { $0.name }
                }
                cursor = last.name
            }
        }
    }

    func agent(_ name: String, as principal: Principal) async throws -> AgentInfo {
        guard let agent = try await store.read({ try AgentTable.find(nameOrID: name, in: principal.scope, $0) }) else {
            throw Self.missingAgent(name)
        }
        return agent
    }

    func runs(_ query: TaskListQuery, as principal: Principal) async throws -> Page<RunRecord> {
        let limit = try Self.limit(query.limit, default: 50)
        let cursor = try ListCursor(query.cursor)
        return try await store.read { transaction in
            let items = try RunTable.list(before: cursor, limit: limit, in: principal.scope, transaction)
            return Self.page(items, limit) { ListCursor(createdAt: $0.createdAt, id: $0.id.rawValue) }
        }
    }

    func run(_ prefix: String, as principal: Principal) async throws -> RunDetail {
        try await store.read { transaction in
            let scope = principal.scope
            let id = try Self.runID(prefix, scope, transaction)
            guard let run = try RunTable.find(id: id, in: scope, transaction) else {
                throw Self.missing("run", prefix)
            }
            return Self.fitting(RunDetail(run: run, tasks: try TaskTable.ofRun(id, in: scope, transaction)))
        }
    }

    func taskList(_ query: TaskListQuery, as principal: Principal) async throws -> Page<TaskRecord> {
        let limit = try Self.limit(query.limit, default: 50)
        let cursor = try ListCursor(query.cursor)
        let agentID = if let name = query.agent { try await agent(name, as: principal).id } else { AgentID?.none }
        return try await store.read { transaction in
            let items = try TaskTable.list(
                state: query.state, agentID: agentID, runID: query.runID, before: cursor, limit: limit,
                in: principal.scope, transaction)
            return Self.page(items, limit) { ListCursor(createdAt: $0.createdAt, id: $0.id.rawValue) }
        }
    }

    /// A run of many tasks without the text that all of them share: long commands and results would not fit a message.
    static func fitting(_ detail: RunDetail) -> RunDetail {
        RunDetail(run: detail.run, tasks: fitting(detail.tasks))
    }

    private static func fitting(_ tasks: [TaskRecord]) -> [TaskRecord] {
        guard tasks.count > 100 else { return tasks }
        return tasks.map { task in
            var task = task
            task.command = String(task.command.prefix(100))
            task.result = nil
            return task
        }
    }

    func task(_ prefix: String, as principal: Principal) async throws -> TaskDetail {
        try await store.read { transaction in
            let scope = principal.scope
            let task = try Self.task(prefix, scope, transaction)
            guard let run = try RunTable.find(id: task.runID, in: scope, transaction) else {
                throw Self.missing("run", prefix)
            }
            return TaskDetail(task: task, run: run)
        }
    }

    func cancel(_ request: CancelRequest, as principal: Principal) async throws -> CancelReply {
        let scope = principal.scope
        let ids = try await store.read { transaction -> [TaskID] in
            switch (request.taskID, request.runID) {
            case (let prefix?, nil): return [try Self.task(prefix, scope, transaction).id]
            case (nil, let prefix?):
                let id = try Self.runID(prefix, scope, transaction)
                return try TaskTable.ofRun(id, in: scope, transaction).map(\.id)
            default: throw DeployError(.invalidArgument, "give task_id or run_id")
            }
        }
        return CancelReply(tasks: Self.fitting(try await tasks.cancel(ids, grace: request.grace, as: principal)))
    }

    func logState(_ prefix: String, as principal: Principal) async throws -> LogState {
        try await store.read { transaction in
            let task = try Self.task(prefix, principal.scope, transaction)
            return LogState(task: task, nextSeq: try LogTable.nextSeq(task.id, attempt: task.attempt, transaction))
        }
    }

    /// Where a task's log stands, for somebody who is about to read it: that is recorded first.
    func openLog(_ prefix: String, as principal: Principal) async throws -> LogState {
        let state = try await logState(prefix, as: principal)
        try await store.write { transaction in
            var record = AuditRecord(.logRead, as: principal)
            try record.name(state.task, transaction)
            try AuditTrail.append(record, transaction)
        }
        return state
    }

    /// Those of some agents that the principal reaches.
    func reached(_ agents: [AgentID], by principal: Principal) async throws -> Set<AgentID> {
        try await store.read { try AgentTable.reached(agents, in: principal.scope, $0) }
    }

    func viewer(_ id: TaskID, from seq: Int64, follow: Bool) -> LogViewer {
        LogViewer(taskID: id, fromSeq: seq, follow: follow, store: store, feed: feed)
    }

    static func limit(_ value: Int?, default standard: Int) throws(DeployError) -> Int {
        guard let value else { return standard }
        guard (1...200).contains(value) else { throw DeployError(.invalidArgument, "limit is not between 1 and 200") }
        return value
    }

    /// The most bytes of JSON in a page, unless its first item alone is longer.
    private static let pageBytes = 196_608

    /// A page of what was found: fewer items when they are long, so that any page fits a message.
    static func page<Item: Codable>(
        _ found: [Item], _ limit: Int, _ cursor: (Item) -> ListCursor
    ) -> Page<Item> {
        page(found, limit) { cursor($0).text }
    }

    /// The same for lists that go on by another mark; `isWhole` when it is known whether there is more.
    static func page<Item: Codable>(
        _ found: [Item], _ limit: Int, isWhole: Bool? = nil, _ cursor: (Item) -> String
    ) -> Page<Item> {
        var bytes = 0
        let items = found.prefix { item in
            defer { bytes += StoredJSON.text(item).utf8.count }
            return bytes < pageBytes
        }
        let isWhole = items.count == found.count && isWhole ?? (found.count < limit)
        return Page(items: Array(items), next: isWhole ? nil : items.last.map(cursor))
    }

    private static func task(
        _ prefix: String, _ scope: Scope, _ transaction: any SQLTransaction
    ) throws -> TaskRecord {
        guard
            let id = try unique(
                "task", prefix, TaskID(prefix), find: { try TaskTable.ids(prefix: $0, in: scope, transaction) }),
            let task = try TaskTable.find(id: id, in: scope, transaction)
        else { throw missing("task", prefix) }
        return task
    }

    private static func runID(_ prefix: String, _ scope: Scope, _ transaction: any SQLTransaction) throws -> RunID {
        guard
            let id = try unique(
                "run", prefix, RunID(prefix), find: { try RunTable.ids(prefix: $0, in: scope, transaction) })
        else {
            throw missing("run", prefix)
        }
        return id
    }

    static func unique<Kind>(
        _ noun: String, _ prefix: String, _ valid: Identifier<Kind>?, find: (String) throws -> [Identifier<Kind>]
    ) throws -> Identifier<Kind>? {
        guard valid != nil, prefix.utf8.count >= 4 else {
            throw DeployError(
                .invalidArgument, "'\(prefix.prefix(64))' is not a \(noun) id or at least 4 characters of one")
        }
        let ids = try find(prefix)
        if let exact = ids.first(where: { $0.rawValue == prefix }) { return exact }
        guard ids.count <= 1 else {
            throw DeployError(.ambiguous, "several \(noun)s start with \(prefix)", hint: "give more characters")
        }
        return ids.first
    }

    static func missing(_ noun: String, _ prefix: String) -> DeployError {
        DeployError(.notFound, "no \(noun) starts with '\(prefix.prefix(64))'", hint: "tiangong task list")
    }
}
