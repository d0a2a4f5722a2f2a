// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Synchronization

/// Ends what a server does for one task, once the task is canceled: the server is asked, and when it has not ended within
/// the grace the line to it is cut.
final class MySQLStop: Sendable {
    private enum State {
        case working
        case stopping(Task<Void, Never>?)
        case ended(wasStopped: Bool)
    }

    private let state = Mutex(State.working)
    private let line: MySQLLine
    private let grace: @Sendable () -> Duration
    private let ask: @Sendable () async -> Void

    /// - Parameters:
    ///   - line: What the work waits for.
    ///   - grace: How long the work may take to end.
    ///   - ask: Asks the server to end it.
    init(_ line: MySQLLine, grace: @escaping @Sendable () -> Duration, ask: @escaping @Sendable () async -> Void) {
        self.line = line
        self.grace = grace
        self.ask = ask
    }

    /// Whether the work should end.
    var isStopping: Bool { state.withLock { if case .stopping = $0 { true } else { false } } }

    /// Whether the work ended because it was being stopped.
    var wasStopped: Bool { state.withLock { if case .ended(true) = $0 { true } else { false } } }

    /// Begins to stop; does nothing once the work has ended.
    func begin() {
        let isNew = state.withLock { state in
            guard case .working = state else { return false }
            state = .stopping(nil)
            return true
        }
        guard isNew else { return }
        // Not a child: it has to go on although the task is canceled. `end()` waits for it.
        let stopping = Task { await stop() }
        state.withLock { if case .stopping = $0 { $0 = .stopping(stopping) } }
    }

    /// The work has ended; returns whether it was being stopped, once nothing more will be sent on its behalf.
    func end() async -> Bool {
        let before = state.withLock { state in
            let before = state
            if case .stopping = before { state = .ended(wasStopped: true) } else { state = .ended(wasStopped: false) }
            return before
        }
        guard case .stopping(let stopping) = before else { return false }
        await stopping?.value
        return true
    }

    private func stop() async {
        let began = ContinuousClock.now
        async let asked: Void = ask()
        while isStopping {
            let grace = grace()
            // A little before the end, so that there is time for what follows.
            if ContinuousClock.now - began >= max(grace - .milliseconds(200), grace / 2) { line.cut() }
            try? await Task.sleep(for: .milliseconds(5))
        }
        await asked
    }
}
