// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// What flags say about the server; each nil when not given.
struct ConnectionFlags: Sendable, Equatable {
    var context: String?
    var server: String?
    var caFile: String?
    var fingerprint: String?
    var tokenFile: String?
}

/// Works out the server and the credential: flag, then environment, then the stored context. A context named by flag
/// stands above the environment.
///
/// A stored token or trust is used only with the server it was stored for, so that `--server` never sends a token to
/// somebody else.
struct TargetResolver: Sendable {
    /// The process's environment.
    let environment: [String: String]
    /// Stored contexts.
    let store: ContextStore
    /// Variables that a context named by flag hides.
    static let connectionVariables: Set = [
        "TIANGONG_CONTEXT", "TIANGONG_SERVER", "TIANGONG_CA_FILE", "TIANGONG_FINGERPRINT", "TIANGONG_TOKEN_FILE",
        "TIANGONG_TOKEN",
    ]

    /// - Parameter environment: The process's environment; it also says where contexts are stored.
    init(environment: [String: String]) {
        self.environment = environment
        store = ContextStore(environment: environment)
    }

    private init(environment: [String: String], store: ContextStore) {
        self.environment = environment
        self.store = store
    }

    /// The target. Throws `unauthenticated` when no server or token is known, and as ``ContextStore/load()`` does.
    func resolve(_ flags: ConnectionFlags) throws(DeployError) -> ServerTarget {
        guard flags.context != nil else { return try target(flags) }
        let visible = environment.filter { !Self.connectionVariables.contains($0.key) }
        return try TargetResolver(environment: visible, store: store).target(flags)
    }

    private func target(_ flags: ConnectionFlags) throws(DeployError) -> ServerTarget {
        let (name, stored) = try context(flags)
        guard let server = flags.server ?? variable("TIANGONG_SERVER") ?? stored?.server else {
            throw DeployError(
                .unauthenticated, "no server is known",
                hint: "tiangong login --server https://HOST:8443 --fingerprint HEX --token-file FILE")
        }
        let bare = try ServerEndpoint(url: server, trust: .system)
        var own: StoredContext?
        if let stored, try ServerEndpoint(url: stored.server, trust: .system) == bare { own = stored }
        let endpoint = try ServerEndpoint(url: server, trust: trust(flags, own))
        guard let token = try token(flags, own) else {
            throw DeployError(
                .unauthenticated, "no token for \(bare.url)",
                hint: "tiangong login --server \(bare.url) --token-file FILE")
        }
        return ServerTarget(endpoint: endpoint, token: token, server: bare.url, context: own == nil ? nil : name)
    }

    /// A token from a file, or from standard input for `-`: one line, white space around it dropped.
    static func readToken(_ path: String) throws(DeployError) -> String {
        let bytes =
            path == "-"
            ? try BoundedFile.bytes(0, name: "standard input", limit: 8192) : try BoundedFile.bytes(path, limit: 8192)
        let text = String(decoding: bytes, as: UTF8.self)
        guard let token = text.split(whereSeparator: \.isWhitespace).first,
            token.utf8.allSatisfy({ (33...126).contains($0) })
        else {
            throw DeployError(.unauthenticated, "\(path == "-" ? "standard input" : path) holds no token")
        }
        return String(token)
    }

    private func context(_ flags: ConnectionFlags) throws(DeployError) -> (String?, StoredContext?) {
        let named = flags.context ?? variable("TIANGONG_CONTEXT")
        // A complete set of flags or variables needs no store, not even a readable one.
        let hasServer = (flags.server ?? variable("TIANGONG_SERVER")) != nil
        let hasToken = (flags.tokenFile ?? variable("TIANGONG_TOKEN_FILE") ?? variable("TIANGONG_TOKEN")) != nil
        if named == nil, hasServer, hasToken { return (nil, nil) }
        let file = try store.load()
        guard let name = named ?? file.current else { return (nil, nil) }
        guard let stored = file.contexts[name] else {
            throw DeployError(
                .notFound, "there is no context '\(name)'",
                hint: file.contexts.isEmpty
                    ? "tiangong login --name \(name) ..."
                    : "known: \(file.contexts.keys.sorted().joined(separator: ", "))")
        }
        return (name, stored)
    }

    private func trust(_ flags: ConnectionFlags, _ stored: StoredContext?) throws(DeployError) -> ServerTrust {
        if flags.caFile != nil || flags.fingerprint != nil {
            return try ServerTrust(caFile: flags.caFile, fingerprint: flags.fingerprint)
        }
        let caFile = variable("TIANGONG_CA_FILE")
        let fingerprint = variable("TIANGONG_FINGERPRINT")
        if caFile != nil || fingerprint != nil { return try ServerTrust(caFile: caFile, fingerprint: fingerprint) }
        return try ServerTrust(caFile: stored.flatMap(store.caPath), fingerprint: stored?.fingerprint)
    }

    private func token(_ flags: ConnectionFlags, _ stored: StoredContext?) throws(DeployError) -> String? {
        if let path = flags.tokenFile ?? variable("TIANGONG_TOKEN_FILE") { return try Self.readToken(path) }
        return variable("TIANGONG_TOKEN") ?? stored?.token
    }

    private func variable(_ name: String) -> String? {
        guard let value = environment[name], !value.isEmpty else { return nil }
        return value
    }
}
