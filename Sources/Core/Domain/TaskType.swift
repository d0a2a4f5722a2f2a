// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// What kind of work a task is; each names one executor.
public enum TaskType: String, Sendable, Codable, CaseIterable {
    /// A command line for `/bin/sh`, or an argument vector.
    case shell
}
