// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core

/// `tiangong login`.
struct LoginCommand: DeployCommand {
    static let configuration = CommandConfiguration(
        commandName: "login", abstract: "Check a server and a token, and store them as a context.",
        discussion:
            "The token is read from --token-file, '-' for standard input; it is never given as an option's value.")

    @OptionGroup var globals: GlobalOptions

    @Option(help: ArgumentHelp("The context's name; the server's host name when omitted.", valueName: "context"))
    var name: String?

    private struct Result: Encodable {
        var context: String
        var server: String
        var actor: String
        var version: String
    }

    func perform(_ session: CommandSession) async throws(DeployError) -> Int32 {
        var flags = globals.connection
        flags.context = nil
        let server = flags.server ?? session.environment["TIANGONG_SERVER"] ?? ""
        guard !server.isEmpty else {
            throw DeployError(
                .invalidArgument, "no server is given", hint: "tiangong login --server https://HOST:8443 ...")
        }
        let hasToken = ["TIANGONG_TOKEN_FILE", "TIANGONG_TOKEN"].contains { session.environment[$0]?.isEmpty == false }
        guard flags.tokenFile != nil || hasToken else {
            throw DeployError(
                .invalidArgument, "no token file is given",
                hint: "--token-file FILE, or --token-file - for standard input")
        }
        let target = try TargetResolver(environment: session.environment).resolve(flags)
        let name = self.name ?? globals.context ?? target.endpoint.host.replacing(":", with: "-")
        guard ContextStore.isName(name) else {
            throw DeployError(
                .invalidArgument, "'\(name)' is not a context name", hint: "use letters, digits, '.', '_', '-'")
        }
        let info = try await CommandSession.withClient(OperatorClient(target)) { client throws(DeployError) in
            try await client.request(.serverInfo).data(as: ServerInfo.self)
        }
        try store(target, name: name, in: ContextStore(environment: session.environment))
        let result = Result(context: name, server: target.server, actor: info.actor, version: info.version)
        switch session.settings.format {
        case .table:
            if !session.settings.quiet {
                let text = "logged in to \(target.server) as \(info.actor), context '\(name)'"
                try await session.print(Sanitizer.line(text))
            }
        case .json: try await session.print(try JSONPrinter.pretty(result))
        case .jsonl: try await session.print(try JSONPrinter.line(result))
        }
        return 0
    }

    private func store(_ target: ServerTarget, name: String, in store: ContextStore) throws(DeployError) {
        var file = try store.load()
        var context = StoredContext(server: target.server, token: target.token)
        switch target.endpoint.trust {
        case .system: break
        case .caFile(let path): context.caFile = try store.keepCA(path, for: name)
        case .fingerprint(let digits): context.fingerprint = digits
        }
        file.contexts[name] = context
        file.current = name
        try store.save(file)
    }
}
