// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What all requests to a server have in common, and what it means when they fail.
extension ServerEndpoint {
    /// The headers of every request; throws `unauthenticated` for what cannot be a token.
    func headers(token: String) throws(DeployError) -> HTTPHeaders {
        guard token.utf8.allSatisfy({ (33...126).contains($0) }), !token.isEmpty, token.utf8.count <= 4096 else {
            throw DeployError(.unauthenticated, "the token is empty or has characters a token cannot have")
        }
        return [
            "Host": "\(host.contains(":") ? "[\(host)]" : host):\(port)", "Authorization": "Bearer \(token)",
            "User-Agent": "tiangong/\(ProtocolVersion.product)",
        ]
    }

    /// Why there is no connection.
    func unreachable(_ error: any Error) -> DeployError {
        let text = String(describing: error)
        switch error {
        case let error as DeployError: return error
        case is BoringSSLError where text.contains("ALERT") && text.lowercased().contains("certificate"):
            return DeployError(
                .unreachable, "\(url) refuses this client's certificate: revoked, expired or not of its authority",
                hint: "enrol this agent again: tiangong-agent enrol")
        case is NIOSSLError where text.lowercased().contains("certificate"), is BoringSSLError, is NIOSSLExtraError:
            return DeployError(
                .unreachable, "\(url): the server's certificate is not trusted (\(text))",
                hint: "--ca-file or --fingerprint of this server; tiangong-cloud fingerprint prints it")
        case let error as NIOConnectionError:
            let cause = error.connectionErrors.first.map { String(describing: $0.error) } ?? "name cannot be resolved"
            return DeployError(
                .unreachable, "\(url) cannot be reached: \(cause)", hint: "is tiangong-cloud running?")
        case is ChannelError, is IOError:
            return DeployError(.unreachable, "\(url) closed the connection during the handshake (\(text))")
        default:
            return DeployError(.unreachable, "\(url) cannot be reached: \(text)")
        }
    }
}

extension DeployError {
    private struct Body: Decodable { var error: DeployError }

    /// What a server's refusal says in its body and in `Retry-After`; nil when that is nothing we know.
    init?(refusal body: ByteBuffer, _ headers: HTTPHeaders) {
        let json = Data(body.readableBytesView)
        var said: DeployError?
        if (try? JSONLimits.check(json)) != nil { said = try? JSONDecoder().decode(Body.self, from: json).error }
        if let seconds = headers.first(name: "Retry-After").flatMap({ Int($0) }) {
            said = said ?? DeployError(.rateLimited)
            said?.retryAfter = seconds
        }
        guard let said else { return nil }
        self = said
    }
}
