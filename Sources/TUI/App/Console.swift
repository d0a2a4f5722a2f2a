// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CTerminal
import Core
import Synchronization

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The full-screen console.
public enum Console {
    /// Opens the console on the process's terminal and runs it until the operator leaves.
    ///
    /// Returns the exit status: 0 after leaving, 128 plus the number of the signal that ended it. Throws `unsupported`
    /// when standard input or output is no terminal, or one that cannot show a full screen. However it ends, the
    /// terminal is as it was before.
    /// - Parameters:
    ///   - environment: The process's environment: terminal type, colours, stored contexts.
    ///   - context: The context to start with; nil for the current one.
    public static func run(environment: [String: String], context: String? = nil) async throws -> Int32 {
        try await run(environment: environment, backend: LiveBackend(environment: environment, context: context))
    }

    /// The same over any world.
    static func run(environment: [String: String], backend: any ConsoleBackend) async throws -> Int32 {
        signal(SIGPIPE, SIG_IGN)
        let mailbox = Mailbox()
        let runner = EffectRunner(backend: backend, mailbox: mailbox)
        let (logs, logOrders) = AsyncStream.makeStream(of: EffectOrder.self)
        let (others, otherOrders) = AsyncStream.makeStream(of: EffectOrder.self)
        let work = Task {
            await withDiscardingTaskGroup { group in
                group.addTask { await backend.run { await mailbox.post(waiting: .backend($0)) } }
                // Opening and closing logs keeps its order; everything else may overtake.
                group.addTask { for await order in logs { await runner.perform(order) } }
                for await order in others { group.addTask { await runner.perform(order) } }
                group.cancelAll()
            }
        }
        defer {
            mailbox.close()
            work.cancel()
        }
        let outcome = await UIThread.run {
            do throws(DeployError) {
                let terminal = try NcursesTerminal(environment: environment)
                defer { terminal.close() }
                let signals = ct_signals_install()
                defer { ct_signals_restore() }
                guard signals >= 0 else { throw DeployError(.internal, "no pipe for signals") }
                let app = App(
                    terminal: terminal, mailbox: mailbox, signals: signals,
                    overNetwork: environment["SSH_CONNECTION"] != nil
                ) { order in
                    switch order.effect {
                    case .openLogs, .closeLogs: logOrders.yield(order)
                    default: otherOrders.yield(order)
                    }
                }
                return .success(app.run())
            } catch {
                return .failure(error)
            }
        }
        logOrders.finish()
        otherOrders.finish()
        return try outcome.get()
    }
}

/// A real thread: curses must see one and the same from its first call to its last.
enum UIThread {
    private final class Job: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// Runs `body` on a new thread and waits for it.
    static func run<Value: Sendable>(
        _ body: @escaping @Sendable () -> Result<Value, DeployError>
    ) async -> Result<Value, DeployError> {
        await withCheckedContinuation { continuation in
            let job = Job { continuation.resume(returning: body()) }
            let pointer = Unmanaged.passRetained(job)
            var thread = pthread_t()
            let status = pthread_create(
                &thread, nil,
                { argument in
                    if let argument { Unmanaged<Job>.fromOpaque(argument).takeRetainedValue().body() }
                    return nil
                }, pointer.toOpaque())
            if status == 0 {
                pthread_detach(thread)
            } else {
                pointer.release()
                continuation.resume(returning: .failure(DeployError(.internal, "no thread for the screen")))
            }
        }
    }
}
