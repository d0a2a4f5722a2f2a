// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Crypto
import SwiftASN1
import X509

/// A key made on this host, which never leaves it.
public struct ClientKey: Sendable {
    private let key: P256.Signing.PrivateKey

    /// A new key.
    public init() { key = P256.Signing.PrivateKey() }

    /// Reads a key as `pem` wrote it; throws `invalid_argument`.
    public init(pem: String) throws(DeployError) {
        guard let key = try? P256.Signing.PrivateKey(pemRepresentation: pem) else {
            throw DeployError(.invalidArgument, "not a P-256 key in PEM")
        }
        self.key = key
    }

    /// The key in PEM: a secret.
    public var pem: String { key.pemRepresentation }

    /// A PEM certificate request for this key. The Cloud decides the subject.
    public func certificateRequest() throws(DeployError) -> String {
        do {
            let request = try CertificateSigningRequest(
                version: .v1, subject: DistinguishedName { CommonName("tiangong-agent") },
                privateKey: Certificate.PrivateKey(key), attributes: CertificateSigningRequest.Attributes(),
                signatureAlgorithm: .ecdsaWithSHA256)
            return try request.serializeAsPEM().pemString
        } catch {
            throw DeployError(.internal, "the certificate request cannot be made: \(error)")
        }
    }

    /// Whether a PEM certificate is for this key.
    public func matches(_ certificate: String) -> Bool {
        guard let certificate = try? Certificate(pemEncoded: certificate) else { return false }
        return certificate.publicKey == Certificate.PublicKey(key.publicKey)
    }
}

/// What a client shows in the TLS handshake.
public struct ClientIdentity: Sendable {
    /// Its certificate in PEM.
    public let certificate: String
    /// The certificate's key.
    public let key: ClientKey

    /// An identity; throws `invalid_argument` when the key is not the certificate's.
    public init(certificate: String, key: ClientKey) throws(DeployError) {
        guard key.matches(certificate) else {
            throw DeployError(.invalidArgument, "the key is not the certificate's")
        }
        self.certificate = certificate
        self.key = key
    }
}
