// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// A name made by the server for one object: 16 characters of Crockford base 32, 80 random bits, never reused.
///
/// Random from the first character, so that a short prefix already tells objects apart (`tiangong task show 8f3c`).
public struct Identifier<Kind>: Sendable, Hashable, Codable, CustomStringConvertible, Comparable {
    /// The text itself.
    public let rawValue: String

    /// Accepts 1 to 64 characters of `0-9 A-Z a-z _ -`; anything else is nil.
    public init?(_ text: String) {
        guard (1...64).contains(text.utf8.count),
            text.utf8.allSatisfy({ byte in
                switch byte {
                case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                    UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"), UInt8(ascii: "-"):
                    true
                default: false
                }
            })
        else { return nil }
        rawValue = text
    }

    private init(unchecked text: String) { rawValue = text }

    /// A new random identifier.
    public static func random() -> Self {
        let alphabet = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)
        var generator = SystemRandomNumberGenerator()
        var high = generator.next()
        var low = generator.next()
        var characters: [UInt8] = []
        characters.reserveCapacity(16)
        for index in 0..<16 {
            let bits: UInt64
            if index < 12 {
                bits = high & 31
                high >>= 5
            } else {
                bits = low & 31
                low >>= 5
            }
            characters.append(alphabet[Int(bits)])
        }
        return Self(unchecked: String(decoding: characters, as: UTF8.self))
    }

    /// Reads and checks the text; a value outside the alphabet is a decoding error.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let value = Self(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "an id is 1 to 64 of 0-9 A-Z a-z _ -")
        }
        self = value
    }

    /// Writes the bare text.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(rawValue)
    }

    /// The text itself.
    public var description: String { rawValue }
    /// The first eight characters, as lists show it.
    public var short: String { String(rawValue.prefix(8)) }
    /// By text.
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// Marks an identifier of an agent.
public enum AgentKind {}
/// Marks an identifier of a run.
public enum RunKind {}
/// Marks an identifier of a task.
public enum TaskKind {}
/// Marks an identifier of a token.
public enum CredentialKind {}
/// Marks an identifier of an enrolment token.
public enum EnrolmentKind {}
/// Marks an identifier of a stored file.
public enum FileKind {}
/// Marks an identifier of an upload that is not complete.
public enum UploadKind {}

/// Names one agent for ever.
public typealias AgentID = Identifier<AgentKind>
/// Names one operator request.
public typealias RunID = Identifier<RunKind>
/// Names one execution on one agent.
public typealias TaskID = Identifier<TaskKind>
/// Names one credential.
public typealias TokenID = Identifier<CredentialKind>
/// Names one enrolment token.
public typealias EnrolmentID = Identifier<EnrolmentKind>
/// Names one stored file.
public typealias FileID = Identifier<FileKind>
/// Names one upload that is not complete.
public typealias UploadID = Identifier<UploadKind>
