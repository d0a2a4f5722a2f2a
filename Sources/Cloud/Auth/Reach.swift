// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// A condition of a WHERE clause with its values.
struct SQLCondition: Sendable, Equatable {
    let sql: String
    let values: [SQLValue]

    /// Every row.
    static let always = SQLCondition(sql: "1 = 1", values: [])
    /// No row.
    static let never = SQLCondition(sql: "1 = 0", values: [])
}

/// What a scope reaches. Every query that answers an operator carries one of these conditions: no id opens what lies
/// outside it.
extension Scope {
    /// The most environments one scope names.
    static let maximumEnvironments = 100
    /// The most labels one scope or one agent has.
    static let maximumLabels = 32

    /// Whether nothing lies outside.
    var isEverything: Bool { environments == nil && labels.isEmpty }

    /// What both reach.
    func limited(to other: Scope) -> Scope {
        let both: [String]? =
            switch (environments, other.environments) {
            case (nil, let only), (let only, nil): only
            case (let mine?, let theirs?): mine.filter(theirs.contains)
            }
        let contradicts = labels.contains { key, value in other.labels[key].map { $0 != value } ?? false }
        return Scope(environments: contradicts ? [] : both, labels: labels.merging(other.labels) { first, _ in first })
    }

    /// Whether an agent of this environment with these assigned labels is reached.
    func reaches(environment: String, labels assigned: [String: String]) -> Bool {
        (environments?.contains(environment) ?? true) && labels.allSatisfy { assigned[$0.key] == $0.value }
    }

    /// Whether an agent is reached; what it reports of itself does not count.
    func reaches(_ agent: AgentInfo) -> Bool {
        reaches(environment: agent.environment, labels: agent.assignedLabels ?? [:])
    }

    /// Holds for the rows of `agents` that are reached.
    var agents: SQLCondition {
        if isEverything { return .always }
        if environments?.isEmpty == true { return .never }
        var parts: [String] = []
        var values: [SQLValue] = []
        if let environments {
            parts.append("agents.environment IN (\(environments.map { _ in "?" }.joined(separator: ", ")))")
            values += environments.map { .text($0) }
        }
        for (name, value) in labels.sorted(by: { $0.key < $1.key }) {
            parts.append(
                """
                EXISTS (SELECT 1 FROM agent_labels
                  WHERE agent_labels.agent_id = agents.id AND agent_labels.name = ? AND agent_labels.value = ?)
                """)
            values += [.text(name), .text(value)]
        }
        return SQLCondition(sql: "(\(parts.joined(separator: " AND ")))", values: values)
    }

    /// Holds for the rows of `tasks` whose agent is reached.
    var tasks: SQLCondition { through("SELECT 1 FROM agents WHERE agents.id = tasks.agent_id") }

    /// Holds for the rows of `runs` with a task that is reached.
    var runs: SQLCondition {
        through("SELECT 1 FROM tasks JOIN agents ON agents.id = tasks.agent_id WHERE tasks.run_id = runs.id")
    }

    /// Holds for the rows of `tokens` of agents that are reached.
    var agentTokens: SQLCondition { through("SELECT 1 FROM agents WHERE agents.id = tokens.agent_id") }

    private func through(_ query: String) -> SQLCondition {
        let agents = agents
        if agents == .always || agents == .never { return agents }
        return SQLCondition(sql: "EXISTS (\(query) AND \(agents.sql))", values: agents.values)
    }

    /// For the audit.
    var facts: [String: JSONValue] {
        [
            "environments": environments.map { .array($0.map { .string($0) }) } ?? .string("all"),
            "labels": .object(labels.mapValues { .string($0) }),
        ]
    }

    /// Throws `invalid_argument` when an environment or a label is not well formed.
    func validate() throws(DeployError) {
        if let environments {
            guard environments.count <= Self.maximumEnvironments else {
                throw DeployError(.invalidArgument, "a scope names at most \(Self.maximumEnvironments) environments")
            }
            for environment in environments { try CredentialName.check(environment: environment) }
        }
        try CredentialName.check(labels: labels)
    }
}

/// What names, environments and labels may look like, checked where they enter.
enum CredentialName {
    /// A name that no selector, shell or list can take for something else.
    static func check(name: String) throws(DeployError) {
        guard (1...128).contains(name.utf8.count), name.first != "-", isPlain(name) else {
            throw DeployError(
                .invalidArgument, "name '\(name.prefix(64))' is not 1 to 128 printable characters without , and =")
        }
    }

    static func check(environment: String) throws(DeployError) {
        guard (1...64).contains(environment.utf8.count), environment.first != "-", isPlain(environment) else {
            throw DeployError(
                .invalidArgument,
                "environment '\(environment.prefix(64))' is not 1 to 64 printable characters without , and =")
        }
    }

    static func check(labels: [String: String]) throws(DeployError) {
        guard labels.count <= Scope.maximumLabels else {
            throw DeployError(.invalidArgument, "there are more than \(Scope.maximumLabels) labels")
        }
        for (name, value) in labels {
            guard (1...63).contains(name.utf8.count), isPlain(name), value.utf8.count <= 128, !value.contains(",")
            else {
                throw DeployError(
                    .invalidArgument,
                    "label '\(name.prefix(64))' is not a name of 1 to 63 printable characters with at most 128 bytes")
            }
        }
    }

    private static func isPlain(_ text: String) -> Bool {
        text.utf8.allSatisfy { (33...126).contains($0) && $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: "=") }
    }
}
