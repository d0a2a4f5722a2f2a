// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import HTTPTypes
import Hummingbird
import NIOCore

/// Makes responses. Every one carries the headers that keep a browser from doing more with it than it should.
enum Answer {
    /// Headers of every response, in both of NIO's ways to write them.
    static let protection: [(name: String, value: String)] = [
        ("Cache-Control", "no-store"),
        ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("Referrer-Policy", "no-referrer"),
        ("Strict-Transport-Security", "max-age=31536000"),
        ("X-Content-Type-Options", "nosniff"),
    ]

    /// The header that names the request of a response.
    static let requestID = "X-Request-Id"

    /// Completes a response.
    static func protect(_ response: inout Response, id: String) {
        for (name, value) in protection { response.headers.set(name, value) }
        response.headers.set(requestID, id)
    }

    static func json(_ status: HTTPResponse.Status = .ok, _ text: String) -> Response {
        Response(
            status: status, headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }

    static func text(_ text: String) -> Response {
        Response(
            status: .ok, headers: [.contentType: "text/plain; charset=utf-8"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }

    static func failure(_ failure: HTTPFailure) -> Response {
        var response = json(failure.status, StoredJSON.text(["error": failure.error]))
        response.headers.append(contentsOf: failure.headers)
        if failure.closes { response.headers[.connection] = "close" }
        return response
    }
}

extension HTTPFields {
    /// Sets a header whose name is known to be well formed.
    mutating func set(_ name: String, _ value: String) {
        if let name = HTTPField.Name(name) { self[name] = value }
    }
}
