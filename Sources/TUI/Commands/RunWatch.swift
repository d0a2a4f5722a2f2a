// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Synchronization

/// A run from its request to its last task's end, by what its tasks report rather than by what they print.
struct RunWatch: Sendable {
    /// What came of a run.
    struct Ended: Sendable {
        var run: RunRecord
        /// In the order the server made them.
        var tasks: [TaskRecord]
        /// ^C ended it.
        var wasCanceled: Bool

        /// As ``TaskOutcome/exitStatus(_:)``, 130 after ^C.
        var exitStatus: Int32 {
            let status = TaskOutcome.exitStatus(tasks)
            return wasCanceled && status != 0 ? 130 : status
        }
    }

    private struct RunEvent: Encodable {
        var type = "run"
        var run: RunRecord
        var tasks: [TaskRecord]
    }

    private struct EndEvent: Encodable {
        var type = "end"
        var task: TaskRecord
    }

    private enum Outcome: Sendable {
        case ended
        case failed(DeployError)
    }

    /// The client; its stream is taken here.
    let client: OperatorClient
    let session: CommandSession
    let interrupts: Interrupts

    /// Makes the run and gives it as it was made. A link that is lost before the answer makes no second one.
    func create(_ request: RunCreate) async throws(DeployError) -> RunDetail {
        let made: Result<RunDetail, DeployError> = await client.ignoringEvents {
            while true {
                do throws(DeployError) {
                    var detail = try await client.request(.runCreate(request)).data(as: RunDetail.self)
                    if detail.tasks.count < detail.run.taskCount { detail.tasks = try await allTasks(detail.run.id) }
                    return .success(detail)
                } catch {
                    guard error.code == .unreachable else { return .failure(error) }
                    do throws(DeployError) { try await client.linked() } catch { return .failure(error) }
                }
            }
        }
        return try made.get()
    }

    /// Makes the run and waits for its end; the first ^C cancels it.
    func run(_ request: RunCreate) async throws(DeployError) -> Ended {
        let created = try await create(request)
        if session.settings.format == .jsonl {
            try await session.print(try JSONPrinter.line(RunEvent(run: created.run, tasks: created.tasks)))
        }
        let away = created.tasks.count { $0.state == .pending && !$0.agentOnline }
        if away > 0 { try await session.note("\(away) of \(created.tasks.count) agents are offline: their tasks wait") }
        let board = TaskBoard(created.tasks)
        let canceled = Mutex(false)
        let rows = LiveLines.rows(session) ?? 0
        let outcome = await LiveLines.during(session) {
            board.lines(rows)
        } _: {
            await watch(created.run.id, board) { canceled.withLock { $0 = true } }
        }
        if case .failed(let error) = outcome { throw error }
        let ends = Dictionary(board.tasks.map { ($0.id, $0) }) { first, _ in first }
        let tasks = created.tasks.map { ends[$0.id] ?? $0 }
        if session.settings.format == .jsonl {
            for task in tasks { try await session.print(try JSONPrinter.line(EndEvent(task: task))) }
        }
        var run = created.run
        run.counts = Dictionary(tasks.map { ($0.state.rawValue, 1) }, uniquingKeysWith: +)
        return Ended(run: run, tasks: tasks, wasCanceled: canceled.withLock { $0 })
    }

    private func watch(_ run: RunID, _ board: TaskBoard, onCancel: @escaping @Sendable () -> Void) async -> Outcome {
        let wanted = BoundedChannel<Void>(capacity: 1)
        wanted.offer(())
        return await withTaskGroup(of: Outcome?.self, returning: Outcome.self) { group in
            group.addTask { await listen(board, wanted) }
            group.addTask { await ask(run, board, wanted) }
            group.addTask {
                guard await interrupts.wait() else { return nil }
                onCancel()
                await cancel(run, board)
                return nil
            }
            defer { group.cancelAll() }
            for await outcome in group { if let outcome { return outcome } }
            return .failed(DeployError(.unavailable, "given up"))
        }
    }

    /// Takes what the server says by itself.
    private func listen(_ board: TaskBoard, _ wanted: BoundedChannel<Void>) async -> Outcome? {
        while let event = await client.next() {
            switch event {
            case .message(.taskChanged(let task)):
                board.take(task)
                if board.isOver { return .ended }
            case .connected:
                board.say(nil)
                wanted.offer(())
            case .offline(let error, _, nil): return .failed(error)
            case .offline(let error, _, _): await tell("\(error.message); trying again", board)
            case .connecting, .message: break
            }
        }
        return nil
    }

    /// Asks for changes, and for how all stands, over every new link.
    private func ask(_ run: RunID, _ board: TaskBoard, _ wanted: BoundedChannel<Void>) async -> Outcome? {
        while await wanted.next() != nil {
            do throws(DeployError) {
                _ = try await client.request(.eventsOpen)
                board.replace(try await allTasks(run))
                if board.isOver { return .ended }
            } catch {
                // The next link asks anew.
                guard error.code == .unreachable || error.code == .unavailable else { return .failed(error) }
            }
        }
        return nil
    }

    private func allTasks(_ run: RunID) async throws(DeployError) -> [TaskRecord] {
        try await Pages.all { cursor throws(DeployError) in
            try await client.request(.taskList(TaskListQuery(runID: run, cursor: cursor, limit: 200)))
                .data(as: Page<TaskRecord>.self)
        }
    }

    /// Says something while lines may be shown that are written anew.
    private func tell(_ text: String, _ board: TaskBoard) async {
        if LiveLines.rows(session) == nil { try? await session.note(text) } else { board.say(text) }
    }

    private func cancel(_ run: RunID, _ board: TaskBoard) async {
        await tell("canceling run \(run); ^C again leaves", board)
        do throws(DeployError) {
            _ = try await client.request(.taskCancel(CancelRequest(runID: run.rawValue)))
        } catch {
            await tell("run \(run) is not canceled: \(error.message)", board)
        }
    }
}

extension CommandSession {
    /// Writes what came of runs of file tasks: a line for each task, the runs as JSON, or with `quiet` their ids.
    func show(_ ends: [RunWatch.Ended]) async throws(DeployError) {
        switch settings.format {
        case .jsonl: break
        case .json: try await print(try JSONPrinter.pretty(ends.map { RunDetail(run: $0.run, tasks: $0.tasks) }))
        case .table where settings.quiet:
            for end in ends { try await print(end.run.id.rawValue) }
        case .table:
            let columns: [TablePrinter.Column] = [
                .init(title: "AGENT", elastic: true), .init(title: "STATE"), .init(title: "BYTES", right: true),
                .init(title: "TOOK", right: true), .init(title: "TASK"), .init(title: "REASON", elastic: true),
            ]
            let tasks = ends.flatMap(\.tasks)
            try await show(tasks, columns: columns, key: \.id.rawValue) { task in
                let took = task.startedAt.flatMap { start in task.finishedAt.map { TimeText.span(start, $0) } }
                return [
                    TableCell(task.agentName), TableCell(task.stateText, CellStyle(task.state)),
                    TableCell(task.progress.map { ProgressText.bytes($0.done) } ?? "-"), TableCell(took ?? "-"),
                    TableCell(task.id.short), TableCell(task.error?.message ?? ""),
                ]
            }
        }
        let all = ends.flatMap(\.tasks)
        let bad = all.count { $0.state != .succeeded }
        if bad > 0, all.count > 1 { try await note("\(bad) of \(all.count) tasks did not succeed") }
    }
}
