// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

/// `tiangong enrolment`.
struct EnrolmentCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "enrolment", abstract: "Let hosts become agents by themselves, for a while.",
        subcommands: [EnrolmentListCommand.self, EnrolmentCreateCommand.self, EnrolmentRevokeCommand.self])
}

/// `tiangong enrolment list`.
struct EnrolmentListCommand: DeployCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List enrolment tokens until a day after their end.")

    @OptionGroup var globals: GlobalOptions

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        let (enrolments, clock) = try await session.withClient { client throws(DeployError) in
            let clock = try await client.request(.serverInfo).data(as: ServerInfo.self).clock
            return (try await client.request(.enrolmentList).data(as: Page<EnrolmentInfo>.self).items, clock)
        }
        let columns: [TablePrinter.Column] = [
            .init(title: "ID"), .init(title: "ENV"), .init(title: "LABELS", elastic: true),
            .init(title: "PREFIX", elastic: true), .init(title: "FROM", elastic: true),
            .init(title: "USES", right: true), .init(title: "STATE"), .init(title: "BY"),
        ]
        try await session.show(enrolments, columns: columns, key: \.id.rawValue) { info in
            let state = Self.state(info, now: clock)
            return [
                TableCell(info.id.rawValue), TableCell(info.environment), TableCell(KeyValue.text(info.labels)),
                TableCell(info.namePrefix.isEmpty ? "any" : info.namePrefix),
                TableCell(info.sources.isEmpty ? "anywhere" : info.sources.joined(separator: ",")),
                TableCell("\(info.usesLeft)"), TableCell(state, state.hasPrefix("until") ? .good : .dim),
                TableCell(info.actor),
            ]
        }
        return 0
    }

    static func state(_ info: EnrolmentInfo, now: Timestamp) -> String {
        if let revoked = info.revokedAt { return "revoked \(revoked)" }
        if info.expiresAt <= now { return "expired \(info.expiresAt)" }
        return info.usesLeft > 0 ? "until \(info.expiresAt)" : "used up"
    }
}

/// `tiangong enrolment create`.
struct EnrolmentCreateCommand: DeployCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make an enrolment token and print it; it is shown this once.")

    @OptionGroup var globals: GlobalOptions

    @Option(name: .shortAndLong, help: ArgumentHelp("Where its agents belong.", valueName: "name"))
    var environment: String = "default"

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("A label its agents are assigned; may be given several times.", valueName: "key=value"))
    var label: [String] = []

    @Option(help: ArgumentHelp("Only for agents whose names begin so.", valueName: "text"))
    var namePrefix: String?

    @Option(
        help: ArgumentHelp("Only from this range of addresses; may be given several times.", valueName: "cidr"))
    var from: [String] = []

    @Option(help: ArgumentHelp("How many agents may use it; one when left out.", valueName: "n"))
    var uses: Int?

    @Option(help: ArgumentHelp("How long it is good for, at most a day; an hour when left out.", valueName: "duration"))
    var expires: SpanArgument?

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        let request = try request()
        let secret = try await session.withClient { client throws(DeployError) in
            try await client.request(.enrolmentCreate(request)).data(as: SecretIssued.self)
        }
        try await session.show(secret, what: "enrolment token")
        return 0
    }

    /// What the options ask for. Throws `invalid_argument` when one is malformed.
    func request() throws(DeployError) -> EnrolmentCreate {
        var request = EnrolmentCreate(environment: environment)
        let labels = try SelectorOptions.labels(label)
        request.labels = labels.isEmpty ? nil : labels
        request.namePrefix = namePrefix
        request.sources = from.isEmpty ? nil : try SelectorOptions.names(from, what: "address range")
        request.uses = uses
        request.expiresIn = expires?.seconds
        return request
    }
}

/// `tiangong enrolment revoke`.
struct EnrolmentRevokeCommand: DeployCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke", abstract: "Revoke an enrolment token; agents that used it stay.")

    @OptionGroup var globals: GlobalOptions

    @Argument(help: "Its id, as 'enrolment list' shows it.")
    var id: String

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        try await session.act(.enrolmentRevoke(ObjectQuery(id: id)), note: "enrolment token \(id) is revoked")
    }
}
