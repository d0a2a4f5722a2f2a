// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Where a task stands. End states never change.
///
/// ```
/// pending ─▶ dispatched ─▶ running ─▶ succeeded │ failed │ timed_out │ canceled │ rejected │ interrupted
///    ▲            │            │
///    └─never─started           ├─▶ canceling ─▶ (an end state)
///                              └─▶ lost ─▶ (running again, or an end state, when the agent returns)
/// ```
public enum TaskState: String, Sendable, Codable, CaseIterable {
    /// Stored, not yet sent: the agent is offline or about to be told.
    case pending
    /// Sent to the agent; it waits there for a free slot.
    case dispatched
    /// Started on the agent.
    case running
    /// Asked to stop; not ended yet.
    case canceling
    /// The agent has been gone longer than `lost_after`; the true end may still arrive.
    case lost
    /// Ended with exit status 0.
    case succeeded
    /// Ended with another exit status, by a signal, or could not be started.
    case failed
    /// Ended by its own time limit.
    case timedOut = "timed_out"
    /// Ended on request, or expired before delivery.
    case canceled
    /// Refused by the agent.
    case rejected
    /// The agent stopped while it ran; never run again by itself.
    case interrupted

    /// Whether no further change is possible.
    public var isFinal: Bool {
        switch self {
        case .pending, .dispatched, .running, .canceling, .lost: false
        case .succeeded, .failed, .timedOut, .canceled, .rejected, .interrupted: true
        }
    }
}

/// Something that happened to a task.
public enum TaskEvent: Sendable, Equatable {
    /// The Cloud hands it to a connected agent.
    case dispatched
    /// The agent executed it.
    case started
    /// The agent proved, by its journal, that it never started it.
    case neverStarted
    /// Somebody asked to stop it.
    case cancelRequested
    /// Its time to be delivered ran out.
    case expired
    /// Its agent has been gone for too long.
    case agentLost
    /// The agent reports its end.
    case ended(TaskState)
}

extension TaskState {
    /// The state after an event, or nil when the event does not apply here and changes nothing.
    ///
    /// Pure: the caller makes it true with one compare-and-set on (state, attempt).
    public func after(_ event: TaskEvent) -> TaskState? {
        switch (self, event) {
        case (.pending, .dispatched): .dispatched
        case (.pending, .cancelRequested), (.pending, .expired): .canceled
        case (.dispatched, .started), (.lost, .started): .running
        case (.dispatched, .neverStarted), (.lost, .neverStarted): .pending
        case (.canceling, .neverStarted): .canceled
        case (.dispatched, .cancelRequested), (.running, .cancelRequested), (.lost, .cancelRequested): .canceling
        case (.dispatched, .agentLost), (.running, .agentLost), (.canceling, .agentLost): .lost
        case (.dispatched, .ended(let end)), (.running, .ended(let end)), (.canceling, .ended(let end)),
            (.lost, .ended(let end)):
            end.isFinal ? end : nil
        default: nil
        }
    }
}
