// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import DequeModule
import NIOCore
import NIOWebSocket
import Synchronization

/// Which queue a frame waits in. Control always goes first, so that a cancel never waits behind logs.
public enum Lane: Sendable {
    /// Requests, answers, states, acknowledgements.
    case control
    /// Log and file content.
    case bulk
}

/// The bounded send queue of one link, with two lanes.
///
/// Producers `offer` (never wait, told when full) or `send` (wait for room); the link's writer takes batches.
public final class Outbox: Sendable {
    /// What the writer writes.
    enum Item: Sendable {
        case frame(WireFrame)
        case ping
        case pong(ByteBuffer)
        case close(CloseReason)
    }

    private struct State {
        var control: Deque<Item> = []
        var bulk: Deque<WireFrame> = []
        var controlBytes = 0
        var bulkBytes = 0
        var closing = false
        var closed = false
        var writer: CheckedContinuation<Void, Never>?
        var waiting: Deque<CheckedContinuation<Void, Never>> = []
    }

    private enum Offer { case accepted, full, closed }

    private let state = Mutex(State())
    private let controlLimit: Int
    private let bulkLimit: Int

    /// - Parameters:
    ///   - controlLimit: The most bytes waiting in the control lane.
    ///   - bulkLimit: The most bytes waiting in the bulk lane.
    public init(controlLimit: Int = 4 << 20, bulkLimit: Int = 1 << 20) {
        self.controlLimit = controlLimit
        self.bulkLimit = bulkLimit
    }

    /// Queues a frame at once, or answers false when its lane is full or the link is closing.
    @discardableResult
    public func offer(_ frame: WireFrame, lane: Lane) -> Bool { tryOffer(frame, lane) == .accepted }

    /// Queues a frame, waiting for room; throws `unavailable` when the link closes first.
    public func send(_ frame: WireFrame, lane: Lane) async throws(DeployError) {
        while true {
            switch tryOffer(frame, lane) {
            case .accepted: return
            case .closed: throw DeployError(.unavailable, "the link is closed")
            case .full:
                await withCheckedContinuation { continuation in
                    let resumeNow = state.withLock { state in
                        if state.closing || !isFull(state, lane) { return true }
                        state.waiting.append(continuation)
                        return false
                    }
                    if resumeNow { continuation.resume() }
                }
            }
        }
    }

    private func isFull(_ state: State, _ lane: Lane) -> Bool {
        switch lane {
        case .control: state.controlBytes >= controlLimit
        case .bulk: state.bulkBytes >= bulkLimit
        }
    }

    private func tryOffer(_ frame: WireFrame, _ lane: Lane) -> Offer {
        let (result, writer) = state.withLock { state -> (Offer, CheckedContinuation<Void, Never>?) in
            if state.closing { return (.closed, nil) }
            if isFull(state, lane) { return (.full, nil) }
            switch lane {
            case .control:
                state.control.append(.frame(frame))
                state.controlBytes += frame.byteCount
            case .bulk:
                state.bulk.append(frame)
                state.bulkBytes += frame.byteCount
            }
            return (.accepted, state.writer.take())
        }
        writer?.resume()
        return result
    }

    /// Queues one of the link's own frames; they are small and bounded by the link itself.
    func enqueue(_ item: Item) {
        let writer = state.withLock { state -> CheckedContinuation<Void, Never>? in
            if state.closing { return nil }
            state.control.append(item)
            if case .close = item { state.closing = true }
            return state.writer.take()
        }
        writer?.resume()
        if state.withLock({ $0.closing }) { resumeAll() }
    }

    /// Ends both lanes: producers are told, what is queued is dropped.
    func shut() {
        let writer = state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.closing = true
            state.closed = true
            state.control.removeAll()
            state.bulk.removeAll()
            return state.writer.take()
        }
        writer?.resume()
        resumeAll()
    }

    private func resumeAll() {
        let waiting = state.withLock { state in
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    /// The next frames to write, control first, up to about `byteLimit`; nil when nothing will come any more.
    func next(byteLimit: Int) async -> [Item]? {
        while true {
            let (batch, finished, woken) = state.withLock { take(&$0, byteLimit: byteLimit) }
            for continuation in woken { continuation.resume() }
            if !batch.isEmpty { return batch }
            if finished { return nil }
            await withCheckedContinuation { continuation in
                let resumeNow = state.withLock { state in
                    if state.closed || !state.control.isEmpty || !state.bulk.isEmpty { return true }
                    state.writer = continuation
                    return false
                }
                if resumeNow { continuation.resume() }
            }
        }
    }

    private func take(
        _ state: inout State, byteLimit: Int
    ) -> (batch: [Item], finished: Bool, woken: [CheckedContinuation<Void, Never>]) {
        var batch: [Item] = []
        var bytes = 0
        while bytes < byteLimit, let item = state.control.popFirst() {
            batch.append(item)
            if case .frame(let frame) = item {
                state.controlBytes -= frame.byteCount
                bytes += frame.byteCount
            }
            if case .close = item {
                state.closed = true
                state.bulk.removeAll()
            }
        }
        while bytes < byteLimit, !state.closing, let frame = state.bulk.popFirst() {
            batch.append(.frame(frame))
            state.bulkBytes -= frame.byteCount
            bytes += frame.byteCount
        }
        var woken: [CheckedContinuation<Void, Never>] = []
        while woken.count <= batch.count, let continuation = state.waiting.popFirst() { woken.append(continuation) }
        return (batch, state.closed && state.control.isEmpty, woken)
    }
}
