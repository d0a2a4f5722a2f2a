// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

/// `tiangong policy`.
struct PolicyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy", abstract: "Say what may run where, and try a command against it.",
        subcommands: [
            PolicyListCommand.self, PolicyShowCommand.self, PolicyPutCommand.self, PolicyRemoveCommand.self,
            PolicyTestCommand.self,
        ])
}

/// `tiangong policy list`.
struct PolicyListCommand: DeployCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List policies.")

    @OptionGroup var globals: GlobalOptions

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        let (policies, clock) = try await session.withClient { client throws(DeployError) in
            let clock = try await client.request(.serverInfo).data(as: ServerInfo.self).clock
            return (try await client.request(.policyList).data(as: Page<PolicyRecord>.self).items, clock)
        }
        let columns: [TablePrinter.Column] = [
            .init(title: "NAME"), .init(title: "MODE"), .init(title: "ENVIRONMENTS", elastic: true),
            .init(title: "LABELS", elastic: true), .init(title: "ALLOW", right: true),
            .init(title: "DENY", right: true), .init(title: "WARNINGS", right: true), .init(title: "BY"),
            .init(title: "CHANGED", right: true),
        ]
        try await session.show(policies, columns: columns, key: \.name) { record in
            [
                TableCell(record.name), TableCell(record.policy.mode.rawValue),
                TableCell(ScopeText.environments(record.scope)), TableCell(KeyValue.text(record.scope.labels)),
                TableCell("\(record.policy.allow.count)"), TableCell("\(record.policy.deny.count)"),
                TableCell("\(record.warnings.count)", record.warnings.isEmpty ? .plain : .bad),
                TableCell(record.actor), TableCell(TimeText.age(record.updatedAt, now: clock)),
            ]
        }
        return 0
    }
}

/// `tiangong policy show`.
struct PolicyShowCommand: DeployCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Print one policy as a file that 'policy put' reads back.")

    @OptionGroup var globals: GlobalOptions

    @Argument(help: "Its name.")
    var name: String

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        let record = try await session.withClient { [name] client throws(DeployError) in
            try await client.request(.policyShow(ObjectQuery(id: name))).data(as: PolicyRecord.self)
        }
        switch session.settings.format {
        case .json: try await session.print(try JSONPrinter.pretty(record))
        case .jsonl: try await session.print(try JSONPrinter.line(record))
        case .table:
            let remarks = [
                "policy \(record.name), for \(ScopeText.text(record.scope))",
                "set by \(record.actor) on \(record.updatedAt), sha256 \(record.hash)",
            ]
            for remark in remarks + record.warnings.map({ "warning: \($0)" }) {
                try await session.print("# " + Sanitizer.line(remark))
            }
            let text = Sanitizer.plain(Array(PolicyFile.text(record.policy).utf8))
            try await session.output.write(text, to: .output)
        }
        return 0
    }
}

/// `tiangong policy put`.
struct PolicyPutCommand: DeployCommand {
    static let configuration = CommandConfiguration(
        commandName: "put", abstract: "Set a policy, or replace the one of that name.",
        discussion: "Without --environment and --label it holds for every agent.")

    @OptionGroup var globals: GlobalOptions

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Only for agents of this environment; may be given several times.", valueName: "name"))
    var environment: [String] = []

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Only for agents that were assigned this label.", valueName: "key=value"))
    var label: [String] = []

    @Argument(help: "Its name.")
    var name: String

    @Argument(help: "The file, see tiangong-policy(5); - for standard input.")
    var file: String

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        let request = try request()
        let record = try await session.withClient { client throws(DeployError) in
            try await client.request(.policyPut(request)).data(as: PolicyRecord.self)
        }
        // What the Cloud found, and what this program knows beyond that.
        let warnings = record.warnings + PolicyLint.lint(request.policy).filter { !record.warnings.contains($0) }
        for warning in warnings { try await session.note("warning: \(warning)") }
        try await session.show(record, key: record.name, facts: Self.facts(record))
        return 0
    }

    /// What the options and the file ask for. Throws `invalid_argument` naming the line, or `too_large`.
    func request() throws(DeployError) -> PolicyPut {
        let limit = PolicyFile.maximumBytes
        let bytes =
            file == "-"
            ? try BoundedFile.bytes(0, name: "standard input", limit: limit) : try BoundedFile.bytes(file, limit: limit)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw DeployError(.invalidArgument, "\(file) is not text")
        }
        let policy: GuardPolicy
        do throws(DeployError) {
            policy = try PolicyFile.parse(text)
        } catch {
            throw DeployError(error.code, "\(file): \(error.message)", hint: error.hint)
        }
        let environments = try SelectorOptions.names(environment, what: "environment")
        let labels = try SelectorOptions.labels(label)
        let scope = Scope(environments: environments.isEmpty ? nil : environments, labels: labels)
        return PolicyPut(name: name, scope: scope == Scope() ? nil : scope, policy: policy)
    }

    private static func facts(_ record: PolicyRecord) -> [(name: String, value: TableCell?)] {
        [
            ("Policy", TableCell(record.name)), ("Mode", TableCell(record.policy.mode.rawValue)),
            ("For", TableCell(ScopeText.text(record.scope))),
            ("Allows", record.policy.mode == .whitelist ? TableCell(count(record.policy.allow)) : nil),
            ("Denies", record.policy.deny.isEmpty ? nil : TableCell(count(record.policy.deny))),
            (
                "Lifted",
                record.policy.statements.isEmpty ? nil : TableCell(record.policy.statements.joined(separator: ", "))
            ),
            ("Hash", TableCell(record.hash)),
        ]
    }

    private static func count(_ expressions: [String]) -> String {
        "\(expressions.count) expression\(expressions.count == 1 ? "" : "s")"
    }
}

/// `tiangong policy remove`.
struct PolicyRemoveCommand: DeployCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove a policy; what is not covered by another falls back to the standard.")

    @OptionGroup var globals: GlobalOptions

    @Argument(help: "Its name.")
    var name: String

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        _ = try await session.withClient { [name] client throws(DeployError) in
            try await client.request(.policyRemove(ObjectQuery(id: name))).data(as: NoParameters.self)
        }
        try await session.note("policy '\(name)' is removed")
        return 0
    }
}
