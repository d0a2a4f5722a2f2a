// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import NIOWebSocket

/// Opens the WebSocket over which a cluster carries a program's streams.
struct ExecDialer: Sendable {
    /// An open socket, and which of the protocols the server chose.
    struct Channel: Sendable {
        var frames: NIOAsyncChannel<WebSocketFrame, WebSocketFrame>
        var version: String
    }

    let client: KubernetesClient

    /// The largest frame, in bytes; servers send far smaller ones.
    private static let maximumFrame = 1 << 20

    private enum Negotiated: Sendable {
        case open(Channel)
        case refused(EventLoopFuture<Refusal>)
    }

    fileprivate struct Refusal: Sendable {
        var code: Int
        var body: [UInt8]
    }

    /// - Parameters:
    ///   - uri: Path and query.
    ///   - hasInput: Whether standard input is sent, whose end only `v5` can tell.
    func dial(_ uri: String, hasInput: Bool) async throws(KubernetesFailure) -> Channel {
        let token = try client.bearer()
        var headers = HTTPHeaders([
            ("Host", client.address.authority), ("User-Agent", "tiangong/\(ProtocolVersion.product)"),
            ("Content-Length", "0"),
            ("Sec-WebSocket-Protocol", hasInput ? "v5.channel.k8s.io" : "v5.channel.k8s.io, v4.channel.k8s.io"),
        ])
        if let token { headers.add(name: "Authorization", value: token) }
        let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: uri, headers: headers)
        let refusal: Refusal
        do {
            switch try await connect(head) {
            case .open(let channel): return channel
            case .refused(let promise): refusal = try await promise.get()
            }
        } catch { throw client.failure(error) }
        throw failure(refusal, hasInput: hasInput)
    }

    private func failure(_ refusal: Refusal, hasInput: Bool) -> KubernetesFailure {
        let status = KubernetesStatus(
            try? JSONText.parse(refusal.body[...], depth: KubernetesClient.depth), httpStatus: refusal.code,
            text: String(decoding: refusal.body.prefix(1000), as: UTF8.self))
        // A server that does not know the protocol says so in different ways; only rights and names are told apart from it.
        let isOther = status.denial != nil || [401, 404, 409, 429].contains(status.code) || status.code >= 500
        guard hasInput, !isOther else { return KubernetesFailure(status) }
        var failure = KubernetesFailure(status)
        failure.error = DeployError(
            .unsupported, "this cluster cannot tell a program the end of its standard input: \(status.message)",
            hint: "Kubernetes 1.30 and newer can; leave -i and the text out")
        return failure
    }

    private func connect(_ head: HTTPRequestHead) async throws -> Negotiated {
        let (address, limit, tls) = (client.address, client.connectTimeout, client.tls)
        let context = try tls.map { try NIOSSLContext(configuration: $0) }
        let isNumeric = (try? SocketAddress(ipAddress: address.host, port: address.port)) != nil
        let negotiated = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(limit)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { KeepAlive.set(on: $0) }
            .connect(host: address.host, port: address.port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let context {
                        let handler = try NIOSSLClientHandler(
                            context: context, serverHostname: isNumeric ? nil : address.host)
                        try channel.pipeline.syncOperations.addHandler(handler)
                    }
                    // The server first looks for the pod's host, which may take longer than a connection.
                    let timer = channel.eventLoop.scheduleTask(in: limit + .seconds(30)) {
                        channel.close(promise: nil)
                    }
                    return (try upgrade(channel, head), timer)
                }
            }
        defer { negotiated.1.cancel() }
        return try await negotiated.0.get()
    }

    private func upgrade(
        _ channel: any NIOCore.Channel, _ head: HTTPRequestHead
    ) throws -> EventLoopFuture<Negotiated> {
        try WebSocketUpgrade.configure(channel, head, maximumFrame: Self.maximumFrame) { channel, head in
            Negotiated.open(
                Channel(
                    frames: try NIOAsyncChannel(wrappingChannelSynchronously: channel),
                    version: head.headers.first(name: "Sec-WebSocket-Protocol") ?? ""))
        } refused: { channel in
            let refusal = channel.eventLoop.makePromise(of: Refusal.self)
            try channel.pipeline.syncOperations.addHandler(RefusalReader(refusal))
            return .refused(refusal.futureResult)
        }
    }
}

/// After a refused upgrade: reads the answer.
private final class RefusalReader: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart

    private let promise: EventLoopPromise<ExecDialer.Refusal>
    private var code: Int?
    private var body = ByteBuffer()
    private var problem: any Error = ChannelError.eof

    init(_ promise: EventLoopPromise<ExecDialer.Refusal>) { self.promise = promise }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): code = Int(head.status.code)
        case .body(let part): if body.readableBytes < 65_536 { body.writeImmutableBuffer(part) }
        case .end: context.close(promise: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        problem = error
        context.close(promise: nil)
    }

    // A channel that closes removes its handlers, whatever else it forgets to say.
    func handlerRemoved(context: ChannelHandlerContext) {
        guard let code else { return promise.fail(problem) }
        promise.succeed(.init(code: code, body: Array(body.readableBytesView)))
    }
}
