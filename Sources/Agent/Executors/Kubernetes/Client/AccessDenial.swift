// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Who may not do what, and where: a refusal of the cluster's own rights, taken from its sentence.
struct AccessDenial: Sendable, Equatable {
    var user: String
    var verb: String
    /// With its group, such as `deployments.apps`, and a part such as `pods/exec`.
    var resource: String
    /// Nil at the cluster scope.
    var namespace: String?

    /// Reads `...: User "agent" cannot get resource "pods" in API group "" in the namespace "default"`; nil for a refusal that
    /// reads otherwise, such as one of an admission plugin.
    init?(_ message: String) {
        let parts = message.split(separator: "\"", omittingEmptySubsequences: false).map(String.init)
        guard let index = parts.firstIndex(where: { $0.hasSuffix("User ") }), index + 5 < parts.count else {
            return nil
        }
        user = parts[index + 1]
        let act = parts[index + 2].split(separator: " ")
        guard act.count == 3, act[0] == "cannot", act[2] == "resource", parts[index + 4] == " in API group " else {
            return nil
        }
        verb = String(act[1])
        let group = parts[index + 5]
        let names = parts[index + 3].split(separator: "/", maxSplits: 1).map(String.init)
        guard let first = names.first else { return nil }
        resource = (group.isEmpty ? first : "\(first).\(group)") + names.dropFirst().map { "/\($0)" }.joined()
        if index + 7 < parts.count, parts[index + 6] == " in the namespace " { namespace = parts[index + 7] }
    }

    var sentence: String {
        let place = namespace.map { "in the namespace \($0)" } ?? "at the cluster scope"
        return "\(user) may not \(verb) \(resource) \(place): the cluster's RBAC does not allow it"
    }

    var facts: [String: JSONValue] {
        var facts: [String: JSONValue] = [
            "user": .string(user), "verb": .string(verb), "resource": .string(resource),
        ]
        if let namespace { facts["namespace"] = .string(namespace) }
        return facts
    }
}

extension KubernetesStatus {
    /// Whose rights do not suffice; nil when that is not why it was refused.
    var denial: AccessDenial? { code == 403 ? AccessDenial(message) : nil }
}
