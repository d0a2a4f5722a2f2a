// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore
import NIOHTTP1

/// Answers a connection's first request before any router sees it: an upgrade that is refused, or broken HTTP. The
/// connection ends with it.
enum HTTPRefusal {
    static let malformed = DeployError(.invalidArgument, "the request is not valid HTTP")

    static func answer(_ error: DeployError, on channel: any Channel) {
        for part in parts(error) { channel.write(part, promise: nil) }
        channel.flush()
    }

    /// The whole response. It says that the connection ends, which ``RequestGuard`` brings about.
    static func parts(_ error: DeployError) -> [HTTPServerResponsePart] {
        let body = ByteBuffer(string: StoredJSON.text(["error": error]) + "\n")
        var headers: HTTPHeaders = [
            "Content-Type": "application/json", "Content-Length": "\(body.readableBytes)", "Connection": "close",
        ]
        for (name, value) in Answer.protection { headers.add(name: name, value: value) }
        headers.add(name: Answer.requestID, value: Identifier<RequestKind>.random().rawValue)
        if error.code == .unauthenticated { headers.add(name: "WWW-Authenticate", value: "Bearer") }
        if let seconds = error.retryAfter { headers.add(name: "Retry-After", value: "\(seconds)") }
        let head = HTTPResponseHead(
            version: .http1_1, status: HTTPResponseStatus(statusCode: error.code.httpStatus), headers: headers)
        return [.head(head), .body(.byteBuffer(body)), .end(nil)]
    }
}
