// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Crypto

/// How records hang together: each holds the hash of the one before, so that none can be changed or taken out alone.
public enum AuditChain {
    /// What the first record holds as the hash of the one before.
    public static let origin = String(repeating: "0", count: 64)

    /// Where a chain ends.
    public struct Head: Sendable, Hashable {
        /// The last record's seq; 0 when there is none.
        public var seq: Int64
        /// Its hash.
        public var hash: String

        /// A head; with no arguments, that of an empty chain.
        public init(seq: Int64 = 0, hash: String = AuditChain.origin) {
            self.seq = seq
            self.hash = hash
        }
    }

    /// The record as the next of a chain: numbered, holding the hash of the last, and hashed itself.
    public static func link(_ record: AuditRecord, after head: Head) -> AuditRecord {
        var linked = record
        linked.seq = head.seq + 1
        linked.prev = head.hash
        linked.hash = hex(SHA256.hash(data: canonical(linked, withHash: false)))
        return linked
    }

    /// The record's one form as text: canonical JSON, one line without its end.
    public static func line(_ record: AuditRecord) -> String {
        String(decoding: canonical(record, withHash: true), as: UTF8.self)
    }

    private static func canonical(_ record: AuditRecord, withHash: Bool) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(640)
        func name(_ name: StaticString) {
            bytes.append(bytes.isEmpty ? UInt8(ascii: "{") : UInt8(ascii: ","))
            bytes.append(UInt8(ascii: "\""))
            name.withUTF8Buffer { bytes.append(contentsOf: $0) }
            bytes.append(UInt8(ascii: "\""))
            bytes.append(UInt8(ascii: ":"))
        }
        func text(_ key: StaticString, _ value: String?) {
            guard let value else { return }
            name(key)
            CanonicalJSON.write(value, to: &bytes)
        }
        func number(_ key: StaticString, _ value: Int64?) {
            guard let value else { return }
            name(key)
            bytes.append(contentsOf: String(value).utf8)
        }
        // In the order of their names.
        text("action", record.action)
        text("actor", record.actor)
        text("agent", record.agent)
        number("attempt", record.attempt.map { Int64($0) })
        text("command", record.command)
        if let detail = record.detail {
            name("detail")
            CanonicalJSON.write(.object(detail), to: &bytes)
        }
        text("env", record.env)
        if withHash { text("hash", record.hash) }
        text("prev", record.prev)
        text("result", record.result)
        text("rule", record.rule)
        text("run", record.run)
        number("seq", record.seq)
        text("source", record.source)
        text("task", record.task)
        text("ts", record.ts.description)
        number("v", Int64(record.v))
        text("verdict", record.verdict)
        bytes.append(UInt8(ascii: "}"))
        return bytes
    }

    /// The SHA-256 of some bytes in lowercase hex.
    public static func digest(of bytes: [UInt8]) -> String { hex(SHA256.hash(data: bytes)) }

    /// A digest in lowercase hex.
    static func hex(_ digest: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
