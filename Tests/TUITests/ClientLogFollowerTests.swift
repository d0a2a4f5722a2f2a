// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore
import Synchronization
import Testing

@testable import TUI

@Suite struct ClientLogFollowerTests {
    @Test func chunksAreTakenOnceAndInOrder() throws {
        var log = LogAssembler()
        #expect(log.judge(attempt: 1, seq: 0) == .next)
        #expect(log.judge(attempt: 1, seq: 1) == .gap)
        _ = try log.take(attempt: 1, Self.chunk(0, offset: 0, "ab"), raw: ByteBuffer(string: "ab"))
        #expect(log.nextSeq == 1)
        #expect(log.judge(attempt: 1, seq: 0) == .duplicate)
        #expect(log.judge(attempt: 0, seq: 1) == .duplicate)
        #expect(log.judge(attempt: 2, seq: 0) == .next)
        #expect(throws: DeployError.self) {
            try log.take(attempt: 1, Self.chunk(1, offset: 1, "x"), raw: ByteBuffer(string: "x"))
        }
        let late = try log.take(attempt: 1, Self.chunk(1, offset: 12, "x"), raw: ByteBuffer(string: "x"))
        #expect(late.missing == 10)
    }

    @Test func theLargestPositionsAreAnErrorAndNotATrap() {
        var log = LogAssembler(fromSeq: .max)
        #expect(throws: DeployError.self) {
            try log.take(attempt: 1, Self.chunk(.max, offset: 0, "x"), raw: ByteBuffer(string: "x"))
        }
        var offsets = LogAssembler()
        #expect(throws: DeployError.self) {
            try offsets.take(attempt: 1, Self.chunk(0, offset: .max, "x"), raw: ByteBuffer(string: "x"))
        }
    }

    @Test func aLostLinkResumesBehindTheLastChunk() async throws {
        let world = Scripted([
            .event(.connected(Self.info)), .chunk(0), .chunk(1),
            .event(.offline(DeployError(.unreachable), attempt: 1, retryIn: .zero)),
            .event(.connecting), .event(.connected(Self.info)), .awaitOpen(2), .chunk(1), .chunk(2), .end(3),
        ])
        let receiver = Collector()
        let tasks = try await LogFollower(client: world, receiver: receiver, follow: true)
            .run([.init(task: Self.task)], opening: .already)
        #expect(tasks.map(\.id) == [Self.task])
        #expect(receiver.text == "0;1;2;")
        #expect(world.opened == [2])
        #expect(receiver.cuts == 1)
    }

    @Test func aHoleIsAskedForAgain() async throws {
        let world = Scripted([
            .event(.connected(Self.info)), .awaitOpen(0), .chunk(0), .chunk(2), .chunk(3), .awaitOpen(1), .chunk(1),
            .chunk(2),
            .chunk(3), .end(4),
        ])
        let receiver = Collector()
        _ = try await LogFollower(client: world, receiver: receiver, follow: true)
            .run([.init(task: Self.task)], opening: .onLink)
        #expect(receiver.text == "0;1;2;3;")
        #expect(world.opened == [0, 1])
    }

    @Test func aLogThatStaysBrokenIsAnError() async throws {
        let world = Scripted([
            .event(.connected(Self.info)), .chunk(0), .chunk(2), .awaitOpen(1), .chunk(2), .awaitOpen(1), .chunk(2),
            .awaitOpen(1), .chunk(2),
        ])
        let error = await #expect(throws: DeployError.self) {
            try await LogFollower(client: world, receiver: Collector(), follow: true)
                .run([.init(task: Self.task)], opening: .already)
        }
        #expect(error?.code == .protocolError)
    }

    @Test func anEndThatComesTooEarlyIsNotBelieved() async throws {
        let world = Scripted([
            .event(.connected(Self.info)), .chunk(0), .end(2), .awaitOpen(1), .chunk(1), .end(2),
        ])
        let receiver = Collector()
        _ = try await LogFollower(client: world, receiver: receiver, follow: true)
            .run([.init(task: Self.task)], opening: .already)
        #expect(receiver.text == "0;1;")
    }

    @Test func theEndOfTheClientIsTheEndOfTheFollower() async throws {
        let world = Scripted([
            .event(.connecting), .event(.offline(DeployError(.unauthenticated), attempt: 1, retryIn: nil)),
        ])
        let error = await #expect(throws: DeployError.self) {
            try await LogFollower(client: world, receiver: Collector(), follow: true)
                .run([.init(task: Self.task)], opening: .onLink)
        }
        #expect(error?.code == .unauthenticated)
    }

    @Test func aBoundedChannelMakesItsProducerWait() async {
        let channel = BoundedChannel<Int>(capacity: 4)
        for number in 0..<4 { #expect(channel.offer(number)) }
        #expect(!channel.offer(4))
        async let producer = Self.count(to: 1000, from: 4, into: channel)
        var received: [Int] = []
        while let number = await channel.next() { received.append(number) }
        #expect(await producer)
        #expect(received == Array(0..<1000))
    }

    private static func count(to end: Int, from start: Int, into channel: BoundedChannel<Int>) async -> Bool {
        for number in start..<end { guard await channel.send(number) else { return false } }
        channel.finish()
        return true
    }

    @Test func aWaitingConsumerCanBeCancelled() async {
        let channel = BoundedChannel<Int>(capacity: 1)
        let waiting = Task { await channel.next() }
        waiting.cancel()
        #expect(await waiting.value == nil)
    }

    // MARK: a made-up Cloud

    fileprivate static let task: TaskID = .random()
    private static let info = ServerInfo(
        version: "0", protocol: 1, server: "s", actor: "o", role: .admin, scope: Scope(), clock: .now())

    fileprivate static func chunk(_ seq: Int64, offset: Int64, _ text: String) -> LogChunk {
        LogChunk(
            seq: seq, stream: .stdout, offset: offset, at: .now(), codec: .identity, rawLength: text.utf8.count,
            payload: ByteBuffer(string: text))
    }
}

/// Plays a script; `awaitOpen` holds it until a subscription from that seq was asked for.
private final class Scripted: OperatorConversation {
    enum Step: Sendable {
        case event(OperatorClient.Event)
        case chunk(Int64)
        case end(Int64)
        case awaitOpen(Int64)
    }

    private let steps: Mutex<[Step]>
    private let opens = BoundedChannel<Int64>(capacity: 100)
    private let log = Mutex<[Int64]>([])
    var opened: [Int64] { log.withLock { $0 } }

    init(_ steps: [Step]) { self.steps = Mutex(steps) }

    func next() async -> OperatorClient.Event? {
        while true {
            guard let step = steps.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) else { return nil }
            let task = ClientLogFollowerTests.task
            switch step {
            case .event(let event): return event
            case .chunk(let seq):
                let chunk = ClientLogFollowerTests.chunk(seq, offset: seq * 2, "\(seq);")
                return .message(.log(taskID: task, attempt: 1, chunk))
            case .end(let next):
                var record = TaskRecord(
                    id: task, runID: .random(), agentID: .random(), agentName: "a", type: "shell", command: "c",
                    actor: "o",
                    createdAt: .now(), expiresAt: nil)
                record.state = .succeeded
                return .message(.logEnd(LogState(task: record, nextSeq: next)))
            case .awaitOpen(let seq):
                let asked = await opens.next()
                #expect(asked == seq)
            }
        }
    }

    func request(_ request: OperatorRequest, timeout: Duration) async throws(DeployError) -> OperatorMessage.Reply {
        if case .logOpen(let open) = request {
            log.withLock { $0.append(open.fromSeq) }
            opens.offer(open.fromSeq)
        }
        guard case .reply(let reply) = try OperatorMessage.decode(OperatorMessage.reply(id: "1", NoParameters())) else {
            throw DeployError(.internal)
        }
        return reply
    }
}

private final class Collector: LogReceiver {
    private let state = Mutex((text: "", cuts: 0))
    var text: String { state.withLock { $0.text } }
    var cuts: Int { state.withLock { $0.cuts } }

    func receive(_ segment: LogSegment, of task: TaskID) async throws(DeployError) {
        state.withLock { $0.text += String(buffer: segment.bytes) }
    }
    func ended(_ task: TaskRecord) async throws(DeployError) {}
    func interrupted(_ error: DeployError, retryIn: Duration) async { state.withLock { $0.cuts += 1 } }
    func resumed() async {}
}
