// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Crypto

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// One stored record as its bytes say: enough to follow the chain, whatever members later versions add.
///
/// The hash covers every byte of the line but its own member, so nothing in it can change unnoticed.
public struct AuditLine: Sendable {
    /// The record's number.
    public let seq: Int64
    /// The hash it claims to have.
    public let hash: String
    /// The hash of the record before, as it says.
    public let prev: String
    /// Whether its bytes have the hash it claims.
    public let isIntact: Bool
    private let members: [String: ArraySlice<UInt8>]

    /// Reads a line without its end; nil when it is no record.
    public init?(_ line: ArraySlice<UInt8>) {
        var scanner = Scanner(bytes: line)
        guard let found = scanner.members() else { return nil }
        members = found.mapValues(\.value)
        guard let number = members["seq"].flatMap({ Int64(String(decoding: $0, as: UTF8.self)) }), number > 0,
            let hash = Self.text(members["hash"]), let prev = Self.text(members["prev"]),
            let own = found["hash"]
        else { return nil }
        seq = number
        self.hash = hash
        self.prev = prev
        var digest = SHA256()
        digest.update(data: Array(line[..<own.whole.lowerBound]))
        digest.update(data: Array(line[own.whole.upperBound...]))
        isIntact = AuditChain.hex(digest.finalize()) == hash
    }

    /// Reads a line; nil when it is no record.
    public init?(_ text: String) { self.init(Array(text.utf8)[...]) }

    /// A member of the record that is a string; nil when there is none.
    public func text(_ name: String) -> String? { Self.text(members[name]) }

    private static func text(_ value: ArraySlice<UInt8>?) -> String? {
        guard let value, value.first == UInt8(ascii: "\"") else { return nil }
        let inner = value.dropFirst().dropLast()
        if !inner.contains(UInt8(ascii: "\\")) { return String(decoding: inner, as: UTF8.self) }
        return (try? JSONDecoder().decode([String].self, from: Data("[".utf8) + value + Data("]".utf8)))?.first
    }
}

/// Finds the members of one JSON object; their values are skipped, not judged.
private struct Scanner {
    struct Member {
        /// Name, colon, value and the comma behind it.
        var whole: Range<Int>
        var value: ArraySlice<UInt8>
    }

    let bytes: ArraySlice<UInt8>
    private var at: Int

    init(bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        at = bytes.startIndex
    }

    /// The members by name; nil when this is not an object, or a name stands in it twice.
    mutating func members() -> [String: Member]? {
        var found: [String: Member] = [:]
        guard take(UInt8(ascii: "{")) else { return nil }
        while true {
            skipBlanks()
            let start = at
            guard let name = string() else { return nil }
            guard take(UInt8(ascii: ":")) else { return nil }
            skipBlanks()
            let valueStart = at
            guard skipValue() else { return nil }
            let value = bytes[valueStart..<at]
            let more = take(UInt8(ascii: ","))
            let key = String(decoding: name, as: UTF8.self)
            guard found.updateValue(Member(whole: start..<at, value: value), forKey: key) == nil else { return nil }
            if !more { break }
        }
        guard take(UInt8(ascii: "}")) else { return nil }
        skipBlanks()
        return at == bytes.endIndex ? found : nil
    }

    private mutating func skipBlanks() {
        while at < bytes.endIndex, bytes[at] == 0x20 || bytes[at] == 0x09 || bytes[at] == 0x0D { at += 1 }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        skipBlanks()
        guard at < bytes.endIndex, bytes[at] == byte else { return false }
        at += 1
        return true
    }

    /// What stands between two quotes.
    private mutating func string() -> ArraySlice<UInt8>? {
        guard at < bytes.endIndex, bytes[at] == UInt8(ascii: "\"") else { return nil }
        at += 1
        let start = at
        while at < bytes.endIndex {
            switch bytes[at] {
            case UInt8(ascii: "\""):
                defer { at += 1 }
                return bytes[start..<at]
            case UInt8(ascii: "\\"): at += 2
            default: at += 1
            }
        }
        return nil
    }

    private mutating func skipValue() -> Bool {
        var depth = 0
        let start = at
        while at < bytes.endIndex {
            switch bytes[at] {
            case UInt8(ascii: "\""):
                guard string() != nil else { return false }
                continue
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                if depth == 0 { return at > start }
                depth -= 1
            case UInt8(ascii: ","):
                if depth == 0 { return at > start }
            default: break
            }
            at += 1
        }
        return false
    }
}
