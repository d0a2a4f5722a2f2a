// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Logging
import ServiceLifecycle
import Synchronization

/// Who is connected to this replica: agents and operators. Knows links only; the database is the truth.
final class Hub: Sendable, Service {
    private struct State {
        var agents: [AgentID: AgentSession] = [:]
        var operators: [ObjectIdentifier: OperatorSession] = [:]
        var stopping = false
    }

    private let state = Mutex(State())

    /// The live link of an agent, if it is on this replica.
    func session(of agent: AgentID) -> AgentSession? { state.withLock { $0.agents[agent] } }

    /// Puts a link in place; one that is already there is closed as replaced. False when this replica is stopping.
    func attach(_ session: AgentSession) -> Bool {
        let (accepted, old) = state.withLock { state -> (Bool, AgentSession?) in
            if state.stopping { return (false, nil) }
            let old = state.agents[session.agentID]
            if let old, old.epoch > session.epoch { return (false, nil) }
            state.agents[session.agentID] = session
            return (true, old)
        }
        old?.link.close(.replaced)
        return accepted
    }

    /// Takes a link away, unless a newer one is already there.
    func detach(_ session: AgentSession) {
        state.withLock { state in
            if state.agents[session.agentID] === session { state.agents[session.agentID] = nil }
        }
    }

    /// Adds an operator's link. False when this replica is stopping.
    func attach(_ session: OperatorSession) -> Bool {
        state.withLock { state in
            if state.stopping { return false }
            state.operators[ObjectIdentifier(session)] = session
            return true
        }
    }

    /// Takes an operator's link away.
    func detach(_ session: OperatorSession) {
        state.withLock { _ = $0.operators.removeValue(forKey: ObjectIdentifier(session)) }
    }

    /// Tells every operator who listens that agents changed.
    func announce(_ agents: [AgentInfo]) {
        for session in state.withLock({ Array($0.operators.values) }) { session.changes.note(agents: agents) }
    }

    /// Tells every operator who listens that tasks changed.
    func announce(_ tasks: [TaskRecord]) {
        for session in state.withLock({ Array($0.operators.values) }) { session.changes.note(tasks: tasks) }
    }

    /// Lives until the server stops, then says goodbye on every link; upgraded sockets do not notice by themselves.
    func run() async throws {
        try? await gracefulShutdown()
        let (agents, operators) = state.withLock { state in
            state.stopping = true
            return (Array(state.agents.values), Array(state.operators.values))
        }
        for session in agents { session.link.close(.goingAway) }
        for session in operators { session.link.close(.goingAway) }
    }
}
