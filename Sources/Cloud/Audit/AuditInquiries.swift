// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Synchronization

/// Questions to agents about their own audit, each waiting for the report of the agent that was asked.
final class AuditInquiries: Sendable {
    private struct Waiting {
        let agent: AgentID
        let continuation: CheckedContinuation<AuditReport?, Never>
    }

    private let waiting = Mutex<[String: Waiting]>([:])

    /// How long an agent may take; reading a long audit takes it seconds.
    private static let patience: Duration = .seconds(60)

    /// Asks one agent; nil when it does not answer.
    func ask(_ session: AgentSession, held: [AuditCheckpoint]) async -> AuditReport? {
        let inquiry = RunID.random().rawValue
        return await withTaskGroup(of: AuditReport?.self) { group in
            group.addTask { await self.wait(inquiry, session, held) }
            group.addTask {
                try? await Task.sleep(for: Self.patience)
                self.resolve(inquiry, nil)
                return nil
            }
            let report = await group.next() ?? nil
            group.cancelAll()
            return report
        }
    }

    private func wait(_ inquiry: String, _ session: AgentSession, _ held: [AuditCheckpoint]) async -> AuditReport? {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                waiting.withLock { $0[inquiry] = Waiting(agent: session.agentID, continuation: continuation) }
                if Task.isCancelled { return resolve(inquiry, nil) }
                session.send(.auditQuery(AuditInquiry(inquiry: inquiry, held: held)))
            }
        } onCancel: {
            resolve(inquiry, nil)
        }
    }

    /// Takes a report. One that nobody waits for, or of another agent than was asked, is dropped.
    func take(_ report: AuditReport, from agent: AgentID) {
        guard waiting.withLock({ $0[report.inquiry]?.agent == agent }) else { return }
        resolve(report.inquiry, report)
    }

    /// An agent's link has ended: it will not answer.
    func gone(_ agent: AgentID) {
        for inquiry in waiting.withLock({ $0.filter { $0.value.agent == agent }.map(\.key) }) { resolve(inquiry, nil) }
    }

    private func resolve(_ inquiry: String, _ report: AuditReport?) {
        waiting.withLock { $0.removeValue(forKey: inquiry) }?.continuation.resume(returning: report)
    }
}
