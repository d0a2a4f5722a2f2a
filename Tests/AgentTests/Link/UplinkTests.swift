// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore
import Testing

@testable import Agent

@Suite(.timeLimit(.minutes(10))) struct `The uplink` {
    private func spool(_ store: SpoolStore, chunks: Int, bytes: Int = 1000) throws -> LogSpool {
        let spool = LogSpool(TaskReference(taskID: .random(), attempt: 1), store: store)
        for _ in 0..<chunks {
            try spool.append(
                .stdout, at: .now(), codec: .identity, rawLength: bytes, payload: ByteBuffer(repeating: 7, count: bytes)
            )
        }
        return spool
    }

    private func withStore(_ body: (SpoolStore) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            try StateDirectory.create(directory + "/spool")
            try await body(SpoolStore(directory + "/spool", limit: 64 << 20))
        }
    }

    private func task(of frames: [WireFrame]?) -> TaskID? {
        guard let frame = frames?.first, case .log(let header, _)? = try? AgentMessage.decode(frame).message else {
            return nil
        }
        return header.taskID
    }

    @Test func `gives every task its turn while one has much to say`() async throws {
        try await withStore { store in
            let uplink = Uplink()
            let busy = try spool(store, chunks: 4000)
            uplink.add(busy)
            let generation = uplink.open(expecting: [:])
            _ = try await uplink.nextTurn(generation)
            let quiet = try spool(store, chunks: 1)
            uplink.add(quiet)
            let turns = [try await uplink.nextTurn(generation), try await uplink.nextTurn(generation)].map(task)
            #expect(turns.contains(quiet.reference.taskID))
        }
    }

    @Test func `goes no further ahead of the acknowledgements than its window`() async throws {
        try await withStore { store in
            let uplink = Uplink(window: 1 << 20)
            let spool = try spool(store, chunks: 4000)
            uplink.add(spool)
            let generation = uplink.open(expecting: [:])
            var sent = 0
            while sent < 830 { sent += try await uplink.nextTurn(generation)?.count ?? 4000 }
            #expect(sent < 1300)
            async let next = uplink.nextTurn(generation)
            uplink.acknowledge(spool.reference, through: Int64(sent - 1))
            #expect(try await next?.isEmpty == false)
        }
    }

    @Test func `ends the senders of a connection that is gone`() async throws {
        let uplink = Uplink()
        let old = uplink.open(expecting: [:])
        async let states = uplink.nextStates(old)
        async let turn = uplink.nextTurn(old)
        uplink.close(old)
        #expect(await states == nil)
        #expect(try await turn == nil)
        let new = uplink.open(expecting: [:])
        #expect(try await uplink.nextTurn(old) == nil)
        uplink.close(new)
    }

    @Test func `how far a task had come is told before its end`() async throws {
        try await withStore { store in
            let uplink = Uplink()
            let spool = try spool(store, chunks: 0)
            uplink.add(spool)
            let generation = uplink.open(expecting: [:])
            let (id, attempt) = (spool.reference.taskID, spool.reference.attempt)
            uplink.report(TaskStatusReport(taskID: id, attempt: attempt, state: "running"))
            uplink.report(TaskProgress(done: 5, total: 5), of: spool.reference)
            uplink.complete(TaskCompletion(taskID: id, attempt: attempt, status: "succeeded"))
            let messages = try await uplink.nextTurn(generation)?.map { try AgentMessage.decode($0).message } ?? []
            guard messages.count == 2, case .status(let status) = messages[0], case .complete = messages[1] else {
                Issue.record("\(messages)")
                return
            }
            #expect(status.progress == TaskProgress(done: 5, total: 5))
        }
    }

    @Test func `a state that was not sent is replaced by a newer one`() async throws {
        try await withStore { store in
            let uplink = Uplink()
            let spool = try spool(store, chunks: 0)
            uplink.add(spool)
            for state in ["accepted", "running"] {
                uplink.report(TaskStatusReport(taskID: spool.reference.taskID, attempt: 1, state: state))
            }
            let generation = uplink.open(expecting: [:])
            let frames = await uplink.nextStates(generation) ?? []
            #expect(frames.count == 1)
            guard case .status(let status)? = try? AgentMessage.decode(frames[0]).message else {
                Issue.record("not a status")
                return
            }
            #expect(status.state == "running")
        }
    }
}
