// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import Synchronization

/// All spools of an agent: where they are, and the one limit on their size.
final class SpoolStore: Sendable {
    private let path: String
    private let limit: Int
    private let state = Mutex(State())

    private struct State {
        var used = 0
        var waiting: [@Sendable () -> Void] = []
    }

    /// - Parameters:
    ///   - path: An existing directory for the spools alone.
    ///   - limit: Bytes on disk at which readers of output must wait.
    init(_ path: String, limit: Int) {
        self.path = path
        self.limit = max(limit, 1 << 20)
    }

    /// The directory of one task attempt.
    func directory(for reference: TaskReference) -> String { "\(path)/\(reference.taskID).\(reference.attempt)" }

    /// The task attempts a former process left spools of; anything else in the directory is ignored.
    func leftBehind() -> [TaskReference] {
        StateDirectory.names(in: path).compactMap { name in
            let parts = name.split(separator: ".", omittingEmptySubsequences: false)
            guard parts.count == 2, let id = TaskID(String(parts[0])), let attempt = Int(parts[1]) else { return nil }
            return TaskReference(taskID: id, attempt: attempt)
        }
    }

    /// Deletes what is left of an attempt nobody answers for any more.
    func discard(_ reference: TaskReference) {
        let directory = directory(for: reference)
        for name in StateDirectory.names(in: directory) { unlink(directory + "/" + name) }
        rmdir(directory)
    }

    /// The size at which a segment is followed by a new one; smaller when space is short, so that it comes back sooner.
    var segmentSize: Int { state.withLock { $0.used } < limit / 2 ? 8 << 20 : 262_144 }

    /// Whether writers must wait.
    var isFull: Bool { state.withLock { $0.used >= limit } }

    /// Bytes in use.
    var used: Int { state.withLock { $0.used } }

    /// Counts bytes in (or out, when negative), and lets waiting writers go on when there is room.
    func add(_ bytes: Int) {
        let resumed = state.withLock { state -> [@Sendable () -> Void] in
            state.used += bytes
            guard state.used < limit, !state.waiting.isEmpty else { return [] }
            defer { state.waiting = [] }
            return state.waiting
        }
        for resume in resumed { resume() }
    }

    /// Calls back once there is room, at once if there is; possibly on another thread, and with a spool's lock held.
    func whenRoom(_ resume: @escaping @Sendable () -> Void) {
        let now = state.withLock { state in
            if state.used < limit { return true }
            state.waiting.append(resume)
            return false
        }
        if now { resume() }
    }
}
