// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// What the world is asked to do. Only ``AppUpdate`` makes them, only the runner does them.
enum Effect: Equatable, Sendable {
    case loadContexts
    case useContext(String)
    case loadAgents
    case loadExecutors
    case loadRuns
    case loadRun(RunID)
    case createRun(RunCreate)
    case loadPolicies
    case testPolicy(PolicyTest)
    case loadAudit(AuditQuery)
    case file(FileEffect)
    case cancel(CancelRequest)
    case openLogs([TaskID])
    case closeLogs([TaskID])
    /// Writes the log on screen to a new file.
    case saveLog(path: String)
    case retryNow
    case suspend
    case redraw
    case bell
}
