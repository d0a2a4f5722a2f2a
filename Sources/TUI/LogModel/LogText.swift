// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// One line made ready for the screen: safe scalars, each with a style.
struct LogText: Equatable {
    var scalars: [Unicode.Scalar] = []
    var styles: [Style] = []

    /// Bytes of a line that are shown; what follows is marked as cut.
    static let shownBytes = 16 << 10

    /// Decodes and sanitises a line. Only lines that are visible pay for this.
    init(_ line: LogLine, ansi: Bool = true) {
        if line.kind == .notice {
            append(String(decoding: line.bytes, as: UTF8.self), .notice)
            return
        }
        var sanitizer = Sanitizer()
        var sink = Sink(base: line.kind == .system ? .notice : .plain, ansi: ansi)
        line.bytes.prefix(Self.shownBytes).withUnsafeBufferPointer { sanitizer.feed($0, into: &sink) }
        sanitizer.finish(into: &sink)
        self = sink.text
        if line.bytes.count > Self.shownBytes { append("~", .notice) }
    }

    private init() {}

    private mutating func append(_ text: String, _ style: Style) {
        for scalar in text.unicodeScalars {
            scalars.append(scalar)
            styles.append(style)
        }
    }

    /// The rows of a given width: where each begins. Always at least one.
    func rowStarts(_ columns: Int) -> [Int] {
        var starts = [0]
        var used = 0
        for (index, scalar) in scalars.enumerated() {
            let width = TextWidth.of(scalar)
            if used + width > max(2, columns) {
                starts.append(index)
                used = 0
            }
            used += width
        }
        return starts
    }

    /// Marks what a search found.
    mutating func highlight(_ pattern: LogPattern) {
        for range in pattern.ranges(in: scalars) {
            for index in range { styles[index] = .match }
        }
    }

    private struct Sink: SanitizerSink {
        var text = LogText()
        var base: Style
        var ansi: Bool
        private var style: Style
        private var column = 0

        init(base: Style, ansi: Bool) {
            self.base = base
            self.ansi = ansi
            style = base
        }

        mutating func ascii(_ run: UnsafeBufferPointer<UInt8>) {
            for byte in run { put(Unicode.Scalar(byte)) }
        }

        mutating func scalar(_ scalar: Unicode.Scalar) { put(scalar) }

        mutating func control(_ byte: UInt8) {
            switch byte {
            case 0x09:
                repeat { put(" ") } while column % 8 != 0
            case 0x0D:
                // A lone CR starts the line over: a progress bar shows its last state, and the mark says so.
                let earlier = !text.scalars.isEmpty
                text.scalars.removeAll(keepingCapacity: true)
                text.styles.removeAll(keepingCapacity: true)
                column = 0
                if earlier { mark("^M") }
            default: mark(String(decoding: ControlNotation.caret(byte), as: UTF8.self))
            }
        }

        mutating func invisible(_ scalar: Unicode.Scalar) { mark(ControlNotation.tag(scalar)) }

        mutating func invisible(more count: Int) { mark(ControlNotation.more(count)) }

        mutating func lineEnd() { mark("^J") }

        mutating func rendition(_ parameters: [UInt16]) {
            if ansi { style = AnsiColour.apply(parameters, to: style, base: base) }
        }

        private mutating func put(_ scalar: Unicode.Scalar) {
            text.scalars.append(scalar)
            text.styles.append(style)
            column += TextWidth.of(scalar)
        }

        private mutating func mark(_ shown: String) {
            text.append(shown, .notice)
            column += TextWidth.of(shown)
        }
    }
}

/// The subset of SGR that is shown: bold, dim, underline, reverse and the foreground colours.
enum AnsiColour {
    static func apply(_ parameters: [UInt16], to style: Style, base: Style) -> Style {
        var style = style
        var index = 0
        let codes = parameters.isEmpty ? [0] : parameters
        while index < codes.count {
            switch codes[index] {
            case 0: style = base
            case 1: style.attributes.insert(.bold)
            case 2: style.attributes.insert(.dim)
            case 4: style.attributes.insert(.underline)
            case 7: style.attributes.insert(.reverse)
            case 22: style.attributes.subtract([.bold, .dim])
            case 24: style.attributes.remove(.underline)
            case 27: style.attributes.remove(.reverse)
            case 30: style.colour = .plain
            case 31...37: style.colour = Colour(rawValue: UInt8(codes[index] - 30)) ?? .plain
            case 39: style.colour = base.colour
            case 90...97: style.colour = Colour(rawValue: UInt8(codes[index] - 90)) ?? .plain
            // 256 colours and direct colour are skipped with their arguments.
            case 38, 48: index += index + 1 < codes.count && codes[index + 1] == 5 ? 2 : 4
            default: break
            }
            index += 1
        }
        return style
    }
}
