// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Variables that decide which code a program loads. No task may set them, whatever the policy: not even in mode `audit`.
public enum ProtectedVariable {
    /// Whether a variable of this name is one of them.
    public static func includes(_ name: String) -> Bool {
        name == "PATH" || EnvironmentRule.isRefused(name, mode: .audit)
    }
}
