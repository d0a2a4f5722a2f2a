// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

public import Core
import Synchronization

/// An operator's end of one link to the Cloud: requests with answers, and an ordered, bounded stream of everything else.
///
/// Use it from three places at most: one task inside ``run()``, one task that takes ``next()``, and any number that
/// call ``request(_:timeout:)``. The socket is not read while the stream is full, so a task that awaits an answer must
/// not be the one that takes the stream while logs or events are open.
public final class OperatorClient: Sendable {
    /// What to do when there is no link.
    public enum Reconnect: Sendable {
        /// End with the first failure: for commands that ask one thing.
        case never
        /// End when the first link cannot be made; afterwards try again for ever, unless the credential is refused.
        case afterFirstLink
        /// Try for ever; with a refused credential, wait for ``OperatorClient/retryNow()``.
        case always
    }

    /// One thing that happened, in order.
    public enum Event: Sendable {
        /// An attempt to connect has begun.
        case connecting
        /// The link is up. Subscriptions of an earlier link are gone.
        case connected(ServerInfo)
        /// There is no link. `attempt` counts failures in a row; nil for `retryIn` means no further attempt by itself.
        case offline(DeployError, attempt: Int, retryIn: Duration?)
        /// The Cloud sent something that answers no request.
        case message(OperatorMessage)
    }

    typealias Answer = PendingAnswer.Answer

    private enum Phase: Sendable {
        case connecting
        case connected(WebSocketLink)
        case offline(DeployError)
        case ended(DeployError)
    }

    private struct State {
        var phase = Phase.connecting
        var answers: [String: PendingAnswer] = [:]
        /// Uploads of the present link, by their ids, which are also the ids of their chunks.
        var uploads: [String: CreditWindow] = [:]
        var phaseWaiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
        var number: UInt64 = 0
        var heard = false
        var closing = false
    }

    private let target: ServerTarget
    private let reconnect: Reconnect
    private let state = Mutex(State())
    private let events = BoundedChannel<Event>(capacity: 32)
    private let wake = BoundedChannel<Void>(capacity: 1)
    private static let path = "/ws/operator"
    private static let serverInfoID = "0"

    /// A client that does nothing before ``run()`` is called.
    public init(_ target: ServerTarget, reconnect: Reconnect = .never) {
        self.target = target
        self.reconnect = reconnect
    }

    /// The next event; nil when the client has ended or the caller was cancelled.
    public func next() async -> Event? { await events.next() }

    /// Ends a wait between two attempts to connect.
    public func retryNow() { wake.offer(()) }

    /// Says goodbye and makes ``run()`` return.
    public func close() {
        let link = state.withLock { state -> WebSocketLink? in
            state.closing = true
            if case .connected(let link) = state.phase { return link }
            return nil
        }
        link?.close(.normal)
        wake.offer(())
    }

    // MARK: requests

    /// Sends a request and waits for its answer; while a link is being made, waits for that too.
    ///
    /// Throws the Cloud's own error, `unreachable` at once when there is no link and when it is lost before the answer,
    /// and `unavailable` when `timeout` passes or this task is cancelled.
    public func request(
        _ request: OperatorRequest, timeout: Duration = .seconds(30)
    ) async throws(DeployError) -> OperatorMessage.Reply {
        let answer = await withTaskGroup(of: Answer?.self, returning: Answer.self) { group in
            group.addTask { await self.perform(request).answer }
            group.addTask {
                try? await Task.sleep(for: timeout)
                return nil
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            return first ?? .failure(DeployError(.unavailable, "the server did not answer within \(timeout)"))
        }
        return try answer.get()
    }

    /// The answer to a request, and the link it was sent over; while a link is being made, waits for that.
    ///
    /// - Parameter link: Only over this link; nil for the present one.
    func perform(
        _ request: OperatorRequest, over link: WebSocketLink? = nil
    ) async -> (answer: Answer, link: WebSocketLink?) {
        await wait { if case .connecting = $0 { true } else { false } }
        let pending = PendingAnswer()
        let id = String(number())
        return await withTaskCancellationHandler {
            let present: WebSocketLink
            switch register(pending, id, over: link) {
            case .success(let link): present = link
            case .failure(let error): return (.failure(error), nil)
            }
            let frame = request.frame(id: id)
            var isSent = true
            switch request.lane {
            case .control: isSent = present.outbox.offer(frame, lane: .control)
            case .bulk:
                do throws(DeployError) { try await present.outbox.send(frame, lane: .bulk) } catch { isSent = false }
            }
            if !isSent { settle(id, .failure(Self.lost)) }
            return (await pending.value(), present)
        } onCancel: {
            settle(id, .failure(DeployError(.unavailable, "given up")))
        }
    }

    static let lost = DeployError(.unreachable, "the connection to the server was lost")

    private func number() -> UInt64 {
        state.withLock { state in
            state.number += 1
            return state.number
        }
    }

    private func register(
        _ pending: PendingAnswer, _ id: String, over wanted: WebSocketLink?
    ) -> Result<WebSocketLink, DeployError> {
        state.withLock { state in
            if Task.isCancelled { return .failure(DeployError(.unavailable, "given up")) }
            switch state.phase {
            case .connected(let link):
                guard wanted == nil || wanted === link else { return .failure(Self.lost) }
                state.answers[id] = pending
                return .success(link)
            case .offline(let error), .ended(let error): return .failure(error)
            case .connecting: return .failure(Self.lost)
            }
        }
    }

    private func settle(_ id: String, _ answer: Answer) {
        state.withLock { $0.answers.removeValue(forKey: id) }?.give(answer)
    }

    /// Waits while the phase is such, or until cancelled.
    private func wait(while holds: @Sendable (Phase) -> Bool) async {
        let number = number()
        while !Task.isCancelled, state.withLock({ holds($0.phase) }) {
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    let resumeNow = state.withLock { state -> Bool in
                        guard holds(state.phase), !Task.isCancelled else { return true }
                        state.phaseWaiters[number] = continuation
                        return false
                    }
                    if resumeNow { continuation.resume() }
                }
            } onCancel: {
                state.withLock { $0.phaseWaiters.removeValue(forKey: number) }?.resume()
            }
        }
    }

    /// Waits until there is a link. Throws why there will be none, `unavailable` when cancelled.
    func linked() async throws(DeployError) {
        await wait {
            switch $0 {
            case .connecting, .offline: true
            case .connected, .ended: false
            }
        }
        if Task.isCancelled { throw DeployError(.unavailable, "given up") }
        if case .ended(let error) = state.withLock({ $0.phase }) { throw error }
    }

    /// Takes what the server says of an upload over a link from now on; false when that is not the present link.
    func watch(_ upload: UploadID, _ window: CreditWindow, over link: WebSocketLink) -> Bool {
        state.withLock { state in
            guard case .connected(let present) = state.phase, present === link else { return false }
            state.uploads[upload.rawValue] = window
            return true
        }
    }

    /// No longer does.
    func unwatch(_ upload: UploadID, _ window: CreditWindow) {
        state.withLock { state in
            if state.uploads[upload.rawValue] === window { state.uploads[upload.rawValue] = nil }
        }
    }

    // MARK: the link

    /// Makes the link and keeps it as ``Reconnect`` says; returns when that is over, after ``close()``, or cancelled.
    public func run() async {
        var backoff = Backoff(base: .milliseconds(500), cap: .seconds(30))
        var attempt = 0
        var linkedOnce = false
        while !isClosing {
            enter(.connecting)
            _ = await events.send(.connecting)
            let (error, heard) = await connectOnce()
            linkedOnce = linkedOnce || heard
            if heard {
                backoff.reset()
                attempt = 0
            }
            attempt += 1
            guard !isClosing, let wait = retryDelay(error, linkedOnce: linkedOnce, &backoff) else {
                end(with: error)
                _ = await events.send(.offline(error, attempt: attempt, retryIn: nil))
                break
            }
            enter(.offline(error))
            _ = await events.send(.offline(error, attempt: attempt, retryIn: wait.delay))
            await pause(wait.delay)
        }
        end(with: DeployError(.unreachable, "the connection was closed"))
        events.finish()
    }

    private var isClosing: Bool { Task.isCancelled || state.withLock { $0.closing } }

    private func retryDelay(
        _ error: DeployError, linkedOnce: Bool, _ backoff: inout Backoff
    ) -> (delay: Duration?, Void)? {
        let refused = error.code == .unauthenticated || error.code == .forbidden
        return switch reconnect {
        case .never: nil
        case .afterFirstLink: linkedOnce && !refused ? (backoff.next(), ()) : nil
        case .always: (refused ? nil : backoff.next(), ())
        }
    }

    /// Waits for a while, for ever when nil, or until ``retryNow()``.
    private func pause(_ delay: Duration?) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { _ = await self.wake.next() }
            if let delay { group.addTask { try? await Task.sleep(for: delay) } }
            await group.next()
            group.cancelAll()
        }
    }

    /// One link from dial to end: why it ended, and whether the server ever answered on it.
    private func connectOnce() async -> (DeployError, heard: Bool) {
        let link: WebSocketLink
        do throws(DeployError) {
            link = try await WebSocketDialer.dial(target.endpoint, path: Self.path, token: target.token)
        } catch {
            return (error, false)
        }
        state.withLock { $0.heard = false }
        enter(.connected(link))
        link.outbox.offer(OperatorRequest.serverInfo.frame(id: Self.serverInfoID), lane: .control)
        if isClosing { link.close(.normal) }
        let failure = Mutex<DeployError?>(nil)
        let reason = await link.run { frame in
            do throws(DeployError) {
                try await self.receive(frame)
            } catch {
                failure.withLock { $0 = error }
                throw error
            }
        }
        let heard = state.withLock { $0.heard }
        let error =
            failure.withLock { $0 } ?? DeployError(.unreachable, "the connection to the server was lost (\(reason))")
        return (error, heard)
    }

    private func receive(_ frame: WireFrame) async throws(DeployError) {
        let message: OperatorMessage
        do throws(DeployError) {
            message = try OperatorMessage.decode(frame)
        } catch {
            if error.code == .unsupported { return }  // a newer server's news; not for us
            throw error
        }
        switch message {
        case .reply(let reply) where reply.id == Self.serverInfoID:
            let info = try reply.data(as: ServerInfo.self)
            state.withLock { $0.heard = true }
            _ = await events.send(.connected(info))
        case .reply(let reply): settle(reply.id, .success(reply))
        case .error(let id?, let error) where id != Self.serverInfoID:
            if let upload = state.withLock({ $0.uploads[id] }) {
                upload.fail(error)
            } else {
                settle(id, .failure(error))
            }
        case .error(_, let error): throw error
        case .fileCredit(let credit): state.withLock { $0.uploads[credit.uploadID.rawValue] }?.credit(credit.offset)
        case .log, .logEnd, .agentChanged, .agentRemoved, .taskChanged: _ = await events.send(.message(message))
        }
    }

    // MARK: phases

    private func end(with error: DeployError) {
        if case .ended = state.withLock({ $0.phase }) { return }
        enter(.ended(error))
    }

    /// Changes the phase; whoever waits for what the old phase could still bring is told.
    private func enter(_ phase: Phase) {
        let failure: DeployError
        switch phase {
        case .offline(let error), .ended(let error): failure = error
        case .connecting, .connected: failure = Self.lost
        }
        let (answers, uploads, waiters) = state.withLock { state in
            state.phase = phase
            var answers: [PendingAnswer] = []
            var uploads: [CreditWindow] = []
            if case .connected = phase {
            } else {
                answers = Array(state.answers.values)
                uploads = Array(state.uploads.values)
                state.answers = [:]
                state.uploads = [:]
            }
            let waiters = Array(state.phaseWaiters.values)
            state.phaseWaiters = [:]
            return (answers, uploads, waiters)
        }
        for answer in answers { answer.give(.failure(failure)) }
        for upload in uploads { upload.fail(Self.lost) }
        for waiter in waiters { waiter.resume() }
    }
}
