// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Crypto

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What one policy file, or one policy of the Cloud, says. Where several apply, all must allow: the strictest wins.
public struct GuardPolicy: Sendable, Hashable, Codable {
    /// How much is let through.
    public var mode: GuardMode
    /// In `whitelist` mode: expressions, each for the whole canonical command of one pipeline stage.
    public var allow: [String]
    /// Refused in every mode but `audit`: expressions like those of `allow`.
    public var deny: [String]
    /// Rules of the statement guard that are lifted, such as `sql.truncate`.
    public var statements: [String]
    /// Whether tasks may enter the host's namespaces. Only an agent's own file can say so.
    public var hostNamespaces: Bool

    enum CodingKeys: String, CodingKey, CaseIterable {
        case mode, allow, deny, statements
        case hostNamespaces = "host_namespaces"
    }

    /// A policy; see the properties.
    public init(
        mode: GuardMode, allow: [String] = [], deny: [String] = [], statements: [String] = [],
        hostNamespaces: Bool = false
    ) {
        self.mode = mode
        self.allow = allow
        self.deny = deny
        self.statements = statements
        self.hostNamespaces = hostNamespaces
    }

    /// Reads a policy; only `mode` is required.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        mode = try values.decode(GuardMode.self, forKey: .mode)
        allow = try values.decodeIfPresent([String].self, forKey: .allow) ?? []
        deny = try values.decodeIfPresent([String].self, forKey: .deny) ?? []
        statements = try values.decodeIfPresent([String].self, forKey: .statements) ?? []
        hostNamespaces = try values.decodeIfPresent(Bool.self, forKey: .hostNamespaces) ?? false
    }

    /// The most expressions of a policy.
    public static let maximumExpressions = 500

    /// SHA-256 of the policy as canonical JSON, in 64 hex digits: the same for the same meaning.
    public var hash: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let bytes = (try? encoder.encode(self)) ?? Data()
        return SHA256.hash(data: bytes).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// What holds in an environment for which nobody has set a policy: nothing in production, plain commands elsewhere.
    ///
    /// Production is the environment `prod` or `production`, and those whose names begin so before a `-`.
    public static func standard(environment: String) -> GuardPolicy {
        let word = environment.lowercased().split(separator: "-", maxSplits: 1).first.map(String.init) ?? ""
        return GuardPolicy(mode: ["prod", "production"].contains(word) ? .whitelist : .noInjection)
    }
}
