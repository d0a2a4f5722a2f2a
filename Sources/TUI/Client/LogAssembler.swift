// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

/// Raw bytes of one stream, in order, each exactly once.
struct LogSegment: Sendable, Equatable {
    /// Which output.
    var stream: LogStream
    /// The chunk's position in the log.
    var seq: Int64
    /// Where in the stream the bytes begin.
    var offset: Int64
    /// When the agent read them.
    var at: Timestamp
    /// The bytes.
    var bytes: ByteBuffer
    /// How many bytes of this stream never arrived just before these; the log itself does not have them.
    var missing: Int64
}

/// Puts one task's chunks in order by seq: duplicates are dropped, holes are told. A value without a socket.
struct LogAssembler: Sendable, Equatable {
    /// What became of a chunk.
    enum Verdict: Equatable {
        /// It was next.
        case next
        /// It was delivered before.
        case duplicate
        /// Chunks from `nextSeq` on are missing before it.
        case gap
    }

    /// The seq wanted next.
    private(set) var nextSeq: Int64
    /// Which try the chunks belong to; 0 before the first.
    private(set) var attempt = 0
    private var ends: [LogStream: Int64] = [:]
    /// Whether the log is read from its beginning, so that every stream starts at offset 0.
    private var fromStart: Bool

    /// - Parameter fromSeq: The first seq wanted.
    init(fromSeq: Int64 = 0) {
        nextSeq = fromSeq
        fromStart = fromSeq == 0
    }

    /// Judges a chunk's place; nothing changes yet.
    func judge(attempt: Int, seq: Int64) -> Verdict {
        if attempt < self.attempt { return .duplicate }
        let wanted = attempt > self.attempt && self.attempt > 0 ? 0 : nextSeq
        return seq == wanted ? .next : seq < wanted ? .duplicate : .gap
    }

    /// Takes a chunk that ``judge(attempt:seq:)`` called next, with its raw bytes.
    ///
    /// Throws `protocol_error` when the stream's bytes would be repeated.
    mutating func take(attempt: Int, _ chunk: LogChunk, raw: ByteBuffer) throws(DeployError) -> LogSegment {
        if attempt > self.attempt {
            if self.attempt > 0 {  // the try before ended without having started anything
                ends = [:]
                fromStart = true
            }
            self.attempt = attempt
        }
        let end = ends[chunk.stream] ?? (fromStart ? 0 : chunk.offset)
        guard chunk.offset >= end else {
            throw DeployError(
                .protocolError, "log chunk \(chunk.seq) repeats \(end - chunk.offset) bytes of \(chunk.stream.rawValue)"
            )
        }
        let (next, overflow) = chunk.seq.addingReportingOverflow(1)
        let (newEnd, endOverflow) = chunk.offset.addingReportingOverflow(Int64(raw.readableBytes))
        guard !overflow, !endOverflow else {
            throw DeployError(.protocolError, "log chunk \(chunk.seq) is beyond the largest position")
        }
        ends[chunk.stream] = newEnd
        nextSeq = next
        return LogSegment(
            stream: chunk.stream, seq: chunk.seq, offset: chunk.offset, at: chunk.at, bytes: raw,
            missing: chunk.offset - end)
    }
}
