// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Where a server that speaks MySQL's protocol is, and how it is reached.
struct MySQLEndpoint: Sendable, Equatable {
    /// What is asked of TLS.
    enum Encryption: String, Sendable, CaseIterable {
        /// None.
        case off
        /// Encrypted, whoever the server is.
        case require
        /// Encrypted, by a server whose certificate is believed and names its host.
        case verify
    }

    /// A name or an address.
    var host: String
    /// Its port.
    var port: Int
    /// A socket of this host, in place of host and port.
    var socket: String?
    /// The account.
    var user: String
    /// Its password; nil for none.
    var password: SecretReference?
    /// What is asked of TLS.
    var encryption: Encryption
    /// PEM file of the authorities to believe; nil for the system's.
    var authorities: String?
    /// Seconds that connecting may take, handshakes included.
    var connectTimeout: Double

    /// How errors call it.
    var address: String { socket ?? "\(host):\(port)" }

    /// Reads `host`, `port`, `socket`, `user`, `password`, `ssl`, `ca-file` and `connect-timeout`.
    ///
    /// Throws `invalid_argument` naming the setting that is missing or wrong.
    init(_ node: inout SettingsNode, port standardPort: Int, user standardUser: String? = nil) throws(DeployError) {
        socket = try node.path("socket")
        // The library copies the path without looking how long it is.
        guard socket?.utf8.count ?? 0 <= 107 else {
            throw DeployError(.invalidArgument, "\(node.path).socket is longer than 107 bytes")
        }
        host = try node.text("host") ?? ""
        guard socket != nil || !host.isEmpty else {
            throw DeployError(.invalidArgument, "\(node.path).host is missing", hint: "or set socket, a path")
        }
        port = try node.number("port", in: 1...65_535) ?? standardPort
        if let standardUser {
            user = try node.text("user") ?? standardUser
        } else {
            user = try node.requiredText("user")
        }
        password = try node.secret("password")
        let isHere = socket != nil || Self.isLoopback(host)
        encryption =
            try node.word("ssl", Encryption.allCases.map(\.rawValue)).flatMap(Encryption.init)
            ?? (isHere ? .off : .verify)
        authorities = try node.path("ca-file")
        connectTimeout = try node.seconds("connect-timeout") ?? 10
        guard (1...300).contains(connectTimeout) else {
            throw DeployError(.invalidArgument, "\(node.path).connect-timeout is not between 1s and 300s")
        }
        if socket != nil, encryption != .off {
            throw DeployError(.invalidArgument, "\(node.path).ssl is for host and port, not for socket")
        }
        if authorities != nil, encryption != .verify {
            throw DeployError(.invalidArgument, "\(node.path).ca-file needs ssl: verify")
        }
    }

    /// Whether a name or address is this host itself.
    static func isLoopback(_ host: String) -> Bool { host == "localhost" || host == "::1" || host.hasPrefix("127.") }
}
