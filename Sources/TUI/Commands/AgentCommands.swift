// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

/// `tiangong agent`.
struct AgentCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "agent", abstract: "List, show, assign and remove agents.",
        subcommands: [
            AgentListCommand.self, AgentShowCommand.self, AgentSetCommand.self, AgentRemoveCommand.self,
        ])
}

/// `tiangong agent list`.
struct AgentListCommand: DeployCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List agents.")

    @OptionGroup var globals: GlobalOptions

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Agents with this label; several must all match.", valueName: "key=value"))
    var label: [String] = []

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        let labels = try SelectorOptions.labels(label)
        let selector = labels.isEmpty ? nil : TargetSelector(labels: labels)
        let (agents, clock) = try await session.withClient { client throws(DeployError) in
            let clock = try await client.request(.serverInfo).data(as: ServerInfo.self).clock
            let agents = try await Pages.all { cursor throws(DeployError) in
                try await client.request(.agentList(AgentListQuery(selector: selector, cursor: cursor, limit: 200)))
                    .data(as: Page<AgentInfo>.self)
            }
            return (agents, clock)
        }
        let columns: [TablePrinter.Column] = [
            .init(title: "NAME"), .init(title: "STATUS"), .init(title: "ENV"), .init(title: "LABELS", elastic: true),
            .init(title: "HOST", elastic: true), .init(title: "OS", elastic: true), .init(title: "TASKS", right: true),
            .init(title: "SEEN", right: true), .init(title: "VERSION"),
        ]
        try await session.show(agents, columns: columns, key: \.name) { agent in
            [
                TableCell(agent.name), TableCell(agent.status.rawValue, agent.status == .online ? .good : .dim),
                TableCell(agent.environment), TableCell(KeyValue.text(agent.labels)), TableCell(agent.hostname),
                TableCell(agent.os), TableCell(agent.status == .online ? "\(agent.running)" : "-"),
                TableCell(agent.lastSeen.map { TimeText.age($0, now: clock) } ?? "never"), TableCell(agent.version),
            ]
        }
        return 0
    }
}

/// `tiangong agent show`.
struct AgentShowCommand: DeployCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Show one agent.")

    @OptionGroup var globals: GlobalOptions

    @Argument(help: "Its name or id.")
    var name: String

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        let agent = try await session.withClient { [name] client throws(DeployError) in
            try await client.request(.agentShow(ObjectQuery(id: name))).data(as: AgentInfo.self)
        }
        let facts: [(name: String, value: TableCell?)] = [
            ("Name", TableCell(agent.name)), ("Id", TableCell(agent.id.rawValue)),
            ("Status", TableCell(agent.status.rawValue, agent.status == .online ? .good : .dim)),
            ("Environment", agent.environment.isEmpty ? nil : TableCell(agent.environment)),
            ("Reports", agent.reportedEnvironment.map { TableCell("environment \($0)", .dim) }),
            ("Assigned", agent.assignedLabels.flatMap { $0.isEmpty ? nil : TableCell(KeyValue.text($0)) }),
            ("Own policy", agent.policyMode.map { TableCell($0.rawValue) }),
            ("Namespaces", agent.hostNamespaces == true ? TableCell("tasks may enter the host's", .bad) : nil),
            ("Labels", agent.labels.isEmpty ? nil : TableCell(KeyValue.text(agent.labels))),
            ("Host", TableCell([agent.hostname, agent.ip].filter { !$0.isEmpty }.joined(separator: " "))),
            ("System", TableCell([agent.os, agent.arch].filter { !$0.isEmpty }.joined(separator: " "))),
            ("Version", TableCell(agent.version)), ("Executors", TableCell(agent.executors.joined(separator: ", "))),
            ("Datasources", Self.datasources(agent)),
            ("Tasks", TableCell("\(agent.running) running, \(agent.queued) queued, at most \(agent.maxConcurrency)")),
            ("Load", agent.load.map { TableCell("\(($0 * 100).rounded() / 100)") }),
            ("Last seen", TableCell(agent.lastSeen?.description ?? "never")),
            ("Connected", agent.connectedAt.map { TableCell("\($0) (link \(agent.epoch))") }),
            ("Created", TableCell(agent.createdAt.description)),
        ]
        try await session.show(agent, key: agent.name, facts: facts)
        return 0
    }

    /// `mysql: main, replica; postgres: app`; nil when there are none.
    private static func datasources(_ agent: AgentInfo) -> TableCell? {
        let told = (agent.executorDetails ?? []).filter { !$0.datasources.isEmpty }
        guard !told.isEmpty else { return nil }
        return TableCell(told.map { "\($0.type): \($0.datasources.joined(separator: ", "))" }.joined(separator: "; "))
    }
}

/// `tiangong agent set`.
struct AgentSetCommand: DeployCommand {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Assign an environment and labels to an agent.",
        discussion: "What is not named stays as it is.")

    @OptionGroup var globals: GlobalOptions

    @Option(name: .shortAndLong, help: ArgumentHelp("Where it belongs from now on.", valueName: "name"))
    var environment: String?

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Assign this label; may be given several times.", valueName: "key=value"))
    var label: [String] = []

    @Option(help: ArgumentHelp("Take this assigned label away; may be given several times.", valueName: "key"))
    var removeLabel: [String] = []

    @Argument(help: "Its name or id.")
    var name: String

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        _ = try update(over: [:])
        let agent = try await session.withClient { [self] client throws(DeployError) in
            let old = try await client.request(.agentShow(ObjectQuery(id: name))).data(as: AgentInfo.self)
            let update = try update(over: old.assignedLabels ?? [:])
            return try await client.request(.agentUpdate(update)).data(as: AgentInfo.self)
        }
        let facts: [(name: String, value: TableCell?)] = [
            ("Name", TableCell(agent.name)), ("Environment", TableCell(agent.environment)),
            ("Assigned", TableCell(KeyValue.text(agent.assignedLabels ?? [:]))),
        ]
        try await session.show(agent, key: agent.name, facts: facts)
        return 0
    }

    /// What is asked for, over the labels the agent has. Throws `invalid_argument` when nothing is, or malformed.
    func update(over assigned: [String: String]) throws(DeployError) -> AgentUpdate {
        let added = try SelectorOptions.labels(label)
        let removed = try SelectorOptions.names(removeLabel, what: "label")
        guard environment != nil || !added.isEmpty || !removed.isEmpty else {
            throw DeployError(
                .invalidArgument, "nothing is to change", hint: "use -e NAME, -l KEY=VALUE or --remove-label KEY")
        }
        var update = AgentUpdate(id: name)
        update.environment = environment
        if !added.isEmpty || !removed.isEmpty {
            update.labels = assigned.filter { !removed.contains($0.key) }.merging(added) { $1 }
        }
        return update
    }
}

/// `tiangong agent remove`.
struct AgentRemoveCommand: DeployCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove an agent: its credentials are revoked; its tasks and logs stay.")

    @OptionGroup var globals: GlobalOptions

    @Argument(help: "Its name or id.")
    var name: String

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        try await session.act(.agentRemove(ObjectQuery(id: name)), note: "agent '\(name)' is removed")
    }
}
