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
        var operators: [ObjectIdentifier: any OperatorListener] = [:]
        var stopping = false
    }

    private let state = Mutex(State())
    /// Questions to agents that wait for an answer.
    let inquiries = AuditInquiries()

    /// The most links and streams one operator token has at a time.
    private let sessionsPerToken: Int

    /// - Parameter sessionsPerToken: The most links and streams one operator token has at a time.
    init(sessionsPerToken: Int = EdgeLimits().sessionsPerToken) { self.sessionsPerToken = sessionsPerToken }

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

    /// Adds an operator's link or stream; why not, when this replica is stopping or the token has too many.
    func attach(_ session: any OperatorListener) -> CloseReason? {
        state.withLock { state in
            if state.stopping { return .goingAway }
            let token = session.principal.token
            guard state.operators.values.count(where: { $0.principal.token == token }) < sessionsPerToken else {
                return .policy("too many links with one token")
            }
            state.operators[ObjectIdentifier(session)] = session
            return nil
        }
    }

    /// Takes an operator's link away.
    func detach(_ session: any OperatorListener) {
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

    /// Tells every operator who reached an agent where it is now; nil when it was removed.
    func moved(from old: AgentInfo, to new: AgentInfo?) {
        for session in state.withLock({ Array($0.operators.values) }) {
            let scope = session.principal.scope
            if let new, scope.reaches(new) {
                session.changes.note(agents: [new])
            } else if scope.reaches(old) {
                session.lost(old.id, removed: new == nil)
            }
        }
    }

    // MARK: Credentials that are no longer good

    /// Ends every link that was made with one of these tokens.
    func end(tokens: Set<TokenID>, _ reason: CloseReason) {
        if tokens.isEmpty { return }
        end(reason, { tokens.contains($0.token) }, { tokens.contains($0.principal.token) })
    }

    /// Ends every link of an operator.
    func end(operator name: String, _ reason: CloseReason) {
        end(reason, { _ in false }, { $0.principal.name == name })
    }

    /// Ends the link of an agent.
    func end(agent: AgentID, _ reason: CloseReason) { session(of: agent)?.link.close(reason) }

    private func end(
        _ reason: CloseReason, _ agents: (AgentSession) -> Bool, _ operators: (any OperatorListener) -> Bool
    ) {
        let all = state.withLock { (Array($0.agents.values), Array($0.operators.values)) }
        for session in all.0 where agents(session) { session.link.close(reason) }
        for session in all.1 where operators(session) { session.close(reason) }
    }

    /// Lives until the server stops, then says goodbye on every link; upgraded sockets do not notice by themselves.
    func run() async throws {
        try? await gracefulShutdown()
        let (agents, operators) = state.withLock { state in
            state.stopping = true
            return (Array(state.agents.values), Array(state.operators.values))
        }
        for session in agents { session.link.close(.goingAway) }
        for session in operators { session.close(.goingAway) }
    }
}
