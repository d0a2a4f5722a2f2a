// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Lays JSON out anew while it streams by: indented for people, or on one line. It does not judge what it is given, and keeps
/// no more of it than how deep it stands.
struct JSONLayout {
    /// How JSON is laid out.
    enum Style {
        /// A member a line, indented.
        case indented
        /// No blanks at all.
        case line
    }

    private let style: Style
    private var depth = 0
    private var isText = false
    private var isEscaped = false
    /// Whether the last byte opened an object or array, which may turn out to be empty.
    private var isOpen = false

    /// Deeper than this, nothing is indented further.
    private static let deepest = 32

    init(_ style: Style) { self.style = style }

    /// The same for a whole text.
    static func text(_ json: String, _ style: Style) -> String {
        var layout = JSONLayout(style)
        var output = ByteBuffer()
        layout.take(json.utf8, into: &output)
        return String(buffer: output)
    }

    /// Takes the next bytes of a text.
    mutating func take(_ bytes: some Sequence<UInt8>, into output: inout ByteBuffer) {
        for byte in bytes {
            if isText {
                output.writeInteger(byte)
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isText = false
                }
                continue
            }
            switch byte {
            case 0x20, 0x09, 0x0A, 0x0D: continue
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                begin(&output)
                depth += 1
                isOpen = true
                output.writeInteger(byte)
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                depth = max(0, depth - 1)
                if !isOpen { line(&output) }
                isOpen = false
                output.writeInteger(byte)
            case UInt8(ascii: ","):
                output.writeInteger(byte)
                line(&output)
            case UInt8(ascii: ":"):
                output.writeInteger(byte)
                if style == .indented { output.writeInteger(UInt8(ascii: " ")) }
            default:
                begin(&output)
                isText = byte == UInt8(ascii: "\"")
                output.writeInteger(byte)
            }
        }
    }

    /// Before something that stands in an object or array.
    private mutating func begin(_ output: inout ByteBuffer) {
        if isOpen { line(&output) }
        isOpen = false
    }

    private func line(_ output: inout ByteBuffer) {
        guard style == .indented else { return }
        output.writeInteger(UInt8(ascii: "\n"))
        output.writeRepeatingByte(UInt8(ascii: " "), count: 2 * min(depth, Self.deepest))
    }
}
