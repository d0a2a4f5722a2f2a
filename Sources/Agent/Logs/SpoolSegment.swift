// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

/// Where each output of a task stands, in raw bytes.
struct StreamOffsets: Sendable, Equatable {
    private var values: [Int64] = [0, 0, 0]

    /// The offset of the next byte of an output.
    subscript(stream: LogStream) -> Int64 {
        get { values[Self.index(stream)] }
        set { values[Self.index(stream)] = newValue }
    }

    private static func index(_ stream: LogStream) -> Int {
        switch stream {
        case .stdout: 0
        case .stderr: 1
        case .system: 2
        }
    }
}

/// One file of a spool: a header record, then one record per chunk.
struct SpoolSegment: Sendable {
    /// The open file.
    let file: StateFile
    /// The seq of its first chunk, and its name.
    let firstSeq: Int64
    /// Bytes in use.
    var size: Int

    private static let magic = "TGSPOOL1"
    /// Bytes of the header record.
    static let headerSize = FramedRecord.overhead + 8 + 8 + 24

    /// The file name of the segment that starts at a seq.
    static func name(_ firstSeq: Int64) -> String {
        let digits = String(firstSeq)
        return String(repeating: "0", count: max(0, 16 - digits.count)) + digits + ".log"
    }

    /// Makes a new segment with its header; throws what the disk says.
    static func create(in directory: String, firstSeq: Int64, offsets: StreamOffsets) throws(DeployError)
        -> SpoolSegment
    {
        let file = try StateFile(directory + "/" + name(firstSeq), create: true)
        var body = ByteBuffer()
        body.writeString(magic)
        body.writeInteger(firstSeq)
        for stream in LogStream.allCases { body.writeInteger(offsets[stream]) }
        var record = ByteBuffer()
        FramedRecord.write(body, to: &record)
        try file.write(record, at: 0)
        return SpoolSegment(file: file, firstSeq: firstSeq, size: record.readableBytes)
    }

    /// Opens a segment after a restart: cuts a torn tail and says what follows it. Nil when it is not a segment.
    static func recover(
        _ path: String
    ) throws(DeployError) -> (segment: SpoolSegment, nextSeq: Int64, offsets: StreamOffsets)? {
        let file = try StateFile(path)
        let size = try file.size()
        var header = try file.read(at: 0, length: headerSize)
        guard case .record(var body) = FramedRecord.read(&header), body.readString(length: 8) == magic,
            let firstSeq = body.readInteger(as: Int64.self), firstSeq >= 0
        else { return nil }
        var offsets = StreamOffsets()
        for stream in LogStream.allCases { offsets[stream] = body.readInteger(as: Int64.self) ?? 0 }
        var segment = SpoolSegment(file: file, firstSeq: firstSeq, size: headerSize)
        var nextSeq = firstSeq
        while segment.size < size {
            var block = try file.read(at: segment.size, length: min(readBlock, size - segment.size))
            let before = block.readableBytes
            while let chunk = SpoolRecord.read(&block), chunk.seq == nextSeq {
                nextSeq += 1
                offsets[chunk.stream] = chunk.offset + Int64(chunk.rawLength)
                segment.size += SpoolRecord.size(chunk)
            }
            if block.readableBytes == before { break }
        }
        if segment.size < size { try file.truncate(to: segment.size) }
        return (segment, nextSeq, offsets)
    }

    /// Bytes read from disk at once; larger than any chunk's record.
    static let readBlock = 262_144
}

/// A log chunk as a record of a spool.
enum SpoolRecord {
    private static let fixedBytes = 8 + 8 + 8 + 4 + 1 + 1

    /// The bytes a chunk takes on disk.
    static func size(_ chunk: LogChunk) -> Int { FramedRecord.overhead + fixedBytes + chunk.payload.readableBytes }

    /// The record of a chunk.
    static func encode(_ chunk: LogChunk) -> ByteBuffer {
        var body = ByteBufferAllocator().buffer(capacity: fixedBytes + chunk.payload.readableBytes)
        body.writeInteger(chunk.seq)
        body.writeInteger(chunk.offset)
        body.writeInteger(chunk.at.milliseconds)
        body.writeInteger(UInt32(clamping: chunk.rawLength))
        body.writeInteger(UInt8(LogStream.allCases.firstIndex(of: chunk.stream) ?? 0))
        body.writeInteger(UInt8(chunk.codec == .zstd ? 1 : 0))
        body.writeImmutableBuffer(chunk.payload)
        var record = ByteBufferAllocator().buffer(capacity: size(chunk))
        FramedRecord.write(body, to: &record)
        return record
    }

    /// Takes one chunk off the front; nil when none is whole and undamaged there, and then nothing is consumed.
    static func read(_ buffer: inout ByteBuffer) -> LogChunk? {
        var rest = buffer
        guard case .record(var body) = FramedRecord.read(&rest),
            let seq = body.readInteger(as: Int64.self), let offset = body.readInteger(as: Int64.self),
            let at = body.readInteger(as: Int64.self), let rawLength = body.readInteger(as: UInt32.self),
            let stream = body.readInteger(as: UInt8.self), let codec = body.readInteger(as: UInt8.self),
            seq >= 0, offset >= 0, Int(rawLength) <= LogChunk.maximumRawLength, stream < LogStream.allCases.count,
            codec < 2
        else { return nil }
        buffer = rest
        return LogChunk(
            seq: seq, stream: LogStream.allCases[Int(stream)], offset: offset, at: Timestamp(milliseconds: at),
            codec: codec == 1 ? .zstd : .identity, rawLength: Int(rawLength), payload: body)
    }
}
