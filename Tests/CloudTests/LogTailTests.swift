// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore
import Testing

@testable import Cloud

@Suite struct LogTailTests {
    func chunk(_ seq: Int64, bytes: Int = 10) -> LogChunk {
        LogChunk(
            seq: seq, stream: .stdout, offset: seq * Int64(bytes), at: .now(), codec: .identity, rawLength: bytes,
            payload: ByteBuffer(repeating: 65, count: bytes))
    }

    func seqs(_ next: LogTail.Next?) -> [Int64] { if case .chunks(let chunks) = next { chunks.map(\.seq) } else { [] } }

    @Test func `a viewer at the newest chunks gets them from memory`() async {
        let tail = LogTail()
        for seq in 5..<8 { tail.append(chunk(Int64(seq))) }
        #expect(await seqs(tail.next(at: 5) { false }) == [5, 6, 7])
        #expect(await seqs(tail.next(at: 7) { false }) == [7])
    }

    @Test func `a viewer behind the buffer is sent to the database`() async {
        let tail = LogTail()
        for seq in 0..<100 { tail.append(chunk(Int64(seq), bytes: 65_536)) }
        guard case .behind = await tail.next(at: 0, stopped: { false }) else {
            Issue.record("not behind")
            return
        }
        #expect(await !seqs(tail.next(at: 99) { false }).isEmpty)
    }

    @Test func `a waiting viewer is woken by the next chunk and by the end`() async {
        let tail = LogTail()
        async let first = tail.next(at: 0) { false }
        tail.append(chunk(0))
        #expect(await seqs(first) == [0])
        var task = TaskRecord(
            id: .random(), runID: .random(), agentID: .random(), agentName: "a", type: "shell", command: "true",
            actor: "ops",
            createdAt: .now(), expiresAt: nil)
        task.state = .succeeded
        task.logSeq = 1
        async let second = tail.next(at: 1) { false }
        tail.end(task)
        guard case .ended(let ended) = await second else {
            Issue.record("not ended")
            return
        }
        #expect(ended.id == task.id)
    }

    @Test func `the end waits for chunks that this buffer never saw`() async {
        let tail = LogTail()
        var task = TaskRecord(
            id: .random(), runID: .random(), agentID: .random(), agentName: "a", type: "shell", command: "true",
            actor: "ops",
            createdAt: .now(), expiresAt: nil)
        task.logSeq = 3
        tail.end(task)
        guard case .behind = await tail.next(at: 1, stopped: { false }) else {
            Issue.record("not behind")
            return
        }
    }

    @Test func `a stopped viewer does not wait`() async {
        let next = await LogTail().next(at: 0) { true }
        #expect(next == nil)
    }
}
