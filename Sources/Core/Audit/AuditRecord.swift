// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// One line of the audit: who tried what, where, and what came of it. Chained: each holds the hash of the one before.
public struct AuditRecord: Sendable, Hashable, Codable {
    /// The record's format.
    public var v: Int
    /// Position in its chain, from 1.
    public var seq: Int64
    /// When, by the clock of the side that wrote it.
    public var ts: Timestamp
    /// What was tried, such as `run.create` or `sign_in`.
    public var action: String
    /// Who: an operator's name, `agent NAME`, `local NAME` for somebody on the server itself, or `-`.
    public var actor: String
    /// The address it came from.
    public var source: String?
    /// The agent's name.
    public var agent: String?
    /// The environment.
    public var env: String?
    /// The run.
    public var run: String?
    /// The task.
    public var task: String?
    /// Which try.
    public var attempt: Int?
    /// The command, with secrets redacted.
    public var command: String?
    /// `allow`, `deny`, or `audit` for what only that mode let through.
    public var verdict: String?
    /// The rule that decided.
    public var rule: String?
    /// What came of it: `ok`, an error code, or a task's end state.
    public var result: String?
    /// What else is worth knowing.
    public var detail: [String: JSONValue]?
    /// The hash of the record before; 64 zeros in the first.
    public var prev: String
    /// SHA-256 of this record as canonical JSON without this field, in hex.
    public var hash: String

    /// A record that is not chained yet; set what is known.
    public init(action: String, actor: String) {
        v = 1
        seq = 0
        ts = .now()
        self.action = action
        self.actor = actor
        prev = ""
        hash = ""
    }
}

/// A signed statement that a chain had this head: it shows when records before it were changed or cut off.
public struct AuditCheckpoint: Sendable, Hashable, Codable {
    /// The last record it covers.
    public var seq: Int64
    /// That record's hash.
    public var head: String
    /// When it was signed.
    public var ts: Timestamp
    /// The signer's Ed25519 public key, base64.
    public var key: String
    /// The signature over `seq`, `head` and `ts`, base64.
    public var signature: String

    /// A checkpoint; see the properties.
    public init(seq: Int64, head: String, ts: Timestamp, key: String, signature: String) {
        self.seq = seq
        self.head = head
        self.ts = ts
        self.key = key
        self.signature = signature
    }
}
