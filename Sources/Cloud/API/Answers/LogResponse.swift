// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Hummingbird
import NIOCore

/// Writes a log as a response: the bytes as the program wrote them, or one JSON object a line for each chunk.
struct LogResponse: LogSink {
    enum Form: String, Sendable {
        case text = "text/plain"
        case lines = "application/x-ndjson"
    }

    /// The body holds as many bytes as were asked for.
    struct IsFull: Error {}

    var writer: any ResponseBodyWriter
    let form: Form
    /// The only output wanted; nil for all.
    let stream: LogStream?
    /// Where to go on.
    private(set) var nextSeq: Int64
    private var sent: Int64 = 0
    private let limit: Int64
    private let decompressor = ChunkDecompressor()

    init(_ writer: any ResponseBodyWriter, _ form: Form, stream: LogStream?, from seq: Int64, limit: Int64?) {
        self.writer = writer
        self.form = form
        self.stream = stream
        self.limit = limit ?? Int64.max
        nextSeq = seq
    }

    mutating func send(_ chunk: LogChunk, of _: TaskID, attempt _: Int) async throws {
        if stream == nil || stream == chunk.stream {
            // At least one chunk, so that whoever asks for the rest gets on.
            guard sent == 0 || Int64(chunk.rawLength) <= limit - sent else { throw IsFull() }
            let bytes = try decompressor.decompress(chunk)
            switch form {
            case .text: try await writer.write(bytes)
            case .lines: try await writer.write(ByteBuffer(string: Self.line(chunk, bytes)))
            }
            sent += Int64(chunk.rawLength)
        }
        nextSeq = chunk.seq + 1
    }

    mutating func end(_: LogState) async throws {}

    private struct Line: Encodable {
        var seq: Int64
        var stream: LogStream
        var offset: Int64
        var at: Timestamp
        var length: Int
        var text: String?
        var base64: String?
    }

    private static func line(_ chunk: LogChunk, _ bytes: ByteBuffer) -> String {
        let text = String(validating: bytes.readableBytesView, as: UTF8.self)
        return StoredJSON.text(
            Line(
                seq: chunk.seq, stream: chunk.stream, offset: chunk.offset, at: chunk.at, length: chunk.rawLength,
                text: text, base64: text == nil ? Base64.encode(bytes.readableBytesView) : nil)) + "\n"
    }
}
