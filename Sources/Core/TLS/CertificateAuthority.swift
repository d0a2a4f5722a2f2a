// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Crypto
public import NIOSSL
import SwiftASN1
import X509

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The Cloud's own certificate authority: made at its first start, it signs the server's leaf, so that TLS is never off.
///
/// Files in its directory: `ca.pem` and `server.pem` (0644), `ca.key` and `server.key` (0600).
public struct CertificateAuthority: Sendable {
    private let directory: String

    /// How long the authority is valid, and the leaf; the leaf is renewed at start when less than a third is left.
    private static let authorityDays = 3650
    private static let leafDays = 397

    /// - Parameter directory: Where the files are; made with mode 0700 when missing.
    public init(directory: String) { self.directory = directory }

    /// The path of the authority's certificate, to hand to clients.
    public var certificateFile: String { "\(directory)/ca.pem" }

    /// The fingerprint clients may pin.
    ///
    /// Throws `not_found` when the authority has not been made yet.
    public func fingerprint() throws(DeployError) -> String {
        guard let text = try? String(contentsOfFile: certificateFile, encoding: .utf8),
            let certificate = try? Certificate(pemEncoded: text), let der = try? Self.der(certificate)
        else { throw DeployError(.notFound, "no authority in \(directory)", hint: "start tiangong-cloud serve once") }
        return CertificateFingerprint.hex(ofDER: der)
    }

    /// Makes what is missing and returns the server's TLS settings.
    ///
    /// - Parameter names: Host names and addresses of the leaf; a leaf that lacks one is made anew.
    /// - Throws: `internal` when files cannot be read or written, `forbidden` when a key is readable by others.
    public func serverConfiguration(names: [String]) throws(DeployError) -> TLSConfiguration {
        do {
            try PrivateFile.makeDirectory(directory)
            let (authority, authorityKey) = try loadAuthority()
            let (leaf, leafKey) = try loadLeaf(names: names, authority: authority, authorityKey: authorityKey)
            var configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: try [leaf, authority].map {
                    .certificate(try NIOSSLCertificate(bytes: try Self.der($0), format: .der))
                },
                privateKey: .privateKey(
                    try NIOSSLPrivateKey(bytes: Array(leafKey.pemRepresentation.utf8), format: .pem)))
            TLSProfile.apply(to: &configuration)
            configuration.curves = [.x25519, .secp256r1, .secp384r1]
            configuration.applicationProtocols = ["http/1.1"]
            return configuration
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
            subject: name, issuer: name, publicKey: key.publicKey, issuerKey: key, days: Self.authorityDays,
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
            let present = try? Certificate(pemEncoded: text),
            try present.extensions.subjectAlternativeNames == wanted,
            present.issuer == authority.subject,
            present.notValidAfter > Date(timeIntervalSinceNow: Double(Self.leafDays) * 86_400 / 3)
        {
            return (present, try P256.Signing.PrivateKey(pemRepresentation: PrivateFile.read(keyFile)))
        }
        let key = P256.Signing.PrivateKey()
        let certificate = try Self.sign(
            subject: try DistinguishedName { CommonName(names.first ?? "tiangong-cloud") }, issuer: authority.subject,
            publicKey: key.publicKey, issuerKey: authorityKey, days: Self.leafDays,
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

    private static func sign(
        subject: DistinguishedName, issuer: DistinguishedName, publicKey: P256.Signing.PublicKey,
        issuerKey: P256.Signing.PrivateKey, days: Int, extensions: Certificate.Extensions
    ) throws -> Certificate {
        try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: Certificate.PublicKey(publicKey),
            notValidBefore: Date(timeIntervalSinceNow: -3600),
            notValidAfter: Date(timeIntervalSinceNow: Double(days) * 86_400), issuer: issuer, subject: subject,
            signatureAlgorithm: .ecdsaWithSHA256, extensions: extensions,
            issuerPrivateKey: Certificate.PrivateKey(issuerKey))
    }

    private static func generalName(_ name: String) throws -> GeneralName {
        if let address = IPAddressBytes(name) { return .ipAddress(ASN1OctetString(contentBytes: address.bytes[...])) }
        return .dnsName(name)
    }

    private static func der(_ certificate: Certificate) throws -> [UInt8] {
        var serializer = DER.Serializer()
        try serializer.serialize(certificate)
        return serializer.serializedBytes
    }
}
