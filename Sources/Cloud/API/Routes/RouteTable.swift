// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import HTTPTypes

/// Every route of the API.
enum RouteTable {
    static let all: [Route] = server + agents + work + policies + audit + identities

    /// What a request is for.
    enum Match: Sendable {
        case route(Route, [String: String])
        /// The path is known, for these methods.
        case otherMethod([String])
        case unknown
    }

    /// Finds the route of a path's pieces, still encoded as they came.
    static func find(_ method: HTTPRequest.Method, _ pieces: [Substring]) -> Match {
        let found = all.compactMap { route in values(route.pieces, pieces).map { (route, $0) } }
        if let (route, values) = found.first(where: { $0.0.method == method }) { return .route(route, values) }
        return found.isEmpty ? .unknown : .otherMethod(Set(found.map(\.0.method.rawValue)).sorted())
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
