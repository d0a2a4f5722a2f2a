// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import DequeModule
import NIOCore
import NIOPosix
import Synchronization

/// Reads lines from a pipe when they are asked for. What nobody asks for stays in the pipe, and its writer waits: never more
/// than one line and one read are held.
final class PipeLineReader: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer

    /// What there is to read.
    enum Next: Sendable, Equatable {
        /// A line, without its end.
        case line(ByteBuffer)
        /// The pipe's other end was closed; what stood behind the last line end came as a line.
        case end
        /// A line is longer than lines may be.
        case tooLong
    }

    private struct State {
        var lines: Deque<ByteBuffer> = []
        var rest = ByteBuffer()
        var last: Next?
        var waiting: CheckedContinuation<Next, Never>?
    }

    /// The most bytes of a line.
    let maximumLine: Int
    private let state = Mutex(State())

    private init(maximumLine: Int) { self.maximumLine = maximumLine }

    /// Starts to read a pipe; the descriptor belongs to the channel from now on. Throws `unavailable` when it cannot.
    static func attach(
        _ readEnd: Int32, maximumLine: Int, on loop: any EventLoop
    ) async throws(DeployError) -> (reader: PipeLineReader, channel: any Channel) {
        let reader = PipeLineReader(maximumLine: maximumLine)
        return (reader, try await OutputPipe.read(readEnd, with: reader, on: loop))
    }

    /// The next line; waits for it, whether or not the waiting task is canceled. Asked by one task at a time.
    func next(_ channel: any Channel) async -> Next {
        await withCheckedContinuation { continuation in
            let now = state.withLock { state -> Next? in
                if let line = state.lines.popFirst() { return .line(line) }
                if let last = state.last { return last }
                state.waiting = continuation
                return nil
            }
            if let now { continuation.resume(returning: now) } else { channel.read() }
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        let isTooLong = state.withLock { state in
            var start = bytes.readerIndex
            let view = bytes.readableBytesView
            while let end = view[start...].firstIndex(of: UInt8(ascii: "\n")) {
                state.rest.writeImmutableBuffer(bytes.getSlice(at: start, length: end - start) ?? ByteBuffer())
                if state.rest.readableBytes > maximumLine { return true }
                state.lines.append(state.rest)
                state.rest = ByteBuffer()
                start = end + 1
            }
            state.rest.writeImmutableBuffer(
                bytes.getSlice(at: start, length: bytes.writerIndex - start) ?? ByteBuffer())
            return state.rest.readableBytes > maximumLine
        }
        if isTooLong {
            finish(.tooLong)
            context.close(promise: nil)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        let (waiting, line) = state.withLock { state -> (CheckedContinuation<Next, Never>?, ByteBuffer?) in
            guard let waiting = state.waiting, let line = state.lines.popFirst() else { return (nil, nil) }
            state.waiting = nil
            return (waiting, line)
        }
        if let waiting, let line {
            waiting.resume(returning: .line(line))
        } else if state.withLock({ $0.waiting != nil }) {
            context.read()
        }
    }

    func channelInactive(context: ChannelHandlerContext) { finish(.end) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func finish(_ last: Next) {
        let (waiting, next) = state.withLock { state -> (CheckedContinuation<Next, Never>?, Next) in
            if state.last == nil {
                if last == .end, state.rest.readableBytes > 0 { state.lines.append(state.rest) }
                state.rest = ByteBuffer()
                state.last = last
            }
            guard let waiting = state.waiting else { return (nil, last) }
            state.waiting = nil
            return (waiting, state.lines.popFirst().map { .line($0) } ?? last)
        }
        waiting?.resume(returning: next)
    }
}
