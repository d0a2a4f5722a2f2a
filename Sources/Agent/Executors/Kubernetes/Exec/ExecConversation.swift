// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore
import NIOWebSocket

/// The streams of one program: standard input out, its outputs and its end in.
struct ExecConversation: Sendable {
    let channel: ExecDialer.Channel
    let output: LogOutput
    let client: KubernetesClient

    private typealias Outbound = NIOAsyncChannelOutboundWriter<WebSocketFrame>

    /// How much of standard input goes into one frame.
    private static let piece = 16_384

    /// Carries them until the program has ended; being canceled closes the connection.
    func run(input: [UInt8]?) async throws(KubernetesFailure) -> ExecEnd {
        do {
            return try await channel.frames.executeThenClose { inbound, outbound in
                try await withThrowingTaskGroup(of: ExecEnd?.self) { group in
                    if let input {
                        group.addTask {
                            try await send(input, outbound)
                            return nil
                        }
                    }
                    group.addTask { try await receive(inbound, outbound) }
                    var end: ExecEnd?
                    while end == nil, let result = await group.nextResult() {
                        switch result {
                        case .success(let value): end = value
                        // A program that ends before it has read all of its input closes the stream under the writer.
                        case .failure(let error) where error is CancellationError || input == nil: throw error
                        case .failure(let error):
                            if !(error is ChannelError || error is NIOAsyncWriterError) { throw error }
                        }
                    }
                    group.cancelAll()
                    try Task.checkCancellation()
                    return end ?? ExecEnd([])
                }
            }
        } catch { throw client.failure(error) }
    }

    private func send(_ input: [UInt8], _ outbound: Outbound) async throws {
        var rest = input[...]
        while !rest.isEmpty {
            let piece = rest.prefix(Self.piece)
            try await write([0], piece, outbound)
            rest = rest.dropFirst(piece.count)
        }
        // Channel 255: the stream of that number is at its end.
        try await write([255, 0], [], outbound)
    }

    private func write(_ head: [UInt8], _ bytes: ArraySlice<UInt8>, _ outbound: Outbound) async throws {
        let data = ByteBuffer(bytes: head + bytes)
        try await outbound.write(
            WebSocketFrame(fin: true, opcode: .binary, maskKey: .random(), data: data))
    }

    private func receive(
        _ inbound: NIOAsyncChannelInboundStream<WebSocketFrame>, _ outbound: Outbound
    ) async throws -> ExecEnd {
        var streams = ExecStreams()
        for try await frame in inbound {
            switch frame.opcode {
            case .binary, .text, .continuation:
                guard let (stream, bytes) = streams.take(frame.unmaskedData, isFirst: frame.opcode != .continuation)
                else { continue }
                await output.send(bytes, to: stream)
            case .ping:
                try await outbound.write(
                    WebSocketFrame(fin: true, opcode: .pong, maskKey: .random(), data: frame.unmaskedData))
            case .connectionClose: return ExecEnd(streams.status)
            default: break
            }
        }
        return ExecEnd(streams.status)
    }
}

/// Sorts the messages of the channel protocol: the first byte says which stream they belong to.
struct ExecStreams {
    /// What has come on the channel that tells how the program ended.
    private(set) var status: [UInt8] = []
    private var current: UInt8 = 0

    /// The largest status, in bytes.
    private static let maximumStatus = 65_536

    /// What is to be written, and where; nil for what is not.
    mutating func take(_ data: ByteBuffer, isFirst: Bool) -> (LogStream, ByteBuffer)? {
        var data = data
        if isFirst {
            guard let channel = data.readInteger(as: UInt8.self) else { return nil }
            current = channel
        }
        guard data.readableBytes > 0 else { return nil }
        switch current {
        case 1: return (.stdout, data)
        case 2: return (.stderr, data)
        case 3:
            status += data.readableBytesView.prefix(max(0, Self.maximumStatus - status.count))
            return nil
        default: return nil
        }
    }
}
