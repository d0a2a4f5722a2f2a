// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Yams

/// The file in which kubectl keeps clusters, users and contexts: what one context says, checked.
///
/// What would make kubectl start programs, believe anybody, or act as somebody else is refused with a sentence, never passed
/// over.
struct Kubeconfig: Sendable, Equatable {
    /// Bytes that stand in the file itself, or in one that it names.
    enum Material: Sendable, Equatable {
        /// In the file, decoded from base64 or as it stands.
        case inline([UInt8])
        /// In another file, by an absolute path.
        case file(String)
    }

    /// The API server.
    var server: String
    /// The authorities to believe; nil for the system's.
    var authority: Material?
    /// A bearer token.
    var token: Material?
    /// A client certificate, PEM.
    var certificate: Material?
    /// Its key, PEM.
    var key: Material?
    /// The context's namespace.
    var namespace: String?

    /// Reads a file's text.
    ///
    /// - Parameters:
    ///   - text: YAML or JSON.
    ///   - path: Where it was, for errors and for paths relative to it.
    ///   - context: Which context; nil for `current-context`.
    /// - Throws: `invalid_argument` for what is wrong or not supported, `not_found` for a context there is not.
    init(_ text: String, path: String, context wanted: String?) throws(DeployError) {
        let reader = Reader(path: path)
        let root: Node
        do {
            guard let node = try Yams.compose(yaml: text), node.mapping != nil else {
                throw DeployError(.invalidArgument, "\(path) is not a kubeconfig")
            }
            root = node
        } catch let error as DeployError {
            throw error
        } catch { throw DeployError(.invalidArgument, "\(path) is not valid YAML") }
        guard let name = wanted ?? root["current-context"]?.string, !name.isEmpty else {
            throw DeployError(
                .invalidArgument, "\(path) has no current-context",
                hint: "name one with the datasource's setting context")
        }
        let context = try reader.entry("context", name, in: root)
        guard let clusterName = context["cluster"]?.string, let userName = context["user"]?.string else {
            throw DeployError(.invalidArgument, "\(path): the context '\(name)' lacks a cluster or a user")
        }
        namespace = context["namespace"]?.string.flatMap { $0.isEmpty ? nil : $0 }
        let cluster = try reader.entry("cluster", clusterName, in: root)
        let user = try reader.entry("user", userName, in: root)
        guard let server = cluster["server"]?.string else {
            throw DeployError(.invalidArgument, "\(path): the cluster '\(clusterName)' has no server")
        }
        self.server = server
        for (key, what) in Self.refusedOfClusters where reader.isSet(cluster[key]) {
            throw DeployError(.unsupported, "\(path): the cluster '\(clusterName)' has \(key), \(what)")
        }
        for (key, what) in Self.refusedOfUsers where reader.isSet(user[key]) {
            throw DeployError(.unsupported, "\(path): the user '\(userName)' has \(key), \(what)")
        }
        authority = try reader.material(cluster, "certificate-authority")
        certificate = try reader.material(user, "client-certificate")
        key = try reader.material(user, "client-key")
        guard (certificate == nil) == (key == nil) else {
            throw DeployError(
                .invalidArgument, "\(path): the user '\(userName)' has a client certificate without key, or the reverse"
            )
        }
        if let text = user["token"]?.string, !text.isEmpty {
            token = .inline(Array(text.utf8))
        } else if let file = user["tokenFile"]?.string, !file.isEmpty {
            token = .file(reader.absolute(file))
        }
    }

    private static let refusedOfClusters = [
        ("insecure-skip-tls-verify", "which would send the credentials to anybody; give the datasource a ca-file"),
        ("proxy-url", "and agents do not go through a proxy"),
        ("tls-server-name", "and agents check the name they connect to"),
    ]
    private static let refusedOfUsers = [
        ("exec", "which starts a program for every login; make a service account and use its token"),
        ("auth-provider", "which current clusters no longer know; use a token or a client certificate"),
        ("username", "which current clusters no longer accept; use a token or a client certificate"),
        ("as", "and agents act under their own name"), ("as-groups", "and agents act under their own name"),
        ("as-uid", "and agents act under their own name"),
        ("as-user-extra", "and agents act under their own name"),
    ]

    /// Looks into the file's mappings.
    private struct Reader {
        let path: String

        /// The member of `clusters`, `contexts` or `users` of that name.
        func entry(_ kind: String, _ name: String, in root: Node) throws(DeployError) -> Node {
            let entries = root["\(kind)s"]?.sequence.map(Array.init) ?? []
            guard let entry = entries.first(where: { $0["name"]?.string == name }) else {
                let known = entries.compactMap { $0["name"]?.string }.prefix(20).joined(separator: ", ")
                throw DeployError(
                    .notFound, "\(path) has no \(kind) '\(name.prefix(64))'",
                    hint: known.isEmpty ? nil : "it has \(known)")
            }
            return entry[kind] ?? Node.mapping([:])
        }

        func isSet(_ node: Node?) -> Bool {
            switch node {
            case .scalar(let scalar): !scalar.string.isEmpty && scalar.string != "false" && node?.null == nil
            case .mapping(let mapping): !mapping.isEmpty
            case .sequence(let sequence): !sequence.isEmpty
            default: false
            }
        }

        /// `KEY-data` before `KEY`, as kubectl has it.
        func material(_ node: Node, _ key: String) throws(DeployError) -> Material? {
            if let text = node["\(key)-data"]?.string, !text.isEmpty {
                guard let bytes = Base64.decode(String(text.filter { !$0.isWhitespace })) else {
                    throw DeployError(.invalidArgument, "\(path): \(key)-data is not base64")
                }
                return .inline(bytes)
            }
            guard let file = node[key]?.string, !file.isEmpty else { return nil }
            return .file(absolute(file))
        }

        /// A path beside the kubeconfig, unless it is absolute.
        func absolute(_ file: String) -> String {
            guard !file.hasPrefix("/") else { return file }
            return path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
                + "/" + file
        }
    }
}
