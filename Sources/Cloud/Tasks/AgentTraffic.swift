// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Logging
import NIOCore
import Synchronization

/// Runs one agent's link from its registration to its end: the single switch over what agents say.
struct AgentTraffic: Sendable {
    let store: Store
    let hub: Hub
    let tasks: TaskManager
    let recovery: TaskRecovery
    let ingest: LogIngest
    let certificates: ClientCertificates
    let audit: AuditCheckpoints
    let replica: String
    /// Seconds between heartbeats.
    let heartbeatInterval: Double
    let logger: Logger

    /// How long a link may be open without registering.
    private static let registrationDeadline: Duration = .seconds(5)

    /// Serves a link until it ends.
    func serve(_ link: WebSocketLink, agentID: AgentID, token: TokenID) async {
        let current = CurrentSession()
        let reason = await withTaskGroup(of: CloseReason?.self) { group in
            group.addTask {
                try? await Task.sleep(for: Self.registrationDeadline)
                if !Task.isCancelled, current.value == nil { link.close(.policy("no registration")) }
                return nil
            }
            group.addTask {
                await link.run { frame in await receive(frame, link, agentID, token, current) }
            }
            var reason: CloseReason?
            while let result = await group.next() {
                if let result {
                    reason = result
                    group.cancelAll()
                }
            }
            return reason ?? .lost
        }
        if let session = current.value { await disconnected(session, reason) }
    }

    /// Handles one frame. What cannot be read gets an `error` answer and the link stays.
    private func receive(
        _ frame: WireFrame, _ link: WebSocketLink, _ agentID: AgentID, _ token: TokenID, _ current: CurrentSession
    ) async {
        var id: String?
        do {
            let incoming = try AgentMessage.decode(frame)
            id = incoming.id
            if case .register(let register) = incoming.message {
                guard current.value == nil else {
                    throw DeployError(.conflict, "this link is registered already")
                }
                return try await self.register(register, link, agentID, token, current, replyTo: id)
            }
            guard let session = current.value else { throw DeployError(.conflict, "register first") }
            // A replaced link may still bring what it had buffered; the newer one brings it again.
            guard hub.session(of: agentID) === session else { return }
            try await handle(incoming.message, session, replyTo: id)
        } catch {
            let error = DeployError(wrapping: error)
            if AuditTrail.isUnwritable(error) {
                // The agent keeps what it reported, comes back later and reports it again.
                logger.error("agent turned away", metadata: ["agent.id": "\(agentID)", "error": "\(error)"])
                link.outbox.offer(CloudMessage.error(error).frame(id: id), lane: .control)
                return link.close(.unrecorded)
            }
            logger.debug("agent frame refused", metadata: ["agent.id": "\(agentID)", "error": "\(error)"])
            if error.code == .notFound || error.code == .forbidden {
                await recordTrespass(error, by: agentID, worth: current.value?.isWorthRecording() ?? true)
            }
            if !link.outbox.offer(CloudMessage.error(error).frame(id: id), lane: .control) { link.close(.slowConsumer) }
        }
    }

    private func handle(_ message: AgentMessage, _ session: AgentSession, replyTo id: String?) async throws {
        switch message {
        case .register: return
        case .policy(let report): try await policy(report, session)
        case .enrol: throw DeployError(.conflict, "agent_enrol is for links with an enrolment token")
        case .certificateRequest(let request): try await renewCertificate(request, session, replyTo: id)
        case .auditReport(let report): hub.inquiries.take(report, from: session.agentID)
        case .heartbeat(let heartbeat): try await self.heartbeat(heartbeat, session, replyTo: id)
        case .status(let report): try await tasks.progress(report, from: session, replyTo: id)
        case .log(let header, let payload): try await ingest.take(header, payload: payload, from: session)
        case .complete(let completion):
            try await tasks.complete(completion, from: session)
            if session.acknowledges {
                session.send(
                    .completeAck(TaskReference(taskID: completion.taskID, attempt: completion.attempt ?? 1)), id: id)
            }
        case .error(let error):
            logger.warning("agent reports", metadata: ["agent.id": "\(session.agentID)", "error": "\(error)"])
        }
    }

    /// An agent spoke of a task or an identity that is not its own.
    private func recordTrespass(_ error: DeployError, by agentID: AgentID, worth isWorthRecording: Bool) async {
        guard isWorthRecording else { return }
        do {
            try await store.write { transaction in
                guard let agent = try AgentTable.find(id: agentID, transaction) else { return }
                var record = AuditRecord.agent("agent.report", agent)
                record.verdict = "deny"
                record.result = error.code.rawValue
                try AuditTrail.append(record.with(["reason": .string(error.message)]), transaction)
            }
        } catch {
            logger.error("refusal not recorded", metadata: ["agent.id": "\(agentID)", "error": "\(error)"])
        }
    }

    private func register(
        _ register: AgentRegister, _ link: WebSocketLink, _ agentID: AgentID, _ token: TokenID,
        _ current: CurrentSession, replyTo id: String?
    ) async throws {
        if let claimed = register.agentID, claimed != agentID {
            throw DeployError(.forbidden, "data.agent_id is not the agent this token belongs to")
        }
        let replica = replica
        let address = link.remoteAddress
        let (agent, settlement) = try await store.write { transaction in
            _ = try AgentTable.connect(agentID, register, replica: replica, address: address, transaction)
            try AgentPolicyTable.set(register.policy, of: agentID, transaction)
            try AgentExecutorTable.set(register, of: agentID, transaction)
            try audit.connected(register, agentID, token: token, address: address, transaction)
            let settlement = try TaskRecovery.settle(register, agent: agentID, transaction)
            guard let agent = try AgentTable.find(id: agentID, transaction) else {
                throw DeployError(.notFound, "the agent has been removed")
            }
            return (agent, settlement)
        }
        let session = AgentSession(
            agentID: agentID, token: token, name: agent.name, epoch: agent.epoch, link: link,
            acknowledges: register.protocol ?? 0 >= 1)
        current.set(session)
        var reply = AgentStatusReply(
            agentID: agentID, status: "registered", epoch: agent.epoch, heartbeatInterval: heartbeatInterval,
            expect: settlement.expect)
        reply.auditHead = session.untold(audit.newest)
        session.send(.status(reply), id: id)
        guard hub.attach(session) else {
            return link.close(.goingAway)
        }
        logger.info(
            "agent online", metadata: ["agent.name": "\(agent.name)", "epoch": "\(agent.epoch)", "peer": "\(address)"])
        for reference in settlement.known { session.send(.completeAck(reference)) }
        for task in settlement.cancel { session.send(.cancel(TaskCancel(taskID: task.id, attempt: task.attempt))) }
        recovery.announce(settlement)
        hub.announce([agent])
        await tasks.dispatchPending(session)
    }

    /// The agent's own policy has changed.
    private func policy(_ report: AgentPolicyReport, _ session: AgentSession) async throws {
        try report.validate()
        let agentID = session.agentID
        let agent = try await store.write { transaction in
            try AgentPolicyTable.set(report, of: agentID, transaction)
            let agent = try AgentTable.find(id: agentID, transaction)
            if let agent { try AuditTrail.append(.policyChanged(report, on: agent), transaction) }
            return agent
        }
        if let agent { hub.announce([agent]) }
    }

    private func heartbeat(_ heartbeat: AgentHeartbeat, _ session: AgentSession, replyTo id: String?) async throws {
        let (agentID, epoch) = (session.agentID, session.epoch)
        let agent = try await store.write { transaction in
            try AgentTable.heartbeat(agentID, epoch: epoch, heartbeat, transaction)
            try audit.take(own: heartbeat.auditHead, cloud: heartbeat.cloudHead, of: agentID, transaction)
            return try AgentTable.find(id: agentID, transaction)
        }
        if session.acknowledges {
            var reply = HeartbeatReply(clock: heartbeat.clock, serverClock: .now())
            reply.auditHead = session.untold(audit.newest)
            session.send(.heartbeat(reply), id: id)
        }
        if let agent { hub.announce([agent]) }
    }

    private func disconnected(_ session: AgentSession, _ reason: CloseReason) async {
        hub.detach(session)
        hub.inquiries.gone(session.agentID)
        logger.info("agent gone", metadata: ["agent.name": "\(session.name)", "reason": "\(reason)"])
        let (agentID, epoch) = (session.agentID, session.epoch)
        let changed = try? await store.write { transaction -> (AgentInfo, [TaskRecord])? in
            guard try AgentTable.disconnect(agentID, epoch: epoch, reason: reason.description, transaction),
                let agent = try AgentTable.find(id: agentID, transaction)
            else { return nil }
            let unfinished = try TaskTable.ofAgent(
                agentID, states: [.pending, .dispatched, .running, .canceling], limit: 10_000, transaction)
            return (agent, unfinished)
        }
        if let (agent, unfinished) = changed ?? nil {
            hub.announce([agent])
            hub.announce(unfinished)
        }
    }
}

/// The session of one link once it has registered; shared by the link's reader and its deadline.
private final class CurrentSession: Sendable {
    private let session = Mutex<AgentSession?>(nil)
    var value: AgentSession? { session.withLock { $0 } }
    func set(_ new: AgentSession) { session.withLock { $0 = new } }
}
