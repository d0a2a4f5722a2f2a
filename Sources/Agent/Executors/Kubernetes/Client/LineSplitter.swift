// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Takes bytes as they come and gives them back in lines.
struct LineSplitter {
    private var buffer = ByteBuffer()
    private var scanned = 0

    /// Bytes of the line that is not complete yet.
    var pending: Int { buffer.readableBytes }

    mutating func append(_ bytes: ByteBuffer) {
        buffer.writeImmutableBuffer(bytes)
    }

    /// The next complete line, without its end.
    mutating func next() -> ByteBuffer? {
        let unseen = buffer.readableBytesView.dropFirst(scanned)
        guard let index = unseen.firstIndex(of: 0x0A) else {
            scanned = buffer.readableBytes
            buffer.discardReadBytes()
            return nil
        }
        let line = buffer.readSlice(length: index - buffer.readerIndex)
        buffer.moveReaderIndex(forwardBy: 1)
        scanned = 0
        return line
    }

    /// What is left, complete or not.
    mutating func drain() -> ByteBuffer {
        defer { self = LineSplitter() }
        return buffer
    }
}
