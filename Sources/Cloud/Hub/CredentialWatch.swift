// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Logging
import ServiceLifecycle

/// Ends the links whose token has run out or was revoked by another process on the same data, within about a second.
struct CredentialWatch: Service {
    let store: Store
    let hub: Hub
    let logger: Logger

    /// How far each look reaches back before the last: a link may be made with a token that is being revoked.
    private static let overlap: Int64 = 15_000

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var since = Timestamp.now()
            while !Task.isCancelled {
                let now = Timestamp.now()
                do {
                    let from = since.adding(milliseconds: -Self.overlap)
                    let ended = try await store.read { try TokenTable.ended(since: from, until: now, $0) }
                    hub.end(tokens: Set(ended), .policy("the token has expired or was revoked"))
                    since = now
                } catch {
                    logger.error("tokens not looked at", metadata: ["error": "\(error)"])
                }
                try? await Task.sleep(for: .seconds(1), tolerance: .milliseconds(200))
            }
        }
    }
}
