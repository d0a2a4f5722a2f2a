// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Testing

/// A command with what the guard says about it.
struct Judged {
    let command: String
    let verdict: GuardVerdict

    init(_ command: String, _ mode: GuardMode, allow: [String] = [], deny: [String] = []) {
        self.command = command
        verdict = ShellGuard.judge(
            command, mode: mode, allow: allow.compactMap { try? GuardExpression($0) },
            deny: deny.compactMap { try? GuardExpression($0) })
    }

    init(_ arguments: [String], _ mode: GuardMode, allow: [String] = []) {
        command = arguments.joined(separator: " ")
        verdict = ShellGuard.judge(
            arguments: arguments, mode: mode, allow: allow.compactMap { try? GuardExpression($0) })
    }

    func isAllowed(sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(verdict.verdict == .allow, "\(verdict.rule): \(verdict.message)", sourceLocation: sourceLocation)
    }

    func isRefused(by rule: String, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(
            verdict.verdict == .deny && verdict.rule == rule, "\(verdict.rule): \(verdict.message)",
            sourceLocation: sourceLocation)
    }
}
