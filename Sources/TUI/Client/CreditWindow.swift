// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Synchronization

/// How far one upload may run ahead of what the server has written, on one link.
final class CreditWindow: Sendable {
    private struct State {
        var written: Int64
        var width: Int64
        var failure: DeployError?
        var sender: CheckedContinuation<Void, Never>?
    }

    private let state: Mutex<State>

    /// - Parameters:
    ///   - written: Bytes the server has.
    ///   - width: Bytes that may be sent ahead until the server writes again; then ``FileTransfer/window``.
    init(written: Int64, width: Int64 = FileTransfer.window) {
        state = Mutex(State(written: max(0, written), width: width))
    }

    /// Bytes the server has written, as far as it has told.
    var written: Int64 { state.withLock { $0.written } }

    /// What the server said against the bytes that were sent, or that the link is lost; the first of it.
    var failure: DeployError? { state.withLock { $0.failure } }

    /// The server has so many bytes.
    func credit(_ offset: Int64) {
        let sender = state.withLock { state in
            state.written = max(state.written, offset)
            state.width = FileTransfer.window
            return state.sender.take()
        }
        sender?.resume()
    }

    /// No further bytes are wanted here.
    func fail(_ error: DeployError) {
        let sender = state.withLock { state in
            state.failure = state.failure ?? error
            return state.sender.take()
        }
        sender?.resume()
    }

    /// Waits until bytes up to `end` may be sent; one task only. Throws the failure, `unavailable` when cancelled.
    func room(upTo end: Int64) async throws(DeployError) {
        try await wait { end - $0.written <= $0.width }
    }

    /// Waits until the server has told of more than `offset` bytes; one task only. Throws as ``room(upTo:)`` does.
    func progress(beyond offset: Int64) async throws(DeployError) {
        try await wait { $0.written > offset }
    }

    private func wait(until holds: @Sendable (State) -> Bool) async throws(DeployError) {
        while true {
            if let failure { throw failure }
            if Task.isCancelled { throw DeployError(.unavailable, "given up") }
            if state.withLock({ holds($0) }) { return }
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    let resumeNow = state.withLock { state in
                        if state.failure != nil || holds(state) || Task.isCancelled { return true }
                        state.sender = continuation
                        return false
                    }
                    if resumeNow { continuation.resume() }
                }
            } onCancel: {
                state.withLock { $0.sender.take() }?.resume()
            }
        }
    }
}
