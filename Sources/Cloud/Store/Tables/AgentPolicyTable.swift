// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The queries on what agents tell of their own policy files, kept in `agents`.
enum AgentPolicyTable {
    /// Stores a report; nil for an agent that does not tell.
    static func set(_ report: AgentPolicyReport?, of agent: AgentID, _ transaction: any SQLTransaction) throws {
        try transaction.execute(
            "UPDATE agents SET policy = ?, policy_mode = ?, host_namespaces = ? WHERE id = ?",
            [
                .text(report.map { StoredJSON.text($0) }), .text(report?.policy?.mode.rawValue),
                .integer(report?.policy?.hostNamespaces == true ? 1 : 0), .text(agent.rawValue),
            ])
    }

    /// What the agent has told; nil when it has not.
    static func report(of agent: AgentID, _ transaction: any SQLTransaction) throws -> AgentPolicyReport? {
        let row = try transaction.rows("SELECT policy FROM agents WHERE id = ?", [.text(agent.rawValue)]).first
        return StoredJSON.value(row?.optionalText(0))
    }
}
