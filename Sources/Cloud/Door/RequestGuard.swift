// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore
import NIOHTTP1

/// Refuses requests that two servers in a row could read differently, and ends connections after a response that says
/// so. Sits right behind the decoder, for every request of a connection.
final class RequestGuard: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private let peer: PeerConnection
    /// Requests handed on whose responses are not complete.
    private var unanswered = 0
    /// Nothing more is read: the connection ends with what is being written.
    private var isEnding = false

    /// How long the peer has to read the last response before the connection is cut.
    private static let linger = TimeAmount.seconds(2)

    init(_ peer: PeerConnection) { self.peer = peer }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed? = event as? ChannelEvent { peer.hangUp() }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        peer.hangUp()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isEnding else { return }
        if case .head(let head) = unwrapInboundIn(data) {
            guard RequestRules.allow(head) else { return refuse(context) }
            unanswered += 1
        }
        context.fireChannelRead(data)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard error is HTTPParserError || error is NIOHTTPDecoderError else { return context.fireErrorCaught(error) }
        if !isEnding { refuse(context) }
    }

    private func refuse(_ context: ChannelHandlerContext) {
        isEnding = true
        // In the middle of another response there is no room for one.
        guard unanswered == 0 else { return context.close(promise: nil) }
        for part in HTTPRefusal.parts(HTTPRefusal.malformed) { context.write(wrapOutboundOut(part), promise: nil) }
        context.flush()
        end(context)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(let head):
            if head.headers[canonicalForm: "Connection"].contains(where: { $0.lowercased() == "close" }) {
                isEnding = true
            }
        case .body: break
        case .end:
            unanswered = max(0, unanswered - 1)
            guard isEnding else { break }
            let ended = promise ?? context.eventLoop.makePromise()
            let bound = NIOLoopBound((guard: self, context: context), eventLoop: context.eventLoop)
            ended.futureResult.whenSuccess { bound.value.guard.end(bound.value.context) }
            return context.writeAndFlush(data, promise: ended)
        }
        context.write(data, promise: promise)
    }

    /// Says that nothing more is sent, and cuts the connection once the peer had time to read what was.
    private func end(_ context: ChannelHandlerContext) {
        let channel = context.channel
        context.close(mode: .output, promise: nil)
        channel.eventLoop.scheduleTask(in: Self.linger) { channel.close(promise: nil) }
    }
}

/// What a request's head must be for every server on its way to read it the same.
enum RequestRules {
    static func allow(_ head: HTTPRequestHead) -> Bool {
        guard head.version == .http1_1 || head.version == .http1_0 else { return false }
        guard head.uri.utf8.allSatisfy({ (0x21...0x7E).contains($0) }), allowsTarget(head) else { return false }
        for (name, value) in head.headers {
            guard !name.isEmpty, name.utf8.allSatisfy(isToken),
                value.utf8.allSatisfy({ $0 == 9 || $0 >= 0x20 && $0 != 0x7F })
            else { return false }
        }
        let hosts = head.headers["Host"]
        guard hosts.count == 1 || hosts.isEmpty && head.version == .http1_0, hosts.allSatisfy(isHost) else {
            return false
        }
        let lengths = head.headers["Content-Length"]
        let codings = head.headers["Transfer-Encoding"]
        if codings.isEmpty { return lengths.isEmpty || lengths.count == 1 && isLength(lengths[0]) }
        return lengths.isEmpty && codings.count == 1 && codings[0].lowercased() == "chunked" && head.version == .http1_1
    }

    private static func allowsTarget(_ head: HTTPRequestHead) -> Bool {
        switch head.method {
        case .CONNECT: true  // answered with 405 whatever it is for
        case .OPTIONS: head.uri == "*" || head.uri.hasPrefix("/")
        default: head.uri.hasPrefix("/")
        }
    }

    private static func isToken(_ byte: UInt8) -> Bool {
        (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
            || "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }

    private static func isHost(_ host: String) -> Bool {
        !host.isEmpty
            && host.utf8.allSatisfy {
                (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0)
                    || "-._~:[]%".utf8.contains($0)
            }
    }

    private static func isLength(_ text: String) -> Bool {
        (1...18).contains(text.utf8.count) && text.utf8.allSatisfy { (48...57).contains($0) }
    }
}
