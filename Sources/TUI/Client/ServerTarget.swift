// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

public import Core

/// Where to connect, whom to believe, and as whom.
public struct ServerTarget: Sendable {
    /// The server and how it proves itself.
    public var endpoint: ServerEndpoint
    /// The operator's bearer token.
    public var token: String
    /// The stored context these came from, if any.
    public var context: String?
    /// The server as it was given, for people.
    public var server: String

    /// A target; see the properties.
    public init(endpoint: ServerEndpoint, token: String, server: String, context: String? = nil) {
        self.endpoint = endpoint
        self.token = token
        self.server = server
        self.context = context
    }
}
