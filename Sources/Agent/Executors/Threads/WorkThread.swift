// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import Synchronization

/// Work that blocks, such as a C library's, on a thread of its own: it never holds up Swift's or NIO's threads.
enum WorkThread {
    /// Stack of each thread, in bytes; only what is touched is memory.
    private static let stackSize = 512 << 10

    /// Runs a body on a new thread and gives its result.
    ///
    /// Cancellation does not reach into the body; `onCancel` must make it return, and may be called at any time until then.
    /// Throws what the body throws, or `unavailable` when there is no thread to be had.
    static func run<Value: Sendable>(
        _ body: @escaping @Sendable () throws(DeployError) -> Value, onCancel: @escaping @Sendable () -> Void
    ) async throws(DeployError) -> Value {
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Result<Value, DeployError>, Never>) in
                let job = Job {
                    do throws(DeployError) {
                        continuation.resume(returning: .success(try body()))
                    } catch {
                        continuation.resume(returning: .failure(error))
                    }
                }
                if !start(job) {
                    continuation.resume(
                        returning: .failure(
                            DeployError(
                                .unavailable, "this host has no thread left", hint: "run fewer tasks at once")))
                }
            }
        } onCancel: {
            onCancel()
        }
        return try result.get()
    }

    /// Runs a body that nothing can interrupt; nil when the time is over, or the waiting task is canceled, first. The
    /// thread then goes on alone, and its result is dropped.
    ///
    /// Throws what the body throws, or `unavailable` when too many have been left behind.
    static func abandonable<Value: Sendable>(
        within limit: Duration, _ body: @escaping @Sendable () throws(DeployError) -> Value
    ) async throws(DeployError) -> Value? {
        guard abandoned.withLock({ $0 }) < mostAbandoned else {
            throw DeployError(.unavailable, "\(mostAbandoned) threads of this agent wait for an answer that does not come")
        }
        let answer = OneShot<Result<Value, DeployError>?>()
        let job = Job {
            let result: Result<Value, DeployError>
            do throws(DeployError) {
                result = .success(try body())
            } catch {
                result = .failure(error)
            }
            if !answer.fulfil(result) { abandoned.withLock { $0 -= 1 } }
        }
        guard start(job) else {
            throw DeployError(.unavailable, "this host has no thread left", hint: "run fewer tasks at once")
        }
        let result = await withTaskGroup(of: Void.self) { group in
            group.addTask {
                if (try? await Task.sleep(for: limit)) == nil { return }
                leave(answer)
            }
            let result = await answer.valueUnlessCanceled()
            group.cancelAll()
            return result
        }
        if result == nil { leave(answer) }
        return try (result ?? nil)?.get()
    }

    /// Threads that still run, and for which nobody waits.
    private static let abandoned = Mutex(0)
    private static let mostAbandoned = 64

    /// Counts a thread as left behind, unless it has just answered or is counted already.
    private static func leave<Value>(_ answer: OneShot<Result<Value, DeployError>?>) {
        abandoned.withLock { $0 += 1 }
        if !answer.fulfil(nil) { abandoned.withLock { $0 -= 1 } }
    }

    private final class Job {
        let body: () -> Void
        init(_ body: @escaping () -> Void) { self.body = body }
    }

    private static func start(_ job: Job) -> Bool {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setstacksize(&attributes, stackSize)
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        let box = Unmanaged.passRetained(job)
        var thread = pthread_t()
        let status = pthread_create(
            &thread, &attributes,
            { pointer in
                guard let pointer else { return nil }
                Unmanaged<Job>.fromOpaque(pointer).takeRetainedValue().body()
                return nil
            }, box.toOpaque())
        if status != 0 { box.release() }
        return status == 0
    }
}
