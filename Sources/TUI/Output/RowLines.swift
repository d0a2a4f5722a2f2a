// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

/// Finds the rows in the standard output of one task, wherever its chunks end. A value without a socket.
struct RowLines: Sendable {
    /// What a piece of output is.
    enum Piece: Equatable, Sendable {
        /// One JSON object.
        case row(String)
        /// Anything else, as it came.
        case other(LogSegment)
    }

    /// A longer line is not a row.
    static let longestRow = 1 << 20

    /// What is not yet a whole line.
    private var bytes: [UInt8] = []
    /// Where in the stream it begins, and the chunk that held its beginning.
    private var offset: Int64 = 0
    private var seq: Int64 = 0
    /// The beginning of this line is gone: whatever it looks like, it is no row.
    private var isBroken = false

    /// Takes a chunk and gives the lines that end in it.
    mutating func feed(_ segment: LogSegment) -> [Piece] {
        var pieces: [Piece] = []
        if segment.missing > 0 {
            pass(segment, &pieces)
            isBroken = true
        }
        var at = segment.offset
        var rest = segment.bytes.readableBytesView[...]
        while !rest.isEmpty {
            let end = rest.firstIndex(of: 0x0A)
            let part = rest[..<(end ?? rest.endIndex)]
            if bytes.isEmpty { (offset, seq) = (at, segment.seq) }
            bytes.append(contentsOf: part)
            at += Int64(part.count)
            guard let end else { break }
            at += 1
            line(segment, &pieces, end: [0x0A])
            isBroken = false
            rest = rest[rest.index(after: end)...]
        }
        if bytes.count > Self.longestRow {
            pass(segment, &pieces)
            isBroken = true
        }
        return pieces
    }

    /// Gives the last line, which has no end.
    mutating func finish(at time: Timestamp) -> [Piece] {
        guard !bytes.isEmpty else { return [] }
        var pieces: [Piece] = []
        line(
            LogSegment(stream: .stdout, seq: seq, offset: offset, at: time, bytes: ByteBuffer(), missing: 0), &pieces,
            end: [])
        return pieces
    }

    private mutating func line(_ segment: LogSegment, _ pieces: inout [Piece], end: [UInt8]) {
        if !isBroken, let row = RowText.row(bytes[...]) {
            pieces.append(.row(row))
            bytes.removeAll(keepingCapacity: true)
        } else {
            bytes += end
            pass(segment, &pieces)
        }
    }

    /// What is kept is no row; it goes on as it came, with what is no row before it.
    private mutating func pass(_ segment: LogSegment, _ pieces: inout [Piece]) {
        guard !bytes.isEmpty else { return }
        if case .other(var before)? = pieces.last, before.seq == seq {
            before.bytes.writeBytes(bytes)
            pieces[pieces.count - 1] = .other(before)
        } else {
            var other = segment
            (other.offset, other.seq, other.missing) = (offset, seq, 0)
            other.bytes = ByteBuffer(bytes: bytes)
            pieces.append(.other(other))
        }
        bytes.removeAll(keepingCapacity: true)
    }
}
