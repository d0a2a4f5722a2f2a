// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The queries on what agents tell of their executors, kept in `agents`: the names of connections in `executor_details`,
/// what plugins take in `executor_schemas`.
enum AgentExecutorTable {
    /// Agents that tell the same, counted.
    struct Group {
        /// Task types they run.
        var executors: [String]
        /// Connections of each; nil when they do not tell.
        var details: [ExecutorReport]?
        /// What their plugins take.
        var schemas: [ExecutorSchema]
        /// How many they are.
        var count: Int
    }

    /// Stores what a registration tells, of the types it says it runs; nothing for an agent that does not tell.
    static func set(_ register: AgentRegister, of agent: AgentID, _ transaction: any SQLTransaction) throws {
        let types = Set(register.runTypes)
        let told = register.executorDetails?.filter { types.contains($0.type) }
        let details = told?.map { ExecutorReport(type: $0.type, datasources: $0.datasources) }
        let schemas = (told ?? []).filter { TaskType(rawValue: $0.type) == nil }.compactMap(\.schema)
        try transaction.execute(
            "UPDATE agents SET executor_details = ?, executor_schemas = ? WHERE id = ?",
            [
                .text(details.map { StoredJSON.text($0) }), .text(schemas.isEmpty ? nil : StoredJSON.text(schemas)),
                .text(agent.rawValue),
            ])
    }

    /// What agents tell that tasks of a plugin take, with the first of the given agents that tells each.
    static func schemas(
        of type: String, on agents: [AgentInfo], _ transaction: any SQLTransaction
    ) throws -> [(agent: String, schema: ExecutorSchema)] {
        var seen: Set<String> = []
        var found: [(agent: String, schema: ExecutorSchema)] = []
        for agent in agents {
            let rows = try transaction.rows(
                "SELECT executor_schemas FROM agents WHERE id = ?", [.text(agent.id.rawValue)])
            guard let text = rows.first?.optionalText(0), seen.insert(text).inserted,
                let schema = StoredJSON.value(text, [ExecutorSchema].self)?.first(where: { $0.type == type }),
                !found.contains(where: { $0.schema == schema })
            else { continue }
            found.append((agent.name, schema))
        }
        return found
    }

    /// Everything that agents within a scope tell, in the order of the first name of each group.
    static func groups(in scope: Scope, _ transaction: any SQLTransaction) throws -> [Group] {
        let reach = scope.agents
        return try transaction.rows(
            """
            SELECT executors, executor_details, executor_schemas, count(*) FROM agents
            WHERE removed_at IS NULL AND \(reach.sql)
            GROUP BY executors, executor_details, executor_schemas ORDER BY min(name)
            """, reach.values
        ).map { row in
            Group(
                executors: StoredJSON.value(row.text(0)) ?? [], details: StoredJSON.value(row.optionalText(1)),
                schemas: StoredJSON.value(row.optionalText(2)) ?? [], count: Int(row.integer(3)))
        }
    }
}

extension AgentRegister {
    /// The task types the agent says it runs; one that says nothing runs shell.
    var runTypes: [String] { executors ?? executorDetails?.map(\.type) ?? [TaskType.shell.rawValue] }
}
