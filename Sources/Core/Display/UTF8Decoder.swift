// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// UTF-8, one byte at a time. An ill-formed sequence is reported once per maximal prefix, as Unicode recommends.
struct UTF8Decoder: Sendable {
    enum Outcome {
        case more
        case scalar(Unicode.Scalar)
        /// The byte belongs to no character.
        case invalid
        /// What was pending was cut short, and the byte is a character of its own.
        case invalidThen(Unicode.Scalar)
        /// What was pending was cut short, and the byte starts a new character (or is itself invalid and absorbed).
        case invalidThenMore
    }

    private var value: UInt32 = 0
    private var needed = 0
    private var lower: UInt8 = 0x80
    private var upper: UInt8 = 0xBF

    /// True when no character is half read.
    var isIdle: Bool { needed == 0 }

    mutating func reset() { needed = 0 }

    mutating func push(_ byte: UInt8) -> Outcome {
        guard needed > 0 else { return start(byte) }
        guard byte >= lower, byte <= upper else {
            needed = 0
            switch start(byte) {
            case .scalar(let scalar): return .invalidThen(scalar)
            default: return .invalidThenMore
            }
        }
        lower = 0x80
        upper = 0xBF
        value = value << 6 | UInt32(byte & 0x3F)
        needed -= 1
        guard needed == 0 else { return .more }
        return Unicode.Scalar(value).map { .scalar($0) } ?? .invalid
    }

    private mutating func start(_ byte: UInt8) -> Outcome {
        lower = 0x80
        upper = 0xBF
        switch byte {
        case 0x00...0x7F: return .scalar(Unicode.Scalar(byte))
        case 0xC2...0xDF: expect(1, UInt32(byte & 0x1F))
        case 0xE0...0xEF:
            expect(2, UInt32(byte & 0x0F))
            if byte == 0xE0 { lower = 0xA0 }
            if byte == 0xED { upper = 0x9F }
        case 0xF0...0xF4:
            expect(3, UInt32(byte & 0x07))
            if byte == 0xF0 { lower = 0x90 }
            if byte == 0xF4 { upper = 0x8F }
        default: return .invalid
        }
        return .more
    }

    private mutating func expect(_ count: Int, _ bits: UInt32) {
        needed = count
        value = bits
    }
}
