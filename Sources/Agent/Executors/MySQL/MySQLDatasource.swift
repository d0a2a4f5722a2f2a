// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// A database server that the agent's settings name.
struct MySQLDatasource: Sendable {
    /// What tasks call it.
    var name: String
    /// Where it is.
    var server: MySQLEndpoint
    /// The database to begin in.
    var database: String?
    /// Seconds an unused connection is kept.
    var idleTimeout: Double
    /// What changes go through; nil when there is none.
    var goInception: GoInceptionSettings?

    /// Reads one; throws `invalid_argument` naming the setting that is wrong.
    init(_ name: String, _ node: inout SettingsNode) throws(DeployError) {
        self.name = name
        server = try MySQLEndpoint(&node, port: 3306)
        database = try node.text("database")
        idleTimeout = try node.seconds("idle-timeout") ?? 60
        let path = node.path
        goInception = try node.node("goinception").map { [server] below throws(DeployError) in
            try GoInceptionSettings(below, for: server, of: path)
        }
    }
}

/// A goInception beside a database server.
struct GoInceptionSettings: Sendable {
    /// Where it is.
    var server: MySQLEndpoint
    /// The database server, as it is seen from there.
    var targetHost: String
    /// Its port.
    var targetPort: Int
    /// What it asks of TLS to the database server, in its own words; nil for its own choice.
    var targetEncryption: String?
    /// A file on its host with authorities to believe.
    var targetAuthorities: String?
    /// Whether changes may go through it only.
    var isRequired: Bool
    /// Where it stores what takes changes back.
    var backup: MySQLEndpoint?

    /// Reads one; throws `invalid_argument` naming the setting that is wrong.
    init(_ node: SettingsNode, for server: MySQLEndpoint, of path: String) throws(DeployError) {
        var node = node
        self.server = try MySQLEndpoint(&node, port: 4000, user: "root")
        targetHost = try node.text("target-host") ?? server.host
        guard !targetHost.isEmpty else {
            throw DeployError(
                .invalidArgument, "\(node.path).target-host is missing",
                hint: "\(path) is reached by a socket; goInception needs a host")
        }
        targetPort = try node.number("target-port", in: 1...65_535) ?? server.port
        targetEncryption = try node.word(
            "target-ssl", ["disabled", "preferred", "required", "verify_ca", "verify_identity"])
        targetAuthorities = try node.path("target-ca-file")
        isRequired = try node.flag("required") ?? true
        if var below = try node.node("backup") {
            backup = try MySQLEndpoint(&below, port: 3306)
            try below.finish()
        }
        try node.finish()
    }
}
