// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc

/// A PostgreSQL server of the settings, with the connections to it that wait for their next task.
struct PostgresDatasource: Sendable {
    /// Where it is; a task may name another database.
    let target: PostgresTarget
    /// The password; nil when the server asks for none.
    let password: SecretReference?
    /// Connections that wait.
    let pool: PostgresPool

    /// Reads the settings of one datasource; throws `invalid_argument` naming the setting.
    init(_ node: inout SettingsNode) throws(DeployError) {
        let host = try node.requiredText("host")
        let port = try node.number("port", in: 1...65_535) ?? 5432
        let user = try node.requiredText("user")
        let database = try node.text("database") ?? user
        let words = PostgresTarget.TLSMode.allCases.map(\.rawValue)
        let mode = try node.word("sslmode", words).flatMap { PostgresTarget.TLSMode(rawValue: $0) }
        let authorityFile = try node.path("ca-file")
        let connectTimeout = try node.seconds("connect-timeout") ?? 10
        let application = try node.text("application-name") ?? "tiangong-agent"
        let idle = try node.seconds("idle-timeout") ?? 60
        password = try node.secret("password")
        for (key, text) in [("host", host), ("user", user), ("database", database), ("application-name", application)]
        where text.isEmpty || text.utf8.contains(0) || text.utf8.count > 255 {
            throw DeployError(.invalidArgument, "\(node.path).\(key) is not 1 to 255 bytes without NUL")
        }
        guard !host.contains(",") else {
            throw DeployError(.invalidArgument, "\(node.path).host is not one host")
        }
        guard connectTimeout > 0, connectTimeout <= 3600 else {
            throw DeployError(.invalidArgument, "\(node.path).connect-timeout is not between 0 and 1h")
        }
        guard idle >= 0, idle <= 86_400 else {
            throw DeployError(.invalidArgument, "\(node.path).idle-timeout is not between 0 and 24h")
        }
        let tls = mode ?? (authorityFile == nil ? .standard(for: host) : .verifyFull)
        if authorityFile != nil, tls == .disable || tls == .prefer {
            throw DeployError(
                .invalidArgument, "\(node.path).ca-file is of no use with sslmode \(tls.rawValue)",
                hint: "verify-full checks the server")
        }
        target = PostgresTarget(
            host: host, port: port, user: user, database: database, tls: tls, authorityFile: authorityFile,
            connectTimeout: connectTimeout, applicationName: application)
        pool = PostgresPool(idleTimeout: .seconds(idle))
    }

    /// A session with the server, in a database, for one task: one that waits, when it still works, or a new one.
    ///
    /// - Throws: `start_failed` saying why there is none, or `canceled`.
    func session(
        database: String?, secrets: TaskSecrets, interrupt: PostgresInterrupt
    ) async throws(DeployError) -> PostgresSession {
        var target = target
        if let database { target.database = database }
        let place = target
        let known = try await WorkThread.run(
            { () throws(DeployError) -> PostgresSession? in
                while let session = pool.take(place.database) {
                    // The server may have been restarted meanwhile: then one that was made before is of no use.
                    if session.isAlive(within: .seconds(place.connectTimeout), interrupt) { return session }
                    if interrupt.isStopped { throw DeployError(.canceled, "stopped while connecting") }
                }
                return nil
            }, onCancel: { interrupt.stop() })
        if let known { return known }
        let password = try password.map { reference throws(DeployError) in
            try Self.text(try secrets.secret(reference))
        }
        do throws(DeployError) {
            let limit = Duration.seconds(target.connectTimeout)
            let addresses = target.isSocket ? [] : try await HostLookup.addresses(of: target.host, within: limit)
            return try await WorkThread.run(
                { () throws(DeployError) -> PostgresSession in
                    do throws(PostgresFailure) {
                        let connection = try PostgresConnection.connect(
                            place, password: password, addresses: addresses,
                            systemAuthorities: Self.systemAuthorities, interrupt: interrupt)
                        let session = PostgresSession(connection, database: place.database)
                        try session.settle(within: limit, interrupt)
                        return session
                    } catch { throw Self.startFailure(error, place) }
                }, onCancel: { interrupt.stop() })
        } catch {
            throw error.code == .canceled ? error : error.asStartFailure
        }
    }

    private static func startFailure(_ failure: PostgresFailure, _ target: PostgresTarget) -> DeployError {
        let hint: String?
        switch failure.kind {
        case .stopped: return DeployError(.canceled, "stopped while connecting")
        case .untrusted: hint = "ca-file names the certificate of its authority; sslmode says how much is checked"
        case .refused: hint = "check user, database and the secret of the password"
        case .unreachable, .timedOut, .server, .lost: hint = nil
        }
        // Most that libpq says begins with where it was said.
        let saysWhere = failure.message.hasPrefix("connection to server")
        let message = saysWhere ? failure.message : "\(target.place): \(failure.message)"
        return DeployError(.startFailed, message, hint: hint)
    }

    private static func text(_ secret: Secret) throws(DeployError) -> String {
        let bytes = secret.reveal()
        guard !bytes.contains(0), let text = String(validating: bytes, as: UTF8.self) else {
            throw DeployError(.startFailed, "secret '\(secret.reference.name)' is not a text, so it is no password")
        }
        return text
    }

    /// Where systems keep the certificates of the authorities they trust.
    private static let systemAuthorities: String? = {
        let files = [
            "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
            "/etc/ssl/cert.pem",
        ]
        return files.first { access($0, R_OK) == 0 }
    }()
}
