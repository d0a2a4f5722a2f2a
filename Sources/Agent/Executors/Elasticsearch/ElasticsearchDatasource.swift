// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore
import NIOHTTP1

/// A cluster of Elasticsearch in the settings: its servers in the order they are tried, and who we are there.
final class ElasticsearchDatasource: Sendable {
    /// One per URL.
    let servers: [HTTPDatasource]
    /// An API key, instead of a user and a password.
    let apiKey: SecretReference?

    /// Reads the settings of one; throws `invalid_argument` naming the one that is wrong.
    init(_ node: inout SettingsNode) throws(DeployError) {
        let path = node.path
        let url = try node.text("url")
        let urls = try node.list("urls") ?? []
        guard url == nil || urls.isEmpty else {
            throw DeployError(.invalidArgument, "\(path).urls stands beside url; one of them is enough")
        }
        let idle = try node.seconds("idle-timeout") ?? 60
        guard idle > 0, idle <= 86_400 else {
            throw DeployError(.invalidArgument, "\(path).idle-timeout is not between 0 and 1d")
        }
        apiKey = try node.secret("api-key")
        var servers: [HTTPDatasource] = []
        for address in url.map({ [$0] }) ?? urls {
            servers.append(try HTTPDatasource(&node, url: address, idle: .milliseconds(Int64(idle * 1000))))
        }
        guard let first = servers.first else { throw DeployError(.invalidArgument, "\(path).url is missing") }
        if apiKey != nil, first.user != nil {
            throw DeployError(.invalidArgument, "\(path).api-key stands beside user; one of them is enough")
        }
        self.servers = servers
    }

    /// The secrets that its requests need.
    var secrets: Set<SecretReference> {
        servers.reduce(into: Set(apiKey.map { [$0] } ?? [])) { $0.formUnion($1.secrets) }
    }

    /// What every request carries.
    func headers(_ task: TaskReference, _ secrets: TaskSecrets) throws(DeployError) -> HTTPHeaders {
        var headers: HTTPHeaders = [
            "X-Opaque-Id": "\(task.taskID)", "Accept": "application/json, text/plain;q=0.9, */*;q=0.8",
        ]
        if let apiKey {
            let bytes = try secrets.secret(apiKey).reveal()
            guard bytes.allSatisfy({ (0x21...0x7E).contains($0) }) else {
                throw DeployError(
                    .startFailed, "the secret \(apiKey.name) is no API key", hint: "it is the encoded form")
            }
            headers.add(name: "Authorization", value: "ApiKey \(String(decoding: bytes, as: UTF8.self))")
        }
        return headers
    }

    /// Closes all connections.
    func shutDown() async {
        for server in servers { await server.shutDown() }
    }
}
