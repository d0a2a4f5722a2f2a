// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

/// `tiangong policy test`.
struct PolicyTestCommand: DeployCommand {
    static let configuration = CommandConfiguration(
        commandName: "test", abstract: "Say which rule would let a command run on agents, or refuse it. Nothing runs.",
        discussion: "Exits with status 5 when an agent would refuse it.")

    @OptionGroup var globals: GlobalOptions
    @OptionGroup var targets: SelectorOptions

    @Option(
        help: ArgumentHelp("The task's type.", valueName: "type"), completion: .list(TaskType.allCases.map(\.rawValue)))
    var type = TaskType.shell.rawValue

    @OptionGroup var text: CommandText

    @Argument(
        parsing: .allUnrecognized, help: ArgumentHelp("What would be run, as with run.", valueName: "command"))
    var words: [String] = []

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        let (selector, arguments) = (try targets.selector(), self)
        let (request, reply) = try await session.withClient { client throws(DeployError) in
            let schema = try await arguments.schema(client)
            let request = PolicyTest(selector: selector, spec: try arguments.spec(schema))
            return (request, try await client.request(.policyTest(request)).data(as: PolicyTestReply.self))
        }
        guard !reply.agents.isEmpty else { throw DeployError(.notFound, "no agent matches") }
        let refused = reply.agents.filter(\.isRefusal)
        switch session.settings.format {
        case .json: try await session.print(try JSONPrinter.pretty(reply))
        case .jsonl: for agent in reply.agents { try await session.print(try JSONPrinter.line(agent)) }
        case .table where session.settings.quiet:
            for agent in refused { try await session.print(Sanitizer.line(agent.agent)) }
        case .table:
            try await session.show(reply.agents, columns: Self.columns, key: \.agent, row: Self.row)
            let width = session.terminalWidth
            for reason in RefusalText.reasons(reply.agents) {
                let text = RefusalText.lines(reason, command: request.spec.command, width: width)
                try await session.output.write("\n" + text.joined(separator: "\n") + "\n", to: .output)
            }
        }
        return refused.isEmpty ? 0 : ErrorCode.policyDenied.exitStatus
    }

    /// What the type takes; asked of the Cloud for a plugin.
    private func schema(_ client: OperatorClient) async throws(DeployError) -> ExecutorSchema {
        if let known = TaskType(rawValue: type) { return known.schema }
        guard ExecutorSchema.isTypeName(type) else {
            throw DeployError(
                .invalidArgument, "'\(type.prefix(64))' is not a task type", hint: "tiangong executor list names them")
        }
        return try await ExecutorLookup.find(type, client).schema
    }

    /// What would be run. Throws `invalid_argument` and `too_large` as the Cloud would.
    func spec(_ schema: ExecutorSchema) throws(DeployError) -> TaskSpec {
        let given = CommandWords(words)
        let reading = try ParameterFlags(schema: schema).read(given.flags)
        let words = reading.words + given.command
        var params = reading.params
        var line = words
        if schema.type == TaskType.shell.rawValue, words.count > 1 {
            params["argv"] = .array(words.map { .string($0) })
            line = [ShellWords.display(words)]
        }
        let spec = TaskSpec(
            type: schema.type, command: try text.text(line, limit: schema.command.maximum), params: params)
        try spec.validate()
        try schema.check(spec)
        return spec
    }

    static let columns: [TablePrinter.Column] = [
        .init(title: "AGENT", elastic: true), .init(title: "ENV"), .init(title: "VERDICT"),
        .init(title: "DECIDED BY", elastic: true), .init(title: "RULE"), .init(title: "MODE"),
    ]

    static func row(_ agent: AgentVerdict) -> [TableCell] {
        let verdict = agent.word
        return [
            TableCell(agent.agent), TableCell(agent.environment), TableCell(verdict.text, verdict.style),
            TableCell(agent.decidedBy), TableCell(agent.verdict.rule), TableCell(agent.verdict.mode.rawValue),
        ]
    }
}

extension AgentVerdict {
    /// Whether the agent would not run it.
    var isRefusal: Bool { verdict.isRefusal || agentFileError != nil }

    /// The verdict in one word.
    var word: (text: String, style: CellStyle) {
        if isRefusal { return ("refuse", .bad) }
        if verdict.verdict == .deny { return ("audit", .active) }
        return knowsAgentFile ? ("allow", .good) : ("allow?", .good)
    }

    /// Why, in one sentence.
    var reason: String {
        if let agentFileError { return "the agent refuses everything: \(agentFileError)" }
        if isRefusal || verdict.verdict == .deny { return "\(verdict.rule): \(verdict.message)" }
        return knowsAgentFile ? verdict.message : "\(verdict.message); the agent has not told its own policy"
    }
}

/// Why agents refuse a command, each reason once.
enum RefusalText {
    /// A reason, the place in the command, and the agents that have it.
    struct Reason: Equatable, Sendable {
        /// One sentence.
        var text: String
        /// Bytes before the place in the command.
        var position: Int?
        /// Names.
        var agents: [String]
    }

    /// Agents named in a reason at most.
    private static let nameLimit = 8

    /// The reasons, in the order of the agents.
    static func reasons(_ agents: [AgentVerdict]) -> [Reason] {
        var reasons: [Reason] = []
        for agent in agents where agent.isRefusal {
            let position = agent.agentFileError == nil ? agent.verdict.position : nil
            if let index = reasons.firstIndex(where: { $0.text == agent.reason && $0.position == position }) {
                reasons[index].agents.append(agent.agent)
            } else {
                reasons.append(Reason(text: agent.reason, position: position, agents: [agent.agent]))
            }
        }
        return reasons
    }

    /// The reason's lines: who, why, the command, and a caret under the place. Safe to show.
    static func lines(_ reason: Reason, command: String, width: Int?) -> [String] {
        let more = reason.agents.count - nameLimit
        let names = reason.agents.prefix(nameLimit).joined(separator: ", ") + (more > 0 ? " and \(more) more" : "")
        var lines = [Sanitizer.line("\(names): \(reason.text)")]
        let excerpt = CommandExcerpt(command, position: reason.position, width: width.map { $0 - 2 })
        if let caret = excerpt.caret { lines += ["  " + excerpt.line, "  " + caret] }
        return lines
    }
}
