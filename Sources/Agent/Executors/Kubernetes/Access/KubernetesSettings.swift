// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

/// One of the agent's clusters, as the settings file names it.
struct KubernetesSettings: Sendable, Equatable {
    /// Where address and credentials come from.
    enum Source: Sendable, Equatable {
        /// A file as kubectl reads it, and which of its contexts; nil for its current one.
        case kubeconfig(path: String, context: String?)
        /// The service account of the pod this agent runs in: a directory with `token`, `ca.crt` and `namespace`.
        case serviceAccount(directory: String)
        /// Written out.
        case server(url: String, token: SecretReference?)
    }

    /// What tasks call it.
    var name: String
    /// Where address and credentials come from.
    var source: Source
    /// A PEM file with the authorities to believe, above what the source says.
    var authorityFile: String?
    /// The namespace of tasks that name none, above what the source says.
    var namespace: String?
    /// How long connecting may take, TLS included.
    var connectTimeout: TimeAmount

    /// Where Kubernetes puts the service account of a pod.
    static let serviceAccountDirectory = "/var/run/secrets/kubernetes.io/serviceaccount"

    /// Reads one datasource; throws `invalid_argument` naming what is wrong.
    init(_ name: String, _ node: SettingsNode) throws(DeployError) {
        var node = node
        self.name = name
        let kubeconfig = try node.path("kubeconfig")
        let context = try node.text("context")
        let isInCluster = try node.flag("in-cluster") ?? false
        let directory = try node.path("service-account-directory")
        let server = try node.text("server")
        let token = try node.secret("token")
        authorityFile = try node.path("ca-file")
        namespace = try node.text("namespace")
        let seconds = try node.seconds("connect-timeout") ?? 10
        try node.finish()
        connectTimeout = .nanoseconds(Int64(min(max(seconds, 0.001), 3600) * 1e9))
        func wrong(_ what: String, hint: String? = nil) -> DeployError {
            DeployError(.invalidArgument, "\(node.path) \(what)", hint: hint)
        }
        if let namespace, !ResourcePath.isName(namespace) { throw wrong(".namespace is not the name of a namespace") }
        switch (kubeconfig, isInCluster, server) {
        case (let path?, false, nil): source = .kubeconfig(path: path, context: context)
        case (nil, true, nil): source = .serviceAccount(directory: directory ?? Self.serviceAccountDirectory)
        case (nil, false, let url?):
            _ = try ClusterAddress(url, path: "\(node.path).server")
            source = .server(url: url, token: token)
        default:
            throw wrong(
                "needs one of kubeconfig, in-cluster and server",
                hint: "kubeconfig: /etc/tiangong/kubeconfig, or in-cluster: true inside a pod")
        }
        if context != nil, kubeconfig == nil { throw wrong(".context is for a kubeconfig") }
        if token != nil, server == nil { throw wrong(".token is for a server that is written out") }
        if directory != nil, !isInCluster { throw wrong(".service-account-directory is for in-cluster: true") }
    }

    /// The secret its tasks need.
    var secret: SecretReference? { if case .server(_, let token) = source { token } else { nil } }
}

/// The address of an API server.
struct ClusterAddress: Sendable, Equatable {
    /// Whether TLS is spoken.
    let isSecure: Bool
    /// A name or an address, without brackets.
    let host: String
    /// A TCP port.
    let port: Int
    /// What stands before every path, such as `/k8s/clusters/c-1`; empty or starting with a slash.
    let basePath: String

    /// Reads `https://host:6443/base`; throws `invalid_argument` naming the place for anything else. Without TLS only this host
    /// itself is spoken to, since a token goes along.
    init(_ url: String, path: String) throws(DeployError) {
        func wrong(_ what: String) -> DeployError {
            DeployError(
                .invalidArgument, "\(path): '\(url.prefix(200))' \(what)", hint: "write it as https://HOST:6443")
        }
        guard let range = url.firstRange(of: "://"), url.utf8.allSatisfy({ (33...126).contains($0) }) else {
            throw wrong("is no address")
        }
        switch url[..<range.lowerBound].lowercased() {
        case "https": isSecure = true
        case "http": isSecure = false
        default: throw wrong("is not https")
        }
        let rest = url[range.upperBound...]
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        var base = rest[slash...]
        while base.last == "/" { base.removeLast() }
        basePath = String(base)
        guard !rest.contains("?"), !rest.contains("#"), !rest.contains("@") else { throw wrong("is no plain address") }
        var authority = rest[..<slash]
        var port: Int? = isSecure ? 443 : 80
        if let colon = authority.lastIndex(of: ":"), !authority[colon...].contains("]") {
            port = Int(authority[authority.index(after: colon)...])
            authority = authority[..<colon]
        }
        if authority.first == "[", authority.last == "]" { authority = authority.dropFirst().dropLast() }
        guard let port, (1...65_535).contains(port), !authority.isEmpty, !authority.contains("[") else {
            throw wrong("is no address")
        }
        self.port = port
        host = String(authority)
        if !isSecure, !["localhost", "127.0.0.1", "::1"].contains(host) {
            throw wrong("is not https; without TLS the token would go over the network in the open")
        }
    }

    /// `https://host:port/base`.
    var url: String { "\(isSecure ? "https" : "http")://\(authority)\(basePath)" }

    /// `host:port`, with brackets where they belong.
    var authority: String { "\(host.contains(":") ? "[\(host)]" : host):\(port)" }
}
