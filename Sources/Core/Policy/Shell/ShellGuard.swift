// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Judges shell commands: what a text or an argument vector would do, without running it.
public enum ShellGuard {
    /// Judges a text that `/bin/sh` would be given; the verdict's policy is left empty.
    public static func judge(
        _ text: String, mode: GuardMode, allow: [GuardExpression] = [], deny: [GuardExpression] = [],
        workingDirectory: String? = nil
    ) -> GuardVerdict {
        if let finding = InputGate.finding(text) {
            return GuardVerdict(
                .deny, rule: finding.rule, message: finding.message, position: finding.position, mode: mode)
        }
        return GuardVerdict(.deny, rule: "V1", message: "shell texts are not judged yet", mode: mode)
    }

    /// Judges a program and its arguments, which no shell reads; the verdict's policy is left empty.
    public static func judge(
        arguments: [String], mode: GuardMode, allow: [GuardExpression] = [], deny: [GuardExpression] = [],
        workingDirectory: String? = nil
    ) -> GuardVerdict {
        GuardVerdict(.deny, rule: "V1", message: "argument vectors are not judged yet", mode: mode)
    }
}
