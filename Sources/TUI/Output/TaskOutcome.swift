// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// What the ends of tasks mean for the exit status, and in words.
enum TaskOutcome {
    /// The exit status for one task: its program's own, 128 and the signal's number, or 3 for every other failure.
    static func exitStatus(_ task: TaskRecord) -> Int32 {
        switch task.state {
        case .succeeded: 0
        case .failed:
            if let signal = task.signal, (1...127).contains(signal) {
                128 + signal
            } else if let code = task.exitCode, (1...255).contains(code) {
                code
            } else {
                failed
            }
        default: failed
        }
    }

    /// The exit status for several tasks: 0 when all succeeded, else 3.
    static func exitStatus(_ tasks: [TaskRecord]) -> Int32 {
        if tasks.count == 1, let only = tasks.first { return exitStatus(only) }
        return tasks.allSatisfy { $0.state == .succeeded } ? 0 : failed
    }

    /// How a task ended: `exit status 3`, `signal 9`, `timed out`, with the reason when one is known.
    static func words(_ task: TaskRecord) -> String {
        var text: String
        switch (task.state, task.signal, task.exitCode) {
        case (.failed, let signal?, _): text = "ended by signal \(signal)"
        case (.failed, nil, let code?): text = "exit status \(code)"
        case (.timedOut, _, _): text = "timed out"
        default: text = task.state.rawValue
        }
        if let error = task.error, !error.message.isEmpty, error.message != text { text += ": \(error.message)" }
        return text
    }

    private static let failed: Int32 = 3
}
