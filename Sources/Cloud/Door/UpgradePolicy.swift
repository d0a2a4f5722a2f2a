// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Logging
import NIOHTTP1

/// Who may open which WebSocket. Decided before the 101, from the credential alone, and from the certificate that the
/// handshake has verified.
struct UpgradePolicy: Sendable {
    let vault: TokenVault
    let edge: Edge
    let certificates: ClientCertificates
    /// Whose pages may use the cookie of a browser's session.
    let origins: AllowedOrigins
    let logger: Logger

    /// The WebSocket paths, and the kind of credential each takes.
    static let endpoints: [String: TokenKind] = ["/ws/agent": .agent, "/ws/operator": .operator]

    /// The kind of credential that a request's path takes; nil when it is no WebSocket's, or not asked for with GET.
    static func kind(of head: HTTPRequestHead) -> TokenKind? {
        guard head.method == .GET else { return nil }
        return endpoints[String(head.uri.prefix { $0 != "?" })]
    }

    /// The identity of an upgrade request; throws what the plain HTTP answer will say.
    func identity(
        for head: HTTPRequestHead, kind: TokenKind, peer: PeerConnection, port: Int?
    ) async throws(DeployError) -> Identity {
        try edge.requests.spend(address: peer.address)
        guard !head.uri.contains("?") else {
            throw DeployError(.invalidArgument, "tokens and options are not taken from the URL")
        }
        return try await signIn(from: peer.address) {
            let shown = ShownCredentials(
                authorization: head.headers["Authorization"], cookies: head.headers["Cookie"],
                origins: head.headers["Origin"], port: port)
            let identity = try await credential(shown, kind: kind, from: peer.address)
            try check(peer.certificate, for: identity)
            return identity
        }
    }

    /// The identity behind what a request shows; throws `unauthenticated`, `forbidden` or `rate_limited`.
    func identity(
        _ shown: ShownCredentials, kind: TokenKind, from address: String, certificate: ClientCertificate? = nil
    ) async throws(DeployError) -> Identity {
        try edge.requests.spend(address: address)
        return try await signIn(from: address) {
            let identity = try await credential(shown, kind: kind, from: address)
            if kind == .agent { try check(certificate, for: identity) }
            return identity
        }
    }

    /// One try to sign in. A failed one costs; a good credential is never made to wait for the failures of others.
    private func signIn(
        from address: String, _ body: () async throws -> Identity
    ) async throws(DeployError) -> Identity {
        do {
            let identity = try await body()
            try edge.requests.spend(token: identity.credential)
            return identity
        } catch {
            let (answer, record) = edge.signIns.judge(DeployError(wrapping: error), from: address)
            if let record { await audit(record) }
            throw answer
        }
    }

    private func credential(
        _ shown: ShownCredentials, kind: TokenKind, from address: String
    ) async throws -> Identity {
        let token = try shown.token(origins)
        if kind == .agent, token.hasPrefix("tg_\(TokenVault.enrolmentKind)_") {
            return .enrolment(try await vault.verifyEnrolment(token, source: address))
        }
        let identity = try await vault.verify(token, kind: kind)
        guard case .operator(var principal) = identity else { return identity }
        principal.source = address
        return .operator(principal)
    }

    /// A certificate stands for an agent; nobody else shows one.
    private func check(_ certificate: ClientCertificate?, for identity: Identity) throws(DeployError) {
        if case .agent(let agentID, _) = identity {
            return try certificates.check(certificate, agentID: agentID)
        }
        guard certificate == nil else {
            throw DeployError(.forbidden, "this connection shows an agent's certificate")
        }
    }

    private func audit(_ failure: SignInThrottle.Record) async {
        var record = AuditRecord(action: "sign_in", actor: "-").refused(failure.error)
        record.source = failure.source
        if failure.uncounted > 0 { record = record.with(["not_recorded": .number(Double(failure.uncounted))]) }
        do {
            try await AuditTrail.append(record, to: vault.store)
        } catch {
            logger.error("failed sign-in not in the audit", metadata: ["error": "\(error)"])
        }
    }
}

extension Identity {
    /// The credential's id, by which sessions and requests are counted.
    var credential: String {
        switch self {
        case .operator(let principal): principal.token.rawValue
        case .agent(_, let token): token.rawValue
        case .enrolment(let id): id.rawValue
        }
    }
}
