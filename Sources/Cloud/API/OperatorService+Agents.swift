// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// What the Cloud assigns to agents, and their removal.
extension OperatorService {
    /// Assigns an environment and labels. Who does not reach the agent any more is told that it is gone.
    func updateAgent(_ update: AgentUpdate, as principal: Principal) async throws -> AgentInfo {
        if let environment = update.environment { try CredentialName.check(environment: environment) }
        try CredentialName.check(labels: update.labels ?? [:])
        let (old, new) = try await store.write { transaction in
            let old = try Self.agent(update.id, principal, transaction)
            let environment = update.environment ?? old.environment
            let labels = update.labels ?? old.assignedLabels ?? [:]
            guard principal.scope.reaches(environment: environment, labels: labels) else {
                throw DeployError(
                    .forbidden, "the agent would be beyond your scope", hint: "use an environment and labels of yours")
            }
            try AgentTable.assign(old.id, environment: environment, labels: labels, transaction)
            var record = principal.record(
                of: .agentUpdate,
                [
                    "environment": .string(environment), "former_environment": .string(old.environment),
                    "labels": .object(labels.mapValues { .string($0) }),
                ])
            record.agent = old.name
            record.env = environment
            try AuditTrail.append(record, transaction)
            return (old, try Self.agent(old.id.rawValue, principal, transaction))
        }
        tasks.hub.moved(from: old, to: new)
        return new
    }

    /// Removes an agent: its tokens and certificates are revoked, its link ends, what it had not finished is over. Its
    /// tasks and logs stay; its name is free, for an agent with another id.
    func removeAgent(_ name: String, as principal: Principal) async throws {
        let (agent, ended) = try await store.write { transaction in
            let agent = try Self.agent(name, principal, transaction)
            let unfinished = try TaskTable.ofAgent(
                agent.id, states: [.pending, .dispatched, .running, .canceling, .lost], limit: .max, transaction)
            let ended = try unfinished.compactMap { try Self.end($0, transaction) }
            try TokenTable.revokeAll(agent: agent.id, transaction)
            try ClientCertificateTable.revokeAll(agent: agent.id, transaction)
            try AgentTable.remove(agent, transaction)
            var record = principal.record(
                of: .agentRemove,
                ["agent_id": .string(agent.id.rawValue), "ended_tasks": .integer(Int64(ended.count))])
            record.agent = agent.name
            record.env = agent.environment
            try AuditTrail.append(record, transaction)
            return (agent, ended)
        }
        tasks.hub.end(agent: agent.id, .policy("the agent was removed"))
        for task in ended { feed.changed(task) }
        tasks.hub.announce(ended)
        tasks.hub.moved(from: agent, to: nil)
    }

    private static func end(_ task: TaskRecord, _ transaction: any SQLTransaction) throws -> TaskRecord? {
        let event: TaskEvent = task.state == .pending ? .cancelRequested : .ended(.interrupted)
        let seq = try LogTable.nextSeq(task.id, attempt: task.attempt, transaction)
        return try TaskTable.apply(event, to: task, transaction) { changed in
            changed.finishedAt = .now()
            changed.logSeq = seq
            changed.error =
                task.state == .pending
                ? TaskFailure(.canceled, "the agent was removed before the task was delivered")
                : TaskFailure(.interrupted, "the agent was removed; whether the task finished is unknown")
        }
    }

    private static func agent(
        _ name: String, _ principal: Principal, _ transaction: any SQLTransaction
    ) throws -> AgentInfo {
        guard let agent = try AgentTable.find(nameOrID: name, in: principal.scope, transaction) else {
            throw missingAgent(name)
        }
        return agent
    }

    static func missingAgent(_ name: String) -> DeployError {
        DeployError(.notFound, "no agent is called '\(name.prefix(128))'", hint: "tiangong agent list")
    }
}
