// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import HTTPTypes

/// Every route of the API.
enum RouteTable {
    static let all: [Route] = server + agents + work + files + agentFiles + policies + audit + identities

    /// What a request is for.
    enum Match: Sendable {
        case route(Route, [String: String])
        /// The path is known, for these methods.
        case otherMethod([String])
        case unknown
    }

    /// Finds the route of a path's pieces, still encoded as they came.
    static func find(_ method: HTTPRequest.Method, _ pieces: [Substring]) -> Match {
        var found = all.compactMap { route in values(route.pieces, pieces).map { (route, $0) } }
        // A path of its own, such as /audit/verify, is no record; but /policies/test may be a policy as well.
        if found.contains(where: { $0.1.isEmpty }) { found = found.filter { $0.1.allSatisfy(fits) } }
        if let (route, values) = found.first(where: { $0.0.method == method }) { return .route(route, values) }
        return found.isEmpty ? .unknown : .otherMethod(Set(found.map(\.0.method.rawValue)).sorted())
    }

    private static func fits(_ parameter: String, _ value: String) -> Bool {
        switch Route.Parameter.path[parameter]?.schema {
        case .integer: Int64(value) != nil
        default: true
        }
    }

    private static func values(_ template: [Substring], _ pieces: [Substring]) -> [String: String]? {
        guard template.count == pieces.count else { return nil }
        var values: [String: String] = [:]
        for (wanted, piece) in zip(template, pieces) {
            if wanted.hasPrefix("{") {
                values[String(wanted.dropFirst().dropLast())] = String(piece)
            } else if wanted != piece {
                return nil
            }
        }
        return values
    }
}
