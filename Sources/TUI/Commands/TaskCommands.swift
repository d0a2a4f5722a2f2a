// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

/// `tiangong task`.
struct TaskCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "task", abstract: "List, show and cancel tasks.",
        subcommands: [TaskListCommand.self, TaskShowCommand.self, TaskCancelCommand.self])
}

extension TaskState: ExpressibleByArgument {}

/// `tiangong task list`.
struct TaskListCommand: DeployCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List tasks, newest first.")

    @OptionGroup var globals: GlobalOptions

    @Option(help: "Only tasks in this state.")
    var state: TaskState?

    @Option(name: .shortAndLong, help: ArgumentHelp("Only tasks of this agent.", valueName: "name"))
    var agent: String?

    @Option(help: ArgumentHelp("Only tasks of this run.", valueName: "id"))
    var run: String?

    @Option(help: ArgumentHelp("At most this many.", valueName: "n"))
    var limit: Int = 50

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        guard (1...1_000_000).contains(limit) else {
            throw DeployError(.invalidArgument, "--limit is not between 1 and 1000000")
        }
        let (tasks, clock) = try await session.withClient { [state, agent, run, limit] client throws(DeployError) in
            let clock = try await client.request(.serverInfo).data(as: ServerInfo.self).clock
            var query = TaskListQuery(state: state, agent: agent, limit: min(limit, 200))
            if let run {
                query.runID = try await client.request(.runShow(ObjectQuery(id: run))).data(as: RunDetail.self).run.id
            }
            let base = query
            let tasks = try await Pages.all(limit: limit) { cursor throws(DeployError) in
                var query = base
                query.cursor = cursor
                return try await client.request(.taskList(query)).data(as: Page<TaskRecord>.self)
            }
            return (tasks, clock)
        }
        let columns: [TablePrinter.Column] = [
            .init(title: "ID"), .init(title: "STATE"), .init(title: "AGENT", elastic: true),
            .init(title: "EXIT", right: true),
            .init(title: "AGE", right: true), .init(title: "TOOK", right: true), .init(title: "COMMAND", elastic: true),
        ]
        try await session.show(tasks, columns: columns, key: \.id.rawValue) { task in
            [
                TableCell(task.id.short), TableCell(task.stateText, CellStyle(task.state)), TableCell(task.agentName),
                TableCell(Self.exit(task)), TableCell(TimeText.age(task.createdAt, now: clock)),
                TableCell(Self.took(task)), TableCell(task.command),
            ]
        }
        return 0
    }

    private static func exit(_ task: TaskRecord) -> String {
        if let signal = task.signal { return "SIG \(signal)" }
        return task.exitCode.map(String.init) ?? "-"
    }

    private static func took(_ task: TaskRecord) -> String {
        guard let from = task.startedAt, let to = task.finishedAt else { return "-" }
        return TimeText.span(from, to)
    }
}

/// `tiangong task show`.
struct TaskShowCommand: DeployCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Show one task.")

    @OptionGroup var globals: GlobalOptions

    @Argument(help: "Its id, or the first characters of it.")
    var id: String

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        let detail = try await session.withClient { [id] client throws(DeployError) in
            try await client.request(.taskShow(ObjectQuery(id: id))).data(as: TaskDetail.self)
        }
        try await session.show(detail, key: detail.task.id.rawValue, facts: Self.facts(detail))
        return 0
    }

    private static func facts(_ detail: TaskDetail) -> [(name: String, value: TableCell?)] {
        let (task, spec) = (detail.task, detail.run.spec)
        let ended = task.state.isFinal && task.state != .succeeded
        return [
            ("Task", TableCell(task.id.rawValue)), ("Run", TableCell(task.runID.rawValue)),
            ("Agent", TableCell(task.agentName)), ("State", TableCell(task.stateText, CellStyle(task.state))),
            ("Result", ended ? TableCell(TaskOutcome.words(task)) : nil),
            ("Type", TableCell(task.type)), ("Command", TableCell(task.command)),
            ("Parameters", spec.params.isEmpty ? nil : TableCell(parameters(spec))),
            ("Timeout", spec.timeout.map { TableCell(TimeText.seconds($0)) }),
            ("Asked by", TableCell(task.actor)), ("Target", TableCell(detail.run.target)),
            ("Rollout", detail.run.rollout.map { TableCell($0.text) }),
            ("Progress", task.progress.map { TableCell(ProgressText.amount($0.done, of: $0.total)) }),
            ("Attempt", task.attempt > 1 ? TableCell("\(task.attempt)") : nil),
            ("Created", TableCell(task.createdAt.description)),
            ("Dispatched", task.dispatchedAt.map { TableCell($0.description) }),
            ("Started", task.startedAt.map { TableCell($0.description) }),
            ("Finished", task.finishedAt.map { TableCell($0.description) }),
            ("Expires", task.state == .pending ? task.expiresAt.map { TableCell($0.description) } : nil),
            ("Log chunks", task.logSeq.map { TableCell("\($0)") }),
        ]
    }

    private static func parameters(_ spec: TaskSpec) -> String {
        var shown = spec.params
        for name in ["stdin", "stdin_base64"] where shown[name] != nil { shown[name] = .string("...") }
        return (try? JSONPrinter.line(shown)) ?? ""
    }
}

/// `tiangong task cancel`.
struct TaskCancelCommand: DeployCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel", abstract: "Stop a task, or every unfinished task of a run.")

    @OptionGroup var globals: GlobalOptions

    @Argument(help: "A task's or a run's id, or the first characters of it.")
    var id: String

    @Option(help: ArgumentHelp("Time between TERM and KILL.", valueName: "duration"))
    var grace: SpanArgument?

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        let tasks = try await session.withClient { [id, grace] client throws(DeployError) in
            let request: CancelRequest
            switch try await FoundObject.find(id, client) {
            case .task(let detail): request = CancelRequest(taskID: detail.task.id.rawValue, grace: grace?.seconds)
            case .run(let detail): request = CancelRequest(runID: detail.run.id.rawValue, grace: grace?.seconds)
            }
            return try await client.request(.taskCancel(request)).data(as: CancelReply.self).tasks
        }
        let columns: [TablePrinter.Column] = [
            .init(title: "ID"), .init(title: "STATE"), .init(title: "AGENT", elastic: true),
            .init(title: "COMMAND", elastic: true),
        ]
        try await session.show(tasks, columns: columns, key: \.id.rawValue) { task in
            [
                TableCell(task.id.short), TableCell(task.stateText, CellStyle(task.state)), TableCell(task.agentName),
                TableCell(task.command),
            ]
        }
        return 0
    }
}
