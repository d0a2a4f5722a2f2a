// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

public import NIOCore
public import NIOWebSocket
import Synchronization

/// One open WebSocket, either end: runs the state machine over the channel, answers pings, and writes the outbox.
public final class WebSocketLink: Sendable {
    /// Frames on their way out.
    public let outbox: Outbox

    private let channel: NIOAsyncChannel<WebSocketFrame, WebSocketFrame>
    private let role: WebSocketState.Role
    private let state: Mutex<WebSocketState>
    private let ending = Mutex<CloseReason?>(nil)
    private let peerHasClosed = Mutex(false)
    private let writeStarted = Mutex<ContinuousClock.Instant?>(nil)

    /// The longest one batch may take to be written before the peer counts as a slow consumer.
    private static let writeDeadline: Duration = .seconds(10)
    /// How long the peer has to answer our close frame.
    private static let closeDeadline: Duration = .seconds(2)
    /// How often a link looks at the clock; a thousand idle links cost what this makes them cost.
    private static let tickInterval: Duration = .seconds(10)
    /// The most bytes handed to the socket at once; a control frame waits behind no more than this.
    private static let batchBytes = 131_072

    /// - Parameters:
    ///   - channel: The upgraded channel.
    ///   - isServer: Whether this end accepted the connection.
    ///   - outbox: The send queue; the default bounds suit an agent's link.
    public init(
        _ channel: NIOAsyncChannel<WebSocketFrame, WebSocketFrame>, isServer: Bool, outbox: Outbox = Outbox()
    ) {
        self.channel = channel
        self.outbox = outbox
        role = isServer ? .server : .client
        state = Mutex(WebSocketState(role: role, now: .now))
    }

    /// The peer's address, for logs.
    public var remoteAddress: String { channel.channel.remoteAddress?.ipAddress ?? "unknown" }

    /// Starts the close handshake; what is already in the control lane is still sent. Idempotent, from anywhere.
    public func close(_ reason: CloseReason) {
        let first = ending.withLock { ending in
            defer { ending = ending ?? reason }
            return ending == nil
        }
        if first { outbox.enqueue(.close(reason)) }
    }

    /// Runs until the link ends and says why.
    ///
    /// - Parameter onFrame: Called for each message, in order and one at a time, so that a slow handler slows the
    ///   peer. If it throws, the link closes with 1008 and the error's message.
    public func run(_ onFrame: @escaping @Sendable (WireFrame) async throws -> Void) async -> CloseReason {
        do {
            try await channel.executeThenClose { inbound, outbound in
                await withTaskGroup(of: Void.self) { group in
                    group.addTask { await self.write(outbound) }
                    group.addTask { await self.tick() }
                    await self.read(inbound, onFrame)
                    group.cancelAll()
                    self.outbox.shut()
                }
            }
        } catch {
            note(.lost)
        }
        outbox.shut()
        return ending.withLock { $0 } ?? .lost
    }

    private func note(_ reason: CloseReason) { ending.withLock { $0 = $0 ?? reason } }

    private func read(
        _ inbound: NIOAsyncChannelInboundStream<WebSocketFrame>, _ onFrame: @Sendable (WireFrame) async throws -> Void
    ) async {
        var isRefused = false
        do {
            // One loop to the very end: the stream gives out a single iterator in its life and traps on a second.
            for try await frame in inbound {
                if isRefused {
                    if frame.opcode == .connectionClose { return }
                    continue
                }
                guard let action = state.withLock({ $0.receive(frame, now: .now) }) else { continue }
                if case .deliver(let message) = action {
                    do {
                        try await onFrame(message)
                    } catch let error as DeployError {
                        // What still comes is dropped until the peer closes or the close deadline ends the channel.
                        close(.policy(error.message))
                        isRefused = true
                    }
                } else if perform(action) {
                    return
                }
            }
            note(.lost)
        } catch is NIOWebSocketError {
            note(.protocolError("malformed frame"))  // the channel has already sent the close frame
        } catch {
            note(.lost)
        }
    }

    /// Performs what the state machine asks; true when reading should end.
    private func perform(_ action: WebSocketState.Action) -> Bool {
        switch action {
        case .deliver: return false
        case .pong(let data): outbox.enqueue(.pong(data))
        case .ping: outbox.enqueue(.ping)
        case .peerClosed(let reason):
            peerHasClosed.withLock { $0 = true }
            if ending.withLock({ $0 }) != nil { return true }
            close(reason)
        case .fail(let reason): close(reason)
        }
        return false
    }

    private func write(_ outbound: NIOAsyncChannelOutboundWriter<WebSocketFrame>) async {
        do {
            while let items = await outbox.next(byteLimit: Self.batchBytes) {
                writeStarted.withLock { $0 = .now }
                try await outbound.write(contentsOf: items.flatMap(webSocketFrames))
                writeStarted.withLock { $0 = nil }
            }
        } catch {
            note(.lost)
            outbox.shut()
        }
        // The close frame is out. A peer that closed first is done; otherwise it has a moment to answer.
        if !peerHasClosed.withLock({ $0 }) { try? await Task.sleep(for: Self.closeDeadline) }
        if !Task.isCancelled { channel.channel.close(promise: nil) }
    }

    private func webSocketFrames(_ item: Outbox.Item) -> [WebSocketFrame] {
        switch item {
        case .frame(.text(let data)): return fragments(data, .text)
        case .frame(.binary(let data)): return fragments(data, .binary)
        case .ping: return [frame(.ping, ByteBuffer())]
        case .pong(let data): return [frame(.pong, data)]
        case .close(let reason):
            var data = ByteBuffer()
            data.writeInteger(reason.code == CloseReason.lost.code ? CloseReason.normal.code : reason.code)
            data.writeBytes(reason.reason.utf8.prefix(123))
            return [frame(.connectionClose, data)]
        }
    }

    /// A message in frames of a size the peer accepts.
    private func fragments(_ message: ByteBuffer, _ opcode: WebSocketOpcode) -> [WebSocketFrame] {
        guard message.readableBytes > MessageLimits.frame else { return [frame(opcode, message)] }
        var frames: [WebSocketFrame] = []
        var rest = message
        while let part = rest.readSlice(length: min(rest.readableBytes, Self.batchBytes)), part.readableBytes > 0 {
            frames.append(frame(frames.isEmpty ? opcode : .continuation, part, fin: rest.readableBytes == 0))
        }
        return frames
    }

    private func frame(_ opcode: WebSocketOpcode, _ data: ByteBuffer, fin: Bool = true) -> WebSocketFrame {
        WebSocketFrame(fin: fin, opcode: opcode, maskKey: role == .client ? .random() : nil, data: data)
    }

    /// Every few seconds: pings, the idle limit and the write deadline.
    private func tick() async {
        while !Task.isCancelled {
            let now = ContinuousClock.now
            if let action = state.withLock({ $0.tick(now: now) }) { _ = perform(action) }
            if let started = writeStarted.withLock({ $0 }), now - started > Self.writeDeadline {
                note(.slowConsumer)
                channel.channel.close(promise: nil)
                return
            }
            try? await Task.sleep(for: Self.tickInterval, tolerance: .seconds(2))
        }
    }
}
