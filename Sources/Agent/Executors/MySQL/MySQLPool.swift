// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Synchronization

/// Connections between tasks: one for each task while it runs, and a few that wait for the next.
final class MySQLPool: Sendable {
    /// Connections that may stand in for each other.
    struct Key: Hashable, Sendable {
        var datasource: String
        var database: String?
        /// Of the password they signed in with, so that a changed one counts at once.
        var password: Int

        init(datasource: String, database: String?, password: [UInt8]?) {
            self.datasource = datasource
            self.database = database
            var hasher = Hasher()
            hasher.combine(password)
            self.password = hasher.finalize()
        }
    }

    private struct Idle {
        var key: Key
        var connection: MySQLConnection
        var until: ContinuousClock.Instant
    }

    private struct State {
        /// The one that waits longest first.
        var idle: [Idle] = []
        var sweeper: Task<Void, Never>?
        /// When the sweeper looks next.
        var wakes = ContinuousClock.now
        var isShut = false
    }

    /// Connections that wait at most.
    static let maximumIdle = 32

    private let state = Mutex(State())

    /// How many connections wait.
    var idleCount: Int { state.withLock { $0.idle.count } }

    /// A connection that was used before, the last one first; nil when there is none.
    func take(_ key: Key) -> MySQLConnection? {
        state.withLock { state in
            state.idle.lastIndex { $0.key == key }.map { state.idle.remove(at: $0).connection }
        }
    }

    /// Keeps a connection for others for so many seconds; when there are too many, the one that waits longest goes.
    func give(_ connection: MySQLConnection, _ key: Key, seconds: Double) {
        let until = ContinuousClock.now + .seconds(seconds)
        let surplus = state.withLock { state -> MySQLConnection? in
            guard !state.isShut else { return connection }
            state.idle.append(Idle(key: key, connection: connection, until: until))
            if state.sweeper == nil || until < state.wakes {
                state.sweeper?.cancel()
                state.wakes = until
                state.sweeper = Task { await sweep() }
            }
            return state.idle.count > Self.maximumIdle ? state.idle.removeFirst().connection : nil
        }
        if let surplus { Self.close([surplus]) }
    }

    /// Closes all that wait, and keeps none any more.
    func shutDown() async {
        let (rest, sweeper) = state.withLock { state in
            defer { state = State(isShut: true) }
            return (state.idle.map(\.connection), state.sweeper)
        }
        sweeper?.cancel()
        Self.close(rest)
        await sweeper?.value
    }

    /// Closes what has waited long enough; ends when nothing waits any more.
    private func sweep() async {
        while !Task.isCancelled, let next = nextEnd() {
            guard (try? await Task.sleep(until: next, clock: .continuous)) != nil else { return }
            let now = ContinuousClock.now
            let old = state.withLock { state in
                let old = state.idle.filter { $0.until <= now }
                state.idle.removeAll { $0.until <= now }
                return old.map(\.connection)
            }
            Self.close(old)
        }
    }

    private func nextEnd() -> ContinuousClock.Instant? {
        state.withLock { state in
            let next = state.idle.map(\.until).min()
            if let next { state.wakes = next } else { state.sweeper = nil }
            return next
        }
    }

    /// Says goodbye on a thread of its own, since that writes to the server.
    private static func close(_ connections: [MySQLConnection]) {
        guard !connections.isEmpty else { return }
        if !WorkThread.detach({ for connection in connections { connection.close() } }) {
            for connection in connections { connection.close() }
        }
    }
}
