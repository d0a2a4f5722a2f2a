// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import DequeModule
import NIOCore
import Synchronization

/// The newest committed chunks of logs that somebody is watching, so that live viewers need no database reads.
///
/// Viewers pull: each has its own cursor and falls back to the database when it is too slow for the buffer. Nothing
/// a viewer does reaches the agent.
final class LogFeed: Sendable {
    private let tails = Mutex<[TaskID: LogTail]>([:])

    /// Starts watching a task; every call is paired with ``close(_:)``.
    func open(_ taskID: TaskID) -> LogTail {
        tails.withLock { tails in
            let tail = tails[taskID] ?? LogTail()
            tails[taskID] = tail
            tail.retain()
            return tail
        }
    }

    /// Stops watching a task.
    func close(_ taskID: TaskID) {
        tails.withLock { tails in
            if let tail = tails[taskID], tail.release() { tails[taskID] = nil }
        }
    }

    /// A chunk is on disk.
    func committed(_ chunk: LogChunk, of taskID: TaskID) {
        tails.withLock { $0[taskID] }?.append(chunk)
    }

    /// A task's record changed; the end of the log may have come.
    func changed(_ task: TaskRecord) {
        guard task.state.isFinal else { return }
        tails.withLock { $0[task.id] }?.end(task)
    }
}

/// The newest chunks of one log, and those who wait for more.
final class LogTail: Sendable {
    /// What a viewer finds at its cursor.
    enum Next: Sendable {
        /// These chunks, the first of them at the cursor.
        case chunks([LogChunk])
        /// The buffer has moved on: read the database.
        case behind
        /// The task has ended and there is no more.
        case ended(TaskRecord)
    }

    private struct State {
        var users = 0
        var chunks: Deque<LogChunk> = []
        var bytes = 0
        /// The seq after the newest chunk seen since watching began; nil when none was.
        var next: Int64?
        var ended: TaskRecord?
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    /// The most stored bytes buffered for a task.
    private static let limit = 4 << 20

    func retain() { state.withLock { $0.users += 1 } }

    func release() -> Bool {
        state.withLock { state in
            state.users -= 1
            return state.users == 0
        }
    }

    func append(_ chunk: LogChunk) {
        wake { state in
            state.chunks.append(chunk)
            state.bytes += chunk.payload.readableBytes
            state.next = chunk.seq + 1
            while state.bytes > Self.limit, let old = state.chunks.popFirst() {
                state.bytes -= old.payload.readableBytes
            }
        }
    }

    func end(_ task: TaskRecord) { wake { $0.ended = task } }

    /// Wakes everybody who waits, so that they look again.
    func poke() { wake { _ in } }

    private func wake(_ change: (inout State) -> Void) {
        let waiting = state.withLock { state in
            change(&state)
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Waits until there is something at a cursor; nil when `stopped` says that the viewer has gone.
    func next(at cursor: Int64, stopped: @Sendable () -> Bool) async -> Next? {
        while true {
            if stopped() { return nil }
            if let next = state.withLock({ Self.look($0, at: cursor) }) { return next }
            await withCheckedContinuation { continuation in
                let resumeNow = state.withLock { state in
                    if stopped() || Self.look(state, at: cursor) != nil { return true }
                    state.waiting.append(continuation)
                    return false
                }
                if resumeNow { continuation.resume() }
            }
        }
    }

    private static func look(_ state: State, at cursor: Int64) -> Next? {
        if let next = state.next, next > cursor {
            guard let first = state.chunks.first, first.seq <= cursor else { return .behind }
            return .chunks(Array(state.chunks.dropFirst(Int(cursor - first.seq)).prefix(32)))
        }
        if let task = state.ended {
            // A log may have ended before watching began: then only the database knows how long it is.
            if let length = task.logSeq, length > cursor { return .behind }
            return .ended(task)
        }
        return nil
    }
}
