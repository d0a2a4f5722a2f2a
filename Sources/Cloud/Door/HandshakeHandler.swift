// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore
import NIOSSL
import NIOTLS

/// Ends a TLS handshake that takes too long, and notes the certificate that it has verified.
final class HandshakeHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    private let peer: PeerConnection
    private let certificates: ClientCertificates
    private let tls: NIOSSLServerHandler
    private let whenDone: () -> Void
    private var timer: Scheduled<Void>?

    /// - Parameter whenDone: Called on the event loop once the handshake is over.
    init(
        peer: PeerConnection, certificates: ClientCertificates, tls: NIOSSLServerHandler, whenDone: @escaping () -> Void
    ) {
        self.peer = peer
        self.certificates = certificates
        self.tls = tls
        self.whenDone = whenDone
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let channel = context.channel
        timer = context.eventLoop.scheduleTask(in: .seconds(EdgeLimits.handshakeSeconds)) {
            channel.close(mode: .all, promise: nil)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) { timer?.cancel() }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .handshakeCompleted = event as? TLSUserEvent else {
            return context.fireUserInboundEventTriggered(event)
        }
        timer?.cancel()
        // A resumed session brings its certificate along without showing it again, so it is looked at here too.
        if let shown = tls.peerCertificate {
            guard let der = try? shown.toDERBytes(), let certificate = ClientCertificate(der: der),
                certificates.accepts(certificate)
            else { return context.close(promise: nil) }
            peer.show(certificate)
        }
        whenDone()
        context.fireUserInboundEventTriggered(event)
    }
}
