// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Synchronization

/// Shows one log to one operator: history from the database, then live, without a seam, at the operator's own pace.
final class LogViewer: Sendable {
    let taskID: TaskID
    private let fromSeq: Int64
    private let follow: Bool
    private let stopped = Mutex(false)
    private let store: Store
    private let feed: LogFeed

    /// Chunks per database read: at most 1 MiB in memory.
    private static let page = 16

    init(taskID: TaskID, fromSeq: Int64, follow: Bool, store: Store, feed: LogFeed) {
        self.taskID = taskID
        self.fromSeq = max(0, fromSeq)
        self.follow = follow
        self.store = store
        self.feed = feed
    }

    /// Ends the viewing soon; `run` returns.
    func stop() {
        stopped.withLock { $0 = true }
        feed.open(taskID).poke()
        feed.close(taskID)
    }

    private var isStopped: Bool { stopped.withLock { $0 } }

    /// Runs until the log is complete, the viewer is stopped or the sink takes no more.
    func run(attempt: Int, to sink: inout some LogSink) async throws {
        let tail = feed.open(taskID)
        defer { feed.close(taskID) }
        var cursor = fromSeq
        var history = true
        while !isStopped {
            if history {
                let chunks = try await page(attempt, from: cursor)
                for chunk in chunks { try await send(chunk, attempt, &sink, &cursor) }
                if !chunks.isEmpty { continue }
                history = false
                if try await finish(cursor, &sink) { return }
            }
            switch await tail.next(at: cursor, stopped: { self.isStopped }) {
            case .chunks(let chunks):
                for chunk in chunks { try await send(chunk, attempt, &sink, &cursor) }
            case .behind: history = true
            case .ended(let task): return try await end(task, cursor, &sink)
            case nil: return
            }
        }
    }

    private func page(_ attempt: Int, from seq: Int64) async throws -> [LogChunk] {
        let taskID = taskID
        return try await store.read { try LogTable.page(taskID, attempt: attempt, from: seq, limit: Self.page, $0) }
    }

    private func send(
        _ chunk: LogChunk, _ attempt: Int, _ sink: inout some LogSink, _ cursor: inout Int64
    ) async throws {
        try await sink.send(chunk, of: taskID, attempt: attempt)
        cursor = chunk.seq + 1
    }

    /// At the end of history: whether there is nothing to wait for.
    private func finish(_ cursor: Int64, _ sink: inout some LogSink) async throws -> Bool {
        let taskID = taskID
        guard let task = try await store.read({ try TaskTable.find(id: taskID, $0) }) else { return true }
        guard task.state.isFinal || !follow else { return false }
        // The end and its last chunks are one commit order: look once more behind what was read before.
        if task.state.isFinal, try await !page(task.attempt, from: cursor).isEmpty { return false }
        try await end(task, cursor, &sink)
        return true
    }

    private func end(_ task: TaskRecord, _ cursor: Int64, _ sink: inout some LogSink) async throws {
        try await sink.end(LogState(task: task, nextSeq: cursor))
    }
}
