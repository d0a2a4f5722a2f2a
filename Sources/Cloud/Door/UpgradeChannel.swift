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
import Synchronization

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
            let box = VerifiedIdentity()
            let upgrader = NIOTypedWebSocketServerUpgrader<Outcome>(
                maxFrameSize: MessageLimits.frame,
                shouldUpgrade: { channel, head in
                    let promise = channel.eventLoop.makePromise(of: HTTPHeaders?.self)
                    promise.completeWithTask {
                        guard let identity = try? await policy.identity(for: head) else { return nil }
                        box.set(identity)
                        return HTTPHeaders()
                    }
                    return promise.futureResult
                },
                upgradePipelineHandler: { channel, _ in
                    timer.cancel()
                    return channel.eventLoop.makeCompletedFuture {
                        guard let identity = box.get() else { throw ChannelError.inappropriateOperationForState }
                        // The server's channels allow half-closure, for HTTP; a WebSocket whose peer has gone has ended.
                        try channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: false)
                        return .webSocket(try NIOAsyncChannel(wrappingChannelSynchronously: channel), identity)
                    }
                })
            var configuration = NIOUpgradableHTTPServerPipelineConfiguration(
                upgradeConfiguration: NIOTypedHTTPServerUpgradeConfiguration(upgraders: [upgrader]) { channel in
                    timer.cancel()
                    return channel.eventLoop.makeCompletedFuture { .http(try plain(channel, logger)) }
                })
            configuration.enablePipelining = false
            configuration.enableErrorHandling = true
            configuration.enableResponseHeaderValidation = false
            configuration.decoderConfiguration.maxHeaderFieldSize = 8 << 10
            configuration.decoderConfiguration.maxHeaderListSize = 16 << 10
            configuration.decoderConfiguration.maxHeaderFieldCount = 100
            let negotiated = try channel.pipeline.syncOperations.configureUpgradableHTTPServerPipeline(
                configuration: configuration)
            return Value(channel: channel, negotiated: negotiated)
        }
    }

    private func plain(
        _ channel: any Channel, _ logger: Logger
    ) throws -> NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart> {
        try channel.pipeline.syncOperations.addHandler(HTTP1ToHTTPServerCodec(secure: true))
        try channel.pipeline.syncOperations.addHandler(
            HTTPConnectionStateHandler(idleTimeout: .seconds(30), logger: logger))
        return try NIOAsyncChannel(
            wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
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
        }
    }
}

/// Carries the verified identity from the upgrade decision to the upgraded channel of the same connection.
private final class VerifiedIdentity: Sendable {
    private let identity = Mutex<Identity?>(nil)
    func set(_ value: Identity) { identity.withLock { $0 = value } }
    func get() -> Identity? { identity.withLock { $0 } }
}
