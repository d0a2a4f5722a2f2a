// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Logging
import Synchronization

/// One live link of one operator: answers requests, sends followed logs and changes.
final class OperatorSession: OperatorListener {
    let link: WebSocketLink
    let changes = ChangeFeed()
    let principal: Principal
    private let service: OperatorService
    private let uploads: LinkUploads
    private let viewers = Mutex<[TaskID: (viewer: LogViewer, agent: AgentID)]>([:])
    /// Why this link ends after the answer it is about to send.
    private let ending = Mutex<CloseReason?>(nil)
    private let work: AsyncStream<@Sendable () async -> Void>.Continuation
    private let jobs: AsyncStream<@Sendable () async -> Void>

    /// The session whose request is being answered on this task.
    @TaskLocal private static var answering: OperatorSession?

    /// The most logs one link may follow at once.
    private static let maximumViewers = 20_000

    init(link: WebSocketLink, principal: Principal, service: OperatorService) {
        self.link = link
        self.principal = principal
        self.service = service
        uploads = LinkUploads(service.files, principal: principal)
        (jobs, work) = AsyncStream.makeStream()
    }

    /// Serves the link until it ends.
    func serve() async {
        await withDiscardingTaskGroup { group in
            group.addTask {
                _ = await self.link.run { frame in await self.receive(frame) }
                self.stop()
            }
            for await job in jobs { group.addTask { await job() } }
        }
    }

    /// Ends the link at once; if this is what its own request asked for, right after the answer to it.
    func close(_ reason: CloseReason) {
        if Self.answering === self { ending.withLock { $0 = reason } } else { link.close(reason) }
    }

    private func stop() {
        changes.finish()
        let all = viewers.withLock { viewers in
            defer { viewers = [:] }
            return viewers.values.map(\.viewer)
        }
        for viewer in all { viewer.stop() }
        work.finish()
    }

    private func receive(_ frame: WireFrame) async {
        do throws(OperatorFrameError) {
            let (id, request) = try OperatorRequest.decode(frame)
            do {
                try await Self.$answering.withValue(self) { try await answer(request, id) }
            } catch {
                await send(OperatorMessage.errorFrame(id: id, DeployError(wrapping: error)))
            }
            if let reason = ending.withLock({ $0 }) { link.close(reason) }
        } catch {
            await send(OperatorMessage.errorFrame(id: error.id, error.error))
        }
    }

    private func send(_ frame: WireFrame) async {
        // A closed link has nobody to answer to.
        try? await link.outbox.send(frame, lane: .control)
    }

    /// Answers a request; what follows on this link begins only after the answer has been sent.
    private func answer(_ request: OperatorRequest, _ id: String) async throws {
        switch request {
        case .runCreate(let run):
            let detail = try await service.audited(request, as: principal) {
                try await service.create(run, as: principal)
            }
            await send(OperatorMessage.reply(id: id, OperatorService.fitting(detail)))
            if run.follow == true { for task in detail.tasks { try follow(task, from: 0, follow: true) } }
        case .logOpen(let open):
            let state = try await service.audited(request, as: principal) {
                try await service.openLog(open.taskID, as: principal)
            }
            await send(OperatorMessage.reply(id: id, state))
            try follow(state.task, from: open.fromSeq, follow: open.follow)
        case .logClose(let query):
            if let taskID = TaskID(query.id) { viewers.withLock { $0.removeValue(forKey: taskID) }?.viewer.stop() }
            await send(try await service.answer(request, as: principal).frame(id))
        case .eventsOpen:
            await send(try await service.answer(request, as: principal).frame(id))
            if changes.open() { work.yield { await self.sendChanges() } }
        case .fileBegin(let begin):
            // What is there already may have to be read first: the link is not deaf meanwhile.
            await beside(request, id) { try await self.uploads.begin(begin) }
        case .fileChunk(let head, let bytes):
            // The bytes of an upload that was let in; what it brings is recorded when it is complete.
            try principal.require(request.action)
            if let credit = try await uploads.take(head, bytes) { await send(OperatorMessage.creditFrame(credit)) }
        case .fileCommit(let commit):
            await beside(request, id) { try await self.uploads.commit(commit) }
        case .filePut(let begin, let bytes):
            await beside(request, id) { try await self.uploads.put(begin, bytes) }
        default: await send(try await service.answer(request, as: principal).frame(id))
        }
    }

    /// Answers a request beside those that follow it, so that many share the disk's and the database's syncs.
    private func beside(
        _ request: OperatorRequest, _ id: String,
        _ act: @escaping @Sendable () async throws -> some Encodable & Sendable
    ) async {
        await uploads.slots.take()
        work.yield {
            defer { self.uploads.slots.give() }
            do {
                let answer = try await self.service.audited(request, as: self.principal, act)
                await self.send(OperatorMessage.reply(id: id, answer))
            } catch {
                await self.send(OperatorMessage.errorFrame(id: id, DeployError(wrapping: error)))
            }
        }
    }

    private func follow(_ task: TaskRecord, from seq: Int64, follow: Bool) throws {
        let viewer = service.viewer(task.id, from: seq, follow: follow)
        let old = try viewers.withLock { viewers throws -> LogViewer? in
            guard viewers.count < Self.maximumViewers else {
                throw DeployError(.rateLimited, "this link follows too many logs", hint: "close some")
            }
            defer { viewers[task.id] = (viewer, task.agentID) }
            return viewers[task.id]?.viewer
        }
        old?.stop()
        work.yield { await self.view(viewer, attempt: task.attempt) }
    }

    private func view(_ viewer: LogViewer, attempt: Int) async {
        do {
            var sink = LinkLogSink(outbox: link.outbox)
            try await viewer.run(attempt: attempt, to: &sink)
        } catch {
            await send(OperatorMessage.errorFrame(id: nil, DeployError(wrapping: error)))
        }
        viewers.withLock { viewers in
            if viewers[viewer.taskID]?.viewer === viewer { viewers[viewer.taskID] = nil }
        }
    }

    /// An agent is out of this operator's reach now. Where it was removed, its logs end by themselves; where it only
    /// moved, a link that follows one of them must end.
    func lost(_ agent: AgentID, removed: Bool) {
        changes.note(gone: agent)
        guard !removed, viewers.withLock({ $0.values.contains { $0.agent == agent } }) else { return }
        link.close(.policy("an agent moved out of reach"))
    }

    private func sendChanges() async {
        while let next = await changes.next() {
            if next.isTooMany { return link.close(.slowConsumer) }
            do {
                let reached = try await service.reached(next, by: principal)
                for agent in next.agents where reached(agent.id) { await send(OperatorMessage.agentFrame(agent)) }
                for task in next.tasks where reached(task.agentID) { await send(OperatorMessage.taskFrame(task)) }
                for agent in next.gone { await send(OperatorMessage.agentRemovedFrame(agent)) }
            } catch {
                // Nobody can say what this operator may see: it comes back and asks.
                return link.close(CloseReason(code: 1011, reason: "changes could not be read"))
            }
        }
    }
}
