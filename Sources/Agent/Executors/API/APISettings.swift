// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOSSL

/// What agent.yaml says of tasks of type `api`.
struct APISettings: Sendable {
    /// Where requests may go.
    var addresses: AddressPolicy
    /// How names become addresses.
    var resolver = HostResolver.system
    /// Whom TLS believes.
    var tls: TLSConfiguration
    /// Bytes of an answer's body that a task may show and check at most; they are held in memory.
    var maximumBody: Int64
    /// Seconds for finding an address, and for connecting to each.
    var connectTimeout: Double

    /// Reads `executors.api`; throws `invalid_argument` naming the setting.
    init(_ node: SettingsNode) throws(DeployError) {
        var node = node
        let allow = try node.list("allow") ?? []
        let authorities = try node.path("ca-file")
        let size = try node.bytes("max-body") ?? 10 << 20
        let patience = try node.seconds("connect-timeout") ?? 10
        try node.finish()
        do throws(DeployError) {
            addresses = try AddressPolicy(allow: allow)
        } catch {
            throw DeployError(.invalidArgument, "\(node.path).allow: \(error.message)", hint: error.hint)
        }
        guard (0...(1 << 30)).contains(size) else {
            throw DeployError(.invalidArgument, "\(node.path).max-body is over 1 GiB")
        }
        guard (0.1...600).contains(patience) else {
            throw DeployError(.invalidArgument, "\(node.path).connect-timeout is not between 100ms and 10m")
        }
        maximumBody = size
        connectTimeout = patience
        tls = .makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        if let authorities {
            guard let certificates = try? NIOSSLCertificate.fromPEMFile(authorities), !certificates.isEmpty else {
                throw DeployError(
                    .invalidArgument,
                    "\(node.path).ca-file: \(authorities) holds no certificate in PEM, or cannot be read")
            }
            tls.additionalTrustRoots = [.certificates(certificates)]
        }
    }
}
