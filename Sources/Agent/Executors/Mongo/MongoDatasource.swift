// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CMongo
import Core

/// A deployment of MongoDB in the settings: where it is, who we are there, whom to believe.
final class MongoDatasource: Sendable {
    /// Its servers as `mongodb://HOST[:PORT],.../[?OPTIONS]`, without an account.
    let uri: String
    /// Who we are there; nil for nobody.
    let user: String?
    /// Our password.
    let password: SecretReference?
    /// Where commands go that name no database; nil when each task must say.
    let database: String?
    /// Whether servers must prove who they are.
    let tls: Bool
    /// Connections that are kept between tasks.
    let idle: MongoPool

    private let authSource: String?
    private let authorityFile: String?
    private let connectTimeout: Double

    /// Options of a URI that are taken. Others would be dead here, or belong into the command or a setting of their own.
    private static let options: Set<String> = ["replicaset", "directconnection", "authsource", "tls", "ssl"]
    private static let system: Set<String> = ["admin", "config", "local"]

    /// Reads the settings of one; throws `invalid_argument` naming the one that is wrong.
    init(_ node: inout SettingsNode) throws(DeployError) {
        func wrong(_ key: String, _ what: String, hint: String? = nil) -> DeployError {
            DeployError(.invalidArgument, "\(node.path).\(key) \(what)", hint: hint)
        }
        let hosts = try node.list("hosts") ?? []
        let given = try node.text("uri")
        guard given == nil || hosts.isEmpty else { throw wrong("hosts", "stands beside uri; one of them is enough") }
        let key = given == nil ? "hosts" : "uri"
        guard let text = given ?? (hosts.isEmpty ? nil : "mongodb://\(hosts.joined(separator: ","))/") else {
            throw wrong("uri", "is missing", hint: "write mongodb://HOST:PORT/")
        }
        guard text.hasPrefix("mongodb://"), !text.contains("@"), !text.utf8.contains(0) else {
            throw wrong(
                key, "is not mongodb://HOST[:PORT],.../[?OPTIONS]",
                hint: "the account belongs in user and password; mongodb+srv is not supported, name the hosts")
        }
        let (parsed, trouble) = CError.report { mongoc_uri_new_with_error(text, $0) }
        guard let parsed else { throw wrong(key, "cannot be used: \(trouble.text)") }
        defer { mongoc_uri_destroy(parsed) }
        let wantsTLS = mongoc_uri_get_tls(parsed)
        if let other = Self.options(of: text).first(where: { !Self.options.contains($0) }) {
            throw wrong(
                key, "has the option \(other), which is not taken",
                hint: "it takes replicaSet, directConnection, authSource and tls")
        }
        uri = text
        user = try node.text("user")
        password = try node.secret("password")
        if (user == nil) != (password == nil) {
            throw wrong(user == nil ? "user" : "password", "is missing: an account has both")
        }
        authSource = try node.text("auth-source")
        if authSource != nil, user == nil { throw wrong("auth-source", "is of no use without user and password") }
        let path = mongoc_uri_get_database(parsed).map { String(cString: $0) }
        database = try node.text("database") ?? path.flatMap { Self.system.contains($0) ? nil : $0 }
        // The guard sees the database of a task, but not that of the settings.
        if let database, Self.system.contains(database) {
            throw wrong("database", "is the server's own", hint: "let tasks name it: --database \(database)")
        }
        authorityFile = try node.path("ca-file")
        tls = try node.word("tls", ["off", "verify"]).map { $0 == "verify" } ?? (wantsTLS || authorityFile != nil)
        if !tls, wantsTLS || authorityFile != nil {
            throw wrong("tls", "is off beside \(wantsTLS ? "tls=true in the uri" : "a ca-file")")
        }
        connectTimeout = try node.seconds("connect-timeout") ?? 10
        guard connectTimeout >= 0.01, connectTimeout <= 3600 else {
            throw wrong("connect-timeout", "is not between 10ms and 1h")
        }
        let patience = try node.seconds("idle-timeout") ?? 60
        guard patience <= 86_400 else { throw wrong("idle-timeout", "is over 1d") }
        idle = MongoPool(patience: patience)
    }

    /// A client that is not connected yet.
    ///
    /// - Parameters:
    ///   - secrets: The task's, for our password.
    ///   - limit: Seconds that connecting may take, if that is less than the setting.
    /// - Throws: `start_failed` when the secret cannot be a password.
    func connection(_ secrets: TaskSecrets, within limit: Double = .infinity) throws(DeployError) -> MongoConnection {
        let seconds = min(connectTimeout, max(limit, 0.01))
        let (parsed, trouble) = CError.report { mongoc_uri_new_with_error(uri, $0) }
        guard let parsed else { throw DeployError(.startFailed, "\(uri): \(trouble.text)") }
        defer { mongoc_uri_destroy(parsed) }
        if let user, let password {
            let bytes = try secrets.secret(password).reveal()
            guard let text = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else {
                throw DeployError(.startFailed, "the secret \(password.name) is no text, and so no password")
            }
            mongoc_uri_set_username(parsed, user)
            mongoc_uri_set_password(parsed, text)
            if let authSource { mongoc_uri_set_auth_source(parsed, authSource) }
        }
        mongoc_uri_set_appname(parsed, "tiangong")
        let milliseconds = Int32((seconds * 1000).rounded(.up))
        mongoc_uri_set_option_as_int32(parsed, MONGOC_URI_CONNECTTIMEOUTMS, milliseconds)
        mongoc_uri_set_option_as_int32(parsed, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, milliseconds)
        // How long a command may take is the task's to say, and a connection that hangs is shut from outside.
        mongoc_uri_set_option_as_int32(parsed, MONGOC_URI_SOCKETTIMEOUTMS, 2_000_000_000)
        let dialer = MongoDialer(
            tls: tls, authorityFile: authorityFile, timeout: .milliseconds(Int64(milliseconds)))
        let (client, error) = CError.report { mongoc_client_new_from_uri_with_error(parsed, $0) }
        guard let client else { throw DeployError(.startFailed, "\(uri): \(error.text)") }
        return MongoConnection(client, dialer, uri: uri, user: user)
    }

    /// The names of a URI's options, in lower case.
    private static func options(of uri: String) -> [String] {
        guard let query = uri.split(separator: "?", maxSplits: 1).dropFirst().first else { return [] }
        return query.split(whereSeparator: { $0 == "&" || $0 == ";" }).map { option in
            String(option.prefix { $0 != "=" }).lowercased()
        }
    }
}
