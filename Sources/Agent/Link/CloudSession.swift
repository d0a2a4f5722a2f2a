// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Logging

/// One connection: registers, then carries tasks down and states, logs and ends up.
final class CloudSession: Sendable {
    private let link: WebSocketLink
    private let runner: TaskRunner
    private let uplink: Uplink
    private let registration: AgentRegister
    private let policy: AgentPolicy
    private let renewal: CertificateRenewal
    private let renewed = OneShot<Void>()
    private let audit: AuditLog
    private let witness: CloudWitness
    private let inquiries: AsyncStream<AuditInquiry>
    private let inquiriesInput: AsyncStream<AuditInquiry>.Continuation
    private let directory: String
    private let logger: Logger
    private let registered = OneShot<Registered?>()

    private struct Registered: Sendable {
        var epoch: Int64
        var heartbeatInterval: Double
        var generation: Uplink.Generation
    }

    /// How long the Cloud may take to answer the registration.
    private static let patience: Duration = .seconds(20)

    /// - Parameters:
    ///   - link: A link that is not running yet.
    ///   - runner: Takes tasks.
    ///   - uplink: Holds what is owed.
    ///   - registration: What the agent says of itself; its journal and policy are filled in here.
    ///   - policy: The agent's own policy.
    ///   - renewal: Asks for the next client certificate.
    ///   - audit: The agent's audit.
    ///   - witness: Keeps what the Cloud says of its own.
    ///   - directory: Where the agent keeps its state.
    init(
        _ link: WebSocketLink, runner: TaskRunner, uplink: Uplink, registration: AgentRegister, policy: AgentPolicy,
        renewal: CertificateRenewal, audit: AuditLog, witness: CloudWitness, directory: String, logger: Logger
    ) {
        self.link = link
        self.runner = runner
        self.uplink = uplink
        self.registration = registration
        self.policy = policy
        self.renewal = renewal
        self.audit = audit
        self.witness = witness
        (inquiries, inquiriesInput) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(4))
        self.directory = directory
        self.logger = logger
    }

    /// Runs until the link ends.
    ///
    /// - Parameter stop: Set when the agent stops; what is owed then has a moment to be sent.
    /// - Returns: Why the link ended, and whether the Cloud had accepted the registration.
    func run(until stop: OneShot<Void>) async -> (reason: CloseReason, wasRegistered: Bool) {
        await withTaskGroup(of: Void.self) { group in
            let ended = OneShot<Void>()
            let changes = self.policy.reports()
            group.addTask { await self.register() }
            group.addTask { await self.tellPolicy(changes) }
            group.addTask { await self.answerInquiries() }
            group.addTask { await self.sendStates() }
            group.addTask { await self.sendTurns() }
            group.addTask { await self.beat(until: ended) }
            group.addTask { await self.renewCertificate() }
            group.addTask { await self.closeOnStop(stop, ended) }
            let reason = await self.link.run { frame in try await self.receive(frame) }
            ended.fulfil(())
            self.registered.fulfil(nil)
            let registered = self.registered.current ?? nil
            if let registered { self.uplink.close(registered.generation) }
            group.cancelAll()
            return (reason, registered != nil)
        }
    }

    // MARK: Sending

    private func register() async {
        var data = registration
        data.journal = await runner.journal()
        data.policy = policy.report
        data.auditHead = audit.checkpoint()
        data.cloudHead = witness.newest
        link.outbox.offer(AgentMessage.register(data).frame(), lane: .control)
        try? await Task.sleep(for: Self.patience)
        if !Task.isCancelled, registered.current == nil { link.close(.protocolError("no answer to the registration")) }
    }

    private func sendStates() async {
        guard let generation = await registered.value?.generation else { return }
        do throws(DeployError) {
            while let frames = await uplink.nextStates(generation) {
                for frame in frames { try await link.outbox.send(frame, lane: .control) }
            }
        } catch {
            // The link is closed; what was not sent is in the journal of the next registration.
        }
    }

    /// Whether the link was ended to be opened again with a new certificate.
    var hasRenewed: Bool { renewed.current != nil }

    /// A new certificate is shown by a new link. What this one had not sent is sent again there; tasks go on.
    private func renewCertificate() async {
        guard await registered.value != nil else { return }
        let outbox = link.outbox
        let isRenewed = await renewal.run { message in
            outbox.offer(message.frame(id: CertificateRenewal.messageID), lane: .control)
        }
        guard isRenewed else { return }
        renewed.fulfil(())
        link.close(CloseReason(code: 1001, reason: "certificate renewed"))
    }

    /// Tells each change of the policy; what had changed before the registration may be told twice.
    private func tellPolicy(_ changes: AsyncStream<AgentPolicyReport>) async {
        guard await registered.value != nil else { return }
        for await report in changes {
            if !link.outbox.offer(AgentMessage.policy(report).frame(), lane: .control) { link.close(.slowConsumer) }
        }
    }

    private func sendTurns() async {
        guard let generation = await registered.value?.generation else { return }
        do throws(DeployError) {
            while let frames = try await uplink.nextTurn(generation) {
                for frame in frames { try await link.outbox.send(frame, lane: .bulk) }
            }
        } catch {
            if error.code != .unavailable {
                logger.error("log not read from the spool", metadata: ["error": "\(error.message)"])
                link.close(.goingAway)
            }
        }
    }

    private func beat(until ended: OneShot<Void>) async {
        guard let registered = await registered.value, ended.current == nil else { return }
        await Heartbeat(
            interval: registered.heartbeatInterval, outbox: link.outbox, runner: runner, policy: policy, audit: audit,
            directory: directory
        ).run()
    }

    /// When the agent stops: waits a moment for the ends that are still owed, then closes.
    private func closeOnStop(_ stop: OneShot<Void>, _ ended: OneShot<Void>) async {
        _ = await stop.valueUnlessCanceled()
        guard ended.current == nil else { return }
        for _ in 0..<150 where uplink.owesCompletions { try? await Task.sleep(for: .milliseconds(20)) }
        link.close(.goingAway)
    }

    // MARK: Receiving

    private func receive(_ frame: WireFrame) async throws {
        let message: CloudMessage
        do throws(DeployError) {
            let (id, decoded) = try CloudMessage.decode(frame)
            if id == CertificateRenewal.messageID, case .error(let error) = decoded {
                renewal.receive(.failure(error))
                return
            }
            message = decoded
        } catch {
            logger.warning("message not understood", metadata: ["error": "\(error.message)"])
            refuse(error)
            return
        }
        do throws(DeployError) {
            try await handle(message)
        } catch {
            refuse(error)
        }
    }

    private func handle(_ message: CloudMessage) async throws(DeployError) {
        switch message {
        case .status(let reply): accept(reply)
        case .create(let create): try await take(create)
        case .cancel(let cancel):
            if await !runner.cancel(cancel) {
                throw DeployError(.notFound, "task \(cancel.taskID) attempt \(cancel.attempt) is not known here")
            }
        case .logAck(let ack):
            uplink.acknowledge(TaskReference(taskID: ack.taskID, attempt: ack.attempt), through: ack.seq)
        case .completeAck(let reference): await runner.acknowledgeEnd(reference)
        case .heartbeat(let reply): witness.take(reply.auditHead)
        case .auditQuery(let inquiry): inquiriesInput.yield(inquiry)
        case .certificate(let issued):
            guard renewal.receive(.success(issued)) else {
                throw DeployError(.conflict, "no certificate was asked for")
            }
        case .enrolled: throw DeployError(.conflict, "this agent is enrolled")
        case .error(let error):
            logger.warning(
                "the Cloud refused a message",
                metadata: ["code": "\(error.code.rawValue)", "error": "\(error.message)"])
        }
    }

    private func accept(_ reply: AgentStatusReply) {
        guard registered.current == nil else { return }
        witness.take(reply.auditHead)
        var expected: [TaskReference: Int64] = [:]
        for item in reply.expect.prefix(100_000) where item.nextSeq >= 0 {
            expected[TaskReference(taskID: item.taskID, attempt: item.attempt)] = item.nextSeq
        }
        let generation = uplink.open(expecting: expected)
        registered.fulfil(
            Registered(epoch: reply.epoch, heartbeatInterval: reply.heartbeatInterval, generation: generation))
        logger.info("registered", metadata: ["agent": "\(reply.agentID)", "epoch": "\(reply.epoch)"])
    }

    private func take(_ create: TaskCreate) async throws(DeployError) {
        guard let epoch = (registered.current ?? nil)?.epoch else {
            throw DeployError(.protocolError, "task_create before agent_status")
        }
        guard create.epoch == epoch else {
            throw DeployError(.conflict, "task_create is of epoch \(create.epoch), this link of \(epoch)")
        }
        try await runner.submit(create)
    }

    /// Verifies the audit when the Cloud asks, one question after the other, while everything else goes on.
    private func answerInquiries() async {
        for await inquiry in inquiries {
            let report = await verify(inquiry)
            do throws(DeployError) {
                try await link.outbox.send(AgentMessage.auditReport(report).frame(), lane: .control)
            } catch {
                return  // the link is closed
            }
        }
    }

    @concurrent
    private func verify(_ inquiry: AuditInquiry) async -> AuditReport {
        let chain: AuditChainReport
        do throws(DeployError) {
            chain = try audit.verify(chain: "agent", held: [.init(by: "the Cloud", inquiry.held)])
        } catch {
            chain = AuditChainReport(chain: "agent", records: 0, head: nil, checkpoints: 0, findings: [], error: error)
        }
        return AuditReport(inquiry: String(inquiry.inquiry.prefix(64)), report: chain, held: witness.held)
    }

    /// Answers what cannot be done; when even that does not fit the queue, the link is ended.
    private func refuse(_ error: DeployError) {
        if !link.outbox.offer(AgentMessage.error(error).frame(), lane: .control) { link.close(.slowConsumer) }
    }
}
