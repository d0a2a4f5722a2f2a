// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// What the guard says about one command or statement, and why. The same object is shown, sent and audited.
public struct GuardVerdict: Sendable, Hashable, Codable {
    /// Allowed or denied.
    public enum Decision: String, Sendable, Hashable, Codable {
        /// It may run.
        case allow
        /// It may not; in `audit` mode it runs all the same.
        case deny
    }

    /// Allowed or denied.
    public var verdict: Decision
    /// The rule that decided, such as `D1`, `V2`, `whitelist`, `deny[2]` or `sql.drop`; `none` when nothing objects.
    public var rule: String
    /// One sentence for people: what was found and what to do instead.
    public var message: String
    /// Where in the judged text it was found, in bytes from its start; nil when it concerns the whole.
    public var position: Int?
    /// The simple commands that were found, each as its words joined by one blank, wrappers unpacked.
    public var commands: [String]
    /// The mode it was judged in.
    public var mode: GuardMode
    /// Which policy judged it: its hash, see ``GuardPolicy/hash``.
    public var policy: String

    /// A verdict; see the properties.
    public init(
        _ verdict: Decision, rule: String, message: String, position: Int? = nil, commands: [String] = [],
        mode: GuardMode, policy: String = ""
    ) {
        self.verdict = verdict
        self.rule = rule
        self.message = message
        self.position = position
        self.commands = commands
        self.mode = mode
        self.policy = policy
    }

    /// Whether it must not run.
    public var isRefusal: Bool { verdict == .deny && mode != .audit }
}
