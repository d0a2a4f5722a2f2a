// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import NIOWebSocket

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

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
        let tls = try UncheckedBox(TLSProfile.clientHandler(for: endpoint, identity: identity))
        let head = try requestHead(endpoint, path: path, token: token)
        let outcome: Outcome
        do {
            outcome = try await connect(endpoint, head: head, tls: tls, timeout: timeout)
        } catch {
            throw unreachable(endpoint, error)
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
        case .refused(let refusal): return .refused(try await refusal.get())
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
                let refusal = channel.eventLoop.makePromise(of: Refusal.self)
                try channel.pipeline.syncOperations.addHandler(RefusalHandler(refusal))
                return .refused(refusal.futureResult)
            }
        }
        var pipeline = NIOUpgradableHTTPClientPipelineConfiguration(upgradeConfiguration: configuration)
        // The first frames may come in one piece with the response.
        pipeline.leftOverBytesStrategy = .forwardBytes
        return try channel.pipeline.syncOperations.configureUpgradableHTTPClientPipeline(configuration: pipeline)
    }

    private static func unreachable(_ endpoint: ServerEndpoint, _ error: any Error) -> DeployError {
        let text = String(describing: error)
        switch error {
        case is BoringSSLError where text.contains("ALERT") && text.lowercased().contains("certificate"):
            return DeployError(
                .unreachable,
                "\(endpoint.url) refuses this client's certificate: revoked, expired or not of its authority",
                hint: "enrol this agent again: tiangong-agent enrol")
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

/// The answer to a refused upgrade.
private struct Refusal: Sendable {
    var status: HTTPResponseStatus
    var error: DeployError?
}

/// After a refused upgrade: reports the response.
private final class RefusalHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart

    private struct Body: Decodable { var error: DeployError }

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
        var refusal = Refusal(status: head.status)
        let json = Data(body.readableBytesView)
        if (try? JSONLimits.check(json)) != nil {
            refusal.error = try? JSONDecoder().decode(Body.self, from: json).error
        }
        if let seconds = head.headers.first(name: "Retry-After").flatMap({ Int($0) }) {
            refusal.error = refusal.error ?? DeployError(.rateLimited)
            refusal.error?.retryAfter = seconds
        }
        promise.succeed(refusal)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        problem = error
        context.close(promise: nil)
    }
}
