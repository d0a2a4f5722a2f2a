// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Logging
import NIOCore
import Synchronization

/// What a link knows of the logs it carries.
final class LogProgress: Sendable {
    struct Task {
        var attempt: Int
        /// The seq the next chunk must have.
        var nextSeq: Int64
        /// The raw length of each stream, for agents that send no offsets.
        var lengths: [LogStream: Int64]
        /// The last committed seq that was acknowledged.
        var acked: Int64
        /// What a foreign agent calls its first chunk: 0, or 1 for those that count from one.
        var firstSeq: Int64?
    }

    private struct State {
        var tasks: [TaskID: Task] = [:]
        var pendingBytes = 0
        var waiter: CheckedContinuation<Void, Never>?
        var hasFailed = false
    }

    private let state = Mutex(State())

    /// The most stored bytes of one link that may wait for their commit.
    private static let limit = 16 << 20

    func task(_ id: TaskID) -> Task? { state.withLock { $0.tasks[id] } }
    func set(_ id: TaskID, _ task: Task) { state.withLock { $0.tasks[id] = task } }
    func forget(_ id: TaskID) { state.withLock { _ = $0.tasks.removeValue(forKey: id) } }

    func update<Value>(_ id: TaskID, _ change: (inout Task) -> Value) -> Value? {
        state.withLock { state in
            guard var task = state.tasks[id] else { return nil }
            defer { state.tasks[id] = task }
            return change(&task)
        }
    }

    /// Whether this is the first chunk of the link that could not be stored.
    func isFirstFailure() -> Bool {
        state.withLock { state in
            defer { state.hasFailed = true }
            return !state.hasFailed
        }
    }

    func submitted(_ bytes: Int) { state.withLock { $0.pendingBytes += bytes } }

    func finished(_ bytes: Int) {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.pendingBytes -= bytes
            return state.pendingBytes < Self.limit ? state.waiter.take() : nil
        }
        waiter?.resume()
    }

    /// Waits while too much waits for its commit; this is what slows an agent that is faster than the disk.
    func room() async {
        await withCheckedContinuation { continuation in
            let resumeNow = state.withLock { state in
                if state.pendingBytes < Self.limit { return true }
                state.waiter = continuation
                return false
            }
            if resumeNow { continuation.resume() }
        }
    }
}

/// Takes log frames from agents to the database and to those who watch.
///
/// Chunks are committed in order and acknowledged after the commit that holds them (P4, P5). Repeated chunks are
/// acknowledged again and not stored again; a hole is refused, and the agent sends from the hole on.
struct LogIngest: Sendable {
    let store: Store
    let feed: LogFeed
    let logger: Logger

    /// Stores one frame of a link. Returns once it is queued, in order, not once it is committed.
    func take(_ header: TaskLogHeader, payload: ByteBuffer, from session: AgentSession) async throws {
        let attempt = header.attempt ?? 1
        try await load(header.taskID, attempt: attempt, session)
        if let seq = header.seq {
            var header = header
            if !session.acknowledges {
                let first = session.logs.update(header.taskID) { task -> Int64 in
                    if task.firstSeq == nil { task.firstSeq = task.nextSeq == 0 && seq == 1 ? 1 : 0 }
                    return task.firstSeq ?? 0
                }
                header.seq = seq - (first ?? 0)
            }
            header.offset = header.offset ?? session.logs.task(header.taskID)?.lengths[header.stream ?? .stdout] ?? 0
            try store(try header.chunk(payload: payload), header.taskID, attempt, session)
        } else {
            for chunk in try number(header, payload, session) { try store(chunk, header.taskID, attempt, session) }
        }
        await session.logs.room()
    }

    /// On the first chunk of a task on this link: is it this agent's, and what is stored of it already?
    private func load(_ id: TaskID, attempt: Int, _ session: AgentSession) async throws {
        if session.logs.task(id)?.attempt == attempt { return }
        let agentID = session.agentID
        let progress = try await store.read { transaction -> LogProgress.Task in
            guard let task = try TaskTable.find(id: id, transaction), task.agentID == agentID, task.attempt == attempt
            else {
                throw DeployError(.notFound, "task \(id) attempt \(attempt) is not this agent's")
            }
            let next = try LogTable.nextSeq(id, attempt: attempt, transaction)
            if task.state.isFinal, next >= task.logSeq ?? 0 {
                throw DeployError(.conflict, "task \(id) has ended and its log is complete")
            }
            return LogProgress.Task(
                attempt: attempt, nextSeq: next, lengths: try LogTable.lengths(id, attempt: attempt, transaction),
                acked: next - 1)
        }
        session.logs.set(id, progress)
    }

    /// Numbers the bytes of an agent that does not.
    private func number(_ header: TaskLogHeader, _ payload: ByteBuffer, _ session: AgentSession) throws -> [LogChunk] {
        guard header.codec ?? .identity == .identity else {
            throw DeployError(.invalidArgument, "data.seq is missing")
        }
        let stream = header.stream ?? .stdout
        var rest = payload
        guard let task = session.logs.task(header.taskID) else { return [] }
        var chunks: [LogChunk] = []
        var offset = task.lengths[stream] ?? 0
        guard offset <= LogChunk.maximumOffset else {
            throw DeployError(.invalidArgument, "\(stream.rawValue) is beyond the largest offset")
        }
        while rest.readableBytes > 0 {
            let length = min(rest.readableBytes, LogChunk.maximumRawLength)
            guard let slice = rest.readSlice(length: length) else { break }
            chunks.append(
                LogChunk(
                    seq: task.nextSeq + Int64(chunks.count), stream: stream, offset: offset, at: header.at ?? .now(),
                    codec: .identity, rawLength: length, payload: slice))
            offset += Int64(length)
        }
        return chunks
    }

    private func store(_ chunk: LogChunk, _ id: TaskID, _ attempt: Int, _ session: AgentSession) throws {
        let expected =
            session.logs.update(id) { task -> Int64 in
                let expected = task.nextSeq
                if chunk.seq == expected {
                    task.nextSeq += 1
                    task.lengths[chunk.stream] = chunk.offset + Int64(chunk.rawLength)
                }
                return expected
            } ?? 0
        guard chunk.seq == expected else {
            guard chunk.seq < expected else {
                throw DeployError(.conflict, "task \(id): log seq \(chunk.seq) came where \(expected) is next")
            }
            compare(chunk, id, attempt, session)
            return
        }
        let bytes = chunk.payload.readableBytes + 256
        session.logs.submitted(bytes)
        store.submit {
            try LogTable.insert(chunk, taskID: id, attempt: attempt, $0)
        } finish: { [feed, logger] result in
            session.logs.finished(bytes)
            switch result {
            case .success:
                feed.committed(chunk, of: id)
                committed(chunk.seq, id, attempt, session)
            case .failure(let error):
                // Nothing was acknowledged: the agent keeps the chunk and sends it again on its next link. Those behind
                // it fail as well, and need no line each.
                guard session.logs.isFirstFailure() else { return }
                logger.error("log chunk not stored", metadata: ["task.id": "\(id)", "error": "\(error)"])
                session.link.close(CloseReason(code: 1011, reason: "log could not be stored"))
            }
        }
    }

    /// A chunk that came before is acknowledged again when it is the same; when it is not, the first stands.
    private func compare(_ chunk: LogChunk, _ id: TaskID, _ attempt: Int, _ session: AgentSession) {
        store.submit { transaction in
            let first = try LogTable.page(id, attempt: attempt, from: chunk.seq, limit: 1, transaction).first
            return first.map { $0.stream == chunk.stream && $0.codec == chunk.codec && $0.payload == chunk.payload }
        } finish: { result in
            guard case .success(false?) = result else {
                return acknowledge(id, attempt, upTo: session.logs.task(id)?.acked ?? -1, session)
            }
            session.send(
                .error(
                    DeployError(
                        .protocolError,
                        "task \(id): log seq \(chunk.seq) came again with other content; the first stands")))
        }
    }

    /// Acknowledges at the end of a burst and every few chunks within it, not for each.
    private func committed(_ seq: Int64, _ id: TaskID, _ attempt: Int, _ session: AgentSession) {
        let due = session.logs.update(id) { task -> Bool in
            guard seq + 1 >= task.nextSeq || seq - task.acked >= 16 else { return false }
            task.acked = seq
            return true
        }
        if due == true { acknowledge(id, attempt, upTo: seq, session) }
    }

    private func acknowledge(_ id: TaskID, _ attempt: Int, upTo seq: Int64, _ session: AgentSession) {
        guard session.acknowledges, seq >= 0 else { return }
        session.send(.logAck(TaskLogAck(taskID: id, attempt: attempt, seq: seq)))
    }
}
