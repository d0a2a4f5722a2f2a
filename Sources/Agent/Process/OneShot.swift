// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A value that is set once and that anybody may wait for; later settings are ignored.
final class OneShot<Value: Sendable>: Sendable {
    private struct State {
        var value: Value?
        var waiting: [Int: CheckedContinuation<Value?, Never>] = [:]
        var nextKey = 0
        /// Waits that were canceled before they had begun.
        var abandoned: Set<Int> = []
    }

    private let state = Mutex(State())

    /// The value if it is set.
    var current: Value? { state.withLock { $0.value } }

    /// The value; waits until it is set, whether or not the waiting task is canceled.
    var value: Value {
        get async {
            while true {
                if let value = await wait(key: newKey()) { return value }
            }
        }
    }

    /// Waits until the value is set; nil when the waiting task is canceled first.
    func valueUnlessCanceled() async -> Value? {
        let key = newKey()
        return await withTaskCancellationHandler {
            await wait(key: key)
        } onCancel: {
            let continuation = state.withLock { state -> CheckedContinuation<Value?, Never>? in
                if let continuation = state.waiting.removeValue(forKey: key) { return continuation }
                if state.value == nil { state.abandoned.insert(key) }
                return nil
            }
            continuation?.resume(returning: nil)
        }
    }

    /// Sets the value; false when it was set before.
    @discardableResult
    func fulfil(_ value: Value) -> Bool {
        let waiting = state.withLock { state -> [Int: CheckedContinuation<Value?, Never>]? in
            guard state.value == nil else { return nil }
            state.value = value
            state.abandoned = []
            defer { state.waiting = [:] }
            return state.waiting
        }
        guard let waiting else { return false }
        for continuation in waiting.values { continuation.resume(returning: value) }
        return true
    }

    private func newKey() -> Int {
        state.withLock { state in
            state.nextKey += 1
            return state.nextKey
        }
    }

    private func wait(key: Int) async -> Value? {
        await withCheckedContinuation { continuation in
            let now = state.withLock { state -> Value?? in
                if let value = state.value { return .some(value) }
                if state.abandoned.remove(key) != nil { return .some(nil) }
                state.waiting[key] = continuation
                return nil
            }
            if let now { continuation.resume(returning: now) }
        }
    }
}
