// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1
import NIOPosix
import NIOWebSocket

/// Opens a WebSocket to a Cloud: TCP, TLS, upgrade, in that order, each with its own clear failure.
public enum WebSocketDialer {
    private typealias Upgraded = NIOAsyncChannel<WebSocketFrame, WebSocketFrame>

    private enum Outcome: Sendable {
        case open(NIOAsyncChannel<WebSocketFrame, WebSocketFrame>)
        case refused(Refusal)
    }

    /// What the upgrade handler knows: after a refusal the response itself is delivered only once it has let go.
    private enum Negotiated: Sendable {
        case open(NIOAsyncChannel<WebSocketFrame, WebSocketFrame>)
        case refused(EventLoopFuture<Refusal>)
    }

    /// - Parameters:
    ///   - endpoint: Where, and whom to believe.
    ///   - path: `/ws/agent` or `/ws/operator`.
    ///   - token: The bearer token.
    ///   - identity: The client certificate to show, if the server asks for one.
    ///   - timeout: For the whole of it.
    /// - Throws: `unauthenticated` (401), `forbidden` (403), `rate_limited` (429), `unavailable` (other refusals),
    ///   `unreachable` (TCP and TLS).
    public static func dial(
        _ endpoint: ServerEndpoint, path: String, token: String, identity: ClientIdentity? = nil,
        timeout: Duration = .seconds(10)
    ) async throws(DeployError) -> WebSocketLink {
        let tls = try ClientTLS(endpoint, identity: identity)
        let head = try requestHead(endpoint, path: path, token: token)
        let outcome: Outcome
        do {
            outcome = try await connect(endpoint, head: head, tls: tls, timeout: timeout)
        } catch {
            throw endpoint.unreachable(error)
        }
        switch outcome {
        case .open(let channel): return WebSocketLink(channel, isServer: false)
        case .refused(let refusal): throw Self.error(endpoint, path, refusal)
        }
    }

    /// What a refused upgrade means; the Cloud's own sentence is kept where it says more than the status.
    private static func error(_ endpoint: ServerEndpoint, _ path: String, _ refusal: Refusal) -> DeployError {
        let said = refusal.error
        switch refusal.status {
        case .unauthorized:
            return DeployError(.unauthenticated, "\(endpoint.url) does not accept the token", hint: "tiangong login")
        case .forbidden:
            return DeployError(
                .forbidden, said?.message ?? "the token is not for \(path) on \(endpoint.url)", hint: said?.hint)
        case .tooManyRequests:
            return DeployError(
                .rateLimited, said?.message ?? "\(endpoint.url) asks to come later", hint: said?.hint,
                retryAfter: said?.retryAfter)
        default:
            let status = "\(endpoint.url)\(path) answered \(refusal.status.code) \(refusal.status.reasonPhrase)"
            return DeployError(.unavailable, said.map { "\(status): \($0.message)" } ?? status)
        }
    }

    private static func requestHead(
        _ endpoint: ServerEndpoint, path: String, token: String
    ) throws(DeployError) -> HTTPRequestHead {
        var headers = try endpoint.headers(token: token)
        headers.add(name: "Content-Length", value: "0")
        return HTTPRequestHead(version: .http1_1, method: .GET, uri: path, headers: headers)
    }

    private static func connect(
        _ endpoint: ServerEndpoint, head: HTTPRequestHead, tls: ClientTLS, timeout: Duration
    ) async throws -> Outcome {
        let limit = TimeAmount(timeout)
        let negotiated = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(limit)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .connect(host: endpoint.host, port: endpoint.port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(tls.handler())
                    let timer = channel.eventLoop.scheduleTask(in: limit) { channel.close(promise: nil) }
                    return (try upgrade(channel, head), timer)
                }
            }
        defer { negotiated.1.cancel() }
        switch try await negotiated.0.get() {
        case .open(let channel): return .open(channel)
        case .refused(let refusal): return .refused(try await refusal.get())
        }
    }

    private static func upgrade(_ channel: any Channel, _ head: HTTPRequestHead) throws -> EventLoopFuture<Negotiated> {
        try WebSocketUpgrade.configure(channel, head, maximumFrame: MessageLimits.frame) { channel, _ in
            try channel.pipeline.syncOperations.replaceFrameEncoder()
            return Negotiated.open(try Upgraded(wrappingChannelSynchronously: channel))
        } refused: { channel in
            let refusal = channel.eventLoop.makePromise(of: Refusal.self)
            try channel.pipeline.syncOperations.addHandler(RefusalHandler(refusal))
            return .refused(refusal.futureResult)
        }
    }
}

/// The answer to a refused upgrade.
private struct Refusal: Sendable {
    var status: HTTPResponseStatus
    var error: DeployError?
}

/// After a refused upgrade: reports the response.
private final class RefusalHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart

    private let promise: EventLoopPromise<Refusal>
    private var head: HTTPResponseHead?
    private var body = ByteBuffer()
    private var problem: any Error = ChannelError.eof

    init(_ promise: EventLoopPromise<Refusal>) { self.promise = promise }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): self.head = head
        case .body(let part): if body.readableBytes < 16_384 { body.writeImmutableBuffer(part) }
        case .end: context.close(promise: nil)
        }
    }

    // A channel that closes removes its handlers, whatever else it forgets to say.
    func handlerRemoved(context: ChannelHandlerContext) {
        guard let head else { return promise.fail(problem) }
        promise.succeed(Refusal(status: head.status, error: DeployError(refusal: body, head.headers)))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        problem = error
        context.close(promise: nil)
    }
}
