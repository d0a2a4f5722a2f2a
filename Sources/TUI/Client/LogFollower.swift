// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

/// Takes what a ``LogFollower`` brings; called by one task, one call at a time. A slow receiver slows the server down.
protocol LogReceiver: Sendable {
    /// The next bytes of a task.
    func receive(_ segment: LogSegment, of task: TaskID) async throws(DeployError)
    /// A task's log is complete.
    func ended(_ task: TaskRecord) async throws(DeployError)
    /// The link was lost and will be made again.
    func interrupted(_ error: DeployError, retryIn: Duration) async
    /// The link is back, the logs go on where they stopped.
    func resumed() async
}

/// Follows the logs of some tasks over one client: every byte once and in order, over lost links too.
struct LogFollower: Sendable {
    /// Where a log is to be read from.
    struct Start: Sendable, Equatable {
        /// The task.
        var task: TaskID
        /// The first seq wanted.
        var fromSeq: Int64 = 0
    }

    /// A subscription to be made.
    private struct Subscription: Sendable {
        var task: TaskID
        var fromSeq: Int64
        /// Whether one may still be open on this link.
        var replacing: Bool
    }

    private typealias Outcome = Result<[TaskRecord], DeployError>

    /// The client; its stream must not be taken by anybody else meanwhile.
    let client: any OperatorConversation
    /// Who gets the bytes.
    let receiver: any LogReceiver
    /// Whether to go on until the tasks end.
    let follow: Bool
    /// How often a log may end early or have a hole before it is given up.
    private static let repairLimit = 3

    /// A follower; see the properties.
    init(client: any OperatorConversation, receiver: any LogReceiver, follow: Bool) {
        self.client = client
        self.receiver = receiver
        self.follow = follow
    }

    /// How the subscriptions come to be.
    enum Opening: Sendable {
        /// The present link has them already, as after `run_create` with `follow`.
        case already
        /// As soon as the link is up, whose `connected` event was not taken yet.
        case onLink
        /// At once; that event was taken before.
        case now
    }

    /// Runs until every log has ended and gives the tasks as they stand then.
    ///
    /// - Parameters:
    ///   - starts: What to follow.
    ///   - opening: How the subscriptions come to be on the present link; on later links they are made again.
    /// - Throws: The client's error when there will be no link, `protocol_error` for a log with a hole, the receiver's.
    func run(_ starts: [Start], opening: Opening) async throws(DeployError) -> [TaskRecord] {
        let wanted = BoundedChannel<[Subscription]>(capacity: 4096)
        let outcome = await withTaskGroup(of: Outcome?.self, returning: Outcome.self) { group in
            group.addTask {
                var following = Following(follower: self, starts: starts, opening: opening, wanted: wanted)
                do throws(DeployError) {
                    return .success(try await following.run())
                } catch {
                    return .failure(error)
                }
            }
            group.addTask { await self.subscribe(wanted) }
            defer { group.cancelAll() }
            for await outcome in group { if let outcome { return outcome } }
            return .failure(DeployError(.unavailable, "given up"))
        }
        return try outcome.get()
    }

    /// Makes subscriptions, away from the task that takes the stream: the answers are in the same stream of bytes.
    private func subscribe(_ wanted: BoundedChannel<[Subscription]>) async -> Outcome? {
        while let batch = await wanted.next() {
            for item in batch {
                do throws(DeployError) {
                    try await open(item)
                } catch {
                    switch error.code {
                    case .unreachable, .unavailable: break  // the next link brings a new batch
                    case .conflict: continue  // this link has it already
                    default: return .failure(error)
                    }
                    break
                }
            }
        }
        return nil
    }

    private func open(_ item: Subscription) async throws(DeployError) {
        if item.replacing {
            do throws(DeployError) {
                _ = try await client.request(.logClose(ObjectQuery(id: item.task.rawValue)))
            } catch {
                if error.code != .notFound { throw error }
            }
        }
        let request = LogOpen(taskID: item.task.rawValue, fromSeq: item.fromSeq, follow: follow)
        _ = try await client.request(.logOpen(request))
    }

    // MARK: the loop

    private struct Repair {
        var count: Int
        var lastSeq: Int64
    }

    private struct Following {
        let follower: LogFollower
        var logs: [TaskID: LogAssembler] = [:]
        var repairs: [TaskID: Repair] = [:]
        var ended: [TaskRecord] = []
        var opening: Opening
        var cut = false
        let wanted: BoundedChannel<[Subscription]>
        let decompressor = ChunkDecompressor()

        init(follower: LogFollower, starts: [Start], opening: Opening, wanted: BoundedChannel<[Subscription]>) {
            self.follower = follower
            self.opening = opening
            self.wanted = wanted
            for start in starts { logs[start.task] = LogAssembler(fromSeq: start.fromSeq) }
        }

        mutating func run() async throws(DeployError) -> [TaskRecord] {
            if opening == .now { try wantAll() }
            while !logs.isEmpty {
                guard let event = await follower.client.next() else { throw DeployError(.unavailable, "given up") }
                switch event {
                case .connecting: break
                case .connected: try await connected()
                case .offline(let error, _, nil): throw error
                case .offline(let error, _, let delay?):
                    opening = .onLink
                    cut = true
                    await follower.receiver.interrupted(error, retryIn: delay)
                case .message(.log(let task, let attempt, let chunk)):
                    try await log(task, attempt, chunk)
                case .message(.logEnd(let state)): try await end(state)
                case .message: break
                }
            }
            return ended
        }

        private mutating func connected() async throws(DeployError) {
            if cut { await follower.receiver.resumed() }
            cut = false
            guard opening != .already else {
                opening = .onLink
                return
            }
            try wantAll()
        }

        private func wantAll() throws(DeployError) {
            try want(logs.map { Subscription(task: $0.key, fromSeq: $0.value.nextSeq, replacing: false) })
        }

        private mutating func log(_ task: TaskID, _ attempt: Int, _ chunk: LogChunk) async throws(DeployError) {
            guard let place = logs[task]?.judge(attempt: attempt, seq: chunk.seq) else { return }
            switch place {
            case .duplicate: break
            case .gap: try hole(task, before: chunk.seq)
            case .next:
                let raw = try decompressor.decompress(chunk)
                guard let segment = try logs[task]?.take(attempt: attempt, chunk, raw: raw) else { return }
                repairs[task] = nil
                try await follower.receiver.receive(segment, of: task)
            }
        }

        private mutating func end(_ state: LogState) async throws(DeployError) {
            guard let log = logs[state.task.id] else { return }
            guard log.nextSeq >= state.nextSeq else {
                try repair(state.task.id, "the log ended at chunk \(log.nextSeq) instead of \(state.nextSeq)")
                return
            }
            logs[state.task.id] = nil
            repairs[state.task.id] = nil
            ended.append(state.task)
            try await follower.receiver.ended(state.task)
        }

        /// A hole before chunk `seq`. Chunks behind it keep coming until the new subscription takes over, in rising
        /// order; one that is not higher than the last shows that the new one has the hole too.
        private mutating func hole(_ task: TaskID, before seq: Int64) throws(DeployError) {
            if let repair = repairs[task], seq > repair.lastSeq {
                repairs[task]?.lastSeq = seq
                return
            }
            try repair(task, "log chunks are missing before \(seq)")
            repairs[task]?.lastSeq = seq
        }

        /// Asks again from where the log is whole; after a few times without progress the log is broken.
        private mutating func repair(_ task: TaskID, _ what: String) throws(DeployError) {
            let count = (repairs[task]?.count ?? 0) + 1
            guard count <= LogFollower.repairLimit else {
                throw DeployError(.protocolError, "task \(task.short): \(what)")
            }
            repairs[task] = Repair(count: count, lastSeq: -1)
            try want([Subscription(task: task, fromSeq: logs[task]?.nextSeq ?? 0, replacing: true)])
        }

        private func want(_ batch: [Subscription]) throws(DeployError) {
            guard wanted.offer(batch) else { throw DeployError(.internal, "too many subscriptions are waiting") }
        }
    }
}
