// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What came with a request, checked against its route.
struct RouteInput: Sendable {
    /// The parameters of the path and the query, as JSON.
    var path: [String: JSONValue] = [:]
    var query: [String: JSONValue] = [:]
    /// The members of the body.
    var body: [String: JSONValue] = [:]
    var idempotencyKey: String?

    /// The parameters of a message, from path, query and body together.
    func value<Value: Decodable>(
        _: Value.Type = Value.self, renaming: [String: String] = [:], adding: [String: JSONValue] = [:],
        leavingOut: Set<String> = []
    ) throws(DeployError) -> Value {
        var members = adding
        for (name, value) in [path, query, body].joined() where !leavingOut.contains(name) {
            members[renaming[name] ?? name] = value
        }
        do {
            return try JSONDecoder().decode(Value.self, from: JSONEncoder().encode(JSONValue.object(members)))
        } catch { throw DeployError(wrapping: error) }
    }

    /// The object that a parameter of the path names. With `whole`, a piece of an id is not enough: unlike on the
    /// command line nobody sees what it was taken for.
    func object(_ parameter: String, whole noun: String? = nil) throws(DeployError) -> ObjectQuery {
        let id =
            switch path[parameter] {
            case .string(let text): text
            case .integer(let number): String(number)
            default: ""
            }
        if let noun, id.utf8.count < Self.idLength { throw DeployError(.notFound, "no \(noun) is called '\(id)'") }
        return ObjectQuery(id: id)
    }

    private static let idLength = 16
}
