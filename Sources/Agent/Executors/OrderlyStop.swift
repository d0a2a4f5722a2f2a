// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Work at a server that is stopped in good order: the server is asked to stop it, and only what then goes on is let go of.
enum OrderlyStop {
    /// The least time that a server is given, even where no grace is left.
    private static let least: Duration = .milliseconds(500)

    private enum Step<Value: Sendable>: Sendable {
        case ended(Result<Value, DeployError>)
        case timerEnded
    }

    /// Performs work, and when the task is canceled, stops it.
    ///
    /// - Parameters:
    ///   - grace: How long a stop may take; asked again and again, since it may shrink.
    ///   - ask: Asks the server to stop the work. It is not canceled with the task, but when the grace is over.
    ///   - work: The work. It is not canceled with the task, but when the grace is over; then it must return at once.
    /// - Returns: What the work gives; throws what it throws.
    static func run<Value: Sendable>(
        grace: @escaping @Sendable () -> Duration,
        ask: @escaping @Sendable () async -> Void,
        work: @escaping @Sendable () async throws(DeployError) -> Value
    ) async throws(DeployError) -> Value {
        let stop = OneShot<Bool>()
        // Not canceled with us, so that the server can still be asked; it is always awaited.
        let supervisor = Task { await supervise(stop, grace: grace, ask: ask, work: work) }
        let result = await withTaskCancellationHandler {
            await supervisor.value
        } onCancel: {
            stop.fulfil(true)
        }
        return try result.get()
    }

    private static func supervise<Value: Sendable>(
        _ stop: OneShot<Bool>, grace: @escaping @Sendable () -> Duration,
        ask: @escaping @Sendable () async -> Void, work: @escaping @Sendable () async throws(DeployError) -> Value
    ) async -> Result<Value, DeployError> {
        await withTaskGroup(of: Step<Value>.self) { group in
            group.addTask {
                do throws(DeployError) {
                    return .ended(.success(try await work()))
                } catch {
                    return .ended(.failure(error))
                }
            }
            group.addTask {
                guard await stop.value else { return .timerEnded }
                let began = ContinuousClock.now
                await withTaskGroup(of: Void.self) { asking in
                    asking.addTask { await ask() }
                    asking.addTask { await wait(grace, since: began) }
                    await asking.next()
                    asking.cancelAll()
                }
                await wait(grace, since: began)
                return .timerEnded
            }
            var result: Result<Value, DeployError> = .failure(DeployError(.internal))
            for await step in group {
                if case .ended(let end) = step {
                    result = end
                    stop.fulfil(false)
                }
                group.cancelAll()
            }
            return result
        }
    }

    /// Waits until the grace is over, or the waiting is canceled.
    private static func wait(_ grace: @Sendable () -> Duration, since began: ContinuousClock.Instant) async {
        while ContinuousClock.now - began < max(grace(), least) {
            guard (try? await Task.sleep(for: .milliseconds(20))) != nil else { return }
        }
    }
}
