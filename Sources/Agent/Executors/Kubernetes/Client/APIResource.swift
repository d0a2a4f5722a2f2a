// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// A resource of a cluster's API, as its discovery tells.
struct APIResource: Sendable, Hashable {
    /// Empty for the core group.
    var group: String
    var version: String
    /// The plural, as in paths.
    var name: String
    var singular: String
    var kind: String
    var isNamespaced: Bool
    var shortNames: [String] = []
    var categories: [String] = []
    var verbs: [String] = []

    var apiVersion: String { group.isEmpty ? version : "\(group)/\(version)" }
    /// `deployments.apps`.
    var qualified: String { group.isEmpty ? name : "\(name).\(group)" }

    /// How an object of it is called: `deployment.apps/web`.
    func title(_ objectName: String) -> String {
        "\(singular)\(group.isEmpty ? "" : ".\(group)")/\(objectName)"
    }

    /// Whether a word names it: plural, singular, kind or short name, in any case.
    func isNamed(_ word: String) -> Bool {
        let word = word.lowercased()
        return word == name.lowercased() || word == singular.lowercased() || word == kind.lowercased()
            || shortNames.contains { $0.lowercased() == word }
    }

    /// The resources of one `APIResourceList`; parts such as `pods/log` are left out.
    static func list(_ node: JSONNode, group: String, version: String) -> [APIResource] {
        (node["resources"]?.elements ?? []).compactMap { item in
            guard let name = item["name"]?.text, let kind = item["kind"]?.text, !name.contains("/") else { return nil }
            let singular = item["singularName"]?.text ?? ""
            func texts(_ key: String) -> [String] { (item[key]?.elements ?? []).compactMap(\.text) }
            return APIResource(
                group: group, version: version, name: name, singular: singular.isEmpty ? kind.lowercased() : singular,
                kind: kind, isNamespaced: item["namespaced"] == .bool(true), shortNames: texts("shortNames"),
                categories: texts("categories"), verbs: texts("verbs"))
        }
    }
}
