// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

/// `tiangong audit`.
struct AuditCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "List, show, export and verify the audit; play back what a task printed.",
        subcommands: [
            AuditListCommand.self, AuditShowCommand.self, AuditExportCommand.self, AuditVerifyCommand.self,
            AuditReplayCommand.self,
        ])
}

/// Which records.
struct AuditFilterOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Only what this operator did, or `agent NAME`.", valueName: "name"))
    var actor: String?

    @Option(help: ArgumentHelp("Only this action, such as task.create, or all of a kind, such as task."))
    var action: String?

    @Option(name: .shortAndLong, help: ArgumentHelp("Only what concerns this agent.", valueName: "name"))
    var agent: String?

    @Option(help: ArgumentHelp("Only what concerns this task.", valueName: "id"))
    var task: String?

    @Option(help: "Only what was decided so: allow, deny or audit.")
    var verdict: String?

    @Option(help: ArgumentHelp("Not before: 2026-11-24T08:30:00Z, or 2h for two hours ago.", valueName: "time"))
    var since: MomentArgument?

    @Option(help: ArgumentHelp("Not after; as --since.", valueName: "time"))
    var until: MomentArgument?

    /// The query; a task's id may be the beginning of one.
    func query(_ client: OperatorClient) async throws(DeployError) -> AuditQuery {
        var query = AuditQuery()
        query.actor = actor
        query.action = action
        query.agent = agent
        query.verdict = verdict
        query.since = since?.moment
        query.until = until?.moment
        if let task {
            query.task = try await client.request(.taskShow(ObjectQuery(id: task))).data(as: TaskDetail.self).task.id
                .rawValue
        }
        return query
    }
}

/// A moment on the command line: RFC 3339, or how long ago.
struct MomentArgument: Sendable, Equatable, ExpressibleByArgument {
    /// The moment.
    let moment: Timestamp

    /// Parses a text; nil when it is neither.
    init?(argument: String) {
        if let moment = Timestamp(argument) {
            self.moment = moment
        } else if let seconds = try? TimeSpan.seconds(argument), seconds <= 1e11 {
            moment = Timestamp.now().adding(milliseconds: -Int64(seconds * 1000))
        } else {
            return nil
        }
    }
}

/// `tiangong audit list`.
struct AuditListCommand: DeployCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List records, newest first.")

    @OptionGroup var globals: GlobalOptions
    @OptionGroup var filter: AuditFilterOptions

    @Option(help: ArgumentHelp("At most this many.", valueName: "n"))
    var limit: Int = 50

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        guard (1...1_000_000).contains(limit) else {
            throw DeployError(.invalidArgument, "--limit is not between 1 and 1000000")
        }
        let records = try await session.withClient { [filter, limit] client throws(DeployError) in
            var base = try await filter.query(client)
            base.limit = min(limit, 200)
            let query = base
            return try await Pages.all(limit: limit) { cursor throws(DeployError) in
                var query = query
                query.cursor = cursor
                return try await client.request(.auditList(query)).data(as: Page<AuditRecord>.self)
            }
        }
        let columns: [TablePrinter.Column] = [
            .init(title: "SEQ", right: true), .init(title: "TIME"), .init(title: "ACTOR", elastic: true),
            .init(title: "ACTION"), .init(title: "AGENT", elastic: true), .init(title: "TASK"),
            .init(title: "VERDICT"), .init(title: "RESULT"), .init(title: "WHAT", elastic: true),
        ]
        try await session.show(records, columns: columns, key: { String($0.seq) }) { record in
            [
                TableCell("\(record.seq)"), TableCell(record.ts.description), TableCell(record.actor),
                TableCell(record.action), TableCell(record.agent ?? "-"),
                TableCell(record.task.map { String($0.prefix(8)) } ?? "-"),
                TableCell(record.verdict ?? "-", record.verdict == "deny" ? .bad : .plain),
                TableCell(record.result ?? "-"), TableCell(record.command ?? record.detailText ?? "-"),
            ]
        }
        return 0
    }
}

/// `tiangong audit show`.
struct AuditShowCommand: DeployCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Show one record.")

    @OptionGroup var globals: GlobalOptions

    @Argument(help: "Its number.")
    var seq: String

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        let record = try await session.withClient { [seq] client throws(DeployError) in
            try await client.request(.auditShow(ObjectQuery(id: seq))).data(as: AuditRecord.self)
        }
        let facts: [(name: String, value: TableCell?)] = [
            ("Record", TableCell("\(record.seq)")), ("Time", TableCell(record.ts.description)),
            ("Action", TableCell(record.action)), ("Actor", TableCell(record.actor)),
            ("Source", record.source.map { TableCell($0) }), ("Agent", record.agent.map { TableCell($0) }),
            ("Environment", record.env.map { TableCell($0) }), ("Run", record.run.map { TableCell($0) }),
            ("Task", record.task.map { TableCell($0) }), ("Attempt", record.attempt.map { TableCell("\($0)") }),
            ("Command", record.command.map { TableCell($0) }),
            ("Verdict", record.verdict.map { TableCell($0, $0 == "deny" ? .bad : .plain) }),
            ("Rule", record.rule.map { TableCell($0) }), ("Result", record.result.map { TableCell($0) }),
            ("Detail", record.detailText.map { TableCell($0) }), ("Previous", TableCell(record.prev)),
            ("Hash", TableCell(record.hash)),
        ]
        try await session.show(record, key: "\(record.seq)", facts: facts)
        return 0
    }
}

extension AuditRecord {
    /// The detail on one line.
    var detailText: String? { detail.flatMap { try? JSONPrinter.line($0) } }
}
