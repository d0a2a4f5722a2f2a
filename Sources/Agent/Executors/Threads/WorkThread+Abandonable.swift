// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Synchronization

extension WorkThread {
    /// Threads that still run, and for which nobody waits any more.
    private static let abandoned = Mutex(0)
    private static let mostAbandoned = 64

    /// Runs a body that nothing can interrupt; nil when the time is over, or the waiting task is canceled, first. The
    /// thread then goes on alone, and its result is dropped.
    ///
    /// Throws what the body throws, or `unavailable` when too many have been left behind.
    static func abandonable<Value: Sendable>(
        within limit: Duration, _ body: @escaping @Sendable () throws(DeployError) -> Value
    ) async throws(DeployError) -> Value? {
        guard abandoned.withLock({ $0 }) < mostAbandoned else {
            throw DeployError(
                .unavailable, "\(mostAbandoned) threads of this agent wait for an answer that does not come")
        }
        let answer = OneShot<Result<Value, DeployError>?>()
        let isStarted = detach {
            let result: Result<Value, DeployError>
            do throws(DeployError) {
                result = .success(try body())
            } catch {
                result = .failure(error)
            }
            if !answer.fulfil(result) { abandoned.withLock { $0 -= 1 } }
        }
        guard isStarted else { throw exhausted }
        let result = await withTaskGroup(of: Void.self) { group in
            group.addTask {
                if (try? await Task.sleep(for: limit)) != nil { leave(answer) }
            }
            let result = await answer.valueUnlessCanceled()
            group.cancelAll()
            return result
        }
        if result == nil { leave(answer) }
        return try (result ?? nil)?.get()
    }

    /// Counts a thread as left behind, unless it has just answered or is counted already.
    private static func leave<Value>(_ answer: OneShot<Result<Value, DeployError>?>) {
        abandoned.withLock { $0 += 1 }
        if !answer.fulfil(nil) { abandoned.withLock { $0 -= 1 } }
    }
}
