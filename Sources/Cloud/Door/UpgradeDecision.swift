// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore
import NIOHTTP1
import Synchronization

/// What was decided about the first request of one connection, shared by the steps of its upgrade.
final class UpgradeDecision: Sendable {
    private struct State {
        var identity: Identity?
        var refusal: DeployError?
    }

    private let state = Mutex(State())

    /// Who may have the WebSocket.
    var identity: Identity? { state.withLock { $0.identity } }
    /// Why the request may not have it; nil when it did not ask.
    var refusal: DeployError? { state.withLock { $0.identity == nil ? $0.refusal : nil } }

    func allow(_ identity: Identity) { state.withLock { $0.identity = identity } }
    func refuse(_ error: DeployError) { state.withLock { $0.refusal = error } }
}

/// Notes whether the first request asks for an upgrade, before anybody else looks at it; afterwards only passes on.
final class FirstRequestObserver: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart

    private let decision: UpgradeDecision
    private var hasSeen = false

    init(_ decision: UpgradeDecision) { self.decision = decision }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if !hasSeen {
            hasSeen = true
            if case .head(let head) = unwrapInboundIn(data), head.headers.contains(name: "upgrade") {
                // Stands unless the policy says otherwise: the upgrader drops malformed requests without asking it.
                decision.refuse(DeployError(.invalidArgument, "the request is not a valid WebSocket upgrade"))
            }
        }
        context.fireChannelRead(data)
    }
}

/// The plain HTTP answer to a request that may not become a WebSocket; the connection ends with it.
enum RefusedUpgrade {
    static func answer(_ error: DeployError, on channel: any Channel) {
        let body = ByteBuffer(string: StoredJSON.text(["error": error]) + "\n")
        var headers: HTTPHeaders = [
            "Content-Type": "application/json", "Content-Length": "\(body.readableBytes)", "Cache-Control": "no-store",
            "Connection": "close",
        ]
        if error.code == .unauthenticated { headers.add(name: "WWW-Authenticate", value: "Bearer") }
        let head = HTTPResponseHead(
            version: .http1_1, status: HTTPResponseStatus(statusCode: error.code.httpStatus), headers: headers)
        channel.write(HTTPServerResponsePart.head(head), promise: nil)
        channel.write(HTTPServerResponsePart.body(.byteBuffer(body)), promise: nil)
        channel.writeAndFlush(HTTPServerResponsePart.end(nil)).whenComplete { _ in channel.close(promise: nil) }
    }
}
