// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
public import NIOCore

/// One message as the WebSocket carries it: `{"type": …, "id": …, "data": {…}}`, in a binary frame with bytes behind it.
public enum WireFrame: Sendable, Equatable {
    /// A text frame: the envelope alone.
    case text(ByteBuffer)
    /// A binary frame: four bytes of header length, the envelope, the payload.
    case binary(ByteBuffer)

    /// The size on the wire, without the WebSocket's own header.
    public var byteCount: Int {
        switch self {
        case .text(let buffer), .binary(let buffer): buffer.readableBytes
        }
    }
}

/// The first reading of a frame: which message it is, and the bytes it carries.
struct EnvelopeHead: Decodable {
    var type: String
    var id: String?

    enum CodingKeys: String, CodingKey { case type, id }
}

struct EnvelopeBody<Payload: Decodable>: Decodable {
    var data: Payload
}

struct OutgoingEnvelope<Payload: Encodable>: Encodable {
    var type: String
    var id: String?
    var data: Payload
}

/// A frame split into its parts, its JSON within the limits but not yet decoded.
struct IncomingEnvelope {
    var head: EnvelopeHead
    var json: Data
    var payload: ByteBuffer?

    init(_ frame: WireFrame, separators: Int = JSONLimits.separators) throws(DeployError) {
        var buffer: ByteBuffer
        switch frame {
        case .text(let text):
            buffer = text
            json = Data(buffer.readableBytesView)
            payload = nil
        case .binary(let binary):
            buffer = binary
            guard let length = buffer.readInteger(as: UInt32.self), Int(length) <= MessageLimits.header,
                let header = buffer.readSlice(length: Int(length))
            else { throw DeployError(.protocolError, "binary frame has a bad header length") }
            json = Data(header.readableBytesView)
            payload = buffer
        }
        try JSONLimits.check(json, separators: separators)
        do {
            head = try JSONDecoder().decode(EnvelopeHead.self, from: json)
        } catch { throw DeployError(wrapping: error) }
        guard head.type.utf8.count <= 64 else { throw DeployError(.invalidArgument, "type is too long") }
        if let id = head.id, id.utf8.count > 64 { throw DeployError(.invalidArgument, "id is too long") }
    }

    func data<Payload: Decodable>(_: Payload.Type = Payload.self) throws(DeployError) -> Payload {
        do {
            return try JSONDecoder().decode(EnvelopeBody<Payload>.self, from: json).data
        } catch { throw DeployError(wrapping: error) }
    }
}

/// Builds frames. Encoding our own values cannot fail; if Foundation says otherwise the frame is an `error` message.
enum FrameBuilder {
    static func frame(_ type: String, id: String? = nil, _ data: some Encodable, payload: ByteBuffer? = nil)
        -> WireFrame
    {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let json =
            (try? encoder.encode(OutgoingEnvelope(type: type, id: id, data: data)))
            ?? Data(#"{"type":"error","data":{"code":"internal","message":"value cannot be written as JSON"}}"#.utf8)
        let allocator = ByteBufferAllocator()
        guard let payload else {
            var buffer = allocator.buffer(capacity: json.count)
            buffer.writeBytes(json)
            return .text(buffer)
        }
        var buffer = allocator.buffer(capacity: 4 + json.count + payload.readableBytes)
        buffer.writeInteger(UInt32(json.count))
        buffer.writeBytes(json)
        buffer.writeImmutableBuffer(payload)
        return .binary(buffer)
    }
}

/// Sizes both ends agree on.
public enum MessageLimits {
    /// The largest JSON header of a binary frame.
    public static let header = 65_536
    /// The largest WebSocket frame.
    public static let frame = 262_144
    /// The largest message after joining fragments.
    public static let message = 1_048_576
    /// The most fragments in one message.
    public static let fragments = 64
    /// The largest message from a Cloud, which its clients trust with more: a run of very many tasks.
    public static let answer = 16_777_216
    /// The most fragments in a message from a Cloud.
    public static let answerFragments = 256
}
