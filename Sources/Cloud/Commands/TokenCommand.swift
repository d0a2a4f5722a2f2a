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

    @Argument(help: "Whose token: an operator's name, or agents' names; agents that do not exist are made.")
    var names: [String]

    @Option(name: .customLong("label"), help: "key=value for new agents. May be repeated.")
    var labels: [String] = []

    @Option(help: "Where new agents belong, such as prod.")
    var environment = ""

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
            let pairs = try KeyValue.dictionary(labels)
            let store = try await Store.open(directory: try await data.directory())
            let vault = TokenVault(store: store)
            for name in names {
                let token =
                    switch kind {
                    case .operator: try await vault.createOperator(name: name, expiresAt: expiry)
                    case .agent:
                        try await vault.createAgent(
                            name: name, labels: pairs, environment: environment, expiresAt: expiry)
                    }
                print(names.count == 1 ? token : "\(name) \(token)")
            }
            await store.driver.close()
        } catch { throw CommandFailure.report(error) }
    }
}

struct TokenList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List tokens; secrets are not kept.")

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
        commandName: "revoke", abstract: "Revoke a token: it opens no new link from now on.")

    @Argument(help: "The token's id, as `token list` shows it.")
    var id: String

    @OptionGroup var data: DataDirectoryOption

    func run() async throws {
        do {
            guard let id = TokenID(id) else { throw DeployError(.invalidArgument, "'\(id)' is not a token's id") }
            let store = try await Store.open(directory: try await data.directory())
            let revoked = try await store.write { try TokenTable.revoke(id, $0) }
            await store.driver.close()
            guard revoked else {
                throw DeployError(.notFound, "no valid token has the id \(id)", hint: "tiangong-cloud token list")
            }
        } catch { throw CommandFailure.report(error) }
    }
}
