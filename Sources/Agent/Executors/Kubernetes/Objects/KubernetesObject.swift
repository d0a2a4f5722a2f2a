// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// An object of a cluster, or a manifest of one, by the members that all have.
struct KubernetesObject: Sendable, Equatable {
    /// All of it.
    var node: JSONNode

    init(_ node: JSONNode) { self.node = node }

    var apiVersion: String { node["apiVersion"]?.text ?? "" }
    var kind: String { node["kind"]?.text ?? "" }
    var metadata: JSONNode { node["metadata"] ?? .object([]) }
    var name: String { metadata["name"]?.text ?? "" }
    var namespace: String? { metadata["namespace"]?.text.flatMap { $0.isEmpty ? nil : $0 } }
    var uid: String { metadata["uid"]?.text ?? "" }
    var resourceVersion: String { metadata["resourceVersion"]?.text ?? "" }
    var generation: Int64 { metadata["generation"]?.integer ?? 0 }
    var createdAt: String { metadata["creationTimestamp"]?.text ?? "" }
    var isBeingDeleted: Bool { metadata["deletionTimestamp"]?.text != nil }
    /// Nil for a core kind.
    var group: String? {
        let parts = apiVersion.split(separator: "/")
        return parts.count == 2 ? String(parts[0]) : nil
    }

    /// Whether a request has left it as it was: controllers may have written its status between the looks at it.
    func isUnchanged(from before: KubernetesObject) -> Bool {
        resourceVersion == before.resourceVersion || intent == before.intent
    }

    /// What it is meant to be, as text: without what the server and its controllers write.
    private var intent: String {
        node.removing(["status"]).setting("metadata", to: metadata.removing(["resourceVersion", "managedFields"]))
            .sorted
            .compact
    }

    func label(_ name: String) -> String? { metadata["labels"]?[name]?.text }
    func annotation(_ name: String) -> String? { metadata["annotations"]?[name]?.text }

    /// The uid of the controller that made it.
    var controllerUID: String? {
        metadata["ownerReferences"]?.elements?.first { $0["controller"] == .bool(true) }?["uid"]?.text
    }

    /// A condition of its status.
    func condition(_ type: String) -> JSONNode? {
        node["status"]?["conditions"]?.elements?.first {
            $0["type"]?.text?.lowercased() == type.lowercased()
        }
    }
}

extension JSONNode {
    /// The number, if this is a whole one of 64 bits.
    var integer: Int64? { if case .number(let digits) = self { Int64(digits) } else { nil } }

    /// The items of a list, which are null where there are none; an object is its own only one.
    var listItems: [JSONNode] {
        guard let items = self["items"], self["kind"]?.text?.hasSuffix("List") != false else { return [self] }
        return items.elements ?? []
    }

    /// What is below several members.
    func at(_ path: String...) -> JSONNode? {
        var node: JSONNode? = self
        for name in path { node = node?[name] }
        return node
    }

    /// An object of these members.
    static func members(_ members: KeyValuePairs<String, JSONNode>) -> JSONNode {
        .object(members.map { JSONMember(name: $0.key, value: $0.value) })
    }

    /// The same object with one member set.
    func setting(_ name: String, to value: JSONNode) -> JSONNode {
        var members = self.members ?? []
        if let index = members.firstIndex(where: { $0.name == name }) {
            members[index].value = value
        } else {
            members.append(JSONMember(name: name, value: value))
        }
        return .object(members)
    }

    /// The same object without some members; anything else as it is.
    func removing(_ names: Set<String>) -> JSONNode {
        guard let members else { return self }
        return .object(members.filter { !names.contains($0.name) })
    }

    /// The same with all members in the order of their names, as clusters' own tools show them.
    var sorted: JSONNode {
        switch self {
        case .array(let elements): .array(elements.map(\.sorted))
        case .object(let members):
            .object(
                members.map { JSONMember(name: $0.name, value: $0.value.sorted, position: $0.position) }
                    .sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) })
        default: self
        }
    }

    /// The same for a task's result.
    var jsonValue: JSONValue {
        switch self {
        case .null: .null
        case .bool(let flag): .bool(flag)
        case .number(let digits): Int64(digits).map { .integer($0) } ?? .number(Double(digits) ?? 0)
        case .string(let text): .string(text)
        case .array(let elements): .array(elements.map(\.jsonValue))
        case .object(let members):
            .object(Dictionary(members.map { ($0.name, $0.value.jsonValue) }) { first, _ in first })
        }
    }
}
