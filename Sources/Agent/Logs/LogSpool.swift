// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import NIOCore
import Synchronization

/// The log of one task attempt on disk, from when it is read until the Cloud has committed it.
///
/// The spool is the queue: the pump appends (to the page cache, so that what was read survives the death of the agent),
/// the sender reads from wherever the Cloud stands, and a segment is deleted when all of it is acknowledged. Memory
/// holds no chunk and no index of chunks.
final class LogSpool: Sendable {
    /// Whose log.
    let reference: TaskReference
    private let store: SpoolStore
    private let directory: String
    private let state: Mutex<State>

    private struct State {
        var segments: [SpoolSegment] = []
        var nextSeq: Int64 = 0
        var offsets = StreamOffsets()
        var acknowledged: Int64 = -1
        var removed = false
    }

    /// Where a reader stands.
    struct Cursor: Sendable, Equatable {
        /// The next seq to read.
        var seq: Int64
        fileprivate var segment: Int64 = -1
        fileprivate var offset = 0

        /// A reader that wants the log from a seq on.
        init(seq: Int64) { self.seq = seq }
    }

    /// A spool without chunks; nothing is made on disk until the first.
    init(_ reference: TaskReference, store: SpoolStore) {
        self.reference = reference
        self.store = store
        directory = store.directory(for: reference)
        state = Mutex(State())
    }

    /// The spool a former agent process left behind; torn tails are cut.
    init(recovering reference: TaskReference, store: SpoolStore) throws(DeployError) {
        self.reference = reference
        self.store = store
        let directory = store.directory(for: reference)
        self.directory = directory
        var found = State()
        for name in StateDirectory.names(in: directory).sorted() {
            guard let (segment, nextSeq, offsets) = try SpoolSegment.recover(directory + "/" + name) else {
                unlink(directory + "/" + name)
                continue
            }
            found.segments.append(segment)
            found.nextSeq = nextSeq
            found.offsets = offsets
        }
        found.acknowledged = (found.segments.first?.firstSeq ?? 0) - 1
        store.add(found.segments.reduce(0) { $0 + $1.size })
        state = Mutex(found)
    }

    /// The seq the next chunk will have: the number of chunks so far.
    var nextSeq: Int64 { state.withLock { $0.nextSeq } }

    /// The first seq that is not acknowledged yet.
    var firstUnacknowledged: Int64 { state.withLock { $0.acknowledged + 1 } }

    /// Appends a chunk and returns its seq. After an error nothing was appended and the call may be repeated.
    @discardableResult
    func append(
        _ stream: LogStream, at: Timestamp, codec: LogCodec, rawLength: Int, payload: ByteBuffer
    ) throws(DeployError) -> Int64 {
        let result = state.withLock { state -> Result<Int64, DeployError> in
            do throws(DeployError) {
                if state.removed { return .success(state.nextSeq) }
                let chunk = LogChunk(
                    seq: state.nextSeq, stream: stream, offset: state.offsets[stream], at: at, codec: codec,
                    rawLength: rawLength, payload: payload)
                if (state.segments.last?.size ?? .max) >= store.segmentSize { try roll(&state) }
                let record = SpoolRecord.encode(chunk)
                let last = state.segments.count - 1
                try state.segments[last].file.write(record, at: state.segments[last].size)
                state.segments[last].size += record.readableBytes
                store.add(record.readableBytes)
                state.nextSeq += 1
                state.offsets[stream] += Int64(rawLength)
                return .success(chunk.seq)
            } catch { return .failure(error) }
        }
        return try result.get()
    }

    /// Starts a new segment, so that the former can go once it is acknowledged.
    private func roll(_ state: inout State) throws(DeployError) {
        if state.segments.isEmpty { try StateDirectory.create(directory) }
        let segment = try SpoolSegment.create(in: directory, firstSeq: state.nextSeq, offsets: state.offsets)
        state.segments.append(segment)
        store.add(segment.size)
    }

    /// The next chunks, about `limit` stored bytes of them; empty at the end of what is there.
    ///
    /// A chunk the disk has damaged is replaced by a `system` chunk that says so, so that the log has no silent hole.
    func read(_ cursor: inout Cursor, limit: Int) throws(DeployError) -> [LogChunk] {
        var chunks: [LogChunk] = []
        var bytes = 0
        while bytes < limit, let segment = locate(&cursor) {
            var block = try segment.file.read(
                at: cursor.offset, length: min(SpoolSegment.readBlock, segment.size - cursor.offset))
            var consumed = false
            while bytes < limit, let chunk = SpoolRecord.read(&block) {
                consumed = true
                cursor.offset += SpoolRecord.size(chunk)
                guard chunk.seq >= cursor.seq else { continue }
                cursor.seq = chunk.seq + 1
                bytes += chunk.payload.readableBytes + 64
                chunks.append(chunk)
            }
            if !consumed {
                chunks.append(Self.placeholder(cursor.seq))
                cursor.seq += 1
                bytes += 128
            }
        }
        return chunks
    }

    /// The segment that holds the cursor's chunk, with the cursor moved into it; nil at the end of what is there.
    private func locate(_ cursor: inout Cursor) -> SpoolSegment? {
        let wanted = cursor.seq
        let found = state.withLock { state -> SpoolSegment? in
            guard wanted < state.nextSeq else { return nil }
            return state.segments.last { $0.firstSeq <= wanted } ?? state.segments.first
        }
        guard let found else { return nil }
        cursor.seq = max(cursor.seq, found.firstSeq)
        if cursor.segment != found.firstSeq {
            cursor.segment = found.firstSeq
            cursor.offset = SpoolSegment.headerSize
        }
        return found
    }

    private static func placeholder(_ seq: Int64) -> LogChunk {
        let text = ByteBuffer(string: "tiangong: log chunk \(seq) could not be read back from the agent's disk\n")
        return LogChunk(
            seq: seq, stream: .system, offset: 0, at: .now(), codec: .identity, rawLength: text.readableBytes,
            payload: text)
    }

    /// The Cloud holds everything up to and including `seq`: frees the segments that are no longer needed.
    func acknowledge(through seq: Int64) {
        state.withLock { state in
            state.acknowledged = max(state.acknowledged, min(seq, state.nextSeq - 1))
            if state.acknowledged == state.nextSeq - 1, let last = state.segments.last,
                last.size > Self.keptWhenAcknowledged, last.firstSeq < state.nextSeq
            {
                try? roll(&state)  // on failure the bytes stay a little longer
            }
            while state.segments.count > 1, state.segments[1].firstSeq <= state.acknowledged + 1 {
                discard(state.segments.removeFirst())
            }
        }
    }

    /// A fully acknowledged last segment smaller than this is not worth replacing.
    private static let keptWhenAcknowledged = 65_536

    private func discard(_ segment: SpoolSegment) {
        unlink(directory + "/" + SpoolSegment.name(segment.firstSeq))
        store.add(-segment.size)
    }

    /// Deletes everything: the task's end is acknowledged.
    func remove() {
        state.withLock { state in
            state.removed = true
            let existed = !state.segments.isEmpty
            for segment in state.segments { discard(segment) }
            state.segments = []
            if existed { rmdir(directory) }
        }
    }
}
