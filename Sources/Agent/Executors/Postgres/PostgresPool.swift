// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOPosix
import Synchronization

/// Sessions of one datasource that wait for their next task, each as new. They are closed when they have waited for long.
final class PostgresPool: Sendable {
    private struct Waiting {
        var session: PostgresSession
        var since: NIODeadline
    }

    private struct State {
        var waiting: [Waiting] = []
        var timerIsSet = false
        var isShut = false
    }

    private let idleTimeout: TimeAmount
    private let state = Mutex(State())

    /// How many wait at most, over all databases; the one that has waited longest makes room.
    static let limit = 8

    /// - Parameter idleTimeout: How long a session waits before it is closed.
    init(idleTimeout: Duration) { self.idleTimeout = TimeAmount(idleTimeout) }

    /// The session in a database that has waited least; nil when none waits.
    func take(_ database: String) -> PostgresSession? {
        state.withLock { state in
            guard let index = state.waiting.lastIndex(where: { $0.session.database == database }) else { return nil }
            return state.waiting.remove(at: index).session
        }
    }

    /// Takes a session back that is as new.
    func give(_ session: PostgresSession) {
        let (old, needsTimer) = state.withLock { state -> (Waiting?, Bool) in
            guard !state.isShut, idleTimeout > .zero else { return (nil, false) }
            state.waiting.append(Waiting(session: session, since: .now()))
            defer { state.timerIsSet = true }
            return (state.waiting.count > Self.limit ? state.waiting.removeFirst() : nil, !state.timerIsSet)
        }
        if needsTimer { setTimer(idleTimeout) }
        // Closed here, outside the lock.
        withExtendedLifetime(old) {}
    }

    /// Closes all; those that come back later are closed at once.
    func shutDown() {
        let all = state.withLock { state in
            state.isShut = true
            defer { state.waiting = [] }
            return state.waiting
        }
        withExtendedLifetime(all) {}
    }

    private func setTimer(_ delay: TimeAmount) {
        MultiThreadedEventLoopGroup.singleton.next().scheduleTask(in: delay) { [weak self] in self?.closeIdle() }
    }

    private func closeIdle() {
        let now = NIODeadline.now()
        let (old, next) = state.withLock { state -> ([Waiting], TimeAmount?) in
            let old = state.waiting.filter { now - $0.since >= idleTimeout }
            state.waiting.removeAll { now - $0.since >= idleTimeout }
            let next = state.waiting.first.map { idleTimeout - (now - $0.since) }
            state.timerIsSet = next != nil
            return (old, next)
        }
        if let next { setTimer(next) }
        withExtendedLifetime(old) {}
    }
}
