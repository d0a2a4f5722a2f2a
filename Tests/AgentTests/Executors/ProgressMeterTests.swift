// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Synchronization
import Testing

@testable import Agent

@Suite struct `How far a task has come` {
    private final class Told: Sendable {
        let all = Mutex<[TaskProgress]>([])
    }

    @Test func `is told seldom, but its beginning, its end and what it waits for always`() {
        let told = Told()
        let meter = ProgressMeter { progress in told.all.withLock { $0.append(progress) } }
        meter.set(0, of: 100)
        for done in Int64(1)...99 { meter.set(done) }
        meter.wait(for: "room")
        meter.wait(for: nil)
        meter.set(100)
        let all = told.all.withLock { $0 }
        #expect(all.first == TaskProgress(done: 0, total: 100))
        #expect(all.last == TaskProgress(done: 100, total: 100))
        #expect(all.contains { $0.note == "room" })
        #expect(all.count < 20)
    }
}
