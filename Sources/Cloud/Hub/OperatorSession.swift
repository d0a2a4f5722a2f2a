// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Logging
import Synchronization

/// One live link of one operator: answers requests, sends followed logs and changes.
final class OperatorSession: Sendable {
    let link: WebSocketLink
    let changes = ChangeFeed()
    let principal: Principal
    private let service: OperatorService
    private let viewers = Mutex<[TaskID: LogViewer]>([:])
    private let work: AsyncStream<@Sendable () async -> Void>.Continuation
    private let jobs: AsyncStream<@Sendable () async -> Void>

    /// The most logs one link may follow at once.
    private static let maximumViewers = 20_000

    init(link: WebSocketLink, principal: Principal, service: OperatorService) {
        self.link = link
        self.principal = principal
        self.service = service
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

    private func stop() {
        changes.finish()
        let all = viewers.withLock { viewers in
            defer { viewers = [:] }
            return Array(viewers.values)
        }
        for viewer in all { viewer.stop() }
        work.finish()
    }

    private func receive(_ frame: WireFrame) async {
        do throws(OperatorFrameError) {
            let (id, request) = try OperatorRequest.decode(frame)
            do {
                try await answer(request, id)
            } catch {
                await send(OperatorMessage.errorFrame(id: id, DeployError(wrapping: error)))
            }
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
        case .runCreate(let request):
            try principal.require(.runCreate)
            let detail = try await service.create(request, as: principal)
            await send(OperatorMessage.reply(id: id, OperatorService.fitting(detail)))
            if request.follow == true { for task in detail.tasks { try follow(task, from: 0, follow: true) } }
        case .logOpen(let request):
            try principal.require(.logRead)
            let state = try await service.logState(request.taskID, as: principal)
            await send(OperatorMessage.reply(id: id, state))
            try follow(state.task, from: request.fromSeq, follow: request.follow)
        case .logClose(let query):
            if let taskID = TaskID(query.id) { viewers.withLock { $0.removeValue(forKey: taskID) }?.stop() }
            await send(try await service.answer(request, as: principal).frame(id))
        case .eventsOpen:
            await send(try await service.answer(request, as: principal).frame(id))
            if changes.open() { work.yield { await self.sendChanges() } }
        default: await send(try await service.answer(request, as: principal).frame(id))
        }
    }

    private func follow(_ task: TaskRecord, from seq: Int64, follow: Bool) throws {
        let viewer = service.viewer(task.id, from: seq, follow: follow)
        let old = try viewers.withLock { viewers throws -> LogViewer? in
            guard viewers.count < Self.maximumViewers else {
                throw DeployError(.rateLimited, "this link follows too many logs", hint: "close some")
            }
            defer { viewers[task.id] = viewer }
            return viewers[task.id]
        }
        old?.stop()
        work.yield { await self.view(viewer, attempt: task.attempt) }
    }

    private func view(_ viewer: LogViewer, attempt: Int) async {
        do {
            try await viewer.run(attempt: attempt, outbox: link.outbox)
        } catch {
            await send(OperatorMessage.errorFrame(id: nil, DeployError(wrapping: error)))
        }
        viewers.withLock { viewers in
            if viewers[viewer.taskID] === viewer { viewers[viewer.taskID] = nil }
        }
    }

    private func sendChanges() async {
        while let next = await changes.next() {
            if next.tooMany { return link.close(.slowConsumer) }
            for agent in next.agents { await send(OperatorMessage.agentFrame(agent)) }
            for task in next.tasks { await send(OperatorMessage.taskFrame(task)) }
        }
    }
}
