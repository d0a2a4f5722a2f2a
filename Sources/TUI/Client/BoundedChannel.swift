// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A queue of fixed size from one producer to one consumer: the producer waits when it is full, so that nothing grows.
final class BoundedChannel<Element: Sendable>: Sendable {
    private enum Side: Sendable { case producer, consumer }

    private struct State {
        var buffer: [Element] = []
        var producer: CheckedContinuation<Void, Never>?
        var consumer: CheckedContinuation<Void, Never>?
        var finished = false

        subscript(side: Side) -> CheckedContinuation<Void, Never>? {
            get { side == .producer ? producer : consumer }
            set { if side == .producer { producer = newValue } else { consumer = newValue } }
        }
    }

    private let state = Mutex(State())
    private let capacity: Int

    /// - Parameter capacity: The most elements waiting, at least 1.
    init(capacity: Int) { self.capacity = max(1, capacity) }

    /// Adds an element, waiting for room. False when the channel is finished or the caller was cancelled.
    func send(_ element: Element) async -> Bool {
        while true {
            if Task.isCancelled { return false }
            let outcome: (done: Bool, accepted: Bool, wake: CheckedContinuation<Void, Never>?) = state.withLock {
                state in
                if state.finished { return (true, false, nil) }
                guard state.buffer.count < capacity else { return (false, false, nil) }
                state.buffer.append(element)
                return (true, true, state.consumer.take())
            }
            outcome.wake?.resume()
            if outcome.done { return outcome.accepted }
            await wait(.producer) { !$0.finished && $0.buffer.count >= self.capacity }
        }
    }

    /// Adds an element if there is room at once.
    @discardableResult
    func offer(_ element: Element) -> Bool {
        let (accepted, wake) = state.withLock { state -> (Bool, CheckedContinuation<Void, Never>?) in
            guard !state.finished, state.buffer.count < capacity else { return (false, nil) }
            state.buffer.append(element)
            return (true, state.consumer.take())
        }
        wake?.resume()
        return accepted
    }

    /// The next element; nil when the channel is finished and empty, or the caller was cancelled.
    func next() async -> Element? {
        while true {
            if Task.isCancelled { return nil }
            let (element, ended, wake) = state.withLock {
                state -> (Element?, Bool, CheckedContinuation<Void, Never>?) in
                guard !state.buffer.isEmpty else { return (nil, state.finished, nil) }
                return (state.buffer.removeFirst(), false, state.producer.take())
            }
            wake?.resume()
            if element != nil || ended { return element }
            await wait(.consumer) { !$0.finished && $0.buffer.isEmpty }
        }
    }

    /// Lets the consumer have what is queued, and then the end.
    func finish() {
        let (producer, consumer) = state.withLock { state in
            state.finished = true
            return (state.producer.take(), state.consumer.take())
        }
        producer?.resume()
        consumer?.resume()
    }

    /// Suspends one side while `blocked` holds, or until cancelled.
    private func wait(
        _ side: Side,
        while blocked: @Sendable (borrowing State) -> Bool
    ) async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let resumeNow = state.withLock { state -> Bool in
                    guard blocked(state), !Task.isCancelled, state[side] == nil else { return true }
                    state[side] = continuation
                    return false
                }
                if resumeNow { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0[side].take() }?.resume()
        }
    }
}
