// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Synchronization

/// One live link of one agent.
final class AgentSession: Sendable {
    let agentID: AgentID
    /// The token it was made with.
    let token: TokenID
    let name: String
    /// Fences this link against older ones.
    let epoch: Int64
    let link: WebSocketLink
    /// Whether it speaks our wire, with acknowledgements; agents from the origin document do not.
    let acknowledges: Bool
    private let told = Mutex<Int64>(0)
    private let trespasses = Mutex(0)
    /// What is known of the logs it is sending.
    let logs = LogProgress()

    init(agentID: AgentID, token: TokenID, name: String, epoch: Int64, link: WebSocketLink, acknowledges: Bool) {
        self.agentID = agentID
        self.token = token
        self.name = name
        self.epoch = epoch
        self.link = link
        self.acknowledges = acknowledges
    }

    /// A checkpoint of the Cloud's audit, if this agent was not told it, or a later one, before.
    func untold(_ checkpoint: AuditCheckpoint?) -> AuditCheckpoint? {
        guard let checkpoint else { return nil }
        return told.withLock { told in
            guard checkpoint.seq > told else { return nil }
            told = checkpoint.seq
            return checkpoint
        }
    }

    /// Whether one more report on what is not this agent's is worth a record: the first few of a link are.
    func isWorthRecording() -> Bool {
        trespasses.withLock { count in
            count += 1
            return count <= 10
        }
    }

    /// Queues a message; an agent that does not read even control messages is cut off and comes back.
    func send(_ message: CloudMessage, id: String? = nil) {
        if !link.outbox.offer(message.frame(id: id), lane: .control) { link.close(.slowConsumer) }
    }

    /// Hands over one task.
    func send(_ task: TaskRecord, spec: TaskSpec) { send(create(task, spec)) }

    /// Hands over one task, waiting for room, so that an agent which comes back to much work is not cut off for it.
    /// False when the link has ended.
    func deliver(_ task: TaskRecord, spec: TaskSpec) async -> Bool {
        do throws(DeployError) {
            try await link.outbox.send(create(task, spec).frame(), lane: .control)
            return true
        } catch {
            return false
        }
    }

    private func create(_ task: TaskRecord, _ spec: TaskSpec) -> CloudMessage {
        .create(
            TaskCreate(
                taskID: task.id, runID: task.runID, attempt: task.attempt, epoch: epoch, spec: spec,
                actor: task.actor))
    }
}
