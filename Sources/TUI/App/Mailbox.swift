// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CTerminal
import Synchronization

/// Where everything that is not a key waits for the thread that draws. Posting wakes it once, not once per event.
///
/// Bounded: while more than ``byteLimit`` bytes of logs or ``countLimit`` events wait, ``post(waiting:)`` waits too,
/// and with it the link they came from.
final class Mailbox: Sendable {
    static let byteLimit = 4 << 20
    static let countLimit = 4096

    private struct State {
        var events: [AppEvent] = []
        var bytes = 0
        var waiters: [CheckedContinuation<Void, Never>] = []
        var closed = false

        var isFull: Bool { !closed && (bytes > Mailbox.byteLimit || events.count > Mailbox.countLimit) }
    }

    private let state = Mutex(State())

    /// Adds an event at once: for the answers to our own requests, which are few. Dropped once closed.
    func post(_ event: AppEvent) {
        let wasEmpty = state.withLock { state in
            if state.closed { return false }
            defer {
                state.events.append(event)
                if case .backend(.log(let piece)) = event { state.bytes += piece.bytes.count }
            }
            return state.events.isEmpty
        }
        if wasEmpty { ct_wake() }
    }

    /// Adds an event, waiting while there is too much already.
    func post(waiting event: AppEvent) async {
        await withCheckedContinuation { continuation in
            let mayGo = state.withLock { state in
                if state.isFull { state.waiters.append(continuation) }
                return !state.isFull
            }
            if mayGo { continuation.resume() }
        }
        post(event)
    }

    /// Takes everything that waits.
    func drain() -> [AppEvent] {
        let (events, waiters) = state.withLock { state in
            let taken = (state.events, state.waiters)
            state.events = []
            state.bytes = 0
            state.waiters = []
            return taken
        }
        for waiter in waiters { waiter.resume() }
        return events
    }

    /// Nobody will drain any more: nobody waits.
    func close() {
        state.withLock { $0.closed = true }
        _ = drain()
    }
}
