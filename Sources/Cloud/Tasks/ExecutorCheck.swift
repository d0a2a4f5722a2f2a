// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// What a run needs of its agents' executors, as far as the agents have told: what cannot work is refused before
/// anything is sent.
enum ExecutorCheck {
    /// Throws `unsupported` when an agent is known not to run tasks of this type, and `invalid_argument` for a connection
    /// it is known not to have and for parameters its plugin does not take; each names the first such agent.
    static func check(_ spec: TaskSpec, _ agents: [AgentInfo], _ transaction: any SQLTransaction) throws {
        try checkTypes(spec.type, agents)
        try checkDatasource(spec, agents)
        guard TaskType(rawValue: spec.type) == nil else { return }
        for (agent, schema) in try AgentExecutorTable.schemas(of: spec.type, on: agents, transaction) {
            do throws(DeployError) {
                try schema.check(spec)
            } catch {
                throw DeployError(error.code, "\(agent): \(error.message)", hint: error.hint)
            }
        }
    }

    /// Of an agent that was never here nothing is known but the built-in types.
    private static func checkTypes(_ type: String, _ agents: [AgentInfo]) throws(DeployError) {
        let unable = agents.filter { agent in
            agent.executors.isEmpty ? TaskType(rawValue: type) == nil : !agent.executors.contains(type)
        }
        guard let first = unable.first else { return }
        throw DeployError(
            .unsupported,
            "\(first.name) does not run tasks of type '\(type)'\(share(unable.count, of: agents.count))",
            hint: first.executors.isEmpty ? nil : "it runs: \(first.executors.joined(separator: ", "))")
    }

    /// A plugin may call something else a datasource: its own are known only where it has told some.
    private static func checkDatasource(_ spec: TaskSpec, _ agents: [AgentInfo]) throws(DeployError) {
        guard let wanted = spec.params["datasource"]?.stringValue else { return }
        let isPlugin = TaskType(rawValue: spec.type) == nil
        let unable = agents.filter { agent in
            guard let known = agent.datasources(of: spec.type), !(isPlugin && known.isEmpty) else { return false }
            return !known.contains(wanted)
        }
        guard let first = unable.first else { return }
        let known = (first.datasources(of: spec.type) ?? []).prefix(namesTold).joined(separator: ", ")
        throw DeployError(
            .invalidArgument,
            "unknown datasource '\(wanted.prefix(64))' on \(first.name)\(share(unable.count, of: agents.count)); "
                + (known.isEmpty ? "it has none for \(spec.type)" : "it has: \(known)"))
    }

    private static let namesTold = 20

    private static func share(_ count: Int, of all: Int) -> String {
        all == 1 ? "" : " (\(count) of \(all) agents)"
    }
}
