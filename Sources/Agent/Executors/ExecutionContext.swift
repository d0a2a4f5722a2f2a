// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc

/// What an executor is given to perform one task.
struct ExecutionContext: Sendable {
    /// The task and its try.
    let reference: TaskReference
    /// What to do.
    let spec: TaskSpec
    /// Its parameters, checked.
    let parameters: TaskParameters
    /// Where its output goes.
    let log: LogPump
    /// The secrets it names.
    let secrets: TaskSecrets
    /// How long a stop may take before processes are killed; may shrink while it is waited for.
    let grace: @Sendable () -> Duration
    /// To be called once the work has begun, with the process id if there is one.
    let onStart: @Sendable (pid_t?) async -> Void
    /// Tells the Cloud how far the work has come, where that is known.
    var progress = ProgressMeter { _ in }
    /// The run it belongs to, if it was told.
    var runID: RunID?
    /// Who asked for it, if it was told.
    var actor: String?
}
