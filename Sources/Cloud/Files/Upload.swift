// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import NIOCore
import Synchronization

/// One upload that is under way in this process: the part, what it hashes to so far, and who writes it now.
final class Upload: Sendable {
    let record: PartRecord
    private let part: PartFile
    private let state: Mutex<State>

    private struct State {
        var hasher = SHA256()
        var offset: Int64 = 0
        var flushed: Int64 = 0
        /// Which connection writes: a later one takes over, and the earlier one is told.
        var writer = 0
        var usedAt = ContinuousClock.now
        var isClosed = false
    }

    /// Bytes after which the disk is told to begin.
    private static let writeback: Int64 = 8 << 20
    /// Bytes read at once to hash what is there already.
    private static let rehash = 1 << 20

    /// A new upload.
    init(_ record: PartRecord, _ part: PartFile) {
        self.record = record
        self.part = part
        state = Mutex(State())
    }

    /// Goes on with a part that a former process, or connection, has left; reads it once to know its hash. Blocking.
    init(resuming record: PartRecord, _ part: PartFile) throws(DeployError) {
        self.record = record
        self.part = part
        var found = State()
        let size = try part.size()
        while found.offset < size {
            let length = Int(min(Int64(Self.rehash), size - found.offset))
            let bytes = try FileReading.read(part.descriptor, at: found.offset, length: length)
            guard bytes.readableBytes > 0 else { break }
            bytes.withUnsafeReadableBytes { found.hasher.update(bufferPointer: $0) }
            found.offset += Int64(bytes.readableBytes)
        }
        found.flushed = found.offset
        state = Mutex(found)
    }

    /// Bytes written.
    var offset: Int64 { state.withLock { $0.offset } }

    /// Whether it can still be written to.
    var isOpen: Bool { state.withLock { !$0.isClosed } }

    /// How long nobody has written.
    var idle: Duration { ContinuousClock.now - state.withLock { $0.usedAt } }

    /// Becomes the writer; earlier ones are refused from now on.
    func take() -> Int {
        state.withLock { state in
            state.writer += 1
            state.usedAt = .now
            return state.writer
        }
    }

    /// Writes what follows. Bytes that are there already are passed over. Blocking.
    ///
    /// - Returns: Bytes written in all.
    /// - Throws: `conflict` for a gap or another writer, `invalid_argument` beyond the announced size,
    ///   `insufficient_storage` when the disk is full.
    func append(_ bytes: ByteBuffer, at offset: Int64, as writer: Int) throws(DeployError) -> Int64 {
        let (part, record) = (part, record)
        let result = state.withLock { state -> Result<Int64, DeployError> in
            do throws(DeployError) {
                guard state.writer == writer, !state.isClosed else {
                    throw DeployError(.conflict, "upload \(record.id) goes on over another connection")
                }
                guard offset <= state.offset, offset >= 0 else {
                    throw DeployError(
                        .conflict, "upload \(record.id): byte \(state.offset) is next, not \(offset)",
                        hint: "go on from there")
                }
                var rest = bytes
                rest.moveReaderIndex(
                    forwardBy: Int(clamping: min(state.offset - offset, Int64(bytes.readableBytes))))
                let end = state.offset + Int64(rest.readableBytes)
                if let size = record.size, end > size {
                    throw DeployError(.invalidArgument, "upload \(record.id) has more than the announced \(size) bytes")
                }
                let at = state.offset
                try rest.withUnsafeReadableBytes { bytes throws(DeployError) in try part.write(bytes, at: at) }
                rest.withUnsafeReadableBytes { state.hasher.update(bufferPointer: $0) }
                state.offset = end
                state.usedAt = .now
                if end - state.flushed >= Self.writeback {
                    part.startWriteback(from: state.flushed, end - state.flushed)
                    state.flushed = end
                }
                return .success(end)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// Ends the writing: nobody appends any more.
    ///
    /// - Returns: The part, its bytes and its hash.
    /// - Throws: `conflict` when it is ended already.
    func close() throws(DeployError) -> (part: PartFile, size: Int64, sha256: ContentHash) {
        let (part, id) = (part, record.id)
        let result = state.withLock { state -> Result<(PartFile, Int64, ContentHash), DeployError> in
            guard !state.isClosed else {
                return .failure(DeployError(.conflict, "upload \(id) is complete or removed"))
            }
            state.isClosed = true
            return .success((part, state.offset, ContentHash(digest: state.hasher.finalize())))
        }
        return try result.get()
    }

    /// As it is told to operators.
    var info: UploadInfo {
        UploadInfo(
            id: record.id, name: record.name, offset: offset, size: record.size, sha256: record.sha256,
            environment: record.environment, actor: record.actor, createdAt: record.createdAt)
    }
}
