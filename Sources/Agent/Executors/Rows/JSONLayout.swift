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
    private var text = JSONTextState.outside
    private var depth = 0
    /// Whether the last byte opened an object or array, which may turn out to be empty.
    private var isOpen = false
    /// Where the bytes begin that are not written yet, in what is taken just now.
    private var start = 0

    /// Deeper than this, nothing is indented further.
    private static let deepest = 32

    init(_ style: Style) { self.style = style }

    /// The same for a whole text.
    static func text(_ json: String, _ style: Style) -> String {
        var layout = JSONLayout(style)
        var output = ByteBuffer()
        layout.take(ByteBuffer(string: json), into: &output)
        return String(buffer: output)
    }

    /// Takes the next bytes of a text.
    mutating func take(_ bytes: ByteBuffer, into output: inout ByteBuffer) {
        bytes.withUnsafeReadableBytes { raw in
            let bytes = raw.bindMemory(to: UInt8.self)
            guard let base = bytes.baseAddress else { return }
            start = 0
            var index = 0
            while index < bytes.count {
                if text != .outside {
                    index = text.skip(base, from: index, to: bytes.count)
                    continue
                }
                if isOpen || !JSONToken.isPlain(base[index]) { token(base, index, &output) }
                index += 1
            }
            write(base, upTo: bytes.count, &output)
        }
    }

    private mutating func token(_ base: UnsafePointer<UInt8>, _ index: Int, _ output: inout ByteBuffer) {
        switch JSONToken(base[index]) {
        case .blank:
            write(base, upTo: index, &output)
            start = index + 1
        case .open:
            begin(base, index, &output)
            depth += 1
            isOpen = true
        case .close:
            if style == .indented { write(base, upTo: index, &output) }
            depth = max(0, depth - 1)
            if !isOpen { line(&output) }
            isOpen = false
        case .comma where style == .indented:
            write(base, upTo: index + 1, &output)
            line(&output)
        case .colon where style == .indented:
            write(base, upTo: index + 1, &output)
            output.writeInteger(UInt8(ascii: " "))
        case .comma, .colon: break
        case .quote:
            begin(base, index, &output)
            text = .inside
        case .plain: begin(base, index, &output)
        }
    }

    /// Before something that stands in an object or array.
    private mutating func begin(_ base: UnsafePointer<UInt8>, _ index: Int, _ output: inout ByteBuffer) {
        guard isOpen else { return }
        isOpen = false
        guard style == .indented else { return }
        write(base, upTo: index, &output)
        line(&output)
    }

    private func line(_ output: inout ByteBuffer) {
        guard style == .indented else { return }
        output.writeInteger(UInt8(ascii: "\n"))
        output.writeRepeatingByte(UInt8(ascii: " "), count: 2 * min(depth, Self.deepest))
    }

    private mutating func write(_ base: UnsafePointer<UInt8>, upTo end: Int, _ output: inout ByteBuffer) {
        guard end > start else { return }
        output.writeBytes(UnsafeRawBufferPointer(start: base + start, count: end - start))
        start = end
    }
}
