// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// One run: what was asked for, and its tasks, those that need attention first.
enum RunScreen {
    private static let table = Table(
        columns: [
            .init(title: "AGENT", width: 16, priority: 0, grows: true, middle: true),
            .init(title: "STATE", width: 24, priority: 0),
            .init(title: "EXIT", width: 6, priority: 1, right: true),
            .init(title: "TIME", width: 7, priority: 2, right: true),
            .init(title: "TASK", width: 8, priority: 3),
            .init(title: "REASON", width: 30, priority: 4),
        ], empty: "No task.")

    /// The same for tasks that tell how far they have come.
    private static let progressTable = Table(
        columns: [
            .init(title: "AGENT", width: 16, priority: 0, grows: true, middle: true),
            .init(title: "STATE", width: 24, priority: 0),
            .init(title: "DONE", width: 28, priority: 0),
            .init(title: "TIME", width: 7, priority: 2, right: true),
            .init(title: "TASK", width: 8, priority: 3),
            .init(title: "REASON", width: 30, priority: 4),
        ], empty: "No task.")

    static let headRows = 3

    static func listArea(_ model: AppModel) -> Rect {
        var area = model.body
        area.row += headRows
        area.rows = max(0, area.rows - headRows - 1)
        return area
    }

    static func draw(_ model: AppModel, _ canvas: inout Canvas) {
        guard let state = model.run else { return }
        guard let detail = state.detail else {
            Frame.title(model, &canvas, "Run \(state.id.short)")
            canvas.put("Waiting for the server.", 4, 4, .dim)
            return
        }
        let run = detail.run
        let overall = RunsScreen.overall(counted(detail))
        Frame.title(
            model, &canvas, "Run \(run.id.short)",
            "by \(run.actor)  \(Words.age(run.createdAt, model.now)) ago  \(detail.tasks.count) tasks")
        var at = 1
        if run.spec.usesHostNamespaces { at = HostMark.draw(&canvas, at, 2) + 1 }
        let shown = TextWidth.fit(Sanitizer.line(run.spec.heading), canvas.size.columns - at - 1)
        canvas.put(shown, at, 2, at > 1 ? .bad : .plain)
        canvas.put(TextWidth.fit(Sanitizer.line(facts(run)), canvas.size.columns - 2), 1, 3, .dim)
        progress(detail, overall.style, &canvas, 4)
        let area = listArea(model)
        let tasks = state.tasks
        let isFile = run.spec.type == TaskType.file.rawValue
        (isFile ? progressTable : table).draw(&canvas, area, count: tasks.count, list: state.list) {
            values(tasks[$0], model, isFile)
        }
        if let task = state.selected, let error = task.error {
            let text = "\(error.code): \(error.message)"
            canvas.put(TextWidth.fit(Sanitizer.line(text), canvas.size.columns - 2), 1, area.row + area.rows, .bad)
        }
    }

    private static func facts(_ run: RunRecord) -> String {
        var facts = ["target \(run.target)"]
        if let directory = run.spec.params["cwd"]?.stringValue { facts.append("in \(directory)") }
        if let user = run.spec.params["user"]?.stringValue { facts.append("as \(user)") }
        if let rollout = run.rollout { facts.append(rollout.text) }
        if let datasource = run.spec.params["datasource"]?.stringValue { facts.append("datasource \(datasource)") }
        if let timeout = run.spec.timeout { facts.append("timeout \(EquivalentCommand.seconds(timeout))") }
        return facts.joined(separator: "  ")
    }

    /// The run with counts made from the tasks at hand, which are newer than the record's own.
    private static func counted(_ detail: RunDetail) -> RunRecord {
        var run = detail.run
        run.counts = detail.tasks.reduce(into: [:]) { $0[$1.state.rawValue, default: 0] += 1 }
        return run
    }

    private static func progress(_ detail: RunDetail, _ style: Style, _ canvas: inout Canvas, _ row: Int) {
        let run = counted(detail)
        let width = 24
        let done = run.taskCount == 0 ? 0 : width * run.endedCount / run.taskCount
        let bar = "[" + String(repeating: "=", count: done) + String(repeating: "-", count: width - done) + "]"
        let end = canvas.put(bar, 1, row, style) + 1
        let words = TaskState.allCases.compactMap { state in
            run.counts[state.rawValue].map { "\($0) \(state.rawValue.replacing("_", with: " "))" }
        }
        canvas.put(TextWidth.fit(words.joined(separator: "  "), canvas.size.columns - end - 1), end, row)
    }

    private static func values(_ task: TaskRecord, _ model: AppModel, _ isFile: Bool) -> [Table.Value] {
        let state = Words.state(task.state)
        let exit = task.signal.map { "sig \($0)" } ?? task.exitCode.map { "\($0)" } ?? "-"
        let end = task.finishedAt ?? model.now
        let time = task.startedAt.map { Words.span(end.milliseconds - $0.milliseconds) } ?? "-"
        return [
            Table.Value(task.agentName),
            Table.Value("\(state.glyph) \(task.stateText.replacing("_", with: " "))", state.style),
            isFile
                ? Table.Value(done(task), state.style)
                : Table.Value(exit, task.exitCode.map { $0 == 0 } ?? true ? .plain : .bad), Table.Value(time),
            Table.Value(task.id.short), Table.Value(task.error?.message ?? ""),
        ]
    }

    /// `[====----] 12.3/40.0 MB`.
    private static func done(_ task: TaskRecord) -> String {
        guard let progress = task.progress else { return "-" }
        let amount = ProgressText.amount(progress.done, of: progress.total)
        return progress.total.map { "\(ProgressText.bar(progress.done, of: $0, width: 8)) \(amount)" } ?? amount
    }

    static func act(_ action: Action, _ model: inout AppModel) -> [Effect] {
        guard let state = model.run, let detail = state.detail else { return [] }
        switch action {
        case .open, .taskLog:
            guard let task = state.selected else { return [] }
            return AppActions.openLog([task], title: "\(task.agentName)  \(task.command)", &model)
        case .runLog:
            return AppActions.openLog(
                detail.tasks, title: "run \(detail.run.id.short)  \(detail.run.spec.command)", &model)
        case .auditOf: return state.selected.map { PolicyUpdate.auditOf("task=\($0.id)", &model) } ?? []
        case .duplicateRun: return AppActions.duplicate(detail.run, &model)
        case .cancelTask: return AppActions.askCancel(detail.run, tasks: state.selected.map { [$0] } ?? [], &model)
        case .cancelRun: return AppActions.askCancel(detail.run, tasks: detail.tasks, &model)
        default: return []
        }
    }
}
