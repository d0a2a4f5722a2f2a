// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Logging

/// The only writer of task state: every change is one compare-and-set in the database, then told to those concerned.
struct TaskManager: Sendable {
    let store: Store
    let hub: Hub
    let feed: LogFeed
    let policies = CompiledPolicies()
    let logger: Logger
    /// How long a task may wait for its agent when the request does not say, in seconds.
    let defaultExpiry: Double

    /// The most targets of one run.
    static let maximumTargets = 20_000
    /// What a report that waits for its commit counts of the bytes one link may have waiting.
    private static let reportCost = 1024
    /// The most bytes of a specification as JSON; well under the largest message.
    static let maximumSpecBytes = 786_432

    // MARK: Making and ending

    /// Stores a run and its tasks, hands them to the agents that are here, and returns them as stored.
    func create(_ request: RunCreate, as principal: Principal) async throws -> RunDetail {
        try request.spec.validate()
        try request.rollout?.validate()
        guard !request.selector.isEmpty else {
            throw DeployError(.invalidArgument, "no target", hint: "name agents with -a, labels with -l, or --all")
        }
        if let key = request.idempotencyKey, !(1...128).contains(key.utf8.count) {
            throw DeployError(.invalidArgument, "idempotency_key is not 1 to 128 bytes")
        }
        // Every agent must be able to take the task in one message, and every operator its run.
        guard StoredJSON.text(request.spec).utf8.count <= Self.maximumSpecBytes else {
            throw DeployError(
                .tooLarge, "command and parameters are over \(Self.maximumSpecBytes) bytes together",
                hint: "send large input as a file")
        }
        let (detail, epochs) = try await store.write { transaction -> (RunDetail, [AgentID: Int64]?) in
            if let known = try repeated(request, principal, transaction) { return (known, nil) }
            return try insert(request, principal, transaction)
        }
        if let epochs {
            await deliver(detail, over: epochs)
            hub.announce(detail.tasks)
        }
        return detail
    }

    private func repeated(
        _ request: RunCreate, _ principal: Principal, _ transaction: any SQLTransaction
    ) throws -> RunDetail? {
        guard let key = request.idempotencyKey else { return nil }
        let actor = principal.name
        let since = Timestamp.now().adding(milliseconds: -86_400_000)
        guard let run = try RunTable.find(actor: actor, idempotencyKey: key, since: since, transaction) else {
            try RunTable.releaseKey(actor: actor, idempotencyKey: key, transaction)
            return nil
        }
        let spec = try FileTable.complete(request.spec, as: principal, transaction)
        guard run.spec == spec, run.target == request.selector.description, run.rollout == request.rollout else {
            throw DeployError(
                .conflict, "the idempotency key belongs to another command or other targets", hint: "use a new key")
        }
        let tasks = try TaskTable.ofRun(run.id, in: principal.scope, transaction)
        guard tasks.count == run.counts.values.reduce(0, +) else {
            throw DeployError(
                .conflict, "the idempotency key belongs to a run beyond this token's scope", hint: "use a new key")
        }
        return RunDetail(run: run, tasks: tasks)
    }

    /// Stores a run. A task counts as dispatched when the link of its agent is the newest the database knows; the
    /// second value names those links. A link that is about to be replaced gets nothing.
    private func insert(
        _ request: RunCreate, _ principal: Principal, _ transaction: any SQLTransaction
    ) throws -> (RunDetail, [AgentID: Int64]) {
        let actor = principal.name
        let agents = try targets(request.selector, as: principal, transaction)
        try ExecutorCheck.check(request.spec, agents, transaction)
        let spec = try FileTable.complete(request.spec, as: principal, transaction)
        let judgement = try RunGuard.check(spec, agents, policies, transaction)
        let now = Timestamp.now()
        let wait = request.spec.expiresIn ?? defaultExpiry
        var run = RunRecord(
            id: .random(), spec: spec, target: request.selector.description, actor: actor, createdAt: now)
        run.rollout = request.rollout
        try RunTable.insert(run, idempotencyKey: request.idempotencyKey, transaction)
        try FileTable.use(spec, in: run.id, transaction)
        let width = try request.rollout?.width(of: agents.count) ?? agents.count
        var epochs: [AgentID: Int64] = [:]
        let tasks = try agents.enumerated().map { index, agent in
            var task = TaskRecord(
                id: .random(), runID: run.id, agentID: agent.id, agentName: agent.name, type: request.spec.type,
                command: request.spec.command, actor: actor, createdAt: now,
                expiresAt: now.adding(milliseconds: Int64(wait * 1000)))
            if index >= width {
                task.held = true
                // Its time to wait begins with its batch.
                task.expiresAt = nil
                task.agentOnline = agent.status == .online
            } else if let session = hub.session(of: agent.id), session.epoch == agent.epoch {
                epochs[agent.id] = session.epoch
                task.state = .dispatched
                task.dispatchedAt = now
                task.agentOnline = true
            }
            try TaskTable.insert(task, transaction)
            return task
        }
        try AuditTrail.append(
            AuditRecord.creation(of: run, tasks, on: agents, judgement, by: principal), transaction)
        var counted = run
        counted.counts = Dictionary(tasks.map { ($0.state.rawValue, 1) }, uniquingKeysWith: +)
        return (RunDetail(run: counted, tasks: tasks), epochs)
    }

    /// The agents a selector means, by name; what lies beyond the principal's scope is not there.
    func targets(
        _ selector: TargetSelector, as principal: Principal, _ transaction: any SQLTransaction
    ) throws -> [AgentInfo] {
        func find(_ name: String) throws -> AgentInfo? {
            try AgentTable.find(nameOrID: name, in: principal.scope, transaction)
        }
        let missing = try selector.agents.filter { try find($0) == nil }
        guard missing.isEmpty else {
            throw DeployError(
                .notFound, "no agent is called \(missing.joined(separator: ", "))", hint: "tiangong agent list")
        }
        let agents =
            selector.labels.isEmpty && !selector.all
            ? try selector.agents.compactMap(find)
            : try AgentTable.all(in: principal.scope, transaction).filter(selector.matches)
        let unique = Dictionary(agents.map { ($0.id, $0) }) { first, _ in first }.values.sorted { $0.name < $1.name }
        guard !unique.isEmpty else {
            throw DeployError(.notFound, "no agent matches \(selector.description)", hint: "tiangong agent list")
        }
        guard unique.count <= Self.maximumTargets else {
            throw DeployError(.tooLarge, "\(unique.count) agents match, more than \(Self.maximumTargets)")
        }
        return unique
    }

    /// Sends new tasks to the links they were dispatched to. Where another link has come since, its registration has
    /// found the task undelivered and sees to it.
    private func deliver(_ detail: RunDetail, over epochs: [AgentID: Int64]) async {
        for task in detail.tasks {
            guard task.held != true, let session = hub.session(of: task.agentID) else { continue }
            if task.state == .pending {
                await dispatchPending(session)
            } else if session.epoch == epochs[task.agentID] {
                session.send(task, spec: detail.run.spec)
            }
        }
    }

    /// Hands every waiting task of an agent to its link, unless a newer one has registered: that one does it.
    func dispatchPending(_ session: AgentSession) async {
        let (agentID, epoch) = (session.agentID, session.epoch)
        do {
            while true {
                let batch = try await store.write { transaction -> [(TaskRecord, TaskSpec)] in
                    guard try AgentTable.find(id: agentID, transaction)?.epoch == epoch else { return [] }
                    return try TaskTable.ofAgent(agentID, states: [.pending], limit: 200, transaction).compactMap {
                        task in
                        guard let run = try RunTable.find(id: task.runID, transaction),
                            let sent = try TaskTable.apply(
                                .dispatched, to: task, transaction, set: { $0.dispatchedAt = .now() })
                        else { return nil }
                        return (sent, run.spec)
                    }
                }
                if batch.isEmpty { return }
                hub.announce(batch.map(\.0))
                for (task, spec) in batch where await !session.deliver(task, spec: spec) { return }
            }
        } catch {
            logger.error("pending tasks not dispatched", metadata: ["agent.id": "\(agentID)", "error": "\(error)"])
            session.link.close(CloseReason(code: 1011, reason: "tasks could not be read"))
        }
    }

    /// Asks to stop tasks, those that the principal reaches. Asking again changes nothing.
    func cancel(_ tasks: [TaskID], grace: Double?, as principal: Principal) async throws -> [TaskRecord] {
        if let grace, !(0...3600).contains(grace) {
            throw DeployError(.invalidArgument, "grace is not between 0 and 3600 s")
        }
        let results = try await store.write { transaction -> [TaskRecord] in
            try tasks.compactMap { id in
                guard let task = try TaskTable.find(id: id, in: principal.scope, transaction) else { return nil }
                if !task.state.isFinal { try AuditTrail.append(.cancel(task, by: principal, transaction), transaction) }
                return try TaskTable.apply(.cancelRequested, to: task, by: principal.name, transaction) { changed in
                    guard changed.state.isFinal else { return }
                    changed.finishedAt = .now()
                    changed.error = TaskFailure(.canceled, "canceled before it was delivered")
                } ?? task
            }
        }
        for task in results {
            if task.state == .canceling {
                hub.session(of: task.agentID)?.send(
                    .cancel(TaskCancel(taskID: task.id, attempt: task.attempt, grace: grace)))
            }
            feed.changed(task)
        }
        hub.announce(results)
        return results
    }

    // MARK: What agents report

    /// A task got on. Returns once it is queued, in order, so that the first output need not wait for this commit.
    func progress(_ report: TaskStatusReport, from session: AgentSession, replyTo id: String?) async throws {
        let agentID = session.agentID
        guard report.state == "running" || report.state == "accepted" else {
            throw DeployError(.invalidArgument, "data.state is neither accepted nor running")
        }
        session.logs.submitted(Self.reportCost)
        store.submit { transaction -> (before: TaskRecord, changed: TaskRecord?) in
            guard let task = try TaskTable.find(id: report.taskID, transaction), task.agentID == agentID,
                task.attempt == report.attempt ?? 1
            else { throw DeployError(.notFound, "task \(report.taskID) is not this agent's") }
            guard report.state == "running" else { return (task, nil) }
            var changed = try TaskTable.apply(.started, to: task, transaction) {
                $0.startedAt = report.startedAt ?? .now()
            }
            if var progress = report.progress, progress.done >= 0, progress.total ?? 0 >= 0 {
                progress.note = progress.note.map {
                    String(decoding: $0.utf8.prefix(TaskProgress.maximumNote), as: UTF8.self)
                }
                let current = changed ?? task
                try TaskTable.setProgress(progress, of: current, transaction)
                changed = current
                changed?.progress = progress
            }
            return (task, changed)
        } finish: { [hub] result in
            session.logs.finished(Self.reportCost)
            switch result {
            case .success(let (before, changed)):
                if let changed { hub.announce([changed]) }
                // The wish to stop it may have overtaken the task on its way to the agent, which then did not know it.
                guard before.state == .canceling else { return }
                session.send(.cancel(TaskCancel(taskID: before.id, attempt: before.attempt)))
            case .failure(let error): session.send(.error(DeployError(wrapping: error)), id: id)
            }
        }
        await session.logs.room()
    }

    /// A task ended. Returns only after the commit, so that the acknowledgement means it is kept.
    ///
    /// Throws `conflict` when chunks of its log are still missing; the agent sends them and reports again.
    func complete(_ completion: TaskCompletion, from session: AgentSession) async throws {
        guard let end = completion.endState else {
            throw DeployError(.invalidArgument, "data.status '\(completion.status.prefix(32))' is not an end state")
        }
        let agentID = session.agentID
        let completion = completion.bounded
        let changed = try await store.write { transaction -> TaskRecord? in
            guard let task = try TaskTable.find(id: completion.taskID, transaction), task.agentID == agentID,
                task.attempt == completion.attempt ?? 1
            else { throw DeployError(.notFound, "task \(completion.taskID) is not this agent's") }
            guard task.dispatchedAt != nil else {
                throw DeployError(.conflict, "task \(task.id) was never handed over")
            }
            let stored = try LogTable.nextSeq(task.id, attempt: task.attempt, transaction)
            if let length = completion.logSeq, stored < length {
                throw DeployError(.conflict, "task \(task.id): log seq \(stored) is missing, \(length) were announced")
            }
            return try TaskTable.apply(.ended(end), to: task, by: "agent \(session.name)", transaction) { changed in
                changed.exitCode = completion.exitCode
                changed.signal = completion.signal
                changed.error = completion.error
                changed.result = completion.result
                changed.startedAt = completion.startedAt ?? changed.startedAt
                changed.finishedAt = completion.finishedAt ?? .now()
                changed.logSeq = stored
            }
        }
        session.logs.forget(completion.taskID)
        if let changed {
            feed.changed(changed)
            hub.announce([changed])
        }
    }
}

extension TaskCompletion {
    /// The same with an error and a result of a size that lists can carry.
    fileprivate var bounded: TaskCompletion {
        var bounded = self
        if let error {
            bounded.error = TaskFailure(
                code: String(decoding: error.code.utf8.prefix(64), as: UTF8.self),
                message: String(decoding: error.message.utf8.prefix(2048), as: UTF8.self))
        }
        if let result {
            let bytes = StoredJSON.text(result).utf8.count
            if bytes > 65_536 { bounded.result = ["dropped_bytes": .integer(Int64(bytes))] }
        }
        return bounded
    }
}
