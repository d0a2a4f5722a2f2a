// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The newest runs with the counts of their tasks.
enum RunsScreen {
    private static let table = Table(
        columns: [
            .init(title: "ST", width: 2, priority: 0),
            .init(title: "RUN", width: 8, priority: 0),
            .init(title: "OK/BAD/ALL", width: 11, priority: 1),
            .init(title: "AGE", width: 6, priority: 2, right: true),
            .init(title: "BY", width: 8, priority: 4),
            .init(title: "TARGET", width: 14, priority: 5),
            .init(title: "COMMAND", width: 16, priority: 0, grows: true),
        ], empty: "No run yet. t composes the first one.")

    static func draw(_ model: AppModel, _ canvas: inout Canvas) {
        let rows = model.runs.shown
        let filter = model.runs.list.filter
        Frame.title(
            model, &canvas, filter.isEmpty ? "Runs" : "Runs  filter: \(filter)", "\(rows.count) newest first")
        var table = table
        if !model.runs.isKnown { table.empty = "Waiting for the server." }
        table.draw(&canvas, model.body, count: rows.count, list: model.runs.list) { values(rows[$0], model) }
    }

    private static func values(_ run: RunRecord, _ model: AppModel) -> [Table.Value] {
        let state = overall(run)
        let ok = run.counts[TaskState.succeeded.rawValue] ?? 0
        return [
            Table.Value(state.glyph, state.style), Table.Value(run.id.short),
            Table.Value("\(ok)/\(bad(run))/\(run.taskCount)", state.style),
            Table.Value(Words.age(run.createdAt, model.now)),
            Table.Value(run.actor), Table.Value(run.target),
            run.spec.usesHostNamespaces
                ? Table.Value("\(HostMark.text) \(run.spec.command)", .bad)
                : Table.Value(run.spec.type == TaskType.shell.rawValue ? run.spec.command : run.spec.heading),
        ]
    }

    static func bad(_ run: RunRecord) -> Int {
        [TaskState.failed, .timedOut, .rejected, .interrupted, .canceled].reduce(0) {
            $0 + (run.counts[$1.rawValue] ?? 0)
        }
    }

    /// Two signs for a run: going on, wanting attention, or done.
    static func overall(_ run: RunRecord) -> (glyph: String, style: Style) {
        if run.endedCount < run.taskCount {
            let waiting = run.counts[TaskState.pending.rawValue] == run.taskCount
            return waiting ? ("..", .dim) : (">>", .busy)
        }
        return bad(run) > 0 ? ("!!", .bad) : ("ok", .good)
    }

    static func act(_ action: Action, _ model: inout AppModel) -> [Effect] {
        guard let run = model.runs.selected else { return [] }
        switch action {
        case .open: return AppActions.openRun(run.id, &model)
        case .duplicateRun: return AppActions.duplicate(run, &model)
        case .cancelRun: return AppActions.askCancel(run, tasks: nil, &model)
        case .runLog:
            let effects = AppActions.openRun(run.id, &model)
            model.run?.opensLog = true
            return effects
        default: return []
        }
    }
}
