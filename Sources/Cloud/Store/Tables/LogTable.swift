// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The queries on `log_chunks`. Chunks are stored as they came: never split, never re-encoded.
enum LogTable {
    /// Stores a chunk behind its predecessor; throws `conflict` when that is not stored, as after a full disk. So no
    /// log ever has a hole, and the highest seq says that all before it are here.
    static func insert(
        _ chunk: LogChunk, taskID: TaskID, attempt: Int, _ transaction: any SQLTransaction
    ) throws {
        let stored = try transaction.execute(
            """
            INSERT INTO log_chunks (task_id, attempt, seq, stream, byte_offset, at, codec, raw_length, data)
            SELECT ?, ?, ?, ?, ?, ?, ?, ?, ? WHERE ? = 0
              OR EXISTS (SELECT 1 FROM log_chunks WHERE task_id = ? AND attempt = ? AND seq = ?)
            """,
            [
                .text(taskID.rawValue), .integer(attempt), .integer(chunk.seq), .text(chunk.stream.rawValue),
                .integer(chunk.offset), .integer(chunk.at.milliseconds), .text(chunk.codec.rawValue),
                .integer(chunk.rawLength), .blob(Data(chunk.payload.readableBytesView)), .integer(chunk.seq),
                .text(taskID.rawValue), .integer(attempt), .integer(chunk.seq - 1),
            ])
        guard stored == 1 else { throw DeployError(.conflict, "log chunk \(chunk.seq) came before its predecessor") }
    }

    /// The seq after the last stored chunk.
    static func nextSeq(_ taskID: TaskID, attempt: Int, _ transaction: any SQLTransaction) throws -> Int64 {
        let last = try transaction.rows(
            "SELECT max(seq) FROM log_chunks WHERE task_id = ? AND attempt = ?",
            [.text(taskID.rawValue), .integer(attempt)]
        ).first?.optionalInteger(0)
        return last.map { $0 + 1 } ?? 0
    }

    /// The raw length of each stream so far, for agents that do not send offsets.
    static func lengths(
        _ taskID: TaskID, attempt: Int, _ transaction: any SQLTransaction
    ) throws -> [LogStream: Int64] {
        let rows = try transaction.rows(
            "SELECT stream, max(byte_offset + raw_length) FROM log_chunks WHERE task_id = ? AND attempt = ? GROUP BY stream",
            [.text(taskID.rawValue), .integer(attempt)])
        return Dictionary(rows.compactMap { row in LogStream(rawValue: row.text(0)).map { ($0, row.integer(1)) } }) {
            $1
        }
    }

    /// A page of chunks from a seq on.
    static func page(
        _ taskID: TaskID, attempt: Int, from seq: Int64, limit: Int, _ transaction: any SQLTransaction
    ) throws -> [LogChunk] {
        try transaction.rows(
            """
            SELECT seq, stream, byte_offset, at, codec, raw_length, data FROM log_chunks
            WHERE task_id = ? AND attempt = ? AND seq >= ? ORDER BY seq LIMIT ?
            """, [.text(taskID.rawValue), .integer(attempt), .integer(seq), .integer(limit)]
        ).map { row in
            LogChunk(
                seq: row.integer(0), stream: LogStream(rawValue: row.text(1)) ?? .system, offset: row.integer(2),
                at: Timestamp(milliseconds: row.integer(3)), codec: LogCodec(rawValue: row.text(4)) ?? .identity,
                rawLength: Int(row.integer(5)), payload: ByteBuffer(bytes: row.blob(6)))
        }
    }
}
