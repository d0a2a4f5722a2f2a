// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

public import NIOCore

/// Which of a task's outputs some bytes came from.
public enum LogStream: String, Sendable, Codable, CaseIterable {
    /// The program's standard output.
    case stdout
    /// The program's standard error.
    case stderr
    /// Notes of the system about the task: truncation, gaps, leftovers. Each chunk is whole lines of UTF-8.
    case system
}

/// How a chunk's payload is stored.
public enum LogCodec: String, Sendable, Codable, CaseIterable {
    /// As it is.
    case identity
    /// One zstd frame.
    case zstd
}

/// A piece of one output of one task. Bytes stay bytes: nobody on the way splits lines or assumes an encoding.
public struct LogChunk: Sendable, Equatable {
    /// Position in the task attempt's log, from 0, without holes, over all streams.
    public var seq: Int64
    /// Which output.
    public var stream: LogStream
    /// Where in that output the raw bytes begin.
    public var offset: Int64
    /// When the agent read them, by its clock.
    public var at: Timestamp
    /// How `payload` is stored.
    public var codec: LogCodec
    /// How many raw bytes it stands for; at most ``maximumRawLength``.
    public var rawLength: Int
    /// The stored bytes.
    public var payload: ByteBuffer

    /// The most raw bytes in one chunk.
    public static let maximumRawLength = 65_536
    /// The largest offset; far enough from the largest number that sums with it never overflow.
    public static let maximumOffset: Int64 = 1 << 60

    /// A chunk; see the properties.
    public init(
        seq: Int64, stream: LogStream, offset: Int64, at: Timestamp, codec: LogCodec, rawLength: Int,
        payload: ByteBuffer
    ) {
        self.seq = seq
        self.stream = stream
        self.offset = offset
        self.at = at
        self.codec = codec
        self.rawLength = rawLength
        self.payload = payload
    }
}
