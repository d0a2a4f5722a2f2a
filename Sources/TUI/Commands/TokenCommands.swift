// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

/// `tiangong token`.
struct TokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Make, list and revoke tokens.",
        subcommands: [TokenListCommand.self, TokenCreateCommand.self, TokenRevokeCommand.self])
}

extension TokenKind: ExpressibleByArgument {}

/// `tiangong token list`.
struct TokenListCommand: DeployCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List tokens, the most recently used first; secrets are not kept.")

    @OptionGroup var globals: GlobalOptions

    @Option(help: "Only tokens of this kind.")
    var kind: TokenKind?

    @Option(help: ArgumentHelp("Only tokens of this operator or agent.", valueName: "name"))
    var of: String?

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        let (tokens, clock) = try await session.withClient { [kind, of] client throws(DeployError) in
            let clock = try await client.request(.serverInfo).data(as: ServerInfo.self).clock
            let tokens = try await Pages.all { cursor throws(DeployError) in
                try await client.request(.tokenList(TokenListQuery(kind: kind, name: of, cursor: cursor, limit: 200)))
                    .data(as: Page<TokenInfo>.self)
            }
            return (tokens, clock)
        }
        let columns: [TablePrinter.Column] = [
            .init(title: "ID"), .init(title: "KIND"), .init(title: "NAME", elastic: true), .init(title: "ROLE"),
            .init(title: "REACH", elastic: true), .init(title: "STATE"), .init(title: "USED", right: true),
        ]
        try await session.show(tokens, columns: columns, key: \.id.rawValue) { token in
            let state = Self.state(token, now: clock)
            return [
                TableCell(token.id.rawValue), TableCell(token.kind.rawValue), TableCell(token.name),
                TableCell(token.kind == .operator ? token.role?.rawValue ?? "own" : "-"),
                TableCell(token.scope.map { $0 == Scope() ? "own" : ScopeText.text($0) } ?? "-"),
                TableCell(state, state.hasPrefix("revoked") || state.hasPrefix("expired") ? .dim : .good),
                TableCell(token.lastUsedAt.map { TimeText.age($0, now: clock) } ?? "never"),
            ]
        }
        return 0
    }

    static func state(_ token: TokenInfo, now: Timestamp) -> String {
        if let revoked = token.revokedAt { return "revoked \(revoked)" }
        guard let expiry = token.expiresAt else { return "valid" }
        return "\(expiry <= now ? "expired" : "until") \(expiry)"
    }
}

/// `tiangong token create`.
struct TokenCreateCommand: DeployCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make a further token of an operator and print it; it is shown this once.",
        discussion: "It is as strong as the operator, or weaker where options say so.")

    @OptionGroup var globals: GlobalOptions

    @Option(help: ArgumentHelp("The role it acts with at most.", valueName: "role"))
    var role: Role?

    @OptionGroup var reach: ScopeOptions

    @Option(help: ArgumentHelp("How long it is good for; for ever when left out.", valueName: "duration"))
    var expires: SpanArgument?

    @Argument(help: "The operator's name.")
    var name: String

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        let request = TokenRequest(name: name, role: role, scope: try reach.scope(), expiresIn: expires?.seconds)
        let secret = try await session.withClient { client throws(DeployError) in
            try await client.request(.tokenCreate(request)).data(as: SecretIssued.self)
        }
        try await session.show(secret, what: "token")
        return 0
    }
}

/// `tiangong token revoke`.
struct TokenRevokeCommand: DeployCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke", abstract: "Revoke a token of an operator or an agent; its links end at once.")

    @OptionGroup var globals: GlobalOptions

    @Argument(help: "Its id, as 'token list' shows it.")
    var id: String

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        try await session.act(.tokenRevoke(ObjectQuery(id: id)), note: "token \(id) is revoked")
    }
}
