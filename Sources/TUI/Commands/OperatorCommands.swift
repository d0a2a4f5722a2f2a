// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

/// `tiangong operator`.
struct OperatorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "operator", abstract: "Say who may do what.",
        subcommands: [OperatorListCommand.self, OperatorSetCommand.self, OperatorDisableCommand.self])
}

/// `tiangong operator list`.
struct OperatorListCommand: DeployCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List operators.")

    @OptionGroup var globals: GlobalOptions

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        let (operators, clock) = try await session.withClient { client throws(DeployError) in
            let clock = try await client.request(.serverInfo).data(as: ServerInfo.self).clock
            return (try await client.request(.operatorList).data(as: Page<OperatorInfo>.self).items, clock)
        }
        let columns: [TablePrinter.Column] = [
            .init(title: "NAME"), .init(title: "ROLE"), .init(title: "ENVIRONMENTS", elastic: true),
            .init(title: "LABELS", elastic: true), .init(title: "STATE"), .init(title: "CREATED", right: true),
        ]
        try await session.show(operators, columns: columns, key: \.name) { info in
            [
                TableCell(info.name), TableCell(info.role.rawValue), TableCell(ScopeText.environments(info.scope)),
                TableCell(KeyValue.text(info.scope.labels)),
                TableCell(Self.state(info), info.disabledAt == nil ? .good : .dim),
                TableCell(TimeText.age(info.createdAt, now: clock)),
            ]
        }
        return 0
    }

    static func state(_ info: OperatorInfo) -> String { info.disabledAt == nil ? "enabled" : "disabled" }
}

/// `tiangong operator set`.
struct OperatorSetCommand: DeployCommand {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Make an operator, or change one.",
        discussion: "What is not given stays as it is; a new operator has the role operator and reaches every agent.")

    @OptionGroup var globals: GlobalOptions

    @Option(help: ArgumentHelp("What it may do at most.", valueName: "role"))
    var role: Role?

    @OptionGroup var reach: ScopeOptions

    @Flag(help: "Reaches every agent.")
    var everywhere = false

    @Argument(help: "Its name.")
    var name: String

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        _ = try put(over: nil)
        let info = try await session.withClient { [self] client throws(DeployError) in
            let known = try await client.request(.operatorList).data(as: Page<OperatorInfo>.self).items
            let put = try put(over: known.first { $0.name == name })
            return try await client.request(.operatorPut(put)).data(as: OperatorInfo.self)
        }
        let facts: [(name: String, value: TableCell?)] = [
            ("Operator", TableCell(info.name)), ("Role", TableCell(info.role.rawValue)),
            ("Reach", TableCell(ScopeText.text(info.scope))), ("State", TableCell(OperatorListCommand.state(info))),
        ]
        try await session.show(info, key: info.name, facts: facts)
        return 0
    }

    /// What is asked for, over what is known of the operator. Throws `invalid_argument` for options that contradict.
    func put(over known: OperatorInfo?) throws(DeployError) -> OperatorPut {
        let scope = try reach.scope()
        guard !everywhere || scope == nil else {
            throw DeployError(.invalidArgument, "--everywhere cannot be combined with -e or -l")
        }
        let kept = everywhere ? nil : known?.scope
        return OperatorPut(name: name, role: role ?? known?.role ?? .operator, scope: scope ?? kept)
    }
}

/// `tiangong operator disable`.
struct OperatorDisableCommand: DeployCommand {
    static let configuration = CommandConfiguration(
        commandName: "disable", abstract: "Shut an operator out: its tokens are revoked, its links end.")

    @OptionGroup var globals: GlobalOptions

    @Argument(help: "Its name.")
    var name: String

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        try await session.act(.operatorRemove(ObjectQuery(id: name)), note: "operator '\(name)' is disabled")
    }
}
