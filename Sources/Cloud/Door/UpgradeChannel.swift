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
        case http(NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>, PeerConnection)
        case webSocket(NIOAsyncChannel<WebSocketFrame, WebSocketFrame>, Identity, PeerConnection)
        case refused
    }

    struct Value: ServerChildChannelValue {
        let channel: any Channel
        /// Nil when the connection was not admitted.
        let negotiated: EventLoopFuture<Outcome>?
    }

    let responder: HTTPChannelHandler.Responder
    let policy: UpgradePolicy
    let tls: ServerTLS
    /// Serves an upgraded link until it ends.
    let serve: @Sendable (WebSocketLink, Identity) async -> Void

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            let address = channel.remoteAddress?.ipAddress ?? "unknown"
            guard let place = policy.edge.gate.admit(address) else {
                channel.close(promise: nil)
                return Value(channel: channel, negotiated: nil)
            }
            channel.closeFuture.whenComplete { _ in place.giveBack() }
            let peer = PeerConnection(address: address, place: place)
            let clock = RequestClock(channel: channel)
            let secure = tls.handler()
            try channel.pipeline.syncOperations.addHandler(secure)
            try channel.pipeline.syncOperations.addHandler(
                HandshakeHandler(peer: peer, certificates: policy.certificates, tls: secure) { clock.expectHead() })
            try channel.pipeline.syncOperations.addHandler(RequestClock.Bytes(clock))

            let handlers = NIOLoopBound(
                (
                    parts: RequestClock.Parts(clock), keeper: UpgradeRequestKeeper(), clock: clock,
                    rules: RequestGuard(peer)
                ),
                eventLoop: channel.eventLoop)
            let upgrader = upgrader(peer) { channel in
                handlers.value.clock.stop()
                channel.pipeline.syncOperations.removeHandler(handlers.value.keeper, promise: nil)
                channel.pipeline.syncOperations.removeHandler(handlers.value.parts, promise: nil)
                channel.pipeline.syncOperations.removeHandler(handlers.value.rules, promise: nil)
            }
            var configuration = NIOUpgradableHTTPServerPipelineConfiguration(
                upgradeConfiguration: NIOTypedHTTPServerUpgradeConfiguration(upgraders: [upgrader]) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        if case .failure(let error)? = peer.decision {
                            channel.pipeline.syncOperations.removeHandler(handlers.value.keeper, promise: nil)
                            HTTPRefusal.answer(error, on: channel)
                            return .refused
                        }
                        return .http(try plain(channel, handlers.value.keeper, logger), peer)
                    }
                })
            configuration.enablePipelining = false
            configuration.enableErrorHandling = false  // the guard answers what cannot be decoded
            configuration.enableResponseHeaderValidation = false
            configuration.decoderConfiguration.maxHeaderFieldSize = EdgeLimits.fieldBytes
            configuration.decoderConfiguration.maxHeaderListSize = EdgeLimits.headBytes
            configuration.decoderConfiguration.maxHeaderFieldCount = EdgeLimits.fieldCount
            let negotiated = try channel.pipeline.syncOperations.configureUpgradableHTTPServerPipeline(
                configuration: configuration)
            let decider = try channel.pipeline.syncOperations.handler(
                type: NIOTypedHTTPServerUpgradeHandler<Outcome>.self)
            try channel.pipeline.syncOperations.addHandler(handlers.value.rules, position: .before(decider))
            try channel.pipeline.syncOperations.addHandler(handlers.value.parts, position: .before(decider))
            try channel.pipeline.syncOperations.addHandler(handlers.value.keeper, position: .before(decider))
            return Value(channel: channel, negotiated: negotiated)
        }
    }

    /// - Parameter clear: Takes what only plain HTTP needs out of the pipeline.
    private func upgrader(
        _ peer: PeerConnection, clear: @escaping @Sendable (any Channel) -> Void
    ) -> NIOTypedWebSocketServerUpgrader<Outcome> {
        NIOTypedWebSocketServerUpgrader<Outcome>(
            maxFrameSize: MessageLimits.frame,
            shouldUpgrade: { channel, head in
                guard let kind = UpgradePolicy.kind(of: head) else {
                    return channel.eventLoop.makeSucceededFuture(nil)  // the router says what there is instead
                }
                let promise = channel.eventLoop.makePromise(of: HTTPHeaders?.self)
                promise.completeWithTask {
                    do throws(DeployError) {
                        let identity = try await policy.identity(
                            for: head, kind: kind, peer: peer, port: channel.localAddress?.port)
                        try policy.edge.gate.begin(identity.credential)
                        channel.closeFuture.whenComplete { _ in policy.edge.gate.end(identity.credential) }
                        peer.decide(.success(identity))
                        return HTTPHeaders()
                    } catch {
                        peer.decide(.failure(error))
                        return nil
                    }
                }
                return promise.futureResult
            },
            upgradePipelineHandler: { channel, _ in
                channel.eventLoop.makeCompletedFuture {
                    clear(channel)
                    guard case .success(let identity)? = peer.decision else {
                        throw ChannelError.inappropriateOperationForState
                    }
                    peer.giveBackPlace()
                    // The server's channels allow half-closure, for HTTP; a WebSocket whose peer has gone has ended.
                    try channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: false)
                    return .webSocket(try NIOAsyncChannel(wrappingChannelSynchronously: channel), identity, peer)
                }
            })
    }

    private func plain(
        _ channel: any Channel, _ keeper: UpgradeRequestKeeper, _ logger: Logger
    ) throws -> NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart> {
        try channel.pipeline.syncOperations.addHandler(HTTP1ToHTTPServerCodec(secure: true))
        try channel.pipeline.syncOperations.addHandler(
            HTTPConnectionStateHandler(idleTimeout: .seconds(EdgeLimits.idleSeconds), logger: logger))
        let http = try NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>(
            wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
        keeper.replay(
            behind: try channel.pipeline.syncOperations.context(
                handlerType: NIOTypedHTTPServerUpgradeHandler<Outcome>.self))
        channel.pipeline.syncOperations.removeHandler(keeper, promise: nil)
        return http
    }

    func handle(value: Value, logger: Logger) async {
        guard let negotiated = value.negotiated else { return }
        do {
            switch try await negotiated.get() {
            case .http(let channel, let peer):
                await PeerConnection.$current.withValue(peer) {
                    await handleHTTP(asyncChannel: channel, logger: logger)
                }
            case .refused: try await value.channel.closeFuture.get()
            case .webSocket(let channel, let identity, let peer): await serve(channel, identity, peer)
            }
        } catch {
            logger.debug("connection ended before its first request", metadata: ["error": "\(error)"])
            HTTPRefusal.answer(HTTPRefusal.malformed, on: value.channel)
        }
    }

    private func serve(
        _ channel: NIOAsyncChannel<WebSocketFrame, WebSocketFrame>, _ identity: Identity, _ peer: PeerConnection
    ) async {
        let isOperator = if case .operator = identity { true } else { false }
        let link = WebSocketLink(channel, isServer: true, outbox: Outbox(bulkLimit: isOperator ? 1 << 20 : 4 << 20))
        guard let certificate = peer.certificate else { return await serve(link, identity) }
        // It may have been revoked since the handshake; the link runs even so, or it would never be closed.
        if !policy.certificates.attach(link, certificate) { link.close(.policy("certificate revoked")) }
        await serve(link, identity)
        policy.certificates.detach(link)
    }
}
