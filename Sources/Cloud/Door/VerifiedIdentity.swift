// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore
import NIOHTTP1
import Synchronization

/// Carries the identity from the upgrade decision to the upgraded channel of the same connection.
final class VerifiedIdentity: Sendable {
    private let state = Mutex<Identity?>(nil)

    var identity: Identity? { state.withLock { $0 } }

    func set(_ identity: Identity) { state.withLock { $0 = identity } }
}

/// The answer to a first request that breaks HTTP, such as an upgrade with a body; the connection ends with it.
enum MalformedRequest {
    static func answer(on channel: any Channel) {
        let error = DeployError(.invalidArgument, "the request is not valid HTTP")
        let body = ByteBuffer(string: StoredJSON.text(["error": error]) + "\n")
        let headers: HTTPHeaders = [
            "Content-Type": "application/json", "Content-Length": "\(body.readableBytes)", "Cache-Control": "no-store",
            "Connection": "close",
        ]
        let head = HTTPResponseHead(version: .http1_1, status: .badRequest, headers: headers)
        channel.write(HTTPServerResponsePart.head(head), promise: nil)
        channel.write(HTTPServerResponsePart.body(.byteBuffer(body)), promise: nil)
        channel.writeAndFlush(HTTPServerResponsePart.end(nil)).whenComplete { _ in channel.close(promise: nil) }
    }
}
