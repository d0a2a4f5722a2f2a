// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Synchronization

/// A run from its request to its last task's end, as `tiangong run` shows it.
struct RunFollower: Sendable {
    /// What the command line asks for.
    struct Options: Sendable {
        /// When to put the agent's name before each line.
        var prefix = PrefixMode.auto
        /// How long to wait for the run; nil for ever.
        var wait: Duration?
        /// Seconds between TERM and KILL when it is cancelled.
        var grace: Double?
    }

    /// Where output goes, and what is to be said at the end.
    private struct Receiving: Sendable {
        var receiver: any LogReceiver
        /// The receiver, when it also writes the run.
        var rows: RowEvents?
    }

    private struct RunEvent: Encodable {
        var type = "run"
        var run: RunRecord
        var tasks: [TaskRecord]
    }

    private enum Outcome: Sendable {
        case ended([TaskRecord])
        case failed(DeployError)
        case waited
    }

    /// The client; its stream is taken here.
    let client: OperatorClient
    /// Where results go.
    let session: CommandSession
    /// ^C.
    let interrupts: Interrupts
    /// What the command line asks for.
    let options: Options
    /// How often the link may be lost over one request before it is given up.
    private static let lossLimit = 4
    /// Lines of a summary at most.
    private static let summaryLimit = 20

    /// Creates the run, follows it to its end, and gives the exit status.
    func run(_ request: RunCreate) async throws(DeployError) -> Int32 {
        let created = try await create(request)
        if session.settings.format == .jsonl {
            try await session.print(try JSONPrinter.line(RunEvent(run: created.run, tasks: created.tasks)))
        }
        try await noteWaiting(created.tasks)
        let canceled = Mutex(false)
        let receiving = receiving(created)
        switch await follow(created, receiving.receiver, onCancel: { canceled.withLock { $0 = true } }) {
        case .failed(let error):
            try await receiving.rows?.finish(nil)
            throw error
        case .waited:
            try await receiving.rows?.finish(nil)
            throw DeployError(
                .stillRunning, "run \(created.run.id) is still running", hint: "tiangong logs -f \(created.run.id)")
        case .ended(let ended):
            let tasks = Self.inOrder(created.tasks, ended)
            try await finish(created.run, tasks, receiving)
            let status = TaskOutcome.exitStatus(tasks)
            return canceled.withLock { $0 } && status != 0 ? 130 : status
        }
    }

    /// Asks for the run; when the link is lost before the answer, asks again, and the key makes it the same run.
    private func create(_ request: RunCreate) async throws(DeployError) -> RunDetail {
        var losses = 0
        while true {
            do throws(DeployError) {
                var detail = try await client.request(.runCreate(request)).data(as: RunDetail.self)
                if detail.tasks.count < detail.run.taskCount { detail.tasks = try await allTasks(detail.run.id) }
                return detail
            } catch {
                losses += 1
                guard error.code == .unreachable, losses <= Self.lossLimit else { throw error }
                try await waitForLink(error)
            }
        }
    }

    private func waitForLink(_ error: DeployError) async throws(DeployError) {
        while let event = await client.next() {
            switch event {
            case .connected: return
            case .offline(let error, _, nil): throw error
            case .connecting, .offline, .message: break
            }
        }
        throw error
    }

    private func allTasks(_ run: RunID) async throws(DeployError) -> [TaskRecord] {
        try await Pages.all { cursor throws(DeployError) in
            try await client.request(.taskList(TaskListQuery(runID: run, cursor: cursor, limit: 200)))
                .data(as: Page<TaskRecord>.self)
        }
    }

    private func follow(
        _ created: RunDetail, _ receiver: any LogReceiver, onCancel: @escaping @Sendable () -> Void
    ) async -> Outcome {
        await withTaskGroup(of: Outcome?.self, returning: Outcome.self) { group in
            group.addTask {
                let follower = LogFollower(client: client, receiver: receiver, follow: true)
                do throws(DeployError) {
                    return .ended(try await follower.run(created.tasks.map { .init(task: $0.id) }, opening: .already))
                } catch {
                    return .failed(error)
                }
            }
            group.addTask {
                guard await interrupts.wait() else { return nil }
                onCancel()
                await cancel(created.run.id)
                return nil
            }
            if let limit = options.wait {
                group.addTask {
                    try? await Task.sleep(for: limit)
                    return Task.isCancelled ? nil : .waited
                }
            }
            defer { group.cancelAll() }
            for await outcome in group { if let outcome { return outcome } }
            return .failed(DeployError(.unavailable, "given up"))
        }
    }

    private func receiving(_ created: RunDetail) -> Receiving {
        let tasks = created.tasks
        let names = Dictionary(tasks.map { ($0.id, $0.agentName) }) { first, _ in first }
        switch session.settings.format {
        case .table:
            let prefixed = options.prefix == .name || options.prefix == .auto && tasks.count > 1
            return Receiving(
                receiver: TaskOutput(
                    output: session.output, settings: session.settings, style: .init(prefixed: prefixed), names: names))
        case .json:
            guard created.run.spec.writesRowsAsLines else { return Receiving(receiver: SilentReceiver()) }
            let rows = RowEvents(output: session.output, events: nil, names: names)
            return Receiving(receiver: rows, rows: rows)
        case .jsonl:
            let events = TaskEvents(output: session.output, asArray: false, streams: .all, names: names)
            guard created.run.spec.writesRowsAsLines else { return Receiving(receiver: events) }
            return Receiving(receiver: RowEvents(output: session.output, events: events, names: names))
        }
    }

    private func cancel(_ run: RunID) async {
        do throws(DeployError) {
            try await session.note("canceling run \(run); ^C again leaves")
            _ = try await client.request(.taskCancel(CancelRequest(runID: run.rawValue, grace: options.grace)))
        } catch {
            CommandSession.report(error, format: session.settings.format)
        }
    }

    // MARK: words

    private func noteWaiting(_ tasks: [TaskRecord]) async throws(DeployError) {
        let waiting = tasks.filter { $0.state == .pending && !$0.agentOnline }
        for task in waiting.prefix(Self.summaryLimit) {
            let until = task.expiresAt.map { ", until \($0)" } ?? ""
            try await session.note("\(task.agentName): waiting for the agent, which is offline\(until)")
        }
        if waiting.count > Self.summaryLimit {
            try await session.note("and \(waiting.count - Self.summaryLimit) more agents are offline")
        }
    }

    private func finish(
        _ run: RunRecord, _ tasks: [TaskRecord], _ receiving: Receiving
    ) async throws(DeployError) {
        if session.settings.format == .json {
            var run = run
            run.counts = Dictionary(tasks.map { ($0.state.rawValue, 1) }, uniquingKeysWith: +)
            let detail = RunDetail(run: run, tasks: tasks)
            if let rows = receiving.rows {
                try await rows.finish(detail)
            } else {
                try await session.show(detail, detached: false)
            }
        }
        let bad = tasks.filter { $0.state != .succeeded }
        for task in bad.prefix(Self.summaryLimit) {
            try await session.note("\(task.agentName): \(TaskOutcome.words(task)) (task \(task.id.short))")
        }
        if bad.count > Self.summaryLimit {
            try await session.note("and \(bad.count - Self.summaryLimit) more: tiangong task list --run \(run.id)")
        }
        if tasks.count > 1, !bad.isEmpty {
            try await session.note("\(bad.count) of \(tasks.count) tasks did not succeed")
        }
    }

    private static func inOrder(_ created: [TaskRecord], _ ended: [TaskRecord]) -> [TaskRecord] {
        let byID = Dictionary(ended.map { ($0.id, $0) }) { _, last in last }
        return created.map { byID[$0.id] ?? $0 }
    }
}

/// Takes logs and shows nothing.
struct SilentReceiver: LogReceiver {
    /// Nothing.
    func receive(_ segment: LogSegment, of task: TaskID) async throws(DeployError) {}
    /// Nothing.
    func ended(_ task: TaskRecord) async throws(DeployError) {}
    /// Nothing.
    func interrupted(_ error: DeployError, retryIn: Duration) async {}
    /// Nothing.
    func resumed() async {}
}
