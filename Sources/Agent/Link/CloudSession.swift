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
    ///   - registration: What the agent says of itself; its journal is filled in here.
    ///   - directory: Where the agent keeps its state.
    init(
        _ link: WebSocketLink, runner: TaskRunner, uplink: Uplink, registration: AgentRegister, directory: String,
        logger: Logger
    ) {
        self.link = link
        self.runner = runner
        self.uplink = uplink
        self.registration = registration
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
            group.addTask { await self.register() }
            group.addTask { await self.sendStates() }
            group.addTask { await self.sendTurns() }
            group.addTask { await self.beat(until: ended) }
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
            interval: registered.heartbeatInterval, outbox: link.outbox, runner: runner, directory: directory
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
            message = try CloudMessage.decode(frame).message
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
        case .heartbeat: break
        case .enrolled, .certificate, .auditQuery: throw DeployError(.unsupported, "pending")
        case .error(let error):
            logger.warning(
                "the Cloud refused a message",
                metadata: ["code": "\(error.code.rawValue)", "error": "\(error.message)"])
        }
    }

    private func accept(_ reply: AgentStatusReply) {
        guard registered.current == nil else { return }
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

    /// Answers what cannot be done; when even that does not fit the queue, the link is ended.
    private func refuse(_ error: DeployError) {
        if !link.outbox.offer(AgentMessage.error(error).frame(), lane: .control) { link.close(.slowConsumer) }
    }
}
