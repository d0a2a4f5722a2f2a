// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Which task types agents run, and what their tasks take.
extension OperatorService {
    func executors(_ query: ExecutorListQuery, as principal: Principal) async throws -> Page<ExecutorInfo> {
        let limit = try Self.limit(query.limit, default: 200)
        let groups = try await store.read { try AgentExecutorTable.groups(in: principal.scope, $0) }
        let known = Self.executors(groups).filter { info in
            (query.type.map { $0 == info.type } ?? true) && info.type > query.cursor ?? ""
        }
        return Self.page(Array(known.prefix(limit)), limit, isWhole: known.count <= limit) { $0.type }
    }

    /// The types of all groups, by name. What a plugin takes is what the first agent by name says.
    static func executors(_ groups: [AgentExecutorTable.Group]) -> [ExecutorInfo] {
        var found: [String: Found] = [:]
        for group in groups {
            for type in Set(group.executors) {
                found[type, default: Found()].add(group, type)
            }
        }
        return found.map { type, found in found.info(type) }.sorted { $0.type < $1.type }
    }

    /// What several groups say of one type.
    private struct Found {
        private var agents = 0
        private var datasources: Set<String> = []
        private var schema: ExecutorSchema?
        private var isConflicting = false

        mutating func add(_ group: AgentExecutorTable.Group, _ type: String) {
            agents += group.count
            datasources.formUnion(group.details?.first { $0.type == type }?.datasources ?? [])
            guard let told = group.schemas.first(where: { $0.type == type }) else { return }
            if let schema, schema != told { isConflicting = true }
            schema = schema ?? told
        }

        func info(_ type: String) -> ExecutorInfo {
            let schema = TaskType(rawValue: type)?.schema ?? schema ?? .untold(type)
            return ExecutorInfo(schema, agents: agents, datasources: datasources, isConflicting: isConflicting)
        }
    }
}

extension ExecutorSchema {
    /// A plugin of whose parameters nothing is known: its agent checks them.
    fileprivate static func untold(_ type: String) -> ExecutorSchema {
        ExecutorSchema(
            type: type, summary: "",
            command: Command("command", "", required: false, maximum: StatementGuard.maximumBytes),
            parameters: [])
    }
}
