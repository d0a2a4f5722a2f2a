// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// What a byte of JSON is, outside texts in quotation marks.
enum JSONToken {
    /// A blank or a line end.
    case blank
    /// `{` or `[`.
    case open
    /// `}` or `]`.
    case close
    /// `,`
    case comma
    /// `:`
    case colon
    /// `"`
    case quote
    /// Part of a number or a word.
    case plain

    init(_ byte: UInt8) {
        if byte & 0xDF == 0x5B {
            self = .open
        } else if byte & 0xDF == 0x5D {
            self = .close
        } else if byte == 0x2C {
            self = .comma
        } else if byte == 0x3A {
            self = .colon
        } else if byte == 0x22 {
            self = .quote
        } else if byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
            self = .blank
        } else {
            self = .plain
        }
    }

    /// Whether a byte is plain for sure: most bytes are, and this is quick.
    @inline(__always) static func isPlain(_ byte: UInt8) -> Bool {
        byte > 0x2C && byte != 0x3A && byte & 0xDF != 0x5B && byte & 0xDF != 0x5D
    }
}
