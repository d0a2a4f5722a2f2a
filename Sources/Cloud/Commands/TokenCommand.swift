// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

struct TokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Make, list and revoke the tokens of operators and agents.",
        subcommands: [TokenCreate.self, TokenList.self, TokenRevoke.self])
}

struct TokenCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make tokens and print them; they are shown this once.",
        discussion: "For one name the token alone is printed, for several `NAME TOKEN` lines.")

    @Argument(help: "operator or agent.")
    var kind: String

    @Argument(help: "Whose token: operators' or agents' names; those that do not exist are made.")
    var names: [String]

    @Option(help: "What the operator may do at most: viewer, operator (the default), approver or admin.")
    var role: String?

    @Option(
        name: .customLong("label"),
        help: "key=value for new agents; for an operator, what its agents must have been assigned. May be repeated.")
    var labels: [String] = []

    @Option(
        name: .customLong("environment"),
        help: "Where new agents belong; for an operator, whose agents it reaches, all when not given. May be repeated.")
    var environments: [String] = []

    @Option(help: "How long the tokens are good for, such as 90d or 12h; for ever when not given.")
    var expires: String?

    @OptionGroup var data: DataDirectoryOption

    func run() async throws {
        do {
            guard let kind = TokenKind(rawValue: kind) else {
                throw DeployError(.invalidArgument, "'\(kind)' is neither operator nor agent")
            }
            let expiry = try expires.map { text throws(DeployError) in
                Timestamp.now().adding(milliseconds: Int64(min(try TimeSpan.seconds(text), 1e12) * 1000))
            }
            let make = try maker(kind, expiry)
            let store = try await Store.open(directory: try await data.directory())
            for name in names {
                let token = try await make(TokenVault(store: store), name)
                print(names.count == 1 ? token : "\(name) \(token)")
            }
            await store.driver.close()
        } catch { throw CommandFailure.report(error) }
    }

    /// What makes one token; throws when the options do not fit the kind.
    private func maker(
        _ kind: TokenKind, _ expiry: Timestamp?
    ) throws(DeployError) -> (TokenVault, String) async throws -> String {
        let labels = try KeyValue.dictionary(labels)
        switch kind {
        case .operator:
            let role = try role.map { text throws(DeployError) in
                guard let role = Role(rawValue: text) else {
                    throw DeployError(
                        .invalidArgument, "'\(text)' is no role", hint: "viewer, operator, approver or admin")
                }
                return role
            }
            let scope = Scope(environments: environments.isEmpty ? nil : environments, labels: labels)
            return { vault, name in
                try await vault.createOperator(
                    name: name, role: role, scope: scope, expiresAt: expiry, actor: "local \(LocalAccount.name)")
            }
        case .agent:
            guard role == nil else { throw DeployError(.invalidArgument, "an agent has no role") }
            guard environments.count <= 1 else {
                throw DeployError(.invalidArgument, "an agent belongs to one environment")
            }
            let environment = environments.first ?? TokenVault.standardEnvironment
            return { vault, name in
                try await vault.createAgent(
                    name: name, labels: labels, environment: environment, expiresAt: expiry,
                    actor: "local \(LocalAccount.name)")
            }
        }
    }
}

struct TokenList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List tokens; secrets are not kept.")

    @OptionGroup var data: DataDirectoryOption

    func run() async throws {
        do {
            let store = try await Store.open(directory: try await data.directory())
            for token in try await store.read({ try TokenTable.all($0) }) {
                let state =
                    if let revoked = token.revokedAt {
                        "revoked \(revoked)"
                    } else if let expiry = token.expiresAt {
                        "\(expiry <= .now() ? "expired" : "expires") \(expiry)"
                    } else { "valid" }
                let used = token.lastUsedAt.map { "used \($0)" } ?? "never used"
                print("\(token.id)  \(token.kind.rawValue)  \(token.name)  \(state)  \(used)")
            }
            await store.driver.close()
        } catch { throw CommandFailure.report(error) }
    }
}

struct TokenRevoke: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke", abstract: "Revoke a token: links made with it end, and no new one opens.")

    @Argument(help: "The token's id, as `token list` shows it.")
    var id: String

    @OptionGroup var data: DataDirectoryOption

    func run() async throws {
        do {
            guard let id = TokenID(id) else { throw DeployError(.invalidArgument, "'\(id)' is not a token's id") }
            let store = try await Store.open(directory: try await data.directory())
            let revoked = try await TokenVault(store: store).revoke(id, actor: "local \(LocalAccount.name)")
            await store.driver.close()
            guard revoked else {
                throw DeployError(.notFound, "no valid token has the id \(id)", hint: "tiangong-cloud token list")
            }
        } catch { throw CommandFailure.report(error) }
    }
}
