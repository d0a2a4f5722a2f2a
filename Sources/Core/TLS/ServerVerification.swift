// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Crypto
import NIOCore
import NIOSSL
import SwiftASN1
import X509

/// TLS settings of both ends, and the check of a pinned server.
enum TLSProfile {
    /// Mozilla's intermediate set: TLS 1.2 with forward secrecy and AEAD only, or TLS 1.3.
    static func apply(to configuration: inout TLSConfiguration) {
        configuration.minimumTLSVersion = .tlsv12
        configuration.cipherSuiteValues = [
            .TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, .TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            .TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, .TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            .TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, .TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        ]
        configuration.renegotiationSupport = .none
        // The WebSocket has said goodbye already; a peer that has stopped reading would cost the default of 5 s.
        configuration.shutdownTimeout = .milliseconds(250)
    }

    /// What a client needs for a server; throws `invalid_argument` when the CA file or the identity cannot be used.
    fileprivate static func clientContext(
        for endpoint: ServerEndpoint, identity: ClientIdentity?
    ) throws(DeployError) -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        apply(to: &configuration)
        if let identity { try present(identity, in: &configuration) }
        switch endpoint.trust {
        case .system: break
        case .caFile(let path): configuration.trustRoots = .file(path)
        // The pin decides; loading the system's authorities would cost 8 ms.
        case .fingerprint: configuration.trustRoots = .certificates([])
        }
        do {
            return try NIOSSLContext(configuration: configuration)
        } catch {
            var message = "TLS cannot be set up: \(error)"
            if case .caFile(let path) = endpoint.trust { message = "CA file '\(path)' cannot be used: \(error)" }
            throw DeployError(.invalidArgument, message)
        }
    }

    private static func present(
        _ identity: ClientIdentity, in configuration: inout TLSConfiguration
    ) throws(DeployError) {
        do {
            configuration.certificateChain = try NIOSSLCertificate.fromPEMBytes(Array(identity.certificate.utf8)).map {
                .certificate($0)
            }
            configuration.privateKey = .privateKey(
                try NIOSSLPrivateKey(bytes: Array(identity.key.pem.utf8), format: .pem))
        } catch {
            throw DeployError(.invalidArgument, "the client certificate cannot be used: \(error)")
        }
    }

    /// Whether a chain is the pinned leaf itself, or a valid leaf under the pinned authority.
    fileprivate static func accepts(_ certificates: [NIOSSLCertificate], pin: String) async -> Bool {
        do {
            let chain = try certificates.map { try $0.toDERBytes() }
            guard let index = chain.firstIndex(where: { CertificateFingerprint.hex(ofDER: $0) == pin }) else {
                return false
            }
            if index == 0 { return true }
            let parsed = try chain.map { try Certificate(derEncoded: $0) }
            var verifier = Verifier(rootCertificates: CertificateStore([parsed[index]])) { RFC5280Policy() }
            let result = await verifier.validate(
                leaf: parsed[0], intermediates: CertificateStore(Array(parsed[1..<index])))
            if case .validCertificate = result { return true }
            return false
        } catch {
            return false
        }
    }
}

/// TLS to one server, with whom to believe and what to show: made once, used for every connection to it.
struct ClientTLS: Sendable {
    private let endpoint: ServerEndpoint
    private let context: NIOSSLContext

    /// Throws `invalid_argument` when the CA file or the identity cannot be used.
    init(_ endpoint: ServerEndpoint, identity: ClientIdentity? = nil) throws(DeployError) {
        self.endpoint = endpoint
        context = try TLSProfile.clientContext(for: endpoint, identity: identity)
    }

    /// The handler of one connection, to be made on its event loop; throws `invalid_argument` for a host that has no name
    /// TLS knows.
    func handler() throws(DeployError) -> NIOSSLClientHandler {
        let isAddress = (try? SocketAddress(ipAddress: endpoint.host, port: endpoint.port)) != nil
        let name = isAddress ? nil : endpoint.host
        do {
            guard case .fingerprint(let pin) = endpoint.trust else {
                return try NIOSSLClientHandler(context: context, serverHostname: name)
            }
            return try NIOSSLClientHandler(context: context, serverHostname: name) { certificates, promise in
                promise.completeWithTask {
                    await TLSProfile.accepts(certificates, pin: pin) ? .certificateVerified : .failed
                }
            }
        } catch {
            throw DeployError(.invalidArgument, "TLS cannot be set up: \(error)")
        }
    }
}

/// SHA-256 of a certificate, the short name by which an operator can check it.
public enum CertificateFingerprint {
    /// 64 lower-case hex digits of the DER encoding.
    public static func hex(ofDER bytes: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for byte in SHA256.hash(data: Array(bytes)) {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }
}
