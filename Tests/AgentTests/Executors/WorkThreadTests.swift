// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import Synchronization
import Testing

@testable import Agent

@Suite(.serialized) struct `Work that nothing can interrupt` {
    private final class Gate: Sendable {
        private let isOpen = Mutex(false)
        func open() { isOpen.withLock { $0 = true } }
        func wait() { while !isOpen.withLock({ $0 }) { usleep(1000) } }
    }

    @Test func `gives its result or throws`() async throws {
        #expect(try await WorkThread.abandonable(within: .seconds(10)) { () throws(DeployError) in 7 } == 7)
        await #expect(throws: DeployError(.notFound)) {
            try await WorkThread.abandonable(within: .seconds(10)) { () throws(DeployError) -> Int in
                throw DeployError(.notFound)
            }
        }
    }

    @Test func `is left behind when its time is over or nobody waits any more`() async throws {
        let gate = Gate()
        defer { gate.open() }
        let late: Void? = try await WorkThread.abandonable(within: .milliseconds(20)) { () throws(DeployError) in
            gate.wait()
        }
        #expect(late == nil)
        let task = Task { () async throws -> Bool in
            try await WorkThread.abandonable(within: .seconds(600)) { () throws(DeployError) in gate.wait() } == nil
        }
        task.cancel()
        #expect(try await task.value)
    }

    @Test func `is refused when too much was left behind, until that ends`() async throws {
        let gate = Gate()
        var refused = false
        for _ in 0..<100 where !refused {
            do throws(DeployError) {
                _ = try await WorkThread.abandonable(within: .zero) { () throws(DeployError) in gate.wait() }
            } catch {
                #expect(error.code == .unavailable)
                refused = true
            }
        }
        #expect(refused)
        gate.open()
        #expect(
            await eventually {
                (try? await WorkThread.abandonable(within: .seconds(10)) { () throws(DeployError) in true }) == true
            })
    }
}
