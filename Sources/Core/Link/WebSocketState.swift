// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOWebSocket

/// The rules of RFC 6455 and of our limits, as a value: frames and ticks in, actions out. It touches no socket.
struct WebSocketState {
    enum Role: Sendable { case client, server }

    enum Action: Equatable {
        /// A whole message for the owner.
        case deliver(WireFrame)
        /// Answer a ping.
        case pong(ByteBuffer)
        /// Ask whether the peer is alive.
        case ping
        /// The peer closed: answer with the same code, then end.
        case peerClosed(CloseReason)
        /// Send this close code, then end.
        case fail(CloseReason)
    }

    private let role: Role
    private let pingInterval: Duration
    private let idleLimit: Duration
    private var fragments: (isText: Bool, buffer: ByteBuffer, count: Int)?
    private var lastHeard: ContinuousClock.Instant
    private var lastPing: ContinuousClock.Instant
    private var pingWindow: (start: ContinuousClock.Instant, count: Int)
    private(set) var ended = false

    init(
        role: Role, now: ContinuousClock.Instant, pingInterval: Duration = .seconds(30),
        idleLimit: Duration = .seconds(90)
    ) {
        self.role = role
        self.pingInterval = pingInterval
        self.idleLimit = idleLimit
        lastHeard = now
        lastPing = now
        pingWindow = (now, 0)
    }

    /// What one frame from the peer asks for.
    mutating func receive(_ frame: WebSocketFrame, now: ContinuousClock.Instant) -> Action? {
        guard !ended else { return frame.opcode == .connectionClose ? .peerClosed(.normal) : nil }
        lastHeard = now
        if frame.rsv1 || frame.rsv2 || frame.rsv3 { return fail(.protocolError("reserved bit set")) }
        if (role == .server) != (frame.maskKey != nil) { return fail(.protocolError("wrong masking")) }
        var data = frame.data
        if let key = frame.maskKey { WebSocketMask.apply(key, to: &data) }
        switch frame.opcode {
        case .text, .binary: return first(data, isText: frame.opcode == .text, fin: frame.fin)
        case .continuation: return next(data, fin: frame.fin)
        case .ping: return ping(data, now: now)
        case .pong: return nil
        case .connectionClose: return close(data)
        default: return fail(.protocolError("reserved opcode"))
        }
    }

    /// What the passing of time asks for.
    mutating func tick(now: ContinuousClock.Instant) -> Action? {
        guard !ended else { return nil }
        if now - lastHeard > idleLimit { return fail(.idle) }
        if now - max(lastPing, lastHeard) >= pingInterval {
            lastPing = now
            return .ping
        }
        return nil
    }

    private mutating func fail(_ reason: CloseReason) -> Action {
        ended = true
        fragments = nil
        return .fail(reason)
    }

    private mutating func first(_ data: ByteBuffer, isText: Bool, fin: Bool) -> Action? {
        guard fragments == nil else { return fail(.protocolError("new message inside a fragmented one")) }
        if fin { return deliver(data, isText: isText) }
        fragments = (isText, data, 1)
        return nil
    }

    private mutating func next(_ data: ByteBuffer, fin: Bool) -> Action? {
        guard var message = fragments else { return fail(.protocolError("continuation without a start")) }
        fragments = nil
        message.count += 1
        let (bytes, parts) =
            role == .server
            ? (MessageLimits.message, MessageLimits.fragments)
            : (MessageLimits.answer, MessageLimits.answerFragments)
        guard message.count <= parts, message.buffer.readableBytes + data.readableBytes <= bytes
        else { return fail(CloseReason(code: 1009, reason: "message too big")) }
        message.buffer.writeImmutableBuffer(data)
        if fin { return deliver(message.buffer, isText: message.isText) }
        fragments = message
        return nil
    }

    private mutating func deliver(_ data: ByteBuffer, isText: Bool) -> Action {
        guard isText else { return .deliver(.binary(data)) }
        guard data.withUnsafeReadableBytes({ String(validating: $0, as: UTF8.self) != nil }) else {
            return fail(CloseReason(code: 1007, reason: "text is not UTF-8"))
        }
        return .deliver(.text(data))
    }

    private mutating func ping(_ data: ByteBuffer, now: ContinuousClock.Instant) -> Action {
        if now - pingWindow.start > .seconds(1) { pingWindow = (now, 0) }
        pingWindow.count += 1
        return pingWindow.count > 10 ? fail(.policy("more than 10 pings a second")) : .pong(data)
    }

    private mutating func close(_ data: ByteBuffer) -> Action {
        var data = data
        guard data.readableBytes > 0 else {
            ended = true
            return .peerClosed(.normal)
        }
        guard let code = data.readInteger(as: UInt16.self), Self.mayBeSent(code) else {
            return fail(.protocolError("bad close code"))
        }
        guard let reason = data.withUnsafeReadableBytes({ String(validating: $0, as: UTF8.self) }) else {
            return fail(CloseReason(code: 1007, reason: "close reason is not UTF-8"))
        }
        ended = true
        return .peerClosed(CloseReason(code: code, reason: reason))
    }

    private static func mayBeSent(_ code: UInt16) -> Bool {
        switch code {
        case 1000...1003, 1007...1014, 3000...4999: true
        default: false
        }
    }
}
