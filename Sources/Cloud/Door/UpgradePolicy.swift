// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOHTTP1

/// Who may open which WebSocket. Decided before the 101, from the credential alone.
struct UpgradePolicy: Sendable {
    let vault: TokenVault

    /// The WebSocket paths, and the kind of credential each takes.
    static let endpoints: [String: TokenKind] = ["/ws/agent": .agent, "/ws/operator": .operator]

    /// The identity of an upgrade request; throws what the plain HTTP answer will say.
    func identity(for head: HTTPRequestHead) async throws -> Identity {
        guard head.method == .GET, let kind = Self.endpoints[head.uri] else {
            throw DeployError(.notFound, "no such WebSocket")
        }
        return try await identity(authorization: head.headers["Authorization"], kind: kind)
    }

    /// The identity behind an `Authorization` header; throws `unauthenticated` or `forbidden`.
    func identity(authorization: [String], kind: TokenKind) async throws -> Identity {
        guard authorization.count == 1, let value = authorization.first, value.lowercased().hasPrefix("bearer ") else {
            throw DeployError(.unauthenticated, "an Authorization: Bearer header is needed")
        }
        return try await vault.verify(String(value.dropFirst(7)), kind: kind)
    }
}
