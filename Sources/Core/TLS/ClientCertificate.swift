// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Crypto
import SwiftASN1
import X509

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What an agent's client certificate says.
public struct ClientCertificate: Sendable, Hashable {
    /// The subject.
    public let agentID: AgentID
    /// The serial number in lower-case hex.
    public let serial: String
    /// When it was made.
    public let notBefore: Timestamp
    /// When it ends.
    public let notAfter: Timestamp

    /// Reads a PEM certificate; nil when it is not one of an agent. Says nothing about who signed it.
    public init?(pem: String) {
        guard pem.utf8.count <= 65_536, let certificate = try? Certificate(pemEncoded: pem) else { return nil }
        self.init(certificate)
    }

    /// Reads a DER certificate; nil when it is not one of an agent. Says nothing about who signed it.
    public init?(der: [UInt8]) {
        guard let certificate = try? Certificate(derEncoded: der) else { return nil }
        self.init(certificate)
    }

    init?(_ certificate: Certificate) {
        var names: [String] = []
        for part in certificate.subject {
            for attribute in part where attribute.type == .RDNAttributeType.commonName {
                guard let name = String(attribute.value) else { return nil }
                names.append(name)
            }
        }
        guard names.count == 1, let id = AgentID(names[0]),
            let usage = try? certificate.extensions.extendedKeyUsage, usage.contains(.clientAuth),
            case .notCertificateAuthority? = try? certificate.extensions.basicConstraints
        else { return nil }
        agentID = id
        let digits = Array("0123456789abcdef".utf8)
        serial = String(
            decoding: certificate.serialNumber.bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] },
            as: UTF8.self)
        notBefore = Timestamp(certificate.notValidBefore)
        notAfter = Timestamp(certificate.notValidAfter)
    }

    /// When the agent asks for the next one: when a third of its life is left, a little earlier for some than for others.
    public func renewAt(jitter: Double = Double.random(in: 0...0.1)) -> Timestamp {
        let now = Timestamp.now()
        // The begin is set back for late clocks, which must not count as life of a short one.
        let life = Double(notAfter.milliseconds - max(notBefore.milliseconds + 3_600_000, notBefore.milliseconds))
        return max(now, Timestamp(milliseconds: notAfter.milliseconds - Int64(max(0, life) * (1.0 / 3 + jitter))))
    }
}

/// Checks the client certificates that agents show against the Cloud's authority.
public struct ClientCertificateVerifier: Sendable {
    private let authority: [UInt8]

    /// Throws `not_found` when the authority has not been made yet.
    public init(_ authority: CertificateAuthority) throws(DeployError) { self.authority = try authority.authorityDER() }

    /// What a chain, leaf first, says, if the authority has signed it for a client and it is valid now.
    public func verify(_ chain: [[UInt8]]) async -> ClientCertificate? {
        guard let first = chain.first, let leaf = try? Certificate(derEncoded: first),
            let root = try? Certificate(derEncoded: authority)
        else { return nil }
        var verifier = Verifier(rootCertificates: CertificateStore([root])) { RFC5280Policy() }
        let result = await verifier.validate(leaf: leaf, intermediates: CertificateStore())
        guard case .validCertificate = result else { return nil }
        return ClientCertificate(leaf)
    }
}

extension Timestamp {
    init(_ date: Date) {
        self.init(milliseconds: Int64(exactly: (date.timeIntervalSince1970 * 1000).rounded(.down)) ?? .max)
    }
}
