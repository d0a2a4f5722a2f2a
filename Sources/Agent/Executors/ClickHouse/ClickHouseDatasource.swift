// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import Core
import NIOCore
import NIOHTTP1

/// A ClickHouse of the settings, spoken to over HTTP.
struct ClickHouseDatasource: Sendable {
    /// The server.
    let server: HTTPDatasource
    /// The database; nil for the account's own.
    let database: String?

    /// Servers close idle connections after 3 s at the least; ours are closed before that.
    private static let idle: TimeAmount = .seconds(2)

    /// Reads the settings of one datasource; throws `invalid_argument` naming the setting.
    init(_ node: inout SettingsNode) throws(DeployError) {
        server = try HTTPDatasource(&node, idle: Self.idle)
        database = try node.text("database")
        if let database, !Self.isDatabase(database) {
            throw DeployError(.invalidArgument, "\(node.path).database is not 1 to 255 bytes without NUL")
        }
    }

    private static func isDatabase(_ name: String) -> Bool {
        (1...255).contains(name.utf8.count) && !name.utf8.contains(0)
    }

    /// Throws unless something answers there.
    func reach(_ secrets: TaskSecrets) async throws(DeployError) {
        let response = try await server.request(.GET, "/ping", within: server.patience, secrets: secrets)
        _ = try await server.start(of: response.body)
    }

    /// Sends a statement.
    func send(
        _ text: String, query: [(name: String, value: String)], within limit: TimeAmount? = nil, secrets: TaskSecrets
    ) async throws(DeployError) -> HTTPClientResponse {
        try await server.request(
            .POST, "/", query: query, body: .bytes(ByteBuffer(string: text)), within: limit, secrets: secrets)
    }

    /// Sends a statement of our own, and gives what it answers.
    func ask(_ text: String, secrets: TaskSecrets) async throws(DeployError) -> String {
        let response = try await send(
            text, query: [("default_format", "TabSeparated")], within: server.patience, secrets: secrets)
        return String(buffer: try await server.start(of: response.body))
    }
}
