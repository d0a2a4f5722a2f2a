// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOWebSocket
import Testing

@testable import Core

@Suite struct WebSocketStateTests {
    let start = ContinuousClock.now

    func frame(_ opcode: WebSocketOpcode, _ bytes: [UInt8] = [], fin: Bool = true, masked: Bool = true)
        -> WebSocketFrame
    {
        var data = ByteBuffer(bytes: bytes)
        let key: WebSocketMaskingKey = [1, 2, 3, 4]
        if masked { data.webSocketMask(key) }
        return WebSocketFrame(fin: fin, opcode: opcode, maskKey: masked ? key : nil, data: data)
    }

    func fails(_ frames: [WebSocketFrame], _ code: UInt16) {
        var state = WebSocketState(role: .server, now: start)
        var last: WebSocketState.Action?
        for frame in frames { last = state.receive(frame, now: start) }
        guard case .fail(let reason) = last else {
            Issue.record("not refused: \(String(describing: last))")
            return
        }
        #expect(reason.code == code)
    }

    @Test func `a fragmented text is delivered whole, with a ping in between`() {
        var state = WebSocketState(role: .server, now: start)
        #expect(state.receive(frame(.text, Array("天".utf8.prefix(2)), fin: false), now: start) == nil)
        #expect(state.receive(frame(.ping, [7]), now: start) == .pong(ByteBuffer(bytes: [7])))
        #expect(
            state.receive(frame(.continuation, Array("天".utf8.suffix(1))), now: start)
                == .deliver(.text(ByteBuffer(string: "天"))))
    }

    @Test(arguments: [0, 1, 7, 8, 9, 15, 16, 1021]) func `a masked payload of any length is restored`(count: Int) {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        var state = WebSocketState(role: .server, now: start)
        #expect(state.receive(frame(.binary, bytes), now: start) == .deliver(.binary(ByteBuffer(bytes: bytes))))
    }

    @Test func `RFC 6455 violations close with the right code`() {
        fails([frame(.text, [0xff])], 1007)
        fails([frame(.binary, masked: false)], 1002)
        fails([frame(.continuation)], 1002)
        fails([frame(.text, fin: false), frame(.text)], 1002)
        fails([frame(WebSocketOpcode(encodedWebSocketOpcode: 3) ?? .text)], 1002)
        fails([frame(WebSocketOpcode(encodedWebSocketOpcode: 11) ?? .text)], 1002)
        fails([frame(.connectionClose, [3])], 1002)
        fails([frame(.connectionClose, [3, 237])], 1002)  // 1005
        fails([frame(.connectionClose, [3, 232, 0xff])], 1007)
        var reserved = frame(.text)
        reserved.rsv1 = true
        fails([reserved], 1002)
    }

    @Test func `too many fragments or bytes close with 1009`() {
        fails([frame(.binary, fin: false)] + Array(repeating: frame(.continuation, fin: false), count: 64), 1009)
        let quarter = [UInt8](repeating: 0, count: 262_144)
        fails(
            [frame(.binary, quarter, fin: false)]
                + Array(repeating: frame(.continuation, quarter, fin: false), count: 4), 1009)
    }

    @Test func `an eleventh ping within a second closes with 1008`() {
        fails(Array(repeating: frame(.ping), count: 11), 1008)
    }

    @Test func `a quiet peer is pinged after 30 s and given up after 90 s`() {
        var state = WebSocketState(role: .server, now: start)
        #expect(state.tick(now: start + .seconds(29)) == nil)
        #expect(state.tick(now: start + .seconds(30)) == .ping)
        #expect(state.tick(now: start + .seconds(31)) == nil)
        #expect(state.tick(now: start + .seconds(91)) == .fail(.idle))
    }

    @Test func `a pong keeps the link alive`() {
        var state = WebSocketState(role: .server, now: start)
        #expect(state.receive(frame(.pong), now: start + .seconds(80)) == nil)
        #expect(state.tick(now: start + .seconds(100)) == nil)
    }

    @Test func `after the end only a close frame counts`() {
        var state = WebSocketState(role: .server, now: start)
        #expect(
            state.receive(frame(.connectionClose, [3, 232]), now: start)
                == .peerClosed(CloseReason(code: 1000, reason: "")))
        #expect(state.receive(frame(.text, [65]), now: start) == nil)
        #expect(state.receive(frame(.connectionClose, [3, 232]), now: start) == .peerClosed(.normal))
    }
}
