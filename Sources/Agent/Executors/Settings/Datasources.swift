// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The connections of one executor, by the names that tasks call them.
struct Datasources<Value: Sendable>: Sendable {
    /// Where they stand in the settings.
    private let path: String
    private let values: [String: Value]

    /// Reads the mapping `datasources` below an executor's settings.
    ///
    /// - Parameters:
    ///   - node: The executor's settings.
    ///   - make: Makes one of them; keys that it does not ask for are errors.
    /// - Throws: `invalid_argument` naming the setting, also when there is none.
    init(
        _ node: inout SettingsNode, _ make: (inout SettingsNode) throws(DeployError) -> Value
    ) throws(DeployError) {
        path = "\(node.path).datasources"
        var values: [String: Value] = [:]
        for (name, settings) in try node.nodes("datasources") {
            var settings = settings
            values[name] = try make(&settings)
            try settings.finish()
        }
        guard !values.isEmpty else {
            throw DeployError(.invalidArgument, "\(path) names no connection", hint: "give it at least one name")
        }
        self.values = values
    }

    /// Their names, in order.
    var names: [String] { values.keys.sorted() }

    /// All of them.
    var all: some Sequence<Value> { values.values }

    /// The one that a task's parameter `datasource` names; without it, the only one.
    ///
    /// Throws `not_found` or `invalid_argument`, saying which there are.
    func chosen(_ name: String?) throws(DeployError) -> Value {
        let known = "there \(values.count == 1 ? "is" : "are") \(names.joined(separator: ", "))"
        if let name {
            guard let value = values[name] else {
                throw DeployError(.notFound, "this agent has no datasource '\(name.prefix(64))' here", hint: known)
            }
            return value
        }
        guard values.count == 1, let only = values.values.first else {
            throw DeployError(.invalidArgument, "params.datasource is missing: this agent has several", hint: known)
        }
        return only
    }

    /// The same from a task that is not checked yet.
    func chosen(by spec: TaskSpec) throws(DeployError) -> Value {
        try chosen(spec.params["datasource"]?.stringValue)
    }
}
