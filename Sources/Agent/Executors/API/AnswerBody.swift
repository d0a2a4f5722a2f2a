// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import NIOCore

/// The body of an answer as it comes: counted and hashed to its end, shown and kept up to a limit.
struct AnswerBody {
    /// Bytes that came.
    private(set) var count: Int64 = 0
    /// The first of them, for expectations, and for showing them later.
    private(set) var kept: [UInt8] = []
    private var digest = SHA256()
    private let limit: Int64
    private let keeps: Bool
    private let live: LogOutput?

    /// - Parameters:
    ///   - limit: Bytes that are shown and kept.
    ///   - keeps: Whether they are kept.
    ///   - live: Where they are shown at once; nil to show them later or never.
    init(limit: Int64, keeps: Bool, live: LogOutput?) {
        self.limit = limit
        self.keeps = keeps
        self.live = live
    }

    /// Whether there was more than is shown and kept.
    var isCut: Bool { count > limit }
    /// Bytes within the limit.
    var within: Int64 { min(count, limit) }
    /// SHA-256 of all that came, in hexadecimal.
    var sha256: String { digest.finalize().map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined() }

    /// Takes the next part; waits while the log takes no more.
    mutating func take(_ part: ByteBuffer) async {
        part.withUnsafeReadableBytes { digest.update(bufferPointer: $0) }
        let room = limit - count
        count += Int64(part.readableBytes)
        let length = min(part.readableBytes, Int(clamping: max(0, room)))
        guard length > 0, let shown = part.getSlice(at: part.readerIndex, length: length) else { return }
        if keeps { kept.append(contentsOf: shown.readableBytesView) }
        await live?.send(shown)
    }
}
