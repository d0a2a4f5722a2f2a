// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Crypto

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The key with which one side signs the checkpoints of its own audit.
public struct AuditSigner: Sendable {
    /// The public key, base64.
    public let key: String
    private let secret: Curve25519.Signing.PrivateKey

    /// Reads the key from a file, or makes both; the file is for its owner only.
    ///
    /// Throws `forbidden` when others can read the file, or what the disk says.
    public init(path: String) throws(DeployError) {
        if let secret = try Self.read(path) {
            self.secret = secret
        } else {
            secret = Curve25519.Signing.PrivateKey()
            try PrivateFile.write(secret.rawRepresentation.base64EncodedString() + "\n", to: path)
        }
        key = secret.publicKey.rawRepresentation.base64EncodedString()
    }

    /// The public key of a key file; nil when there is none. Throws as ``init(path:)``.
    public static func publicKey(path: String) throws(DeployError) -> String? {
        try read(path)?.publicKey.rawRepresentation.base64EncodedString()
    }

    private static func read(_ path: String) throws(DeployError) -> Curve25519.Signing.PrivateKey? {
        let text: String
        do throws(DeployError) {
            text = try PrivateFile.read(path)
        } catch {
            if error.code == .notFound, !FileManager.default.fileExists(atPath: path) { return nil }
            throw error
        }
        guard let bytes = Base64.decode(text), let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: bytes)
        else {
            throw DeployError(.internal, "\(path) is not a key for signing", hint: "restore it from a backup")
        }
        return key
    }

    /// Signs that a chain has this head now. Throws `internal` when the library cannot sign.
    public func checkpoint(_ head: AuditChain.Head, at ts: Timestamp = .now()) throws(DeployError) -> AuditCheckpoint {
        let statement = AuditCheckpoint.statement(seq: head.seq, head: head.hash, ts: ts)
        do {
            let signature = try secret.signature(for: statement)
            return AuditCheckpoint(
                seq: head.seq, head: head.hash, ts: ts, key: key,
                signature: Data(signature).base64EncodedString())
        } catch {
            throw DeployError(.internal, "a checkpoint of the audit cannot be signed: \(error)")
        }
    }
}

extension AuditCheckpoint {
    /// Whether the signature is that of `key` over the rest.
    public var isSigned: Bool {
        guard let bytes = Base64.decode(key), let signature = Base64.decode(signature),
            let key = try? Curve25519.Signing.PublicKey(rawRepresentation: bytes)
        else { return false }
        return key.isValidSignature(Data(signature), for: Self.statement(seq: seq, head: head, ts: ts))
    }

    /// What is signed.
    static func statement(seq: Int64, head: String, ts: Timestamp) -> Data {
        Data("tiangong audit checkpoint\n\(seq)\n\(head)\n\(ts)\n".utf8)
    }
}
