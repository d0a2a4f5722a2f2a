// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import NIOCore
import NIOPosix

/// A pipe to or from a program, whose end here is served without a thread.
struct OutputPipe: Sendable {
    /// Of an output our end, of an input the program's.
    let readEnd: Int32
    /// Of an output the program's end, of an input ours.
    let writeEnd: Int32

    /// Makes a pipe whose ends no other program inherits; throws `unavailable` when descriptors run out.
    init() throws(DeployError) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw StateFile.failure("make", "a pipe") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        readEnd = ends[0]
        writeEnd = ends[1]
    }

    /// Bytes of one read.
    static let readSize = 65_536

    /// Has a handler read a pipe, piece by piece and only when it asks; the descriptor belongs to the channel from now on.
    /// Throws `unavailable` when it cannot.
    static func read(
        _ readEnd: Int32, with handler: some ChannelInboundHandler & Sendable, on loop: any EventLoop
    ) async throws(DeployError) -> any Channel {
        do {
            return try await NIOPipeBootstrap(group: loop)
                .channelOption(.autoRead, value: false)
                .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: readSize))
                .channelInitializer { $0.pipeline.addHandler(handler) }
                .takingOwnershipOfDescriptor(input: readEnd).get()
        } catch {
            close(readEnd)
            throw DeployError(.unavailable, "a program's output cannot be read: \(error)")
        }
    }
}

/// Reads one output of a program into its sink; stops reading while there is no room, which stops the program.
final class OutputReader: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer

    private let pump: any OutputSink
    private let stream: LogStream
    private let descriptor: Int32
    private let state: NIOLoopBoundBox<State>

    private struct State {
        var draining = false
        var waiting = false
        var grown = false
        /// Bytes read since the program has ended.
        var drained = 0
    }

    /// The size a busy output's pipe grows to, so that the program and the agent need not alternate.
    private static let busyPipeSize: Int32 = 1 << 20
    /// `F_SETPIPE_SZ` of Linux, which glibc's default headers hide.
    private static let setPipeSize: Int32 = 1031

    private init(pump: any OutputSink, stream: LogStream, descriptor: Int32) {
        self.pump = pump
        self.stream = stream
        self.descriptor = descriptor
        state = NIOLoopBoundBox.makeBoxSendingValue(State(), eventLoop: pump.eventLoop)
    }

    /// Starts to read a pipe; the descriptor belongs to the channel from now on. Throws `unavailable` when it cannot.
    static func attach(
        _ readEnd: Int32, stream: LogStream, to pump: any OutputSink
    ) async throws(DeployError) -> (reader: OutputReader, channel: any Channel) {
        let reader = OutputReader(pump: pump, stream: stream, descriptor: readEnd)
        return (reader, try await OutputPipe.read(readEnd, with: reader, on: pump.eventLoop))
    }

    /// From now on reads without regard to room: the program has ended and what is left is bounded.
    func drain(_ channel: any Channel) {
        channel.eventLoop.execute {
            self.state.value.draining = true
            channel.read()
        }
    }

    /// Whether there may still be output of the program itself in the pipe, which only waits for us. Once more than a
    /// pipe can hold was read, it is somebody else's.
    func isBehind(_ channel: any Channel) async -> Bool {
        let answer = channel.eventLoop.submit {
            var unread: Int32 = 0
            guard channel.isActive, self.state.value.drained <= 2 * Int(Self.busyPipeSize) else { return false }
            return ioctl(self.descriptor, UInt(FIONREAD), &unread) == 0 && unread > 0
        }
        return (try? await answer.get()) ?? false
    }

    func channelActive(context: ChannelHandlerContext) { context.read() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        if !state.value.grown, bytes.readableBytes == OutputPipe.readSize {
            state.value.grown = true
            // Where a user's limit refuses this, the pipe stays as it is.
            _ = fcntl(descriptor, Self.setPipeSize, Self.busyPipeSize)
        }
        if state.value.draining { state.value.drained += bytes.readableBytes }
        pump.accept(bytes, from: stream)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        pump.settle()
        if state.value.draining || pump.hasRoom {
            context.read()
        } else if !state.value.waiting {
            state.value.waiting = true
            let channel = context.channel
            pump.whenRoom {
                self.state.value.waiting = false
                channel.read()
            }
        }
    }

    func channelInactive(context: ChannelHandlerContext) { pump.finish(stream) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
