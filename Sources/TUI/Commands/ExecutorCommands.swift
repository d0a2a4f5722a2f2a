// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

/// `tiangong executor`.
struct ExecutorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "executor", abstract: "List task types and show what their tasks take.",
        subcommands: [ExecutorListCommand.self, ExecutorShowCommand.self])
}

/// `tiangong executor list`.
struct ExecutorListCommand: DeployCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the task types that agents run, plugins too.")

    @OptionGroup var globals: GlobalOptions

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        let executors = try await session.withClient { client throws(DeployError) in
            try await ExecutorLookup.all(client)
        }
        let columns: [TablePrinter.Column] = [
            .init(title: "TYPE"), .init(title: "AGENTS", right: true), .init(title: "DATASOURCES", elastic: true),
            .init(title: "SUMMARY", elastic: true),
        ]
        try await session.show(executors, columns: columns, key: \.type) { executor in
            [
                TableCell(executor.type), TableCell("\(executor.agents)"),
                TableCell(executor.datasourceText.isEmpty ? "-" : executor.datasourceText),
                TableCell((executor.isConflicting ? "(agents differ) " : "") + executor.summary),
            ]
        }
        return 0
    }
}

/// `tiangong executor show`.
struct ExecutorShowCommand: DeployCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show what tasks of a type take: the command, and flags of run.")

    @OptionGroup var globals: GlobalOptions

    @Argument(help: "A built-in type, or the name of a plugin.", completion: .list(TaskType.allCases.map(\.rawValue)))
    var type: String

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        let executor = try await session.withClient { [type] client throws(DeployError) in
            try await ExecutorLookup.find(type, client)
        }
        guard session.settings.format == .table, !session.settings.quiet else {
            try await session.show(executor, key: executor.type, facts: [])
            return 0
        }
        let command = executor.command
        try await session.show(
            executor, key: executor.type,
            facts: [
                ("Type", TableCell(executor.type)), ("Does", TableCell(executor.summary)),
                ("Agents", TableCell("\(executor.agents)")),
                ("Datasources", executor.datasourceText.isEmpty ? nil : TableCell(executor.datasourceText)),
                (
                    "Command",
                    TableCell("\(command.label)\(command.isRequired ? "" : " (may be left out)"): \(command.help)")
                ), ("At most", TableCell("\(command.maximum) bytes")),
                ("Differs", executor.isConflicting ? TableCell("agents describe it differently", .bad) : nil),
            ])
        let rows = ParameterFlags(schema: executor.schema).rows
        guard !rows.isEmpty else { return 0 }
        let columns: [TablePrinter.Column] = [.init(title: "FLAG OF RUN"), .init(title: "MEANING", elastic: true)]
        let printer = TablePrinter(columns: columns, color: session.settings.color, width: nil)
        try await session.output.write(
            "\n" + printer.text(rows.map { [TableCell($0.flag), TableCell($0.help)] }), to: .output)
        return 0
    }
}

/// What the Cloud knows of task types.
enum ExecutorLookup {
    /// Every type, by name.
    static func all(_ client: OperatorClient) async throws(DeployError) -> [ExecutorInfo] {
        try await Pages.all { cursor throws(DeployError) in
            try await client.request(.executorList(ExecutorListQuery(cursor: cursor))).data(as: Page<ExecutorInfo>.self)
        }
    }

    /// One type; a built-in one is known also where no agent runs it. Throws `not_found`.
    static func find(_ type: String, _ client: OperatorClient) async throws(DeployError) -> ExecutorInfo {
        let page = try await client.request(.executorList(ExecutorListQuery(type: type)))
            .data(as: Page<ExecutorInfo>.self)
        if let found = page.items.first { return found }
        if let known = TaskType(rawValue: type) { return ExecutorInfo(known.schema, agents: 0) }
        throw DeployError(
            .notFound, "no agent runs tasks of type '\(type.prefix(64))'", hint: "tiangong executor list")
    }
}

extension ExecutorInfo {
    /// `main, replica`, and how many more there are.
    var datasourceText: String {
        let more = max(0, datasourceCount) - datasources.count
        return datasources.joined(separator: ", ") + (more > 0 ? " and \(more) more" : "")
    }
}
