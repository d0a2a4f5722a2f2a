// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOPosix
import NIOWebSocket
import Testing

@testable import Core

@Suite struct LinkTests {
    /// Two ends of one WebSocket over a socket pair, without TLS and without the HTTP before it.
    private func pair() async throws -> (server: WebSocketLink, client: WebSocketLink) {
        let group = MultiThreadedEventLoopGroup.singleton
        @Sendable func open(_ channel: any Channel) throws -> NIOAsyncChannel<WebSocketFrame, WebSocketFrame> {
            try channel.pipeline.syncOperations.addHandlers(
                WebSocketFrameEncoder(), ByteToMessageHandler(WebSocketFrameDecoder(maxFrameSize: MessageLimits.frame)))
            return try NIOAsyncChannel(wrappingChannelSynchronously: channel)
        }
        let listener = try await ServerBootstrap(group: group).bind(host: "127.0.0.1", port: 0) { channel in
            channel.eventLoop.makeCompletedFuture { try open(channel) }
        }
        let port = listener.channel.localAddress?.port ?? 0
        let client = try await ClientBootstrap(group: group).connect(host: "127.0.0.1", port: port) { channel in
            channel.eventLoop.makeCompletedFuture { try open(channel) }
        }
        let server = try await listener.executeThenClose { inbound in
            var iterator = inbound.makeAsyncIterator()
            return try await iterator.next()
        }
        return (WebSocketLink(try #require(server), isServer: true), WebSocketLink(client, isServer: false))
    }

    @Test(.timeLimit(.minutes(10)))
    func `a handler that refuses a message ends the link with 1008, whatever is behind it`() async throws {
        let (server, client) = try await pair()
        for _ in 0..<100 { client.outbox.offer(.text(ByteBuffer(string: "{}")), lane: .control) }
        async let there = server.run { _ in throw DeployError(.forbidden, "not this") }
        let here = await client.run { _ in }
        #expect(await there == .policy("not this"))
        #expect(here == .policy("not this"))
    }

    @Test(.timeLimit(.minutes(10)))
    func `a link that is closed before it runs says goodbye and ends`() async throws {
        let (server, client) = try await pair()
        server.close(.goingAway)
        async let there = server.run { _ in }
        #expect(await client.run { _ in } == .goingAway)
        #expect(await there == .goingAway)
    }

    @Test func `the registration of an agent with a full queue is read`() throws {
        var register = AgentRegister()
        register.journal = (0..<10_200).map { _ in
            AgentRegister.JournalEntry(taskID: .random(), attempt: 1, state: "accepted", nextSeq: 0)
        }
        let frame = AgentMessage.register(register).frame()
        #expect(frame.byteCount <= MessageLimits.message)
        guard case .register(let read) = try AgentMessage.decode(frame).message else {
            Issue.record("not a registration")
            return
        }
        #expect(read.journal?.count == 10_200)
    }

    @Test func `an offset from which sums could overflow is refused`() throws {
        var header = TaskLogHeader(
            taskID: .random(), attempt: 1,
            chunk: LogChunk(
                seq: 0, stream: .stdout, offset: .max, at: .now(), codec: .identity, rawLength: 1,
                payload: ByteBuffer()))
        #expect(throws: DeployError.self) { try header.chunk(payload: ByteBuffer(string: "x")) }
        header.offset = LogChunk.maximumOffset
        #expect(try header.chunk(payload: ByteBuffer(string: "x")).offset == LogChunk.maximumOffset)
    }
}
