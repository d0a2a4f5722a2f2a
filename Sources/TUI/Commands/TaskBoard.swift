// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Synchronization

/// The tasks of a run that is watched, as they stand, and how fast each goes.
final class TaskBoard: Sendable {
    private struct State {
        var tasks: [TaskRecord] = []
        var places: [TaskID: Int] = [:]
        var meters: [TaskID: RateMeter] = [:]
        var remark: String?
    }

    private let state = Mutex(State())

    /// - Parameter tasks: All of the run's; shown by agent's name.
    init(_ tasks: [TaskRecord]) { replace(tasks) }

    /// As they stand, by agent's name.
    var tasks: [TaskRecord] { state.withLock { $0.tasks } }

    /// Whether all have ended.
    var isOver: Bool { state.withLock { $0.tasks.allSatisfy(\.state.isFinal) } }

    /// All anew, as the server lists them.
    func replace(_ tasks: [TaskRecord]) {
        state.withLock { state in
            state.tasks = tasks.sorted { ($0.agentName, $0.id) < ($1.agentName, $1.id) }
            state.places = Dictionary(
                state.tasks.enumerated().map { ($0.element.id, $0.offset) }, uniquingKeysWith: { first, _ in first })
        }
    }

    /// One that has changed; others than those of the run are passed over.
    func take(_ task: TaskRecord) {
        state.withLock { state in
            guard let place = state.places[task.id] else { return }
            state.tasks[place] = task
        }
    }

    /// A remark below the tasks; nil for none.
    func say(_ remark: String?) { state.withLock { $0.remark = remark } }

    /// A line for each task where they fit into so many rows, and one for all of them.
    func lines(_ rows: Int) -> [String] {
        guard let remark = state.withLock({ $0.remark }) else { return taskLines(rows) }
        return taskLines(rows - 1) + [remark]
    }

    private func taskLines(_ rows: Int) -> [String] {
        let now = App.monotonic()
        let (tasks, meters) = state.withLock { state in
            for task in state.tasks {
                guard let progress = task.progress, !task.state.isFinal else { continue }
                state.meters[task.id, default: RateMeter()].note(progress.done, at: now)
            }
            return (state.tasks, state.meters)
        }
        let all = Self.summary(tasks)
        guard tasks.count > 1 || rows < 2 else { return tasks.map { Self.line($0, meters[$0.id], 0, now) } }
        guard tasks.count < rows else { return [all] }
        let width = min(32, tasks.map { TextWidth.of(Sanitizer.line($0.agentName)) }.max() ?? 0)
        return tasks.map { Self.line($0, meters[$0.id], width, now) } + [all]
    }

    private static func line(_ task: TaskRecord, _ meter: RateMeter?, _ width: Int, _ now: Int64) -> String {
        let name = TextWidth.pad(TextWidth.fitMiddle(Sanitizer.line(task.agentName), max(width, 8)), width)
        var words = [name]
        if let progress = task.progress, !task.state.isFinal {
            if let total = progress.total { words.append(ProgressText.bar(progress.done, of: total, width: 20)) }
            words.append(ProgressText.percent(progress.done, of: progress.total))
            words.append(ProgressText.amount(progress.done, of: progress.total))
            if let meter { words.append(ProgressText.pace(meter, of: progress.total, at: now)) }
        } else {
            words.append(task.state.isFinal ? TaskOutcome.words(task) : task.stateText)
        }
        return words.joined(separator: "  ")
    }

    /// `3 of 40 done, 1 failed, 5 running, 31 waiting  [==----]  8%`.
    private static func summary(_ tasks: [TaskRecord]) -> String {
        let done = tasks.count { $0.state == .succeeded }
        let failed = tasks.count { $0.state.isFinal } - done
        let waiting = tasks.count { $0.state == .pending }
        let running = tasks.count - done - failed - waiting
        var words = ["\(done) of \(tasks.count) done"]
        for (count, what) in [(failed, "failed"), (running, "running"), (waiting, "waiting")] where count > 0 {
            words.append("\(count) \(what)")
        }
        let share = tasks.reduce(0.0) { $0 + portion($1) } / Double(max(1, tasks.count))
        return words.joined(separator: ", ") + "  " + ProgressText.bar(Int64(share * 1000), of: 1000, width: 20)
            + ProgressText.percent(Int64(share * 1000), of: 1000)
    }

    private static func portion(_ task: TaskRecord) -> Double {
        if task.state.isFinal { return 1 }
        guard let progress = task.progress, let total = progress.total, total > 0 else { return 0 }
        return Double(max(0, min(progress.done, total))) / Double(total)
    }
}
