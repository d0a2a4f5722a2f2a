// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// A statement for Kubernetes, read once and in one way: the guard judges it, and an agent performs it.
public struct KubernetesStatement: Sendable {
    /// Its first line.
    public let command: KubernetesCommand
    /// The manifests below it.
    let manifests: [JSONNode]
    /// For `exec`: the text below the first line, which the program gets on standard input.
    public let input: String?

    /// A resource that the first line or a manifest names.
    public struct Target: Sendable, Hashable {
        /// The resource or kind, as it was written.
        public var word: String
        /// The object's name; nil for all of the resource.
        public var name: String?
    }

    /// Reads a statement; throws `invalid_argument` for what the guard would call `k8s.syntax`.
    public init(_ text: String) throws(DeployError) {
        do throws(JSONTextError) {
            try self.init(Array(text.utf8))
        } catch {
            throw DeployError(.invalidArgument, "the command cannot be read: \(error.message)")
        }
    }

    init(_ bytes: [UInt8]) throws(JSONTextError) {
        command = try KubernetesCommand(bytes)
        let rest = bytes[command.end...]
        guard command.verb == "exec" else {
            manifests = try ManifestText.read(rest)
            input = nil
            return
        }
        manifests = []
        guard let text = String(validating: rest, as: UTF8.self) else {
            throw JSONTextError(position: command.end, message: "standard input is not UTF-8")
        }
        input = text.isEmpty ? nil : text
    }

    /// The objects of the manifests, those of lists one by one.
    public var objects: [JSONNode] {
        var result: [JSONNode] = []
        var open = Array(manifests.reversed())
        while let node = open.popLast() {
            if let elements = node.elements {
                open += elements.reversed()
            } else if let items = node["items"]?.elements {
                open += items.reversed()
            } else {
                result.append(node)
            }
        }
        return result
    }

    /// What some words name: `TYPE NAME ...`, `TYPE,TYPE` or `TYPE/NAME TYPE/NAME ...`.
    public static func targets(_ words: some Collection<String>) -> [Target] {
        guard let first = words.first else { return [] }
        var result: [Target] = []
        if first.contains("/") {
            for word in words {
                let parts = word.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
                guard parts.count == 2 else { continue }
                result.append(Target(word: String(parts[0]), name: String(parts[1])))
            }
            return result
        }
        for kind in first.split(separator: ",") {
            let names = words.dropFirst()
            if names.isEmpty { result.append(Target(word: String(kind), name: nil)) }
            for name in names { result.append(Target(word: String(kind), name: name)) }
        }
        return result
    }

    /// A patch as JSON, whether it was written as JSON or as YAML; throws `invalid_argument`.
    public static func patch(_ text: String) throws(DeployError) -> JSONNode {
        let documents: [JSONNode]
        do throws(JSONTextError) {
            documents = try ManifestText.read(Array(text.utf8)[...])
        } catch {
            throw DeployError(.invalidArgument, "the patch cannot be read: \(error.message)")
        }
        guard let patch = documents.first, documents.count == 1, patch.members != nil || patch.elements != nil else {
            throw DeployError(.invalidArgument, "the patch is not one JSON or YAML object or array")
        }
        return patch
    }

    /// Whether a word stands for a kind that has rules of its own, without the guard having seen that: a short name that only
    /// this cluster knows. Such a word must not be acted on.
    public static func isDisguised(_ word: String, kind: String) -> Bool {
        let kind = KubernetesNames.resource(kind)
        guard KubernetesNames.resource(word) != kind else { return false }
        return KubernetesNames.cluster.contains(kind) || KubernetesNames.rbac.contains(kind)
            || ["secret", "persistentvolumeclaim"].contains(kind)
    }
}
