// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// One connection to a server, for one request after the other.
final class TransferConnection: Sendable {
    private let channel: any Channel
    private let handler: NIOLoopBound<TransferHandler>

    private init(_ channel: any Channel, _ handler: NIOLoopBound<TransferHandler>) {
        self.channel = channel
        self.handler = handler
    }

    /// What is read from the socket at once.
    private static let readSize = 256 << 10

    /// Connects and shakes hands.
    ///
    /// - Parameters:
    ///   - endpoint: Where.
    ///   - tls: Whom to believe, and what to show.
    ///   - timeout: For each of both.
    ///   - onIdle: Called when an answer is complete and another request may follow.
    /// - Throws: `unreachable`.
    static func open(
        _ endpoint: ServerEndpoint, tls: ClientTLS, timeout: TimeAmount,
        onIdle: @escaping @Sendable (TransferConnection) -> Void
    ) async throws(DeployError) -> TransferConnection {
        do {
            let (connection, handshake) = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connectTimeout(timeout)
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: readSize))
                .connect(host: endpoint.host, port: endpoint.port) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try setUp(channel, endpoint, tls, timeout, onIdle)
                    }
                }
            try await handshake.get()
            return connection
        } catch {
            throw endpoint.unreachable(error)
        }
    }

    private static func setUp(
        _ channel: any Channel, _ endpoint: ServerEndpoint, _ tls: ClientTLS, _ timeout: TimeAmount,
        _ onIdle: @escaping @Sendable (TransferConnection) -> Void
    ) throws -> (TransferConnection, EventLoopFuture<Void>) {
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = 8 << 10
        limits.maxHeaderListSize = 16 << 10
        limits.maxHeaderFieldCount = 100
        let handshake = channel.eventLoop.makePromise(of: Void.self)
        let timer = channel.eventLoop.scheduleTask(in: timeout) {
            handshake.fail(
                DeployError(.unreachable, "\(endpoint.url) did not answer the TLS handshake in time"))
            channel.close(promise: nil)
        }
        handshake.futureResult.whenComplete { _ in timer.cancel() }
        // The handler belongs to the channel, which the connection holds, and must not hold the connection itself.
        let box = WeakConnection()
        let handler = TransferHandler(endpoint: endpoint, handshake: handshake) {
            if let connection = box.connection { onIdle(connection) }
        }
        let decoder = HTTPResponseDecoder(
            leftOverBytesStrategy: .dropBytes, informationalResponseStrategy: .drop, limitConfiguration: limits)
        do {
            try channel.pipeline.syncOperations.addHandlers(
                tls.handler(), HTTPRequestEncoder(), ByteToMessageHandler(decoder), handler)
        } catch {
            handshake.fail(error)
            throw error
        }
        let connection = TransferConnection(channel, NIOLoopBound(handler, eventLoop: channel.eventLoop))
        box.connection = connection
        return (connection, handshake.futureResult)
    }

    deinit { channel.close(promise: nil) }

    /// Whether it can carry a request.
    var isActive: Bool { channel.isActive }

    /// Sends a request's head, and its body if it is at hand; `send` and `finish` follow otherwise.
    func begin(
        _ exchange: TransferExchange, _ head: HTTPRequestHead, body: ByteBuffer?, patience: TimeAmount
    ) {
        exchange.attach(self)
        let (channel, handler) = (channel, handler)
        channel.eventLoop.execute {
            handler.value.begin(exchange, patience: patience, channel: channel)
            channel.write(HTTPClientRequestPart.head(head), promise: nil)
            guard let body else { return channel.flush() }
            if body.readableBytes > 0 {
                channel.write(HTTPClientRequestPart.body(.byteBuffer(body)), promise: nil)
            }
            channel.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
        }
    }

    /// Sends a piece of a body; done when it has left this process.
    func send(_ bytes: ByteBuffer) -> EventLoopFuture<Void> {
        channel.writeAndFlush(HTTPClientRequestPart.body(.byteBuffer(bytes)))
    }

    /// The body was sent.
    func finish() { channel.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil) }

    /// Reads on after a pause.
    func resumeReading() {
        let (channel, handler) = (channel, handler)
        channel.eventLoop.execute {
            guard let context = try? channel.pipeline.syncOperations.context(handler: handler.value) else { return }
            handler.value.resumeReading(context: context)
        }
    }

    /// Ends it.
    func close() { channel.close(promise: nil) }
}

/// Used on one event loop.
private final class WeakConnection {
    weak var connection: TransferConnection?
}
