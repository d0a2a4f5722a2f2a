// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import DequeModule
import Glibc
import Synchronization

/// A thread for one asynchronous body whose code blocks, such as on a disk: everything it does between its waits happens here,
/// so it never holds up Swift's or NIO's threads, and changes threads only to wait.
final class TaskThread: TaskExecutor {
    private struct State {
        var jobs = Deque<UnownedJob>()
        var isOver = false
    }

    private let state = Mutex(State())
    private let signal = Semaphore()

    private init() {}

    /// Runs a body on a thread of its own, which ends with it.
    ///
    /// Throws what the body throws, or `unavailable` when there is no thread to be had.
    static func run<Value: Sendable>(
        _ body: @escaping @Sendable () async throws(DeployError) -> Value
    ) async throws(DeployError) -> Value {
        let thread = TaskThread()
        guard WorkThread.detach({ thread.work() }) else {
            throw DeployError(.unavailable, "this host has no thread left", hint: "run fewer tasks at once")
        }
        defer { thread.end() }
        return try await withTaskExecutorPreference(thread) { () async throws(DeployError) -> Value in
            try await body()
        }
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        state.withLock { $0.jobs.append(job) }
        signal.post()
    }

    private func end() {
        state.withLock { $0.isOver = true }
        signal.post()
    }

    private func work() {
        while true {
            signal.wait()
            let (job, isOver) = state.withLock { ($0.jobs.popFirst(), $0.isOver) }
            if let job {
                job.runSynchronously(on: asUnownedTaskExecutor())
            } else if isOver {
                return
            }
        }
    }
}

/// A counter that threads wait for.
private final class Semaphore: @unchecked Sendable {
    // Its address is all that is shared; the C library makes it safe.
    private let counter = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    init() { sem_init(counter, 0, 0) }

    deinit {
        sem_destroy(counter)
        counter.deallocate()
    }

    func post() { sem_post(counter) }

    func wait() { while sem_wait(counter) != 0 {} }
}
