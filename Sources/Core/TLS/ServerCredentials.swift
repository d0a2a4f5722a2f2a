// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

public import NIOSSL
import SwiftASN1
import X509

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What a server shows: its certificate, the chain behind it, and the key.
public struct ServerCredentials: Sendable {
    let chain: [NIOSSLCertificate]
    let key: NIOSSLPrivateKey
    /// When the certificate ends.
    public let notAfter: Timestamp
    /// When the Cloud should make a new one; nil for a certificate that others made.
    public let renewAt: Timestamp?

    init(chain: [NIOSSLCertificate], key: NIOSSLPrivateKey, notAfter: Timestamp, renewAt: Timestamp?) {
        self.chain = chain
        self.key = key
        self.notAfter = notAfter
        self.renewAt = renewAt
    }

    /// Reads a certificate that others made.
    ///
    /// - Parameters:
    ///   - certificateFile: PEM, the leaf first and its chain behind it.
    ///   - keyFile: PEM, mode 0600.
    /// - Throws: `invalid_argument` naming the file that is missing, not PEM, or has expired; `forbidden` when others
    ///   can read the key.
    public init(certificateFile: String, keyFile: String) throws(DeployError) {
        let keyText = try PrivateFile.read(keyFile)
        do {
            chain = try NIOSSLCertificate.fromPEMFile(certificateFile)
        } catch {
            throw DeployError(.invalidArgument, "tls.certificate \(certificateFile) cannot be read as PEM: \(error)")
        }
        do {
            key = try NIOSSLPrivateKey(bytes: Array(keyText.utf8), format: .pem)
        } catch {
            throw DeployError(.invalidArgument, "tls.key \(keyFile) cannot be read as a PEM key: \(error)")
        }
        guard let first = chain.first, let der = try? first.toDERBytes(), let leaf = try? Certificate(derEncoded: der)
        else { throw DeployError(.invalidArgument, "tls.certificate \(certificateFile) has no certificate") }
        notAfter = Timestamp(leaf.notValidAfter)
        renewAt = nil
        guard leaf.notValidAfter > Date() else {
            throw DeployError(.invalidArgument, "tls.certificate \(certificateFile) expired at \(notAfter)")
        }
    }

    /// The settings of a server that shows this and, if agents may show certificates, asks for one of its authority.
    ///
    /// Throws `invalid_argument` when the key is not the certificate's.
    public func context(clientAuthority: CertificateAuthority?) throws(DeployError) -> NIOSSLContext {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        TLSProfile.apply(to: &configuration)
        configuration.curves = [.x25519, .secp256r1, .secp384r1]
        configuration.applicationProtocols = ["http/1.1"]
        do {
            if let clientAuthority {
                configuration.trustRoots = .certificates([
                    try NIOSSLCertificate(bytes: try clientAuthority.authorityDER(), format: .der)
                ])
                configuration.certificateVerification = .optionalVerification
                // Programs that have another certificate, such as a browser, then do not offer it.
                configuration.sendCANameList = true
            }
            return try NIOSSLContext(configuration: configuration)
        } catch let error as DeployError {
            throw error
        } catch {
            throw DeployError(
                .invalidArgument, "certificate and key cannot be used together: \(error)",
                hint: "is tls.key the key of tls.certificate?")
        }
    }
}
