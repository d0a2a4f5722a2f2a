// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Performs tasks of one type. Concurrency, time limits, stopping and log limits are the runner's; an executor only works.
protocol Executor: Sendable {
    /// What its tasks take; its type is the task type.
    var schema: ExecutorSchema { get }

    /// The names of its connections, for operators to choose from.
    var datasources: [String] { get }

    /// The secrets one task needs beside those its own parameters name, such as a datasource's password.
    ///
    /// They are read before the task starts, and hidden in its output. Throws `invalid_argument` or `not_found`.
    func secrets(for spec: TaskSpec) throws(DeployError) -> Set<SecretReference>

    /// Performs one task to its end and says how it ended.
    ///
    /// Being canceled means to stop in good order, within the context's grace, and then to return as usual: why it was
    /// stopped is known to the caller. Throws `start_failed` when the work could not begin.
    func run(_ context: ExecutionContext) async throws(DeployError) -> ExecutionOutcome

    /// Lets go of what is kept between tasks, such as open connections; called once, when the agent stops.
    func shutDown() async
}

extension Executor {
    var datasources: [String] { [] }

    func secrets(for spec: TaskSpec) throws(DeployError) -> Set<SecretReference> { [] }

    func shutDown() async {}
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
