// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1

/// Ends connections that take their time: with the head of a request, with its body, or with reading the response.
///
/// Two handlers share it, since only the one before the decoder sees a request's first byte, and only the one behind
/// it its end. Lives on one event loop.
final class RequestClock {
    private enum Phase {
        /// No request is under way; how long that may be is for others to say.
        case idle
        /// A request's head is being read.
        case head
        /// Its body is: bytes so far, and how long we have waited for them.
        case body(bytes: Int, waited: TimeAmount, since: NIODeadline?)
        /// Nothing is timed any more: a WebSocket has limits of its own.
        case off
    }

    private let channel: any Channel
    private var phase = Phase.idle
    private var timer: Scheduled<Void>?
    private var unread: (count: Int, since: NIODeadline, timer: Scheduled<Void>?) = (0, .now(), nil)
    private var isReading = false

    private static let head = TimeAmount.seconds(EdgeLimits.headSeconds)
    private static let idle = TimeAmount.seconds(EdgeLimits.idleSeconds)
    private static let look = TimeAmount.seconds(2)

    init(channel: any Channel) { self.channel = channel }

    /// A request's first byte came, or could come now.
    func expectHead() {
        guard case .idle = phase else { return }
        phase = .head
        let channel = channel
        timer = channel.eventLoop.scheduleTask(in: Self.head) { channel.close(promise: nil) }
    }

    func part(_ part: HTTPServerRequestPart) {
        if case .off = phase { return }
        switch part {
        case .head:
            timer?.cancel()
            phase = .body(bytes: 0, waited: .zero, since: isReading ? .now() : nil)
            watchBody()
        case .body(let bytes):
            guard case .body(let count, let waited, let since) = phase else { return }
            let now = NIODeadline.now()
            phase = .body(
                bytes: count + bytes.readableBytes, waited: waited + (since.map { now - $0 } ?? .zero),
                since: isReading ? now : nil)
        case .end:
            timer?.cancel()
            phase = .idle
        }
    }

    /// We are ready to read; from here on it is the peer who keeps us waiting.
    func reads() {
        isReading = true
        if case .body(let bytes, let waited, nil) = phase { phase = .body(bytes: bytes, waited: waited, since: .now()) }
    }

    /// What there was has been read.
    func hasRead() {
        isReading = false
        guard case .body(let bytes, let waited, let since?) = phase else { return }
        phase = .body(bytes: bytes, waited: waited + (.now() - since), since: nil)
    }

    private func watchBody() {
        let bound = NIOLoopBound(self, eventLoop: channel.eventLoop)
        timer = channel.eventLoop.scheduleTask(in: Self.look) { bound.value.lookAtBody() }
    }

    private func lookAtBody() {
        guard case .body(let bytes, let waited, let since) = phase else { return }
        let silence = since.map { NIODeadline.now() - $0 } ?? .zero
        let allowed = Self.idle + .milliseconds(Int64(Double(bytes) / EdgeLimits.bodyRate * 1000))
        if silence > Self.idle || waited + silence > allowed { return channel.close(promise: nil) }
        watchBody()
    }

    /// Watches that what is written is read; the promise to hand down with the write.
    func writes(_ promise: EventLoopPromise<Void>?) -> EventLoopPromise<Void>? {
        if case .off = phase { return promise }
        if unread.count == 0 {
            unread.since = .now()
            watchReader()
        }
        unread.count += 1
        let watched = promise ?? channel.eventLoop.makePromise()
        let bound = NIOLoopBound(self, eventLoop: channel.eventLoop)
        watched.futureResult.whenComplete { _ in bound.value.wasRead() }
        return watched
    }

    private func wasRead() {
        unread.count -= 1
        unread.since = .now()
        if unread.count == 0 { unread.timer?.cancel() }
    }

    private func watchReader() {
        let bound = NIOLoopBound(self, eventLoop: channel.eventLoop)
        unread.timer = channel.eventLoop.scheduleTask(in: Self.idle) { bound.value.lookAtReader() }
    }

    private func lookAtReader() {
        guard unread.count > 0 else { return }
        if NIODeadline.now() - unread.since >= Self.idle { return channel.close(promise: nil) }
        watchReader()
    }

    /// Stops timing.
    func stop() {
        phase = .off
        timer?.cancel()
        unread.timer?.cancel()
    }

    /// The handler in front of the decoder.
    final class Bytes: ChannelDuplexHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundIn = ByteBuffer

        private let clock: RequestClock
        init(_ clock: RequestClock) { self.clock = clock }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            clock.expectHead()
            context.fireChannelRead(data)
        }

        func channelReadComplete(context: ChannelHandlerContext) {
            clock.hasRead()
            context.fireChannelReadComplete()
        }

        func read(context: ChannelHandlerContext) {
            clock.reads()
            context.read()
        }

        func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
            context.write(data, promise: clock.writes(promise))
        }

        func channelInactive(context: ChannelHandlerContext) {
            clock.stop()
            context.fireChannelInactive()
        }
    }

    /// The handler behind the decoder.
    final class Parts: ChannelInboundHandler, RemovableChannelHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias InboundOut = HTTPServerRequestPart

        private let clock: RequestClock
        init(_ clock: RequestClock) { self.clock = clock }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            clock.part(unwrapInboundIn(data))
            context.fireChannelRead(data)
        }
    }
}
