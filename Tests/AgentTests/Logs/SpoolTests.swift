// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore
import Synchronization
import Testing

@testable import Agent

@Suite struct `A log spool` {
    private let reference = TaskReference(taskID: .random(), attempt: 1)

    private func store(_ directory: String, limit: Int = 256 << 20) throws -> SpoolStore {
        try StateDirectory.create(directory + "/spool")
        return SpoolStore(directory + "/spool", limit: limit)
    }

    private func fill(_ spool: LogSpool, _ count: Int, bytes: Int = 1000) throws {
        for index in 0..<count {
            let payload = ByteBuffer(repeating: UInt8(index % 251), count: bytes)
            try spool.append(
                index % 2 == 0 ? .stdout : .stderr, at: .now(), codec: .identity, rawLength: bytes, payload: payload)
        }
    }

    private func all(_ spool: LogSpool, from seq: Int64 = 0) throws -> [LogChunk] {
        var cursor = LogSpool.Cursor(seq: seq)
        var chunks: [LogChunk] = []
        while true {
            let some = try spool.read(&cursor, limit: 100_000)
            if some.isEmpty { return chunks }
            chunks += some
        }
    }

    @Test func `gives back every chunk in order, from any seq`() async throws {
        try await withTemporaryDirectory { directory in
            let spool = LogSpool(reference, store: try store(directory))
            try fill(spool, 500)
            #expect(try all(spool).map(\.seq) == Array(0..<500))
            let chunks = try all(spool, from: 333)
            #expect(chunks.map(\.seq) == Array(333..<500))
            #expect(chunks.first?.stream == .stderr)
            #expect(chunks.first?.offset == 166_000)
            #expect(chunks.first?.payload == ByteBuffer(repeating: UInt8(333 % 251), count: 1000))
        }
    }

    @Test func `a reader at the end sees what is appended later`() async throws {
        try await withTemporaryDirectory { directory in
            let spool = LogSpool(reference, store: try store(directory))
            var cursor = LogSpool.Cursor(seq: 0)
            #expect(try spool.read(&cursor, limit: 1000).isEmpty)
            try fill(spool, 1)
            #expect(try spool.read(&cursor, limit: 1000).map(\.seq) == [0])
            try fill(spool, 1)
            #expect(try spool.read(&cursor, limit: 1000).map(\.seq) == [1])
        }
    }

    @Test func `goes on after a restart with seq and offsets, without a torn tail`() async throws {
        try await withTemporaryDirectory { directory in
            do {
                let spool = LogSpool(reference, store: try store(directory))
                try fill(spool, 10)
            }
            let path = "\(directory)/spool/\(reference.taskID).1/\(SpoolSegment.name(0))"
            let file = try StateFile(path)
            let whole = try file.size()
            for torn in [1, 500, 1037] {
                try file.truncate(to: whole - torn)
                let spool = try LogSpool(recovering: reference, store: try store(directory))
                #expect(spool.nextSeq == 9)
                try spool.append(
                    .stderr, at: .now(), codec: .identity, rawLength: 1000,
                    payload: ByteBuffer(repeating: 9, count: 1000))
                let chunks = try all(spool)
                #expect(chunks.map(\.seq) == Array(0..<10))
                #expect(chunks.last?.offset == 4000)
            }
        }
    }

    @Test func `a leftover directory names its task`() async throws {
        try await withTemporaryDirectory { directory in
            let store = try store(directory)
            try fill(LogSpool(reference, store: store), 1)
            #expect(store.leftBehind() == [reference])
            store.discard(reference)
            #expect(store.leftBehind().isEmpty)
        }
    }

    @Test func `deletes a segment when all of it is acknowledged, and keeps count`() async throws {
        try await withTemporaryDirectory { directory in
            let store = try store(directory, limit: 1 << 20)
            let spool = LogSpool(reference, store: store)
            try fill(spool, 1000)
            let folder = "\(directory)/spool/\(reference.taskID).1"
            let before = StateDirectory.names(in: folder).count
            #expect(before >= 2)
            #expect(store.used > 1_000_000)
            spool.acknowledge(through: 998)
            #expect(StateDirectory.names(in: folder).count == 1)
            #expect(try all(spool, from: 999).map(\.seq) == [999])
            spool.acknowledge(through: 999)
            #expect(store.used < 70_000)
            let size = try StateDirectory.names(in: folder).reduce(0) { try $0 + StateFile(folder + "/" + $1).size() }
            #expect(store.used == size)
            spool.remove()
            #expect(store.used == 0)
            #expect(StateDirectory.names(in: directory + "/spool").isEmpty)
        }
    }

    @Test func `knows its seq and offsets after everything was acknowledged and the agent came back`() async throws {
        try await withTemporaryDirectory { directory in
            do {
                let spool = LogSpool(reference, store: try store(directory))
                try fill(spool, 300)
                spool.acknowledge(through: 299)
            }
            let spool = try LogSpool(recovering: reference, store: try store(directory))
            #expect(spool.nextSeq == 300)
            try fill(spool, 1)
            #expect(try all(spool, from: 300).map(\.offset) == [150_000])
        }
    }

    @Test func `says in the log what the disk has damaged, and goes on behind it`() async throws {
        try await withTemporaryDirectory { directory in
            let spool = LogSpool(reference, store: try store(directory))
            try fill(spool, 3)
            let path = "\(directory)/spool/\(reference.taskID).1/\(SpoolSegment.name(0))"
            try StateFile(path).write(ByteBuffer(string: "damage"), at: SpoolSegment.headerSize + 1200)
            let chunks = try all(spool)
            #expect(chunks.map(\.seq) == [0, 1, 2])
            #expect(chunks.map(\.stream) == [.stdout, .system, .system])
        }
    }

    @Test func `lets writers wait at the limit and go on when space is acknowledged`() async throws {
        try await withTemporaryDirectory { directory in
            let store = try store(directory, limit: 1 << 20)
            let spool = LogSpool(reference, store: store)
            let resumed = Mutex(0)
            store.whenRoom { resumed.withLock { $0 += 1 } }
            #expect(resumed.withLock { $0 } == 1)
            try fill(spool, 1100)
            #expect(store.isFull)
            store.whenRoom { resumed.withLock { $0 += 1 } }
            #expect(resumed.withLock { $0 } == 1)
            spool.acknowledge(through: 1099)
            #expect(resumed.withLock { $0 } == 2)
            #expect(!store.isFull)
        }
    }
}
