// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import NIOWebSocket

/// Opens a WebSocket to a Cloud: TCP, TLS, upgrade, in that order, each with its own clear failure.
public enum WebSocketDialer {
    private typealias Upgraded = NIOAsyncChannel<WebSocketFrame, WebSocketFrame>

    private enum Outcome: Sendable {
        case open(NIOAsyncChannel<WebSocketFrame, WebSocketFrame>)
        case refused(HTTPResponseStatus)
    }

    /// What the upgrade handler knows: after a refusal the response itself is delivered only once it has let go.
    private enum Negotiated: Sendable {
        case open(NIOAsyncChannel<WebSocketFrame, WebSocketFrame>)
        case refused(EventLoopFuture<HTTPResponseStatus>)
    }

    /// - Parameters:
    ///   - endpoint: Where, and whom to believe.
    ///   - path: `/ws/agent` or `/ws/operator`.
    ///   - token: The bearer token.
    ///   - timeout: For the whole of it.
    /// - Throws: `unauthenticated` (401), `forbidden` (403), `unavailable` (other refusals), `unreachable` (TCP and TLS).
    public static func dial(
        _ endpoint: ServerEndpoint, path: String, token: String, timeout: Duration = .seconds(10)
    ) async throws(DeployError) -> WebSocketLink {
        let tls = try UncheckedBox(TLSProfile.clientHandler(for: endpoint))
        let head = try requestHead(endpoint, path: path, token: token)
        let outcome: Outcome
        do {
            outcome = try await connect(endpoint, head: head, tls: tls, timeout: timeout)
        } catch {
            throw unreachable(endpoint, error)
        }
        switch outcome {
        case .open(let channel): return WebSocketLink(channel, isServer: false)
        case .refused(.unauthorized):
            throw DeployError(.unauthenticated, "\(endpoint.url) does not accept the token", hint: "tiangong login")
        case .refused(.forbidden): throw DeployError(.forbidden, "the token is not for \(path) on \(endpoint.url)")
        case .refused(let status):
            throw DeployError(.unavailable, "\(endpoint.url)\(path) answered \(status.code) \(status.reasonPhrase)")
        }
    }

    private static func requestHead(
        _ endpoint: ServerEndpoint, path: String, token: String
    ) throws(DeployError) -> HTTPRequestHead {
        guard token.utf8.allSatisfy({ (33...126).contains($0) }), !token.isEmpty, token.utf8.count <= 4096 else {
            throw DeployError(.unauthenticated, "the token is empty or has characters a token cannot have")
        }
        var headers = HTTPHeaders()
        headers.add(
            name: "Host",
            value: "\(endpoint.host.contains(":") ? "[\(endpoint.host)]" : endpoint.host):\(endpoint.port)")
        headers.add(name: "Authorization", value: "Bearer \(token)")
        headers.add(name: "User-Agent", value: "tiangong/\(ProtocolVersion.product)")
        headers.add(name: "Content-Length", value: "0")
        return HTTPRequestHead(version: .http1_1, method: .GET, uri: path, headers: headers)
    }

    private static func connect(
        _ endpoint: ServerEndpoint, head: HTTPRequestHead, tls: UncheckedBox<NIOSSLClientHandler>, timeout: Duration
    ) async throws -> Outcome {
        let limit = TimeAmount(timeout)
        let negotiated = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(limit)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .connect(host: endpoint.host, port: endpoint.port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(tls.value)
                    let timer = channel.eventLoop.scheduleTask(in: limit) { channel.close(promise: nil) }
                    return (try upgrade(channel, head), timer)
                }
            }
        defer { negotiated.1.cancel() }
        switch try await negotiated.0.get() {
        case .open(let channel): return .open(channel)
        case .refused(let status): return .refused(try await status.get())
        }
    }

    private static func upgrade(_ channel: any Channel, _ head: HTTPRequestHead) throws -> EventLoopFuture<Negotiated> {
        let upgrader = NIOTypedWebSocketClientUpgrader<Negotiated>(maxFrameSize: MessageLimits.frame) { channel, _ in
            channel.eventLoop.makeCompletedFuture {
                .open(try Upgraded(wrappingChannelSynchronously: channel))
            }
        }
        let configuration = NIOTypedHTTPClientUpgradeConfiguration<Negotiated>(
            upgradeRequestHead: head, upgraders: [upgrader]
        ) { channel in
            channel.eventLoop.makeCompletedFuture {
                let status = channel.eventLoop.makePromise(of: HTTPResponseStatus.self)
                try channel.pipeline.syncOperations.addHandler(RefusalHandler(status))
                return .refused(status.futureResult)
            }
        }
        return try channel.pipeline.syncOperations.configureUpgradableHTTPClientPipeline(
            configuration: .init(upgradeConfiguration: configuration))
    }

    private static func unreachable(_ endpoint: ServerEndpoint, _ error: any Error) -> DeployError {
        let text = String(describing: error)
        switch error {
        case is NIOSSLError where text.lowercased().contains("certificate"),
            is BoringSSLError, is NIOSSLExtraError:
            return DeployError(
                .unreachable, "\(endpoint.url): the server's certificate is not trusted (\(text))",
                hint: "--ca-file or --fingerprint of this server; tiangong-cloud fingerprint prints it")
        case let error as NIOConnectionError:
            let cause = error.connectionErrors.first.map { String(describing: $0.error) } ?? "name cannot be resolved"
            return DeployError(
                .unreachable, "\(endpoint.url) cannot be reached: \(cause)", hint: "is tiangong-cloud running?")
        case is ChannelError, is IOError:
            return DeployError(.unreachable, "\(endpoint.url) closed the connection during the handshake (\(text))")
        default:
            return DeployError(.unreachable, "\(endpoint.url) cannot be reached: \(text)")
        }
    }
}

/// Carries a handler from its making to its channel's event loop; nobody else holds it.
private struct UncheckedBox<Value>: @unchecked Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
}

/// After a refused upgrade: reports the response's status.
private final class RefusalHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart

    private let status: EventLoopPromise<HTTPResponseStatus>

    init(_ status: EventLoopPromise<HTTPResponseStatus>) { self.status = status }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .head(let head) = unwrapInboundIn(data) {
            status.succeed(head.status)
            context.close(promise: nil)
        }
    }

    // A channel that closes removes its handlers, whatever else it forgets to say.
    func handlerRemoved(context: ChannelHandlerContext) { status.fail(ChannelError.eof) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        status.fail(error)
        context.close(promise: nil)
    }
}
