// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Synchronization

/// How far a task has come, told at most once a second; what it waits for, and that all is done, is told at once.
final class ProgressMeter: Sendable {
    private struct State {
        var progress = TaskProgress(done: 0)
        var toldAt: ContinuousClock.Instant?
    }

    private let report: @Sendable (TaskProgress) -> Void
    private let state = Mutex(State())

    private static let interval: Duration = .seconds(1)

    /// - Parameter report: Tells it; called on whatever thread the work is on.
    init(report: @escaping @Sendable (TaskProgress) -> Void) { self.report = report }

    /// So much is done.
    func set(_ done: Int64, of total: Int64? = nil) {
        change { state in
            state.progress.done = done
            state.progress.total = total ?? state.progress.total
            if done == state.progress.total { state.toldAt = nil }
        }
    }

    /// It waits for something; nil when it goes on.
    func wait(for what: String?) {
        let note = what.map { String($0.prefix(TaskProgress.maximumNote / 4)) }
        change { state in
            if state.progress.note != note { state.toldAt = nil }
            state.progress.note = note
        }
    }

    /// What it waits for now.
    var note: String? { state.withLock { $0.progress.note } }

    private func change(_ body: (inout State) -> Void) {
        let progress = state.withLock { state -> TaskProgress? in
            body(&state)
            let now = ContinuousClock.now
            if let toldAt = state.toldAt, now - toldAt < Self.interval { return nil }
            state.toldAt = now
            return state.progress
        }
        if let progress { report(progress) }
    }
}
