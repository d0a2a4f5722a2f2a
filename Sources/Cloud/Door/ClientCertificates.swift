// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Logging
import NIOCore
import NIOSSL
import ServiceLifecycle
import Synchronization

/// The agents' client certificates: issues them, knows which no longer count, and ends the links that were opened with
/// one of those.
final class ClientCertificates: Sendable, Service {
    /// Whether agents show certificates.
    enum Mode: String, Sendable, CaseIterable {
        /// None is asked for.
        case off
        /// One that is shown must be good.
        case optional
        /// Only who shows a good one is an agent.
        case required
    }

    private struct State {
        var revoked: Set<String> = []
        var links: [ObjectIdentifier: (link: WebSocketLink, certificate: ClientCertificate)] = [:]
    }

    let mode: Mode
    private let store: Store
    private let authority: CertificateAuthority
    private let verifier: ClientCertificateVerifier
    private let lifetime: Duration
    private let logger: Logger
    private let state = Mutex(State())

    /// How often the database is asked for what was revoked, here or by another program.
    private static let interval: Duration = .seconds(1)
    /// The most valid certificates of one agent.
    private static let maximumPerAgent: Int64 = 16

    /// Throws `not_found` when the authority has not been made yet.
    init(
        store: Store, authority: CertificateAuthority, mode: Mode, lifetime: Duration, logger: Logger
    ) throws(DeployError) {
        self.store = store
        self.authority = authority
        self.mode = mode
        self.lifetime = lifetime
        self.logger = logger
        verifier = try ClientCertificateVerifier(authority)
    }

    // MARK: The handshake

    /// Whether a certificate our authority has signed still counts.
    func accepts(_ certificate: ClientCertificate) -> Bool {
        let now = Timestamp.now()
        guard certificate.notBefore <= now, now < certificate.notAfter else { return false }
        return state.withLock { !$0.revoked.contains(certificate.serial) }
    }

    /// Judges what a peer shows in the handshake.
    func verify(_ chain: [NIOSSLCertificate], _ promise: EventLoopPromise<NIOSSLVerificationResult>) {
        let chain = chain.compactMap { try? $0.toDERBytes() }
        promise.completeWithTask { [self] in
            guard let certificate = await verifier.verify(chain) else {
                logger.notice("client certificate refused", metadata: ["reason": "foreign, expired or not an agent's"])
                return .failed
            }
            guard accepts(certificate) else {
                logger.notice(
                    "client certificate refused",
                    metadata: ["agent.id": "\(certificate.agentID)", "serial": "\(certificate.serial)"])
                return .failed
            }
            return .certificateVerified
        }
    }

    /// Whether an agent's identity agrees with the certificate of its connection; throws `forbidden`.
    func check(_ certificate: ClientCertificate?, agentID: AgentID) throws(DeployError) {
        guard let certificate else {
            guard mode == .required else { return }
            throw DeployError(
                .forbidden, "agents need a client certificate here",
                hint: "enrol the agent: tiangong-agent enrol --enrolment-token-file FILE")
        }
        guard certificate.agentID == agentID else {
            throw DeployError(.forbidden, "the client certificate is another agent's")
        }
    }

    // MARK: Issuing

    /// Signs a request inside the transaction that makes or renews an agent's identity; nil when agents show none.
    ///
    /// Throws `invalid_argument` for a bad request and `rate_limited` when the agent has too many.
    func issue(_ request: String, to agentID: AgentID, _ transaction: any SQLTransaction) throws -> ClientCertificate
        .PEM?
    {
        guard mode != .off else { return nil }
        guard try ClientCertificateTable.countValid(agent: agentID, transaction) < Self.maximumPerAgent else {
            throw DeployError(
                .rateLimited, "the agent has \(Self.maximumPerAgent) valid certificates already",
                hint: "revoke those it lost: tiangong-cloud certificate revoke", retryAfter: 3600)
        }
        let (pem, certificate) = try authority.issue(request, agentID: agentID, lifetime: lifetime)
        try ClientCertificateTable.insert(certificate, transaction)
        return ClientCertificate.PEM(text: pem, certificate: certificate)
    }

    // MARK: Live links

    /// Remembers which certificate a link was opened with; false when it no longer counts.
    func attach(_ link: WebSocketLink, _ certificate: ClientCertificate) -> Bool {
        state.withLock { $0.links[ObjectIdentifier(link)] = (link, certificate) }
        return accepts(certificate)
    }

    /// The link has ended.
    func detach(_ link: WebSocketLink) {
        state.withLock { _ = $0.links.removeValue(forKey: ObjectIdentifier(link)) }
    }

    /// Learns what was revoked, and ends the links of what no longer counts.
    func refresh() async throws {
        let revoked = try await store.read { try ClientCertificateTable.revoked($0) }
        let now = Timestamp.now()
        let ended = state.withLock { state in
            state.revoked = revoked
            return state.links.values.filter {
                revoked.contains($0.certificate.serial) || $0.certificate.notAfter <= now
            }
        }
        for (link, certificate) in ended {
            let isRevoked = revoked.contains(certificate.serial)
            link.close(.policy(isRevoked ? "certificate revoked" : "certificate expired"))
        }
    }

    /// Keeps up with the database until the server stops.
    func run() async throws {
        guard mode != .off else { return try await gracefulShutdown() }
        _ = try? await store.write { try ClientCertificateTable.prune($0) }
        await cancelWhenGracefulShutdown { [self] in
            while !Task.isCancelled {
                do {
                    try await refresh()
                } catch {
                    logger.error("revoked certificates not read", metadata: ["error": "\(error)"])
                }
                try? await Task.sleep(for: Self.interval, tolerance: .milliseconds(200))
            }
        }
    }
}

extension ClientCertificate {
    /// A certificate with its text.
    struct PEM: Sendable {
        let text: String
        let certificate: ClientCertificate
    }
}
