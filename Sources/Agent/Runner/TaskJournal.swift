// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import NIOCore
import NIOPosix
import Synchronization

/// The agent's memory of what it has started, which makes a start happen at most once.
///
/// An append-only file of framed JSON records. `start` is on the disk before anything is executed; many starts share one
/// synchronisation. Other records are only written: they survive the agent's death, and after a loss of power the worst
/// is that an end is reported as interrupted, which the Cloud ignores if it already has the end.
final class TaskJournal: Sendable {
    private let path: String
    private let pool: NIOThreadPool
    private let state: Mutex<State>

    private typealias Waiter = CheckedContinuation<Result<Void, DeployError>, Never>

    private struct State {
        var file: StateFile
        var size: Int
        var entries: [TaskReference: JournalEntry]
        var waiting: [Waiter] = []
        var isSynchronizing = false
    }

    /// The size under which the file is never rewritten.
    static let compactionFloor = 1 << 20

    /// Opens the journal, cutting a torn tail; throws what the disk says.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - pool: Where synchronisation waits.
    init(_ path: String, pool: NIOThreadPool = .singleton) throws(DeployError) {
        self.path = path
        self.pool = pool
        let file = try StateFile(path, create: true)
        let size = try file.size()
        var entries: [TaskReference: JournalEntry] = [:]
        var bytes = try file.read(at: 0, length: size)
        while case .record(let body) = FramedRecord.read(&bytes) {
            if let record = JournalRecord(body) { Self.apply(record, to: &entries) }
        }
        let good = size - bytes.readableBytes
        if good < size { try file.truncate(to: good) }
        state = Mutex(State(file: file, size: good, entries: entries))
    }

    /// Everything it knows, by task attempt.
    var entries: [TaskReference: JournalEntry] { state.withLock { $0.entries } }

    /// Writes down that a task is about to be executed; returns when that is on the disk.
    ///
    /// Throws `conflict` when the attempt is known already, or what the disk says; in both cases nothing may be executed.
    func start(_ reference: TaskReference, at: Timestamp) async throws(DeployError) {
        let result: Result<Void, DeployError> = await withCheckedContinuation { waiter in
            let outcome = state.withLock { state -> Result<Bool, DeployError> in
                do throws(DeployError) {
                    if state.entries[reference] != nil {
                        throw DeployError(
                            .conflict, "task \(reference.taskID) attempt \(reference.attempt) was started before")
                    }
                    try append(.start(reference, at: at), &state)
                    state.waiting.append(waiter)
                    defer { state.isSynchronizing = true }
                    return .success(!state.isSynchronizing)
                } catch { return .failure(error) }
            }
            switch outcome {
            case .failure(let error): waiter.resume(returning: .failure(error))
            case .success(true): pool.submit { _ in self.synchronize() }
            case .success(false): break
            }
        }
        try result.get()
    }

    /// Writes down any other record; throws what the disk says, and then memory does not hold it either.
    func write(_ record: JournalRecord) throws(DeployError) {
        let result = state.withLock { state -> Result<Void, DeployError> in
            do throws(DeployError) {
                try append(record, &state)
                try? compactIfWorthwhile(&state)  // on failure the longer file goes on
                return .success(())
            } catch { return .failure(error) }
        }
        try result.get()
    }

    /// Synchronises for everybody who waits, again while more arrive.
    private func synchronize() {
        while true {
            let (file, waiters) = state.withLock { state -> (StateFile, [Waiter]) in
                defer { state.waiting = [] }
                if state.waiting.isEmpty { state.isSynchronizing = false }
                return (state.file, state.waiting)
            }
            if waiters.isEmpty { return }
            let result: Result<Void, DeployError>
            do throws(DeployError) {
                try file.synchronize()
                result = .success(())
            } catch { result = .failure(error) }
            for waiter in waiters { waiter.resume(returning: result) }
        }
    }

    private func append(_ record: JournalRecord, _ state: inout State) throws(DeployError) {
        var framed = ByteBuffer()
        FramedRecord.write(record.body, to: &framed)
        try state.file.write(framed, at: state.size)
        state.size += framed.readableBytes
        Self.apply(record, to: &state.entries)
    }

    private static func apply(_ record: JournalRecord, to entries: inout [TaskReference: JournalEntry]) {
        switch record {
        case .start(let reference, let at): entries[reference, default: JournalEntry()].startedAt = at
        case .spawned(let reference, let session): entries[reference]?.session = session
        case .end(let completion):
            let reference = TaskReference(taskID: completion.taskID, attempt: completion.attempt ?? 1)
            entries[reference, default: JournalEntry()].completion = completion
        case .forget(let reference): entries[reference] = nil
        }
    }

    /// Rewrites the file with what is still known when most of it is history.
    private func compactIfWorthwhile(_ state: inout State) throws(DeployError) {
        guard state.size > Self.compactionFloor, state.waiting.isEmpty, !state.isSynchronizing else { return }
        var content = ByteBuffer()
        for (reference, entry) in state.entries {
            for record in entry.records(reference) { FramedRecord.write(record.body, to: &content) }
        }
        guard content.readableBytes < state.size / 2 else { return }
        let temporary = path + ".new"
        let file = try StateFile(temporary, create: true)
        try file.truncate(to: 0)
        try file.write(content, at: 0)
        try file.synchronize()
        guard rename(temporary, path) == 0 else { throw StateFile.failure("rename", temporary) }
        StateDirectory.synchronize(path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ".")
        state.file = file
        state.size = content.readableBytes
    }
}
