// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import HTTPTypes

/// One range of bytes of a content, as the headers `Range` and `Content-Range` say it.
struct ByteRange: Sendable, Equatable {
    /// The first byte.
    var start: Int64
    /// Bytes.
    var length: Int64

    /// What `Range` asks for of so many bytes: the whole content when it is left out, not understood, or names several ranges,
    /// as RFC 9110 lets a server do; nil when the range lies outside.
    static func asked(_ header: String?, of size: Int64) -> (range: ByteRange, isPartial: Bool)? {
        let whole = (ByteRange(start: 0, length: size), false)
        guard let header, let text = value(header, "bytes="), !text.contains(",") else { return whole }
        let parts = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { return whole }
        if parts[0].isEmpty {
            guard let count = number(parts[1]) else { return whole }
            guard count > 0, size > 0 else { return nil }
            let length = min(count, size)
            return (ByteRange(start: size - length, length: length), true)
        }
        guard let start = number(parts[0]) else { return whole }
        var end = size - 1
        if !parts[1].isEmpty {
            guard let last = number(parts[1]), last >= start else { return whole }
            end = min(last, size - 1)
        }
        guard start < size else { return nil }
        return (ByteRange(start: start, length: end - start + 1), true)
    }

    /// What `Content-Range` says a body is: `bytes START-END/SIZE`, the size perhaps `*`; throws `invalid_argument` for
    /// anything else.
    static func sent(_ header: String) throws(DeployError) -> (range: ByteRange, size: Int64?) {
        let error = DeployError(
            .invalidArgument, "Content-Range is not bytes START-END/SIZE", hint: "such as: bytes 0-1048575/4194304")
        guard let text = value(header, "bytes ") else { throw error }
        let halves = text.split(separator: "/", omittingEmptySubsequences: false)
        guard halves.count == 2 else { throw error }
        let bounds = halves[0].split(separator: "-", omittingEmptySubsequences: false)
        guard bounds.count == 2, let start = number(bounds[0]), let end = number(bounds[1]), end >= start else {
            throw error
        }
        guard halves[1] != "*" else { return (ByteRange(start: start, length: end - start + 1), nil) }
        guard let size = number(halves[1]), end < size else { throw error }
        return (ByteRange(start: start, length: end - start + 1), size)
    }

    /// What follows a word at the beginning.
    private static func value(_ text: String, _ word: String) -> Substring? {
        text.lowercased().hasPrefix(word) ? text.dropFirst(word.count) : nil
    }

    /// Digits that fit 62 bits.
    private static func number(_ text: Substring) -> Int64? {
        guard (1...18).contains(text.utf8.count), text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return Int64(text)
    }
}
