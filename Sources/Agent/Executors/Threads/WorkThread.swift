// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc

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
                let isStarted = detach {
                    do throws(DeployError) {
                        continuation.resume(returning: .success(try body()))
                    } catch {
                        continuation.resume(returning: .failure(error))
                    }
                }
                if !isStarted { continuation.resume(returning: .failure(exhausted)) }
            }
        } onCancel: {
            onCancel()
        }
        return try result.get()
    }

    /// What is thrown when there is no thread to be had.
    static var exhausted: DeployError {
        DeployError(.unavailable, "this host has no thread left", hint: "run fewer tasks at once")
    }

    private final class Job {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// Runs a body on a new thread that nobody waits for: it must end by itself. False when there is no thread to be had.
    static func detach(_ body: @escaping @Sendable () -> Void) -> Bool {
        let job = Job(body)
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
