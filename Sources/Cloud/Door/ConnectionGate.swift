// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Synchronization

/// Counts connections that have not signed in, and open links of each token.
final class ConnectionGate: Sendable {
    private struct State {
        var unauthenticated = 0
        var byAddress: [String: Int] = [:]
        var sessions: [String: Int] = [:]
    }

    private let limits: EdgeLimits
    private let state = Mutex(State())

    init(_ limits: EdgeLimits) { self.limits = limits }

    /// A place among those who have not signed in; nil when there is none for this address.
    func admit(_ address: String) -> Place? {
        let key = AddressGroup.key(address)
        let isAdmitted = state.withLock { state in
            guard state.unauthenticated < limits.unauthenticated,
                state.byAddress[key, default: 0] < limits.unauthenticatedPerAddress
            else { return false }
            state.unauthenticated += 1
            state.byAddress[key, default: 0] += 1
            return true
        }
        return isAdmitted ? Place(self, key) : nil
    }

    fileprivate func release(_ key: String) {
        state.withLock { state in
            state.unauthenticated -= 1
            let left = state.byAddress[key, default: 1] - 1
            state.byAddress[key] = left > 0 ? left : nil
        }
    }

    /// Counts a link of a token; throws `rate_limited` when it has enough. Each one counted must be ended.
    func begin(_ token: String) throws(DeployError) {
        let isAdmitted = state.withLock { state in
            guard state.sessions[token, default: 0] < limits.sessionsPerToken else { return false }
            state.sessions[token, default: 0] += 1
            return true
        }
        guard isAdmitted else {
            throw DeployError(
                .rateLimited, "this token has \(limits.sessionsPerToken) open links already", hint: "close some",
                retryAfter: 5)
        }
    }

    /// A link of a token has ended.
    func end(_ token: String) {
        state.withLock { state in
            let left = state.sessions[token, default: 1] - 1
            state.sessions[token] = left > 0 ? left : nil
        }
    }

    /// What is counted now: connections that have not signed in, and open links.
    var counts: (unauthenticated: Int, sessions: Int) {
        state.withLock { ($0.unauthenticated, $0.sessions.values.reduce(0, +)) }
    }

    /// One place among those who have not signed in, given back once, by signing in or by going.
    final class Place: Sendable {
        private let gate: ConnectionGate
        private let key: String
        private let isTaken = Mutex(true)

        fileprivate init(_ gate: ConnectionGate, _ key: String) {
            self.gate = gate
            self.key = key
        }

        func giveBack() {
            let wasTaken = isTaken.withLock { isTaken in
                defer { isTaken = false }
                return isTaken
            }
            if wasTaken { gate.release(key) }
        }
    }
}

/// Everything that bounds what comes in, shared by links and plain requests.
struct Edge: Sendable {
    let limits: EdgeLimits
    let gate: ConnectionGate
    let signIns: SignInThrottle
    let requests: RequestThrottle

    init(_ limits: EdgeLimits) {
        self.limits = limits
        gate = ConnectionGate(limits)
        signIns = SignInThrottle(limits)
        requests = RequestThrottle(limits)
    }
}
