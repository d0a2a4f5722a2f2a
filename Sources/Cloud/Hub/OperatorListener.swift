// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// An operator who is there now: over a link, or reading a response that goes on.
protocol OperatorListener: AnyObject, Sendable {
    var principal: Principal { get }
    var changes: ChangeFeed { get }
    /// An agent is out of this operator's reach now.
    func lost(_ agent: AgentID, removed: Bool)
    /// Ends it.
    func close(_ reason: CloseReason)
}

extension OperatorService {
    /// Which of the agents concerned an operator reaches, as the database says now.
    func reached(_ changes: ChangeFeed.Changes, by principal: Principal) async throws -> @Sendable (AgentID) -> Bool {
        if principal.scope.isEverything { return { _ in true } }
        let concerned = Set(changes.agents.map(\.id) + changes.tasks.map(\.agentID))
        let reached = try await reached(Array(concerned), by: principal)
        return { reached.contains($0) }
    }
}
