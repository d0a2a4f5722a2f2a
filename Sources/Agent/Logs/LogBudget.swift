// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// How much of one task's output is kept. What goes beyond is counted, never dropped silently.
struct LogBudget: Sendable, Equatable {
    /// Raw bytes that are kept.
    let limit: Int64
    /// Raw bytes kept so far.
    private(set) var kept: Int64 = 0
    /// Raw bytes cut so far.
    private(set) var cut: Int64 = 0

    /// - Parameter limit: Raw bytes of all outputs together.
    init(limit: Int64) { self.limit = max(0, limit) }

    /// The part of some output that is kept; the rest is counted as cut.
    mutating func admit(_ bytes: ByteBuffer) -> ByteBuffer {
        let room = limit - kept
        let count = Int64(bytes.readableBytes)
        if count <= room {
            kept += count
            return bytes
        }
        kept = limit
        cut += count - room
        return bytes.getSlice(at: bytes.readerIndex, length: Int(room)) ?? ByteBuffer()
    }

    /// Counts bytes that could not be kept for another reason.
    mutating func lose(_ count: Int) { cut += Int64(count) }

    /// What the log says at its end when something was cut.
    var notice: String? {
        guard cut > 0 else { return nil }
        return "tiangong: output is over the limit of \(limit) bytes; \(cut) bytes were cut at the end"
    }
}
