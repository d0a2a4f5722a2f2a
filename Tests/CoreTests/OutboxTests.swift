// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing

@testable import Core

@Suite struct OutboxTests {
    func frame(_ text: String) -> WireFrame { .text(ByteBuffer(string: text)) }

    func texts(_ items: [Outbox.Item]?) -> [String] {
        (items ?? []).compactMap { item in
            if case .frame(.text(let buffer)) = item { String(buffer: buffer) } else { nil }
        }
    }

    @Test func `control goes before everything that waits in bulk`() async {
        let outbox = Outbox()
        for index in 0..<5 { outbox.offer(frame("log\(index)"), lane: .bulk) }
        outbox.offer(frame("cancel"), lane: .control)
        #expect(await texts(outbox.next(byteLimit: 8)) == ["cancel", "log0"])
    }

    @Test func `a full lane refuses an offer, and the other lane does not`() {
        let outbox = Outbox(controlLimit: 10, bulkLimit: 10)
        #expect(outbox.offer(frame("0123456789"), lane: .bulk))
        #expect(!outbox.offer(frame("x"), lane: .bulk))
        #expect(outbox.offer(frame("x"), lane: .control))
    }

    @Test func `send waits for room and keeps the order`() async throws {
        let outbox = Outbox(bulkLimit: 1)
        try await outbox.send(frame("a"), lane: .bulk)
        async let second: Void = outbox.send(frame("b"), lane: .bulk)
        #expect(await texts(outbox.next(byteLimit: 1)) == ["a"])
        #expect(await texts(outbox.next(byteLimit: 1)) == ["b"])
        try await second
    }

    @Test func `shutting wakes those who wait and drops what is queued`() async {
        let outbox = Outbox(bulkLimit: 1)
        outbox.offer(frame("a"), lane: .bulk)
        let late = frame("b")
        let waiting = Task { try await outbox.send(late, lane: .bulk) }
        outbox.shut()
        await #expect(throws: DeployError.self) { try await waiting.value }
        #expect(await outbox.next(byteLimit: 100) == nil)
        #expect(!outbox.offer(frame("c"), lane: .control))
    }

    @Test func `after close only what was queued in control is still written`() async {
        let outbox = Outbox()
        outbox.offer(frame("ack"), lane: .control)
        outbox.offer(frame("log"), lane: .bulk)
        outbox.enqueue(.close(.normal))
        #expect(!outbox.offer(frame("late"), lane: .control))
        let items = await outbox.next(byteLimit: 100)
        #expect(texts(items) == ["ack"])
        #expect(items?.count == 2)
        #expect(await outbox.next(byteLimit: 100) == nil)
    }
}
