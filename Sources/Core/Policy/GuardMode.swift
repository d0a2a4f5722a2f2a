// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// How much the command guard lets through. Deny rules D1 to D9 hold in every mode but `audit`.
public enum GuardMode: String, Sendable, Hashable, Codable, CaseIterable {
    /// Nothing but commands that a listed expression matches whole.
    case whitelist
    /// One pipeline of plain commands: nothing that could start a second command.
    case noInjection = "no-injection"
    /// Whole shell programs, except what the deny rules refuse.
    case blacklistDefault = "blacklist-default"
    /// Everything runs; what would have been refused is written down.
    case audit
}
