// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import DequeModule
import NIOCore
import NIOHTTP1
import Synchronization

/// One request and its answer: an event loop puts in what arrives, one task takes it out.
///
/// Holds no more than ``high`` bytes and what was read at once: then the connection is not read until the task has caught up.
final class TransferExchange: Sendable {
    private struct State {
        var head: HTTPResponseHead?
        var parts = Deque<ByteBuffer>()
        var bytes = 0
        var isComplete = false
        var failure: DeployError?
        var isPaused = false
        var waiter: CheckedContinuation<Void, Never>?
        var connection: TransferConnection?
    }

    /// What the event loop is to do after it has put something in.
    enum Step { case goOn, wakeSoon }

    private let state = Mutex(State())

    /// Bytes at which the connection is not read any more.
    static let high = 4 << 20
    /// Bytes at which it is read again.
    private static let low = 2 << 20
    /// Bytes for which a task that waits is woken at once; for fewer, a moment later.
    private static let worthwhile = 256 << 10

    // MARK: The event loop's side

    /// The connection that carries it.
    func attach(_ connection: TransferConnection) { state.withLock { $0.connection = connection } }

    /// The head of the answer came.
    func receive(_ head: HTTPResponseHead) {
        let waiter = state.withLock { state in
            state.head = head
            return state.waiter.take()
        }
        waiter?.resume()
    }

    /// A part of the body came.
    func receive(_ bytes: ByteBuffer) -> Step {
        let (waiter, step) = state.withLock { state -> (CheckedContinuation<Void, Never>?, Step) in
            guard state.failure == nil else { return (nil, .goOn) }
            state.parts.append(bytes)
            state.bytes += bytes.readableBytes
            if state.bytes >= Self.high { state.isPaused = true }
            guard state.waiter != nil else { return (nil, .goOn) }
            return state.bytes >= Self.worthwhile ? (state.waiter.take(), .goOn) : (nil, .wakeSoon)
        }
        waiter?.resume()
        return step
    }

    /// Whoever waits takes what there is.
    func wake() { state.withLock { $0.waiter.take() }?.resume() }

    /// The answer is complete.
    func complete() { end { $0.isComplete = true } }

    /// There will be no more; what came before is still given out.
    func fail(_ error: DeployError) { end { $0.failure = $0.failure ?? error } }

    private func end(_ change: (inout State) -> Void) {
        let waiter = state.withLock { state in
            if !state.isComplete { change(&state) }
            state.connection = nil
            return state.waiter.take()
        }
        waiter?.resume()
    }

    /// Whether the connection is not to be read now.
    var isPaused: Bool { state.withLock { $0.isPaused } }

    // MARK: The task's side

    /// Whether the answer has begun.
    var isAnswered: Bool { state.withLock { $0.head != nil || $0.failure != nil } }

    /// The head of the answer. Throws why there is none.
    func head() async throws(DeployError) -> HTTPResponseHead {
        while true {
            let (head, failure) = state.withLock { ($0.head, $0.failure) }
            if let head { return head }
            if let failure { throw failure }
            await wait { $0.head != nil || $0.failure != nil }
        }
    }

    /// The next part of the body; nil at its end. Throws why it ended too early.
    func next() async throws(DeployError) -> ByteBuffer? {
        while true {
            let (part, failure, isOver, resumed) = state.withLock { state in
                guard let part = state.parts.popFirst() else {
                    return (ByteBuffer?.none, state.failure, state.isComplete, TransferConnection?.none)
                }
                state.bytes -= part.readableBytes
                guard state.isPaused, state.bytes <= Self.low else { return (part, nil, false, nil) }
                state.isPaused = false
                return (part, nil, false, state.connection)
            }
            resumed?.resumeReading()
            if let part { return part }
            if let failure { throw failure }
            if isOver { return nil }
            await wait { !$0.parts.isEmpty || $0.failure != nil || $0.isComplete }
        }
    }

    /// Gives it up: nothing more is given out, and its connection is closed.
    func cancel() {
        let (waiter, connection) = state.withLock { state in
            if !state.isComplete { state.failure = DeployError(.canceled, "the transfer was given up") }
            state.parts = []
            state.bytes = 0
            defer { state.connection = nil }
            return (state.waiter.take(), state.connection)
        }
        waiter?.resume()
        connection?.close()
    }

    private func wait(until isThere: @Sendable (State) -> Bool) async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let now = state.withLock { state in
                    if isThere(state) { return true }
                    state.waiter = continuation
                    return false
                }
                if now { continuation.resume() }
            }
        } onCancel: {
            cancel()
        }
    }
}
