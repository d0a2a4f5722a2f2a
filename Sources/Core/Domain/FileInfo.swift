// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// SHA-256 of some content, in 64 lower-case hex digits: what content is known by.
public struct ContentHash: Sendable, Hashable, Codable, CustomStringConvertible {
    /// The digits.
    public let hex: String

    /// Nil unless the text is 64 hex digits; capitals are taken.
    public init?(_ text: String) {
        let lower = text.lowercased()
        guard lower.utf8.count == 64,
            lower.utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) })
        else { return nil }
        hex = lower
    }

    /// A digest's bytes; traps on none, since every digest has 32.
    public init(digest: some Sequence<UInt8>) {
        let digits = Array("0123456789abcdef".utf8)
        hex = String(decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    /// Reads the digits; anything else is a decoding error.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let value = Self(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "a SHA-256 is 64 hex digits")
        }
        self = value
    }

    /// Writes the digits.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(hex)
    }

    /// The digits.
    public var description: String { hex }
    /// The first twelve digits, as lists show it.
    public var short: String { String(hex.prefix(12)) }
}

/// A stored file: a name for some content. Several files may have the same content, which is kept once.
public struct FileInfo: Sendable, Hashable, Codable, Identifiable {
    /// The file.
    public var id: FileID
    /// What it was called where it came from; never a path.
    public var name: String
    /// Bytes.
    public var size: Int64
    /// Its content.
    public var sha256: ContentHash
    /// Where it belongs; nil when only those who reach everything see it.
    public var environment: String?
    /// The operator who brought it, or `agent NAME`.
    public var actor: String
    /// When it was complete.
    public var createdAt: Timestamp
    /// When it is removed by itself; put off whenever it is used.
    public var expiresAt: Timestamp?
    /// The task that brought it from an agent.
    public var taskID: TaskID?

    enum CodingKeys: String, CodingKey {
        case id, name, size, sha256, environment, actor
        case createdAt = "created_at"
        case expiresAt = "expires_at"
        case taskID = "task_id"
    }

    /// A file; see the properties.
    public init(
        id: FileID, name: String, size: Int64, sha256: ContentHash, environment: String?, actor: String,
        createdAt: Timestamp, expiresAt: Timestamp? = nil, taskID: TaskID? = nil
    ) {
        self.id = id
        self.name = name
        self.size = size
        self.sha256 = sha256
        self.environment = environment
        self.actor = actor
        self.createdAt = createdAt
        self.expiresAt = expiresAt
        self.taskID = taskID
    }
}

/// How far a task has come, where its executor can say.
public struct TaskProgress: Sendable, Hashable, Codable {
    /// Bytes, or other units, that are done.
    public var done: Int64
    /// All there are; nil when nobody knows.
    public var total: Int64?
    /// What it waits for, such as room on a disk; nil while it goes on.
    public var note: String?

    /// The most bytes of a note.
    public static let maximumNote = 256

    /// Progress; see the properties.
    public init(done: Int64, total: Int64? = nil, note: String? = nil) {
        self.done = done
        self.total = total
        self.note = note
    }
}
