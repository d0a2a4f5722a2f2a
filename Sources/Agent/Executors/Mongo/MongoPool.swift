// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import NIOCore
import NIOPosix
import Synchronization

/// Connections that wait for the next task, a few and not for long. Used from any thread.
final class MongoPool: Sendable {
    private struct Entry {
        var number: UInt64
        var connection: MongoConnection
    }

    private struct State {
        var entries: [Entry] = []
        var next: UInt64 = 0
        var isShut = false
    }

    private let state = Mutex(State())

    /// Connections that wait at most; more are closed at once.
    static let limit = 4
    private let patience: TimeAmount

    /// - Parameter patience: Seconds that one waits.
    init(patience: Double) { self.patience = .milliseconds(Int64(patience * 1000)) }

    /// The one that waited least; nil when there is none.
    func take() -> MongoConnection? { state.withLock { $0.entries.popLast()?.connection } }

    /// Keeps one for the next task, or closes it. May wait for a moment.
    func put(_ connection: MongoConnection) {
        let number = state.withLock { state -> UInt64? in
            guard !state.isShut, state.entries.count < Self.limit else { return nil }
            state.next += 1
            state.entries.append(Entry(number: state.next, connection: connection))
            return state.next
        }
        guard let number else { return connection.close() }
        MultiThreadedEventLoopGroup.singleton.any().scheduleTask(in: patience) { self.expire(number) }
    }

    /// Closes all, and from now on whatever is put.
    func shutDown() {
        let entries = state.withLock { state in
            defer { state.entries = [] }
            state.isShut = true
            return state.entries
        }
        for entry in entries { entry.connection.close() }
    }

    private func expire(_ number: UInt64) {
        let connection = state.withLock { state -> MongoConnection? in
            guard let index = state.entries.firstIndex(where: { $0.number == number }) else { return nil }
            return state.entries.remove(at: index).connection
        }
        // Not on the event loop: closing is a call of a library that may block.
        if let connection { DispatchQueue.global().async { connection.close() } }
    }
}
