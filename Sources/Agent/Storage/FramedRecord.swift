// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// How the journal and the spool put records on disk: four bytes of length, four of CRC-32, the body; big-endian.
enum FramedRecord {
    /// Bytes in front of each body.
    static let overhead = 8
    /// The largest body; anything longer on disk is damage.
    static let maximumBody = 4 << 20

    /// Appends one record.
    static func write(_ body: ByteBuffer, to buffer: inout ByteBuffer) {
        buffer.writeInteger(UInt32(body.readableBytes))
        buffer.writeInteger(body.withUnsafeReadableBytes(CRC32.checksum))
        buffer.writeImmutableBuffer(body)
    }

    /// What stands at the beginning of some bytes.
    enum Reading {
        /// A whole and undamaged record.
        case record(ByteBuffer)
        /// The beginning of a record; more bytes are needed.
        case incomplete
        /// Not a record.
        case damaged
    }

    /// Takes one record off the front of `buffer`; leaves it alone unless a record is returned.
    static func read(_ buffer: inout ByteBuffer) -> Reading {
        guard let length = buffer.getInteger(at: buffer.readerIndex, as: UInt32.self),
            let checksum = buffer.getInteger(at: buffer.readerIndex + 4, as: UInt32.self)
        else { return .incomplete }
        guard length > 0, Int(length) <= maximumBody else { return .damaged }
        guard let body = buffer.getSlice(at: buffer.readerIndex + overhead, length: Int(length)) else {
            return .incomplete
        }
        guard body.withUnsafeReadableBytes(CRC32.checksum) == checksum else { return .damaged }
        buffer.moveReaderIndex(forwardBy: overhead + Int(length))
        return .record(body)
    }
}
