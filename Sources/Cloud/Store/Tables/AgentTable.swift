// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The queries on `agents`, `agent_labels` and `agent_sessions`. An agent that was removed keeps its row, under a name
/// nobody can have, for the tasks that belong to it; no query here finds it.
enum AgentTable {
    private static let columns = """
        id, name, labels, reported_labels, environment, hostname, ip, os, arch, version, executors, max_concurrency,
        status, running, queued, load_average, last_seen, connected_at, epoch, created_at, reported_environment,
        policy_mode, host_namespaces, executor_details
        """

    static func insert(_ agent: AgentInfo, _ transaction: any SQLTransaction) throws {
        try transaction.execute(
            """
            INSERT INTO agents (id, name, labels, reported_labels, environment, hostname, ip, os, arch, version, executors,
              max_concurrency, status, running, queued, epoch, replica, created_at)
            VALUES (?, ?, ?, '{}', ?, '', '', '', '', '', '[]', 0, 'offline', 0, 0, 0, '', ?)
            """,
            [
                .text(agent.id.rawValue), .text(agent.name), .text(StoredJSON.text(agent.assignedLabels ?? [:])),
                .text(agent.environment), .integer(agent.createdAt.milliseconds),
            ])
        try setLabels(agent.assignedLabels ?? [:], of: agent.id, transaction)
    }

    /// An agent by its whole id, for its own link; operators' requests look within their scope.
    static func find(id: AgentID, _ transaction: any SQLTransaction) throws -> AgentInfo? {
        try transaction.rows(
            "SELECT \(columns) FROM agents WHERE id = ? AND removed_at IS NULL", [.text(id.rawValue)]
        ).first.flatMap(agent)
    }

    static func find(
        nameOrID text: String, in scope: Scope, _ transaction: any SQLTransaction
    ) throws -> AgentInfo? {
        let reach = scope.agents
        return try transaction.rows(
            "SELECT \(columns) FROM agents WHERE (name = ? OR id = ?) AND removed_at IS NULL AND \(reach.sql)",
            [.text(text), .text(text)] + reach.values
        ).first.flatMap(agent)
    }

    /// Agents in the order of their names, from after a name on.
    static func list(
        after name: String?, limit: Int, in scope: Scope, _ transaction: any SQLTransaction
    ) throws -> [AgentInfo] {
        let reach = scope.agents
        return try transaction.rows(
            """
            SELECT \(columns) FROM agents WHERE name > ? AND removed_at IS NULL AND \(reach.sql) ORDER BY name LIMIT ?
            """, [.text(name ?? "")] + reach.values + [.integer(limit)]
        ).compactMap(agent)
    }

    static func all(in scope: Scope, _ transaction: any SQLTransaction) throws -> [AgentInfo] {
        let reach = scope.agents
        return try transaction.rows(
            "SELECT \(columns) FROM agents WHERE removed_at IS NULL AND \(reach.sql) ORDER BY name", reach.values
        ).compactMap(agent)
    }

    /// Those of some agents, removed ones too, that a scope reaches.
    static func reached(
        _ ids: [AgentID], in scope: Scope, _ transaction: any SQLTransaction
    ) throws -> Set<AgentID> {
        let reach = scope.agents
        return try Set(
            ids.filter { id in
                try !transaction.rows(
                    "SELECT 1 FROM agents WHERE id = ? AND \(reach.sql)",
                    [.text(id.rawValue)] + reach.values
                ).isEmpty
            })
    }

    /// Assigns an agent to an environment and gives it these labels in place of those it had.
    static func assign(
        _ id: AgentID, environment: String, labels: [String: String], _ transaction: any SQLTransaction
    ) throws {
        try transaction.execute(
            "UPDATE agents SET environment = ?, labels = ? WHERE id = ?",
            [.text(environment), .text(StoredJSON.text(labels)), .text(id.rawValue)])
        try setLabels(labels, of: id, transaction)
    }

    /// Takes an agent out of every list and frees its name; what it did stays, under its id.
    static func remove(_ agent: AgentInfo, _ transaction: any SQLTransaction) throws {
        let now = Timestamp.now().milliseconds
        try transaction.execute(
            """
            UPDATE agents SET name = ?, removed_at = ?, status = 'offline', running = 0, queued = 0
            WHERE id = ? AND removed_at IS NULL
            """, [.text("\(agent.name) (removed \(agent.id))"), .integer(now), .text(agent.id.rawValue)])
    }

    private static func setLabels(
        _ labels: [String: String], of id: AgentID, _ transaction: any SQLTransaction
    ) throws {
        try transaction.execute("DELETE FROM agent_labels WHERE agent_id = ?", [.text(id.rawValue)])
        for (name, value) in labels {
            try transaction.execute(
                "INSERT INTO agent_labels (agent_id, name, value) VALUES (?, ?, ?)",
                [.text(id.rawValue), .text(name), .text(value)])
        }
    }

    /// Stores which journal a new link answers from; whether the links before it answered from the same one.
    ///
    /// Another one is that of a second copy of the agent, or of one whose data directory was lost or brought back from a
    /// backup. An agent that has never told is taken at its word.
    static func answersFrom(journal: String, _ id: AgentID, _ transaction: any SQLTransaction) throws -> Bool {
        let former = try transaction.rows("SELECT journal_id FROM agents WHERE id = ?", [.text(id.rawValue)]).first?
            .text(0)
        guard let former, former != journal else { return true }
        try transaction.execute(
            "UPDATE agents SET journal_id = ? WHERE id = ?", [.text(journal), .text(id.rawValue)])
        return former.isEmpty
    }

    /// Stores a new link: the epoch goes up by one and fences all before it. Returns the new epoch.
    static func connect(
        _ id: AgentID, _ register: AgentRegister, replica: String, address: String, _ transaction: any SQLTransaction
    ) throws -> Int64 {
        let now = Timestamp.now().milliseconds
        try transaction.execute(
            """
            UPDATE agents SET epoch = epoch + 1, status = 'online', hostname = ?, ip = ?, os = ?, arch = ?, version = ?,
              executors = ?, max_concurrency = ?, reported_labels = ?,
              reported_environment = ?, running = 0, queued = 0, last_seen = ?, connected_at = ?, replica = ?
            WHERE id = ? AND removed_at IS NULL
            """,
            [
                .text(register.hostname ?? register.name ?? ""), .text(register.ip ?? address),
                .text(register.os ?? ""),
                .text(register.arch ?? ""), .text(register.version ?? ""),
                .text(StoredJSON.text(register.runTypes)),
                .integer(register.maxConcurrency ?? 1), .text(StoredJSON.text(register.labels ?? [:])),
                .text(register.environment ?? ""), .integer(now), .integer(now), .text(replica), .text(id.rawValue),
            ])
        guard
            let epoch = try transaction.rows(
                "SELECT epoch FROM agents WHERE id = ? AND removed_at IS NULL", [.text(id.rawValue)]
            ).first?.integer(0)
        else { throw DeployError(.notFound, "the agent has been removed") }
        try transaction.execute(
            "INSERT INTO agent_sessions (agent_id, epoch, replica, remote_address, connected_at) VALUES (?, ?, ?, ?, ?)",
            [.text(id.rawValue), .integer(epoch), .text(replica), .text(address), .integer(now)])
        return epoch
    }

    /// Ends a link. Only the newest link's end makes the agent offline; true when it did.
    static func disconnect(
        _ id: AgentID, epoch: Int64, reason: String, _ transaction: any SQLTransaction
    ) throws -> Bool {
        let now = Timestamp.now().milliseconds
        try transaction.execute(
            "UPDATE agent_sessions SET disconnected_at = ?, reason = ? WHERE agent_id = ? AND epoch = ?",
            [.integer(now), .text(reason), .text(id.rawValue), .integer(epoch)])
        return try transaction.execute(
            "UPDATE agents SET status = 'offline', running = 0, queued = 0, last_seen = ? WHERE id = ? AND epoch = ?",
            [.integer(now), .text(id.rawValue), .integer(epoch)]) == 1
    }

    /// After a crash of this replica: none of its links exists any more.
    static func disconnectAll(replica: String, _ transaction: any SQLTransaction) throws {
        try transaction.execute(
            "UPDATE agents SET status = 'offline', running = 0, queued = 0 WHERE replica = ? AND status = 'online'",
            [.text(replica)])
        try transaction.execute(
            """
            UPDATE agent_sessions SET disconnected_at = ?, reason = 'server stopped'
            WHERE replica = ? AND disconnected_at IS NULL
            """, [.integer(Timestamp.now().milliseconds), .text(replica)])
    }

    static func heartbeat(
        _ id: AgentID, epoch: Int64, _ heartbeat: AgentHeartbeat, _ transaction: any SQLTransaction
    ) throws {
        try transaction.execute(
            "UPDATE agents SET running = ?, queued = ?, load_average = ?, last_seen = ? WHERE id = ? AND epoch = ?",
            [
                .integer(max(0, heartbeat.running ?? 0)), .integer(max(0, heartbeat.queued ?? 0)),
                heartbeat.load.map { .real($0) } ?? .null, .integer(Timestamp.now().milliseconds), .text(id.rawValue),
                .integer(epoch),
            ])
    }

    private static func agent(_ row: SQLRow) -> AgentInfo? {
        guard let id = AgentID(row.text(0)) else { return nil }
        var agent = AgentInfo(id: id, name: row.text(1), createdAt: Timestamp(milliseconds: row.integer(19)))
        let reported: [String: String] = StoredJSON.value(row.text(3)) ?? [:]
        let assigned: [String: String] = StoredJSON.value(row.text(2)) ?? [:]
        agent.labels = reported.merging(assigned) { $1 }
        agent.assignedLabels = assigned
        agent.environment = row.text(4)
        agent.policyMode = row.optionalText(21).flatMap { GuardMode(rawValue: $0) }
        agent.hostNamespaces = row.integer(22) == 1
        agent.reportedEnvironment = row.text(20).isEmpty ? nil : row.text(20)
        agent.hostname = row.text(5)
        agent.ip = row.text(6)
        agent.os = row.text(7)
        agent.arch = row.text(8)
        agent.version = row.text(9)
        agent.executors = StoredJSON.value(row.text(10)) ?? []
        agent.executorDetails = StoredJSON.value(row.optionalText(23))
        agent.maxConcurrency = Int(row.integer(11))
        agent.status = AgentStatus(rawValue: row.text(12)) ?? .offline
        agent.running = Int(row.integer(13))
        agent.queued = Int(row.integer(14))
        agent.load = row.optionalReal(15)
        agent.lastSeen = row.optionalInteger(16).map { Timestamp(milliseconds: $0) }
        agent.connectedAt = row.optionalInteger(17).map { Timestamp(milliseconds: $0) }
        agent.epoch = row.integer(18)
        return agent
    }
}
