// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1
import NIOTLS

/// The end of a connection's pipeline: hands answers to their exchange, holds back reading, and ends what stands still.
final class TransferHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundIn = HTTPClientRequestPart
    typealias OutboundOut = HTTPClientRequestPart

    private let endpoint: ServerEndpoint
    private let handshake: EventLoopPromise<Void>
    /// Called when an answer is complete and another request may follow.
    private let onIdle: () -> Void
    private var exchange: TransferExchange?
    private var patience = TimeAmount.zero
    private var answer: HTTPResponseHead?
    private var problem: (any Error)?
    private var isRequestSent = false
    private var readIsHeld = false
    private var pendingWrites = 0
    private var buffered = 0
    private var lastMove = NIODeadline.now()
    private var timer: Scheduled<Void>?

    /// How long a few bytes wait for more before their task is woken.
    private static let moment = TimeAmount.milliseconds(2)

    init(endpoint: ServerEndpoint, handshake: EventLoopPromise<Void>, onIdle: @escaping () -> Void) {
        self.endpoint = endpoint
        self.handshake = handshake
        self.onIdle = onIdle
    }

    /// Starts an exchange on a connection that has none.
    func begin(_ exchange: TransferExchange, patience: TimeAmount, channel: any Channel) {
        guard channel.isActive, problem == nil else {
            return exchange.fail(failure("is closed"))
        }
        self.exchange = exchange
        self.patience = patience
        answer = nil
        isRequestSent = false
        lastMove = .now()
        watch(channel)
    }

    /// The task has caught up.
    func resumeReading(context: ChannelHandlerContext) {
        guard readIsHeld else { return }
        readIsHeld = false
        lastMove = .now()
        context.read()
    }

    // MARK: Reading

    func read(context: ChannelHandlerContext) {
        if exchange?.isPaused ?? false { readIsHeld = true } else { context.read() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        lastMove = .now()
        guard let exchange else { return context.close(promise: nil) }
        switch unwrapInboundIn(data) {
        case .head(let head):
            answer = head
            exchange.receive(head)
        case .body(let bytes):
            if exchange.receive(bytes) == .wakeSoon {
                context.eventLoop.scheduleTask(in: Self.moment) { exchange.wake() }
            }
        case .end:
            // A connection over which not all was sent, or that the server ends, carries no other request.
            let isReusable = isRequestSent && answer?.isKeepAlive ?? false && context.channel.isActive
            self.exchange = nil
            timer?.cancel()
            // First, since the exchange lets go of the connection.
            if isReusable { onIdle() } else { context.close(promise: nil) }
            exchange.complete()
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted? = event as? TLSUserEvent { handshake.succeed() }
        context.fireUserInboundEventTriggered(event)
    }

    // MARK: Writing

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .end = unwrapOutboundIn(data) { isRequestSent = true }
        if pendingWrites == 0 { lastMove = .now() }
        pendingWrites += 1
        let written = promise ?? context.eventLoop.makePromise()
        written.futureResult.assumeIsolated().whenComplete { _ in
            self.pendingWrites -= 1
            self.lastMove = .now()
        }
        context.write(data, promise: written)
    }

    // MARK: Ends

    private func watch(_ channel: any Channel) {
        let interval = max(TimeAmount.nanoseconds(patience.nanoseconds / 6), .milliseconds(20))
        timer = channel.eventLoop.assumeIsolated().scheduleTask(in: interval) { self.look(channel) }
    }

    private func look(_ channel: any Channel) {
        guard let exchange else { return }
        // What is written in one piece leaves in many; each of them is a sign of life.
        let left = (try? channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
        let isOurTurn = pendingWrites == 0 && (!isRequestSent || exchange.isPaused)
        if left < buffered || isOurTurn { lastMove = .now() }
        buffered = left
        guard NIODeadline.now() - lastMove < patience else {
            let seconds = Double(patience.nanoseconds) / 1e9
            self.exchange = nil
            exchange.fail(failure("has not moved a byte for \(seconds) s"))
            return channel.close(promise: nil)
        }
        watch(channel)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        problem = problem ?? error
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { end() }

    private func end() {
        timer?.cancel()
        handshake.fail(problem ?? ChannelError.eof)
        exchange?.fail(failure("closed the connection before the answer was complete"))
        exchange = nil
    }

    private func failure(_ what: String) -> DeployError {
        guard let problem, !(problem is HTTPParserError) else {
            return DeployError(.unreachable, "\(endpoint.url) \(what)")
        }
        return DeployError(.unreachable, "\(endpoint.url) \(what) (\(problem))")
    }
}
