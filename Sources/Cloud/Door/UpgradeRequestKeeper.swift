// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1

/// Keeps the request that asks for an upgrade: NIO's upgrade handler drops it when no upgrade comes of it, and its
/// sender would wait for an answer for ever. Sits in front of that handler until the decision.
final class UpgradeRequestKeeper: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart

    private var head: HTTPRequestHead?
    private var hasEnded = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !hasEnded else { return context.fireChannelRead(data) }
        switch unwrapInboundIn(data) {
        case .head(let head): if head.headers.contains(name: "Upgrade") { self.head = head }
        // A request that asks for another protocol has no body; one that has is refused.
        case .body: if head != nil { return HTTPRefusal.answer(HTTPRefusal.malformed, on: context.channel) }
        case .end: hasEnded = true
        }
        context.fireChannelRead(data)
    }

    /// Hands the kept request to the handlers behind `dropper`; does nothing when there was no `Upgrade` header.
    func replay(behind dropper: ChannelHandlerContext) {
        guard let head = head.take() else { return }
        dropper.fireChannelRead(wrapInboundOut(.head(head)))
        if hasEnded { dropper.fireChannelRead(wrapInboundOut(.end(nil))) }
        dropper.fireChannelReadComplete()
    }
}
