// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Everything the model reacts to.
enum AppEvent: Equatable, Sendable {
    case key(Key)
    case paste(String)
    case resize(Size)
    /// The clock, once a second, and in between while something moves.
    case tick(Timestamp)
    case backend(BackendEvent)
    case contexts(ContextList)
    case agents([AgentInfo])
    case executors([ExecutorInfo])
    case runs([RunRecord])
    case run(RunDetail)
    case runCreated(RunDetail)
    case canceled([TaskRecord])
    case policies([PolicyRecord])
    case policiesFailed(DeployError)
    case policyTested(PolicyTest, [AgentVerdict])
    case policyTestFailed(PolicyTest, DeployError)
    case audit(AuditQuery, [AuditRecord], next: String?)
    case auditFailed(DeployError)
    case file(FileEvent)
    case logOpened(LogState)
    case logSaved(path: String, bytes: Int)
    /// A request failed; `doing` says which, for people.
    case failed(doing: String, DeployError)
    /// Somebody outside wants the console to end (TERM, INT).
    case quit
}
