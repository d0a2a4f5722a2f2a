// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// What a ``Sanitizer`` hands on. Everything a sink receives is safe to show; how it looks is the sink's choice.
public protocol SanitizerSink {
    /// A run of printable ASCII (0x20...0x7E). The buffer is valid only during the call.
    mutating func ascii(_ run: UnsafeBufferPointer<UInt8>)
    /// One printable scalar outside ASCII, or one of at most four combining marks after a base.
    mutating func scalar(_ scalar: Unicode.Scalar)
    /// A control character that is not a line end: TAB, a lone CR, BS, BEL, DEL and the rest of C0.
    mutating func control(_ byte: UInt8)
    /// A scalar that would be invisible or would reorder text: bidi controls, zero-width, line separators, tags, C1.
    mutating func invisible(_ scalar: Unicode.Scalar)
    /// That many more such scalars in a row: told at the row's end, so that a flood of them stays small.
    mutating func invisible(more count: Int)
    /// LF or CR LF.
    mutating func lineEnd()
    /// The parameters of one SGR sequence (`ESC [ … m`), at most 16; none means reset.
    mutating func rendition(_ parameters: [UInt16])
}

/// Plain text: what the command line prints and what a single-line field shows. Colours are dropped, controls become
/// `^X`, invisible characters become `<U+202E>`, TAB stays.
public struct PlainTextSink: SanitizerSink {
    /// UTF-8. Take it and empty it between chunks.
    public var bytes: [UInt8] = []

    /// An empty sink.
    public init() {}

    /// Kept as it is.
    public mutating func ascii(_ run: UnsafeBufferPointer<UInt8>) {
        bytes.append(contentsOf: run)
    }

    /// Kept as it is.
    public mutating func scalar(_ scalar: Unicode.Scalar) {
        bytes.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
    }

    /// TAB stays, the rest is written in caret notation.
    public mutating func control(_ byte: UInt8) {
        if byte == 0x09 {
            bytes.append(byte)
        } else {
            bytes.append(contentsOf: ControlNotation.caret(byte))
        }
    }

    /// Written as a tag.
    public mutating func invisible(_ scalar: Unicode.Scalar) {
        bytes.append(contentsOf: ControlNotation.tag(scalar).utf8)
    }

    /// Written as a tag.
    public mutating func invisible(more count: Int) {
        bytes.append(contentsOf: ControlNotation.more(count).utf8)
    }

    /// One LF.
    public mutating func lineEnd() {
        bytes.append(0x0A)
    }

    /// Dropped.
    public mutating func rendition(_ parameters: [UInt16]) {}
}

/// How characters that must not reach a terminal are written instead.
public enum ControlNotation {
    /// `^M` for CR, `^?` for DEL. Bytes of 0x80 and above do not occur here; they would be shown as `^?`.
    public static func caret(_ byte: UInt8) -> [UInt8] {
        [0x5E, byte < 0x20 ? byte + 0x40 : 0x3F]
    }

    /// `<U+202E>`.
    public static func tag(_ scalar: Unicode.Scalar) -> String {
        let digits = String(scalar.value, radix: 16, uppercase: true)
        return "<U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits + ">"
    }

    /// `<+4000>`: that many more invisible characters.
    public static func more(_ count: Int) -> String { "<+\(count)>" }
}
