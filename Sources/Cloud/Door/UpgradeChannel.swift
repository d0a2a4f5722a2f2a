// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import NIOWebSocket

/// One TLS port for both: a connection becomes a WebSocket when its first request asks for one and may have it;
/// otherwise it is plain HTTP for the router.
struct UpgradeChannel: ServerChildChannel, HTTPChannelHandler {
    enum Outcome: Sendable {
        case http(NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>)
        case webSocket(NIOAsyncChannel<WebSocketFrame, WebSocketFrame>, Identity)
    }

    struct Value: ServerChildChannelValue {
        let channel: any Channel
        let negotiated: EventLoopFuture<Outcome>
    }

    let responder: HTTPChannelHandler.Responder
    let policy: UpgradePolicy
    /// Serves an upgraded link until it ends.
    let serve: @Sendable (WebSocketLink, Identity) async -> Void

    /// How long TLS and the first request may take.
    private static let deadline = TimeAmount.seconds(10)

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            let timer = channel.eventLoop.scheduleTask(in: Self.deadline) { channel.close(promise: nil) }
            let verified = VerifiedIdentity()
            let keeper = NIOLoopBound(UpgradeRequestKeeper(), eventLoop: channel.eventLoop)
            let upgrader = NIOTypedWebSocketServerUpgrader<Outcome>(
                maxFrameSize: MessageLimits.frame,
                shouldUpgrade: { channel, head in
                    let promise = channel.eventLoop.makePromise(of: HTTPHeaders?.self)
                    promise.completeWithTask {
                        // A refused request goes to the router, which says why.
                        guard let identity = try? await policy.identity(for: head) else { return nil }
                        verified.set(identity)
                        return HTTPHeaders()
                    }
                    return promise.futureResult
                },
                upgradePipelineHandler: { channel, _ in
                    timer.cancel()
                    return channel.eventLoop.makeCompletedFuture {
                        channel.pipeline.syncOperations.removeHandler(keeper.value, promise: nil)
                        guard let identity = verified.identity else {
                            throw ChannelError.inappropriateOperationForState
                        }
                        // The server's channels allow half-closure, for HTTP; a WebSocket whose peer has gone has ended.
                        try channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: false)
                        return .webSocket(try NIOAsyncChannel(wrappingChannelSynchronously: channel), identity)
                    }
                })
            var configuration = NIOUpgradableHTTPServerPipelineConfiguration(
                upgradeConfiguration: NIOTypedHTTPServerUpgradeConfiguration(upgraders: [upgrader]) { channel in
                    timer.cancel()
                    return channel.eventLoop.makeCompletedFuture { .http(try plain(channel, keeper.value, logger)) }
                })
            configuration.enablePipelining = false
            configuration.enableErrorHandling = true
            configuration.enableResponseHeaderValidation = false
            configuration.decoderConfiguration.maxHeaderFieldSize = 8 << 10
            configuration.decoderConfiguration.maxHeaderListSize = 16 << 10
            configuration.decoderConfiguration.maxHeaderFieldCount = 100
            let negotiated = try channel.pipeline.syncOperations.configureUpgradableHTTPServerPipeline(
                configuration: configuration)
            let decider = try channel.pipeline.syncOperations.handler(
                type: NIOTypedHTTPServerUpgradeHandler<Outcome>.self)
            try channel.pipeline.syncOperations.addHandler(keeper.value, position: .before(decider))
            return Value(channel: channel, negotiated: negotiated)
        }
    }

    private func plain(
        _ channel: any Channel, _ keeper: UpgradeRequestKeeper, _ logger: Logger
    ) throws -> NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart> {
        try channel.pipeline.syncOperations.addHandler(HTTP1ToHTTPServerCodec(secure: true))
        try channel.pipeline.syncOperations.addHandler(
            HTTPConnectionStateHandler(idleTimeout: .seconds(30), logger: logger))
        let http = try NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>(
            wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
        keeper.replay(
            behind: try channel.pipeline.syncOperations.context(
                handlerType: NIOTypedHTTPServerUpgradeHandler<Outcome>.self))
        channel.pipeline.syncOperations.removeHandler(keeper, promise: nil)
        return http
    }

    func handle(value: Value, logger: Logger) async {
        do {
            switch try await value.negotiated.get() {
            case .http(let channel): await handleHTTP(asyncChannel: channel, logger: logger)
            case .webSocket(let channel, let identity):
                let isOperator = if case .operator = identity { true } else { false }
                let outbox = Outbox(bulkLimit: isOperator ? 1 << 20 : 4 << 20)
                await serve(WebSocketLink(channel, isServer: true, outbox: outbox), identity)
            }
        } catch {
            logger.debug("connection ended before its first request", metadata: ["error": "\(error)"])
            MalformedRequest.answer(on: value.channel)
        }
    }
}
