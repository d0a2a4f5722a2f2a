// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOEmbedded
import NIOWebSocket
import Testing

@testable import Core

@Suite struct `A client's frames` {
    /// What our encoder writes, and what NIO's own writes of the same frame.
    private func encoded(_ frame: WebSocketFrame) throws -> (ours: [UInt8], theirs: [UInt8]) {
        func bytes(_ handler: any ChannelHandler) throws -> [UInt8] {
            let channel = EmbeddedChannel(handler: handler)
            try channel.writeOutbound(frame)
            var all: [UInt8] = []
            while let part = try channel.readOutbound(as: ByteBuffer.self) { all += part.readableBytesView }
            _ = try channel.finish()
            return all
        }
        return (try bytes(MaskedFrameEncoder()), try bytes(WebSocketFrameEncoder()))
    }

    @Test(arguments: [0, 1, 7, 8, 9, 125, 126, 127, 1000, 65_535, 65_536, 200_003])
    func `are written as NIO writes them`(length: Int) throws {
        let data = ByteBuffer(bytes: (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 7) })
        for key in [WebSocketMaskingKey([1, 2, 3, 0xFE]), nil] {
            for opcode in [WebSocketOpcode.text, .binary, .continuation, .ping, .connectionClose] {
                let frame = WebSocketFrame(fin: length % 2 == 0, opcode: opcode, maskKey: key, data: data)
                let (ours, theirs) = try encoded(frame)
                #expect(ours == theirs, "\(opcode) of \(length)")
            }
        }
    }

    @Test func `leave the buffer they were made of as it was`() throws {
        let data = ByteBuffer(string: "hello, hello, hello")
        let copy = data
        _ = try encoded(WebSocketFrame(opcode: .text, maskKey: [9, 8, 7, 6], data: data))
        #expect(data == copy && String(buffer: data) == "hello, hello, hello")
    }
}
