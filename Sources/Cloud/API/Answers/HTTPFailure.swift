// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import HTTPTypes

/// A request that is not carried out: the error, and what HTTP says beside it.
struct HTTPFailure: Error, Sendable {
    let error: DeployError
    let status: HTTPResponse.Status
    let headers: HTTPFields
    /// Whether the connection ends, because the rest of the request is not read.
    let closes: Bool

    init(
        _ error: DeployError, status: HTTPResponse.Status? = nil, headers: HTTPFields = [:], closes: Bool = false
    ) {
        var headers = headers
        if error.code == .unauthenticated { headers[.wwwAuthenticate] = "Bearer" }
        if let seconds = error.retryAfter { headers[.retryAfter] = "\(seconds)" }
        self.error = error
        self.status = status ?? HTTPResponse.Status(code: error.code.httpStatus)
        self.headers = headers
        self.closes = closes
    }

    /// Any error; only what is meant for people is told.
    init(wrapping error: any Error) {
        switch error {
        case let failure as HTTPFailure: self = failure
        default: self.init(DeployError(wrapping: error))
        }
    }

    /// A method that a path does not take.
    static func method(_ allowed: [String]) -> HTTPFailure {
        HTTPFailure(
            DeployError(
                .unsupported, "this path does not take that method", hint: "it takes \(allowed.joined(separator: ", "))"
            ),
            status: .methodNotAllowed, headers: [.allow: allowed.joined(separator: ", ")])
    }
}
