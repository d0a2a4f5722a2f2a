// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// What an operator may do at most. Each role may do all that the one before it may.
public enum Role: String, Sendable, Hashable, Codable, CaseIterable, Comparable {
    /// Sees agents, runs, tasks and their logs.
    case viewer
    /// Runs and cancels tasks.
    case `operator`
    /// Decides what may run: sets the policies of its environments, and reads the audit.
    case approver
    /// Everything: operators, tokens, enrolments, agents.
    case admin

    /// By what they may do.
    public static func < (left: Role, right: Role) -> Bool { left.rank < right.rank }

    private var rank: Int {
        switch self {
        case .viewer: 0
        case .operator: 1
        case .approver: 2
        case .admin: 3
        }
    }
}

/// Which agents an operator or token reaches; everything else does not exist for it.
public struct Scope: Sendable, Hashable, Codable {
    /// Environments by whole name; nil for every environment.
    public var environments: [String]?
    /// Labels an agent must have been assigned; what it reports of itself does not count.
    public var labels: [String: String]

    /// A scope; with no arguments, everything.
    public init(environments: [String]? = nil, labels: [String: String] = [:]) {
        self.environments = environments
        self.labels = labels
    }

    /// Reads a scope; every field may be left out.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        environments = try values.decodeIfPresent([String].self, forKey: .environments)
        labels = try values.decodeIfPresent([String: String].self, forKey: .labels) ?? [:]
    }

    /// Whether this reaches nothing that the other does not.
    public func isWithin(_ other: Scope) -> Bool {
        if let theirs = other.environments {
            guard let environments, Set(environments).isSubset(of: theirs) else { return false }
        }
        return other.labels.allSatisfy { labels[$0.key] == $0.value }
    }
}
