// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import DequeModule
import NIOCore
import Synchronization

/// What is owed to the Cloud. It outlives connections: each new one goes on where the Cloud says it stands.
///
/// States and ends are kept until they are superseded or acknowledged; logs stay in their spools and are read from there,
/// one task after the other so that a busy one does not starve the rest, and never more than a window ahead of the Cloud's
/// acknowledgements. An end is sent after the last chunk of its log.
final class Uplink: Sendable {
    /// Identifies one connection; what belongs to an older one is ignored.
    typealias Generation = Int

    private struct Sent {
        var seq: Int64
        var cost: Int
    }

    private struct Entry {
        let spool: LogSpool
        var cursor: LogSpool.Cursor
        var sent: Deque<Sent> = []
        var status: TaskStatusReport?
        /// The last state that was reported.
        var last: TaskStatusReport?
        var completion: TaskCompletion?
        var completionIsSent = false
        var isReady = false
    }

    private struct State {
        var entries: [TaskReference: Entry] = [:]
        var ready: Deque<TaskReference> = []
        var changed: Deque<TaskReference> = []
        var generation = 0
        var isOpen = false
        var inFlight = 0
        var controlWaiter: CheckedContinuation<Void, Never>?
        var bulkWaiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())
    private let window: Int

    /// Stored bytes of one task sent before the next one's turn.
    private static let turn = 262_144
    /// What one chunk costs of the window besides its bytes.
    private static let chunkCost = 256

    /// - Parameter window: Stored bytes that may be sent and not acknowledged, per connection.
    init(window: Int = 8 << 20) { self.window = window }

    // MARK: What the runner says

    /// From now on this task's log is sent.
    func add(_ spool: LogSpool) {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.entries[spool.reference] = Entry(spool: spool, cursor: .init(seq: spool.firstUnacknowledged))
            return markReady(spool.reference, &state)
        }
        waiter?.resume()
    }

    /// There is more of this task's log.
    func logGrew(_ reference: TaskReference) {
        let waiter = state.withLock { markReady(reference, &$0) }
        waiter?.resume()
    }

    /// A task got on; replaces an older state that was not sent yet.
    func report(_ status: TaskStatusReport) {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            let reference = TaskReference(taskID: status.taskID, attempt: status.attempt ?? 1)
            guard state.entries[reference] != nil else { return nil }
            state.entries[reference]?.status = status
            state.entries[reference]?.last = status
            state.changed.append(reference)
            return state.controlWaiter.take()
        }
        waiter?.resume()
    }

    /// A running task has come so far; told with its state, and never kept beside it.
    func report(_ progress: TaskProgress, of reference: TaskReference) {
        guard var status = state.withLock({ $0.entries[reference]?.last }), status.state == "running" else { return }
        status.progress = progress
        report(status)
    }

    /// A task ended; sent after its log, and again on every connection until it is acknowledged.
    func complete(_ completion: TaskCompletion) {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            let reference = TaskReference(taskID: completion.taskID, attempt: completion.attempt ?? 1)
            state.entries[reference]?.completion = completion
            state.entries[reference]?.completionIsSent = false
            return markReady(reference, &state)
        }
        waiter?.resume()
    }

    /// The Cloud asks again for a task that has ended: its end is sent once more.
    func repeatCompletion(_ reference: TaskReference) {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.entries[reference]?.completionIsSent = false
            return markReady(reference, &state)
        }
        waiter?.resume()
    }

    /// Nothing is owed about this task any more.
    func remove(_ reference: TaskReference) {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            let entry = state.entries.removeValue(forKey: reference)
            state.inFlight -= entry?.sent.reduce(0) { $0 + $1.cost } ?? 0
            return state.bulkWaiter.take()
        }
        waiter?.resume()
    }

    /// Whether ends are still to be sent or acknowledged.
    var owesCompletions: Bool { state.withLock { $0.entries.values.contains { $0.completion != nil } } }

    // MARK: What the connection says

    /// A connection is registered; the Cloud wants these logs from these seqs on, all others from where it acknowledged.
    func open(expecting expectations: [TaskReference: Int64]) -> Generation {
        let (generation, waiters) = state.withLock { state in
            state.generation += 1
            state.isOpen = true
            state.inFlight = 0
            state.ready = []
            for reference in Array(state.entries.keys) {
                guard var entry = state.entries[reference] else { continue }
                if let next = expectations[reference], next > 0 { entry.spool.acknowledge(through: next - 1) }
                entry.cursor = .init(seq: expectations[reference] ?? entry.spool.firstUnacknowledged)
                entry.sent = []
                entry.completionIsSent = false
                entry.isReady = true
                state.entries[reference] = entry
                state.ready.append(reference)
            }
            return (state.generation, takeWaiters(&state))
        }
        for waiter in waiters { waiter.resume() }
        return generation
    }

    /// The latest connection.
    var currentGeneration: Generation { state.withLock { $0.generation } }

    /// The connection is gone: its senders end.
    func close(_ generation: Generation) {
        let waiters = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            guard state.generation == generation else { return [] }
            state.isOpen = false
            return takeWaiters(&state)
        }
        for waiter in waiters { waiter.resume() }
    }

    /// The Cloud holds this log up to and including `seq`.
    func acknowledge(_ reference: TaskReference, through seq: Int64) {
        let (spool, waiter) = state.withLock { state -> (LogSpool?, CheckedContinuation<Void, Never>?) in
            guard var entry = state.entries.removeValue(forKey: reference) else { return (nil, nil) }
            while let first = entry.sent.first, first.seq <= seq {
                state.inFlight -= first.cost
                entry.sent.removeFirst()
            }
            state.entries[reference] = entry
            return (entry.spool, state.inFlight < window ? state.bulkWaiter.take() : nil)
        }
        spool?.acknowledge(through: seq)
        waiter?.resume()
    }

    // MARK: What is sent

    /// The next states to send; nil when the connection is gone.
    func nextStates(_ generation: Generation) async -> [WireFrame]? {
        while true {
            let (frames, isOver) = state.withLock { state -> ([WireFrame], Bool) in
                guard state.isOpen, state.generation == generation else { return ([], true) }
                var frames: [WireFrame] = []
                while let reference = state.changed.popFirst() {
                    guard let status = state.entries[reference]?.status.take() else { continue }
                    frames.append(AgentMessage.status(status).frame())
                }
                return (frames, false)
            }
            if isOver { return nil }
            if !frames.isEmpty { return frames }
            await withCheckedContinuation { continuation in
                let now = state.withLock { state in
                    if !state.isOpen || state.generation != generation || !state.changed.isEmpty { return true }
                    state.controlWaiter = continuation
                    return false
                }
                if now { continuation.resume() }
            }
        }
    }

    /// The next turn of some task: chunks of its log, or its end; nil when the connection is gone.
    func nextTurn(_ generation: Generation) async throws(DeployError) -> [WireFrame]? {
        while true {
            guard state.withLock({ $0.isOpen && $0.generation == generation }) else { return nil }
            if let frames = try takeTurn(generation), !frames.isEmpty { return frames }
            await withCheckedContinuation { continuation in
                let now = state.withLock { state in
                    let hasWork = !state.ready.isEmpty && state.inFlight < window
                    if !state.isOpen || state.generation != generation || hasWork { return true }
                    state.bulkWaiter = continuation
                    return false
                }
                if now { continuation.resume() }
            }
        }
    }

    private func takeTurn(_ generation: Generation) throws(DeployError) -> [WireFrame]? {
        while true {
            let turn = state.withLock { state -> (TaskReference, LogSpool, LogSpool.Cursor, TaskCompletion?)? in
                guard state.inFlight < window, let reference = state.ready.popFirst() else { return nil }
                guard let entry = state.entries[reference] else { return nil }
                state.entries[reference]?.isReady = false
                return (reference, entry.spool, entry.cursor, entry.completionIsSent ? nil : entry.completion)
            }
            guard let (reference, spool, start, completion) = turn else {
                if state.withLock({ $0.inFlight < window && !$0.ready.isEmpty }) { continue }
                return nil
            }
            var cursor = start
            let chunks = try spool.read(&cursor, limit: Self.turn)
            // The end is known before the last look at the spool, so nothing can follow what is read now.
            let isEnd = chunks.isEmpty && completion != nil
            // How far it had come belongs before its end, after which nobody hears of it.
            let last = state.withLock { state -> TaskStatusReport? in
                guard state.generation == generation, var entry = state.entries.removeValue(forKey: reference) else {
                    return nil
                }
                entry.cursor = cursor
                for chunk in chunks {
                    let cost = chunk.payload.readableBytes + Self.chunkCost
                    entry.sent.append(Sent(seq: chunk.seq, cost: cost))
                    state.inFlight += cost
                }
                let last = isEnd ? entry.status.take() : nil
                if isEnd { entry.completionIsSent = true }
                state.entries[reference] = entry
                if !chunks.isEmpty { _ = markReady(reference, &state) }
                return last
            }
            if isEnd, let completion {
                let before = last.map { [AgentMessage.status($0).frame()] } ?? []
                return before + [AgentMessage.complete(completion).frame()]
            }
            if chunks.isEmpty { continue }
            return chunks.map { chunk in
                AgentMessage.log(
                    TaskLogHeader(taskID: reference.taskID, attempt: reference.attempt, chunk: chunk),
                    payload: chunk.payload
                ).frame()
            }
        }
    }

    private func markReady(_ reference: TaskReference, _ state: inout State) -> CheckedContinuation<Void, Never>? {
        guard state.entries[reference]?.isReady == false else { return nil }
        state.entries[reference]?.isReady = true
        state.ready.append(reference)
        return state.inFlight < window ? state.bulkWaiter.take() : nil
    }

    private func takeWaiters(_ state: inout State) -> [CheckedContinuation<Void, Never>] {
        [state.controlWaiter.take(), state.bulkWaiter.take()].compactMap { $0 }
    }
}
