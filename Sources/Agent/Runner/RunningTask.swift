// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// One task from its start to its completion: executor, time limit, stopping, and what its end is called.
struct RunningTask: Sendable {
    /// What to do.
    let context: ExecutionContext
    /// Who does it.
    let executor: any Executor
    /// The wish to stop it.
    let stop: StopRequest
    /// When it was started, by this host's clock.
    let startedAt: Timestamp
    /// What the agent's policy said. A denial means that the policy only watches.
    let verdict: GuardVerdict

    private enum Step: Sendable {
        case ended(ExecutionOutcome)
        case stopped(StopReason?)
        case timerEnded
    }

    /// Runs it; returns when the work has ended, no process is left and the log is complete.
    func perform() async -> TaskCompletion {
        if verdict.verdict == .deny {
            context.log.note("tiangong: the policy would refuse this: \(verdict.rule) \(verdict.message)")
        }
        let outcome = await execute()
        let (chunks, cut) = await context.log.finish()
        var completion = TaskCompletion(
            taskID: context.reference.taskID, attempt: context.reference.attempt, status: endState(outcome).rawValue)
        completion.exitCode = outcome.exitCode
        completion.signal = outcome.signal
        completion.error = (reasonFailure ?? outcome.error).map { failure in
            TaskFailure(code: failure.code, message: context.secrets.redact(failure.message))
        }
        var result = outcome.result.map { $0.mapValues(redacted) } ?? [:]
        if cut > 0 { result["log_cut_bytes"] = .integer(cut) }
        if verdict.verdict == .deny { result.merge(verdict.result) { $1 } }
        completion.result = result.isEmpty ? nil : result
        completion.startedAt = startedAt
        completion.finishedAt = .now()
        completion.logSeq = chunks
        return completion
    }

    private func redacted(_ value: JSONValue) -> JSONValue {
        switch value {
        case .string(let text): .string(context.secrets.redact(text))
        case .array(let items): .array(items.map(redacted))
        case .object(let members): .object(members.mapValues(redacted))
        case .null, .bool, .integer, .number: value
        }
    }

    private func execute() async -> ExecutionOutcome {
        await withTaskGroup(of: Step.self) { group in
            group.addTask {
                do throws(DeployError) {
                    return .ended(try await executor.run(context))
                } catch {
                    let hint = error.hint.map { "; \($0)" } ?? ""
                    return .ended(ExecutionOutcome(error: TaskFailure(error.code, error.message + hint)))
                }
            }
            group.addTask { .stopped(await stop.wait()) }
            if let timeout = context.spec.timeout {
                group.addTask {
                    if (try? await Task.sleep(for: .seconds(timeout))) != nil { stop.request(.timeout) }
                    return .timerEnded
                }
            }
            var outcome = ExecutionOutcome()
            for await step in group {
                switch step {
                case .ended(let end):
                    outcome = end
                    stop.close()
                    group.cancelAll()
                case .stopped(let reason):
                    if reason != nil {
                        context.log.abandon()
                        group.cancelAll()
                    }
                case .timerEnded: break
                }
            }
            return outcome
        }
    }

    private func endState(_ outcome: ExecutionOutcome) -> TaskState {
        switch stop.reason {
        case .timeout: .timedOut
        case .cancel: .canceled
        case .shutdown: .interrupted
        case nil: outcome.isSuccess ? .succeeded : .failed
        }
    }

    private var reasonFailure: TaskFailure? {
        switch stop.reason {
        case .timeout: TaskFailure(.timedOut, "the time limit of \(context.spec.timeout ?? 0) s ended it")
        case .cancel: TaskFailure(.canceled, "canceled on request")
        case .shutdown: TaskFailure(.interrupted, "the agent was stopped while it ran")
        case nil: nil
        }
    }
}
