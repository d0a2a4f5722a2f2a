// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

/// One stream of foreign bytes made safe for a terminal, with its colours when wanted. What it gives leaves no colour
/// switched on, so that whatever is written next to it on the same terminal looks as it should.
struct TerminalText {
    private var sanitizer = Sanitizer()
    private var plain = PlainTextSink()
    private var colored: ColoredTextSink?

    /// - Parameter color: Keep colours and emphasis; they end with each line.
    init(color: Bool) { colored = color ? ColoredTextSink() : nil }

    /// Takes bytes; gives what may be shown.
    mutating func feed(_ bytes: ByteBuffer) -> ByteBuffer {
        bytes.withUnsafeReadableBytes { raw in
            let buffer = raw.assumingMemoryBound(to: UInt8.self)
            if var sink = colored.take() {
                sink.resume()
                sanitizer.feed(buffer, into: &sink)
                sink.pause()
                colored = sink
            } else {
                sanitizer.feed(buffer, into: &plain)
            }
        }
        return take()
    }

    /// What was held back, at the end of the stream.
    mutating func finish() -> ByteBuffer {
        if var sink = colored.take() {
            sink.resume()
            sanitizer.finish(into: &sink)
            sink.reset()
            colored = sink
        } else {
            sanitizer.finish(into: &plain)
        }
        return take()
    }

    private mutating func take() -> ByteBuffer {
        if colored != nil {
            defer { colored?.text.bytes.removeAll(keepingCapacity: true) }
            return ByteBuffer(bytes: colored?.text.bytes ?? [])
        }
        defer { plain.bytes.removeAll(keepingCapacity: true) }
        return ByteBuffer(bytes: plain.bytes)
    }
}

/// Plain text with colours and emphasis; never hidden or blinking text, and never beyond the end of a line.
struct ColoredTextSink: SanitizerSink {
    /// What was written so far.
    var text = PlainTextSink()
    /// Renditions in force, as they came.
    private var active: [[UInt16]] = []
    /// Renditions without a reset that are taken on one line.
    private static let activeLimit = 16

    /// Takes a run of printable ASCII.
    mutating func ascii(_ run: UnsafeBufferPointer<UInt8>) { text.ascii(run) }
    /// Takes a printable scalar.
    mutating func scalar(_ scalar: Unicode.Scalar) { text.scalar(scalar) }
    /// Takes a control character.
    mutating func control(_ byte: UInt8) { text.control(byte) }
    /// Takes an invisible scalar.
    mutating func invisible(_ scalar: Unicode.Scalar) { text.invisible(scalar) }
    /// Takes a count of invisible scalars.
    mutating func invisible(more count: Int) { text.invisible(more: count) }

    /// Ends a line, and with it any style.
    mutating func lineEnd() {
        reset()
        text.lineEnd()
    }

    /// Passes a style on when every part of it only colours or emphasises.
    mutating func rendition(_ parameters: [UInt16]) {
        guard
            parameters.allSatisfy({ $0 != 5 && $0 != 6 && $0 != 8 && ($0 <= 107 || $0 <= 255 && parameters.count > 2) })
        else { return }
        if parameters.isEmpty || parameters == [0] {
            reset()
        } else if active.count < Self.activeLimit {
            active.append(parameters)
            write(parameters)
        }
    }

    /// Ends any style.
    mutating func reset() {
        pause()
        active.removeAll(keepingCapacity: true)
    }

    /// Switches any style off for now.
    mutating func pause() {
        if !active.isEmpty { write([0]) }
    }

    /// Switches the style on again that was switched off.
    mutating func resume() {
        for parameters in active { write(parameters) }
    }

    private mutating func write(_ parameters: [UInt16]) {
        text.bytes.append(contentsOf: "\u{1B}[\(parameters.map(String.init).joined(separator: ";"))m".utf8)
    }
}
