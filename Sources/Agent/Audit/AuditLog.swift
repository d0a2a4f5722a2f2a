// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import Logging
import NIOPosix
import Synchronization

/// The agent's audit: every attempt is one line, on the disk before the act.
///
/// Nothing is kept back: what cannot be written fails at once, and each later record tries anew, so that the agent takes
/// tasks again as soon as its disk does. Damage that it meets, such as a torn or replaced file, becomes a record too.
final class AuditLog: Sendable {
    /// The files.
    let store: AuditStore
    private let logger: Logger
    private let pool: NIOThreadPool
    private let rotation: Int64
    private let state = Mutex(State())

    private typealias Waiter = CheckedContinuation<Result<Void, DeployError>, Never>

    private struct State {
        var file: AppendFile?
        var size: Int64 = 0
        var firstSeq: Int64 = 1
        var head = AuditChain.Head()
        /// Whether `head` is known, from the disk or from what this process wrote.
        var isKnown = false
        var waiting: [Waiter] = []
        var isSynchronizing = false
        var checkpoint: AuditCheckpoint?
        var checkpointsAreRead = false
    }

    /// The size at which a new file is begun.
    static let rotationSize: Int64 = 64 << 20
    /// After this many records a checkpoint is signed.
    static let checkpointInterval: Int64 = 256

    /// - Parameters:
    ///   - directory: Where the files are; made when the first record comes.
    ///   - logger: Where to tell what cannot be written.
    ///   - pool: Where synchronisation waits.
    ///   - rotation: The size at which a new file is begun.
    init(
        _ directory: String, logger: Logger, pool: NIOThreadPool = .singleton, rotation: Int64 = AuditLog.rotationSize
    ) {
        store = AuditStore(directory: directory)
        self.logger = logger
        self.pool = pool
        self.rotation = rotation
    }

    // MARK: Writing

    /// Writes a record and returns when it is on the disk; many that come together share one synchronisation.
    ///
    /// Throws `unavailable` when it cannot be written; the act must then not be done.
    func write(_ record: AuditRecord) async throws(DeployError) {
        let result: Result<Void, DeployError> = await withCheckedContinuation { waiter in
            let outcome = state.withLock { state -> Result<Bool, DeployError> in
                do throws(DeployError) {
                    try append(record, &state)
                    state.waiting.append(waiter)
                    defer { state.isSynchronizing = true }
                    return .success(!state.isSynchronizing)
                } catch { return .failure(Self.unwritable(error)) }
            }
            switch outcome {
            case .failure(let error): waiter.resume(returning: .failure(error))
            case .success(true): pool.submit { _ in self.synchronize() }
            case .success(false): break
            }
        }
        try result.get()
    }

    /// The same as a value.
    func outcome(_ record: AuditRecord) async -> Result<Void, DeployError> {
        do throws(DeployError) {
            return .success(try await write(record))
        } catch {
            return .failure(error)
        }
    }

    /// Writes a record of what has happened already, without waiting for the disk; a failure is only told in the log.
    func note(_ record: AuditRecord) {
        let failure = state.withLock { state -> DeployError? in
            do throws(DeployError) {
                try append(record, &state)
                return nil
            } catch { return error }
        }
        if let failure { logger.error("audit not written", metadata: ["error": "\(failure.message)"]) }
    }

    private static func unwritable(_ error: DeployError) -> DeployError {
        DeployError(.unavailable, "the audit cannot be written: \(error.message)", hint: error.hint)
    }

    private func synchronize() {
        while true {
            let (file, waiters) = state.withLock { state -> (AppendFile?, [Waiter]) in
                defer { state.waiting = [] }
                if state.waiting.isEmpty { state.isSynchronizing = false }
                return (state.file, state.waiting)
            }
            if waiters.isEmpty { return }
            let result: Result<Void, DeployError>
            do throws(DeployError) {
                try file?.synchronize()
                result = .success(())
            } catch {
                result = .failure(Self.unwritable(error))
            }
            for waiter in waiters { waiter.resume(returning: result) }
        }
    }

    private func append(_ record: AuditRecord, _ state: inout State) throws(DeployError) {
        let file = try writable(&state)
        try write(record, to: file, &state)
        if state.head.seq - (state.checkpoint?.seq ?? 0) >= Self.checkpointInterval { sign(&state) }
    }

    private func write(_ record: AuditRecord, to file: AppendFile, _ state: inout State) throws(DeployError) {
        let linked = AuditChain.link(record, after: state.head)
        let line = AuditChain.line(linked) + "\n"
        do throws(DeployError) {
            try file.append(line, at: state.size)
        } catch {
            state.file = nil  // opened anew, and mended, by the next record
            throw error
        }
        if state.size == 0 { state.firstSeq = linked.seq }
        state.size += Int64(line.utf8.count)
        state.head = AuditChain.Head(seq: linked.seq, hash: linked.hash)
    }

    // MARK: The file

    /// The open file, ready for the next line: opened, mended or begun anew when need be.
    private func writable(_ state: inout State) throws(DeployError) -> AppendFile {
        if let file = state.file {
            var problem: String?
            do throws(DeployError) {
                let size = try file.checkedSize()
                if size == state.size {
                    if size < rotation { return file }
                    return try rotate(file, &state)
                }
                problem = "the file had \(state.size) bytes and has \(size) now"
            } catch {
                if error.code == .conflict { problem = "the file was replaced" }
                state.file = nil
                if access(store.current, F_OK) != 0, errno == ENOENT { problem = "the file was gone" }
                if problem == nil { throw error }
            }
            return try reopen(problem, &state)
        }
        return try reopen(nil, &state)
    }

    /// Opens the file; what is wrong with it, or was found to be, becomes a record.
    private func reopen(_ problem: String?, _ state: inout State) throws(DeployError) -> AppendFile {
        state.file = nil
        try StateDirectory.create(store.directory)
        let file = try AppendFile(store.current)
        let end = try AuditTail(file, store: store)
        if end.torn > 0 { try file.truncate(to: end.size) }
        state.file = file
        state.size = end.size
        state.firstSeq = end.firstSeq ?? state.firstSeq
        var problem = problem
        if state.isKnown, end.head != state.head, problem == nil {
            problem = "the last record on the disk was \(end.head.seq) instead of \(state.head.seq)"
        }
        if !state.isKnown || end.head.seq > state.head.seq { state.head = end.head }
        state.isKnown = true
        if end.torn > 0 { problem = (problem.map { $0 + "; " } ?? "") + "a torn line of \(end.torn) bytes was cut off" }
        if let damaged = end.damaged {
            problem = (problem.map { $0 + "; " } ?? "") + "\(damaged) lines at the end cannot be read"
        }
        if let problem {
            logger.error("audit mended", metadata: ["problem": "\(problem)"])
            var note = AuditRecord(action: "audit.repair", actor: "-")
            note.detail = ["problem": .string(problem)]
            try write(note, to: file, &state)
        }
        return file
    }

    /// Puts the full file aside and begins a new one, whose first record holds the hash of the last.
    private func rotate(_ file: AppendFile, _ state: inout State) throws(DeployError) -> AppendFile {
        try file.synchronize()
        let archive = store.archive(firstSeq: state.firstSeq)
        guard access(archive, F_OK) != 0 else { throw DeployError(.conflict, "\(archive) is there already") }
        guard rename(store.current, archive) == 0 else { throw StateFile.failure("rename", store.current) }
        state.file = nil
        let new = try AppendFile(store.current)
        StateDirectory.synchronize(store.directory)
        state.file = new
        state.size = 0
        var record = AuditRecord(action: "audit.rotate", actor: "-")
        record.detail = ["file": .string(archive.split(separator: "/").last.map(String.init) ?? archive)]
        try write(record, to: new, &state)
        return new
    }

    // MARK: Checkpoints

    /// The newest checkpoint, signed now when there are records since the last; nil when there is none and cannot be.
    func checkpoint() -> AuditCheckpoint? {
        state.withLock { state in
            sign(&state)
            return state.checkpoint
        }
    }

    /// The newest checkpoint there is.
    var newestCheckpoint: AuditCheckpoint? { state.withLock { $0.checkpoint } }

    private func sign(_ state: inout State) {
        do throws(DeployError) {
            if !state.checkpointsAreRead {
                state.checkpoint = AuditStore.read(checkpoints: store.checkpoints).last
                state.checkpointsAreRead = true
            }
            guard state.isKnown, state.head.seq > state.checkpoint?.seq ?? 0 else { return }
            let checkpoint = try AuditSigner(path: store.key).checkpoint(state.head)
            try CheckpointFile(store.checkpoints).append(checkpoint)
            state.checkpoint = checkpoint
        } catch {
            logger.error("audit checkpoint not written", metadata: ["error": "\(error.message)"])
        }
    }

    /// Verifies the chain as it is on the disk now.
    ///
    /// - Parameters:
    ///   - chain: What the report calls it.
    ///   - held: Checkpoints of this agent that others keep.
    func verify(chain: String, held: [AuditVerifier.Held]) throws(DeployError) -> AuditChainReport {
        // A line that is just being written is not read by halves.
        let limit = state.withLock { $0.file == nil ? nil : $0.size }
        return try store.verify(chain: chain, held: held, limit: limit)
    }
}
