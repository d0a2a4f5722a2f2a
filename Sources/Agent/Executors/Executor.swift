// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Performs tasks of one type. Concurrency, time limits, stopping and log limits are the runner's; an executor only works.
protocol Executor: Sendable {
    /// The type it performs.
    static var type: TaskType { get }

    /// Performs one task to its end and says how it ended.
    ///
    /// Being canceled means to stop in good order, within the context's grace, and then to return as usual: why it was
    /// stopped is known to the caller. Throws `start_failed` when the work could not begin.
    func run(_ context: ExecutionContext) async throws(DeployError) -> ExecutionOutcome
}

/// How work ended, as far as an executor can say.
struct ExecutionOutcome: Sendable, Equatable {
    /// The program's exit status, if there was a program and it exited.
    var exitCode: Int32?
    /// The signal that ended the program.
    var signal: Int32?
    /// Why it failed; nil when it is told by the exit status alone.
    var error: TaskFailure?
    /// What else it reports.
    var result: [String: JSONValue]?

    /// Whether the work did what it should.
    var isSuccess: Bool { error == nil && signal == nil && (exitCode ?? 0) == 0 }
}
