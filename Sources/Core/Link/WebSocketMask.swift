// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOWebSocket

/// The mask of RFC 6455, eight bytes at a time: a byte at a time costs a tenth of a busy server.
enum WebSocketMask {
    /// Masks a payload, or takes the mask away: both are the same.
    static func apply(_ key: WebSocketMaskingKey, to data: inout ByteBuffer) {
        let pattern = Array(key) + Array(key)
        let word = pattern.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
        data.withUnsafeMutableReadableBytes { bytes in
            let whole = bytes.count & ~7
            for offset in stride(from: 0, to: whole, by: 8) {
                let value = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self) ^ word
                bytes.storeBytes(of: value, toByteOffset: offset, as: UInt64.self)
            }
            for offset in whole..<bytes.count { bytes[offset] ^= pattern[offset & 3] }
        }
    }
}

/// Writes a client's frames in place of NIO's encoder, which masks byte by byte.
final class MaskedFrameEncoder: ChannelOutboundHandler {
    typealias OutboundIn = WebSocketFrame
    typealias OutboundOut = ByteBuffer

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let frame = unwrapOutboundIn(data)
        var payload = frame.data
        var head = context.channel.allocator.buffer(capacity: 14)
        let flags: UInt8 = (frame.fin ? 0x80 : 0) | (frame.rsv1 ? 0x40 : 0) | (frame.rsv2 ? 0x20 : 0)
        head.writeInteger(flags | (frame.rsv3 ? 0x10 : 0) | UInt8(webSocketOpcode: frame.opcode))
        let mask: UInt8 = frame.maskKey == nil ? 0 : 0x80
        switch payload.readableBytes {
        case 0..<126: head.writeInteger(UInt8(payload.readableBytes) | mask)
        case 126..<65_536:
            head.writeInteger(126 | mask)
            head.writeInteger(UInt16(payload.readableBytes))
        default:
            head.writeInteger(127 | mask)
            head.writeInteger(UInt64(payload.readableBytes))
        }
        if let key = frame.maskKey {
            head.writeBytes(key)
            WebSocketMask.apply(key, to: &payload)
        }
        guard payload.readableBytes > 0 else { return context.write(wrapOutboundOut(head), promise: promise) }
        context.write(wrapOutboundOut(head), promise: nil)
        context.write(wrapOutboundOut(payload), promise: promise)
    }
}

extension WebSocketFrameEncoder: @retroactive RemovableChannelHandler {}

extension ChannelPipeline.SynchronousOperations {
    /// Puts our encoder in the place of NIO's. On the channel's event loop only.
    func replaceFrameEncoder() throws {
        let library = try handler(type: WebSocketFrameEncoder.self)
        try addHandler(MaskedFrameEncoder(), position: .after(library))
        removeHandler(library, promise: nil)
    }
}
