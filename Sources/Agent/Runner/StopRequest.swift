// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Why a task is stopped before its own end.
enum StopReason: Sendable, Equatable {
    /// Its time limit.
    case timeout
    /// Somebody asked for it.
    case cancel
    /// The agent stops.
    case shutdown
}

/// The wish to stop one task: the first reason decides what the task's end is called.
final class StopRequest: Sendable {
    private let answer = OneShot<StopReason?>()
    private let graceful: Mutex<Duration>

    /// - Parameter grace: From TERM to KILL.
    init(grace: Duration) { graceful = Mutex(grace) }

    /// From TERM to KILL.
    var grace: Duration { graceful.withLock { $0 } }

    /// Why it was stopped; nil when it was not.
    var reason: StopReason? { answer.current ?? nil }

    /// Asks to stop. Repeating it changes nothing but the grace, if a new one is given.
    func request(_ reason: StopReason, grace: Duration? = nil) {
        if let grace { graceful.withLock { $0 = grace } }
        answer.fulfil(reason)
    }

    /// The task has ended: who waits for a stop is told that none came.
    func close() { answer.fulfil(nil) }

    /// Waits for a stop; nil when the task ended first.
    func wait() async -> StopReason? { await answer.value }
}
