// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Crypto
import NIOSSL
import SwiftASN1
import X509

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The Cloud's own certificate authority: made at its first start, it signs the server's leaf, so that TLS is never off,
/// and the agents' client certificates.
///
/// Files in its directory: `ca.pem` and `server.pem` (0644), `ca.key` and `server.key` (0600).
public struct CertificateAuthority: Sendable {
    private let directory: String
    private let leafLifetime: Duration

    /// How long the authority is valid.
    private static let authorityLifetime: Duration = .seconds(3650 * 86_400)
    /// How far a certificate's begin lies back, for clocks that are late.
    private static let backdating: Double = 3600

    /// - Parameters:
    ///   - directory: Where the files are; made with mode 0700 when missing.
    ///   - leafLifetime: How long a leaf of the server is valid; it is made anew when less than a third is left.
    public init(directory: String, leafLifetime: Duration = .seconds(90 * 86_400)) {
        self.directory = directory
        self.leafLifetime = leafLifetime
    }

    /// The path of the authority's certificate, to hand to clients.
    public var certificateFile: String { "\(directory)/ca.pem" }

    /// The fingerprint clients may pin.
    ///
    /// Throws `not_found` when the authority has not been made yet.
    public func fingerprint() throws(DeployError) -> String {
        CertificateFingerprint.hex(ofDER: try authorityDER())
    }

    /// The authority's certificate; throws `not_found` when it has not been made yet.
    func authorityDER() throws(DeployError) -> [UInt8] {
        guard let text = try? String(contentsOfFile: certificateFile, encoding: .utf8),
            let certificate = try? Certificate(pemEncoded: text), let der = try? Self.der(certificate)
        else { throw DeployError(.notFound, "no authority in \(directory)", hint: "start tiangong-cloud serve once") }
        return der
    }

    /// Makes what is missing or runs out, and returns what the server shows.
    ///
    /// - Parameter names: Host names and addresses of the leaf; a leaf with others is made anew.
    /// - Throws: `internal` when files cannot be read or written, `forbidden` when a key is readable by others.
    public func serverCredentials(names: [String]) throws(DeployError) -> ServerCredentials {
        try attempt {
            try PrivateFile.makeDirectory(directory)
            let (authority, authorityKey) = try loadAuthority()
            let (leaf, leafKey) = try loadLeaf(names: names, authority: authority, authorityKey: authorityKey)
            return try ServerCredentials(
                chain: [leaf, authority].map { try NIOSSLCertificate(bytes: Self.der($0), format: .der) },
                key: NIOSSLPrivateKey(bytes: Array(leafKey.pemRepresentation.utf8), format: .pem),
                notAfter: Timestamp(leaf.notValidAfter),
                renewAt: Timestamp(leaf.notValidAfter.addingTimeInterval(-Self.margin(leaf))))
        }
    }

    /// Signs a client certificate for an agent.
    ///
    /// - Parameters:
    ///   - request: A PEM certificate request; only its key counts, which must be on P-256.
    ///   - agentID: The subject.
    ///   - lifetime: How long it is valid.
    /// - Throws: `invalid_argument` when the request is not one or not signed by its key.
    public func issue(
        _ request: String, agentID: AgentID, lifetime: Duration
    ) throws(DeployError) -> (pem: String, certificate: ClientCertificate) {
        guard request.utf8.count <= 8192, let parsed = try? CertificateSigningRequest(pemEncoded: request),
            let key = P256.Signing.PublicKey(parsed.publicKey),
            parsed.publicKey.isValidSignature(parsed.signature, for: parsed)
        else {
            throw DeployError(.invalidArgument, "csr is not a PEM certificate request signed by a P-256 key")
        }
        return try attempt {
            let (authority, authorityKey) = try loadAuthority()
            let certificate = try Self.sign(
                subject: try DistinguishedName {
                    OrganizationName("Tiangong Deploy")
                    CommonName(agentID.rawValue)
                }, issuer: authority.subject, publicKey: key, issuerKey: authorityKey, lifetime: lifetime,
                extensions: try Certificate.Extensions {
                    Critical(BasicConstraints.notCertificateAuthority)
                    Critical(KeyUsage(digitalSignature: true))
                    try ExtendedKeyUsage([.clientAuth])
                    SubjectKeyIdentifier(hash: Certificate.PublicKey(key))
                    AuthorityKeyIdentifier(
                        keyIdentifier: SubjectKeyIdentifier(hash: authority.publicKey).keyIdentifier)
                })
            guard let facts = ClientCertificate(certificate) else {
                throw DeployError(.internal, "the certificate that was issued cannot be read")
            }
            return (try certificate.serializeAsPEM().pemString, facts)
        }
    }

    private func attempt<Value>(_ body: () throws -> Value) throws(DeployError) -> Value {
        do {
            return try body()
        } catch let error as DeployError {
            throw error
        } catch {
            throw DeployError(.internal, "TLS material in \(directory) cannot be used: \(error)")
        }
    }

    private func loadAuthority() throws -> (Certificate, P256.Signing.PrivateKey) {
        let keyFile = "\(directory)/ca.key"
        if FileManager.default.fileExists(atPath: certificateFile) {
            let key = try P256.Signing.PrivateKey(pemRepresentation: PrivateFile.read(keyFile))
            return (try Certificate(pemEncoded: String(contentsOfFile: certificateFile, encoding: .utf8)), key)
        }
        let key = P256.Signing.PrivateKey()
        let name = try DistinguishedName {
            OrganizationName("Tiangong Deploy")
            CommonName("Tiangong CA \(TokenID.random().short)")
        }
        let certificate = try Self.sign(
            subject: name, issuer: name, publicKey: key.publicKey, issuerKey: key, lifetime: Self.authorityLifetime,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
                Critical(KeyUsage(keyCertSign: true, cRLSign: true))
                SubjectKeyIdentifier(hash: Certificate.PublicKey(key.publicKey))
            })
        try PrivateFile.write(key.pemRepresentation, to: keyFile)
        try PrivateFile.write(certificate.serializeAsPEM().pemString, to: certificateFile, mode: 0o644)
        return (certificate, key)
    }

    private func loadLeaf(
        names: [String], authority: Certificate, authorityKey: P256.Signing.PrivateKey
    ) throws -> (Certificate, P256.Signing.PrivateKey) {
        let certificateFile = "\(directory)/server.pem"
        let keyFile = "\(directory)/server.key"
        let wanted = try SubjectAlternativeNames(names.map(Self.generalName))
        if let text = try? String(contentsOfFile: certificateFile, encoding: .utf8),
            let present = try? Certificate(pemEncoded: text), isGood(present, wanted, authority),
            let text = try Self.keyText(keyFile), let key = try? P256.Signing.PrivateKey(pemRepresentation: text),
            present.publicKey == Certificate.PublicKey(key.publicKey)
        {
            return (present, key)
        }
        let key = P256.Signing.PrivateKey()
        let certificate = try Self.sign(
            subject: try DistinguishedName { CommonName(names.first ?? "tiangong-cloud") }, issuer: authority.subject,
            publicKey: key.publicKey, issuerKey: authorityKey, lifetime: leafLifetime,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: true))
                try ExtendedKeyUsage([.serverAuth])
                wanted
                SubjectKeyIdentifier(hash: Certificate.PublicKey(key.publicKey))
                AuthorityKeyIdentifier(
                    keyIdentifier: SubjectKeyIdentifier(hash: authority.publicKey).keyIdentifier)
            })
        try PrivateFile.write(key.pemRepresentation, to: keyFile)
        try PrivateFile.write(certificate.serializeAsPEM().pemString, to: certificateFile, mode: 0o644)
        return (certificate, key)
    }

    /// The text of a leaf's key, nil when it is not there; one that others could read is not used in silence.
    private static func keyText(_ path: String) throws(DeployError) -> String? {
        do throws(DeployError) {
            return try PrivateFile.read(path)
        } catch {
            if error.code == .forbidden { throw error }
            return nil
        }
    }

    /// Whether a leaf has the right names, is ours, has more than a third of its time left, and not more than wanted.
    private func isGood(_ leaf: Certificate, _ names: SubjectAlternativeNames, _ authority: Certificate) -> Bool {
        guard (try? leaf.extensions.subjectAlternativeNames) == names, leaf.issuer == authority.subject,
            authority.publicKey.isValidSignature(leaf.signature, for: leaf)
        else { return false }
        let left = leaf.notValidAfter.timeIntervalSinceNow
        return left > Self.margin(leaf) && left < Double(leafLifetime.components.seconds) + 86_400
    }

    /// Seconds before its end at which a certificate is made anew: a third of its life.
    private static func margin(_ certificate: Certificate) -> Double {
        (certificate.notValidAfter.timeIntervalSince(certificate.notValidBefore) - backdating) / 3
    }

    private static func sign(
        subject: DistinguishedName, issuer: DistinguishedName, publicKey: P256.Signing.PublicKey,
        issuerKey: P256.Signing.PrivateKey, lifetime: Duration, extensions: Certificate.Extensions
    ) throws -> Certificate {
        try Certificate(
            version: .v3, serialNumber: serial(), publicKey: Certificate.PublicKey(publicKey),
            notValidBefore: Date(timeIntervalSinceNow: -backdating),
            notValidAfter: Date(timeIntervalSinceNow: Double(lifetime.components.seconds)), issuer: issuer,
            subject: subject, signatureAlgorithm: .ecdsaWithSHA256, extensions: extensions,
            issuerPrivateKey: Certificate.PrivateKey(issuerKey))
    }

    /// 126 random bits: never negative, and within the 20 octets of RFC 5280.
    private static func serial() -> Certificate.SerialNumber {
        var generator = SystemRandomNumberGenerator()
        let bytes = (0..<16).map { _ in UInt8.random(in: 0...255, using: &generator) }
        return Certificate.SerialNumber(bytes: [bytes[0] & 0x3F | 0x40] + bytes[1...])
    }

    private static func generalName(_ name: String) throws -> GeneralName {
        if let address = IPAddress(name) { return .ipAddress(ASN1OctetString(contentBytes: address.bytes[...])) }
        return .dnsName(name)
    }

    private static func der(_ certificate: Certificate) throws -> [UInt8] {
        var serializer = DER.Serializer()
        try serializer.serialize(certificate)
        return serializer.serializedBytes
    }
}
