// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import NIOCore
import NIOSSL

/// What a connection to a cluster is made of, read from its files: read again for every task, since all of it may be renewed
/// while the agent runs.
struct ClusterMaterial: Sendable, Equatable {
    /// Who is told to the cluster.
    enum Token: Sendable, Equatable {
        case none
        case text(String)
        /// Read again while it is used: Kubernetes renews it.
        case file(String)
    }

    /// Where.
    var address: ClusterAddress
    /// PEM of the authorities to believe; nil for the system's.
    var authority: [UInt8]?
    /// PEM of a client certificate, with its chain.
    var certificate: [UInt8]?
    /// PEM of its key.
    var key: [UInt8]?
    /// Who is told to the cluster.
    var token: Token = .none
    /// The namespace of tasks that name none.
    var namespace: String

    /// Reads what the settings name; throws `start_failed` with a sentence that names the file.
    ///
    /// - Parameter environment: The agent's own, in which a pod finds its cluster.
    static func read(
        _ settings: KubernetesSettings, _ secrets: TaskSecrets, environment: [String: String]
    ) throws(DeployError) -> ClusterMaterial {
        do throws(DeployError) {
            var material: ClusterMaterial
            switch settings.source {
            case .kubeconfig(let path, let context): material = try kubeconfig(path, context)
            case .serviceAccount(let directory): material = try serviceAccount(directory, environment)
            case .server(let url, let token):
                material = ClusterMaterial(address: try ClusterAddress(url, path: "server"), namespace: "default")
                if let token { material.token = .text(try secrets.text(token)) }
            }
            if let file = settings.authorityFile { material.authority = try read(file) }
            if let chosen = settings.namespace { material.namespace = chosen }
            return material
        } catch {
            throw DeployError(.startFailed, "datasource '\(settings.name)': \(error.message)", hint: error.hint)
        }
    }

    private static func kubeconfig(_ path: String, _ context: String?) throws(DeployError) -> ClusterMaterial {
        guard let text = String(validating: try read(path), as: UTF8.self) else {
            throw DeployError(.invalidArgument, "\(path) is not UTF-8")
        }
        let config = try Kubeconfig(text, path: path, context: context)
        var material = ClusterMaterial(
            address: try ClusterAddress(config.server, path: path), namespace: config.namespace ?? "default")
        material.authority = try bytes(config.authority)
        material.certificate = try bytes(config.certificate)
        material.key = try bytes(config.key)
        switch config.token {
        case .inline(let bytes): material.token = .text(String(decoding: bytes, as: UTF8.self))
        case .file(let file): material.token = .file(file)
        case nil: break
        }
        return material
    }

    private static func serviceAccount(
        _ directory: String, _ environment: [String: String]
    ) throws(DeployError) -> ClusterMaterial {
        guard let host = environment["KUBERNETES_SERVICE_HOST"], !host.isEmpty else {
            throw DeployError(
                .startFailed, "in-cluster is set, but this agent does not run in a pod",
                hint: "KUBERNETES_SERVICE_HOST is not set; use a kubeconfig outside of clusters")
        }
        let port = environment["KUBERNETES_SERVICE_PORT"] ?? "443"
        let url = "https://\(host.contains(":") ? "[\(host)]" : host):\(port)"
        let name = (try? read(directory + "/namespace")).map { String(decoding: $0, as: UTF8.self) }
        var material = ClusterMaterial(
            address: try ClusterAddress(url, path: "KUBERNETES_SERVICE_HOST"),
            namespace: name?.split(whereSeparator: \.isWhitespace).first.map(String.init) ?? "default")
        material.authority = try read(directory + "/ca.crt")
        material.token = .file(directory + "/token")
        return material
    }

    private static func bytes(_ material: Kubeconfig.Material?) throws(DeployError) -> [UInt8]? {
        switch material {
        case .inline(let bytes): bytes
        case .file(let path): try read(path)
        case nil: nil
        }
    }

    /// The largest of the files, in bytes.
    private static let maximumBytes = 1 << 20

    static func read(_ path: String) throws(DeployError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw DeployError(.notFound, "\(path) cannot be read: \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size <= maximumBytes else {
            throw DeployError(.invalidArgument, "\(path) is not a file of at most 1 MiB")
        }
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
        var count = 0
        while count < bytes.count {
            let got = bytes.withUnsafeMutableBytes {
                Glibc.read(descriptor, $0.baseAddress?.advanced(by: count), $0.count - count)
            }
            if got < 0, errno == EINTR { continue }
            guard got > 0 else { break }
            count += got
        }
        return Array(bytes[..<count])
    }

    // MARK: TLS

    /// The client's side of TLS; nil when the address is not secure. Throws `start_failed` for what is no certificate or key.
    func tlsConfiguration() throws(DeployError) -> TLSConfiguration? {
        guard address.isSecure else { return nil }
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        configuration.renegotiationSupport = .none
        configuration.shutdownTimeout = .milliseconds(250)
        if let authority {
            configuration.trustRoots = .certificates(try Self.certificates(authority, "the authorities of the cluster"))
        }
        if let certificate, let key {
            let chain = try Self.certificates(certificate, "the client certificate")
            configuration.certificateChain = chain.map { .certificate($0) }
            do {
                configuration.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: key, format: .pem))
                // A key that does not belong to the certificate is found here, not at every connection.
                _ = try NIOSSLContext(configuration: configuration)
            } catch {
                throw DeployError(
                    .startFailed, "the client certificate's key cannot be used", hint: "is it its key, PEM?")
            }
        }
        return configuration
    }

    private static func certificates(_ bytes: [UInt8], _ what: String) throws(DeployError) -> [NIOSSLCertificate] {
        guard let certificates = try? NIOSSLCertificate.fromPEMBytes(bytes), !certificates.isEmpty else {
            throw DeployError(.startFailed, "\(what) cannot be read", hint: "PEM is needed")
        }
        return certificates
    }
}
