// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// The one gate between bytes from outside (log output, host names, commands, errors, file names) and a terminal.
///
/// It is a streaming state machine: sequences and UTF-8 characters may be split over chunks. Its promises:
/// - no ESC, no C0 (TAB and LF are told apart), no DEL, no C1 in any encoding, no bidi control, no zero-width
///   character is ever handed on as text;
/// - escape sequences and control strings (CSI, OSC, DCS, APC, PM, SOS) are swallowed and counted, SGR is parsed;
/// - a line end closes any open sequence, and a sequence is given up after ``sequenceLimit`` bytes, so text cannot
///   be hidden by leaving one open;
/// - bytes that are not UTF-8 become U+FFFD;
/// - memory is bounded: nothing but the current sequence's parameters is kept.
public struct Sanitizer: Sendable {
    /// Bytes after which an unfinished escape sequence or control string is abandoned.
    public static let sequenceLimit = 4096
    /// Combining marks kept after one base; the rest are dropped.
    public static let combiningLimit = 4

    /// Escape sequences and control strings swallowed so far (SGR not counted).
    public private(set) var swallowed = 0

    private enum State: Equatable {
        case ground, escape, escapeIntermediate, csi, string, stringEscape
    }

    private var state = State.ground
    private var sequenceLength = 0
    private var pendingReturn = false
    private var combining = 0
    private var decoder = UTF8Decoder()
    private var parameters: [UInt16] = []
    private var parameterOpen = false
    private var privateSequence = false

    /// A sanitiser at the beginning of a stream.
    public init() {}

    /// Takes the next bytes of the stream.
    public mutating func feed(_ bytes: UnsafeBufferPointer<UInt8>, into sink: inout some SanitizerSink) {
        var index = 0
        while index < bytes.count {
            if state == .ground, !pendingReturn, decoder.isIdle {
                let start = index
                while index < bytes.count, bytes[index] >= 0x20, bytes[index] < 0x7F { index += 1 }
                if index > start {
                    combining = 0
                    sink.ascii(UnsafeBufferPointer(rebasing: bytes[start..<index]))
                    continue
                }
            }
            step(bytes[index], &sink)
            index += 1
        }
    }

    /// Takes the next bytes of the stream.
    public mutating func feed(_ bytes: [UInt8], into sink: inout some SanitizerSink) {
        bytes.withUnsafeBufferPointer { feed($0, into: &sink) }
    }

    /// The stream has ended: what was held back (a lone CR, half a character) is shown, an open sequence is dropped.
    public mutating func finish(into sink: inout some SanitizerSink) {
        if !decoder.isIdle {
            decoder.reset()
            take(.replacement, &sink)
        }
        flushReturn(&sink)
        if state != .ground { endSequence() }
        combining = 0
    }

    // MARK: bytes to scalars

    private mutating func step(_ byte: UInt8, _ sink: inout some SanitizerSink) {
        switch decoder.push(byte) {
        case .more: return
        case .scalar(let scalar): take(scalar, &sink)
        case .invalid: take(.replacement, &sink)
        case .invalidThen(let scalar):
            take(.replacement, &sink)
            take(scalar, &sink)
        case .invalidThenMore: take(.replacement, &sink)
        }
    }

    private mutating func take(_ scalar: Unicode.Scalar, _ sink: inout some SanitizerSink) {
        if scalar == "\n" {
            pendingReturn = false
            if state != .ground { endSequence() }
            combining = 0
            sink.lineEnd()
            return
        }
        flushReturn(&sink)
        guard state == .ground else {
            inSequence(scalar, &sink)
            return
        }
        switch scalar.value {
        case 0x1B: begin(.escape)
        case 0x0D: pendingReturn = true
        case 0x00...0x1F, 0x7F:
            combining = 0
            sink.control(UInt8(scalar.value))
        case 0x20...0x7E:
            combining = 0
            let byte = UInt8(scalar.value)
            withUnsafePointer(to: byte) { sink.ascii(UnsafeBufferPointer(start: $0, count: 1)) }
        case 0x80...0x9F: control1(scalar.value)
        default: printable(scalar, &sink)
        }
    }

    private mutating func printable(_ scalar: Unicode.Scalar, _ sink: inout some SanitizerSink) {
        if Self.isInvisible(scalar.value) {
            combining = 0
            sink.invisible(scalar)
        } else if Self.isVariationSelector(scalar.value) {
            return
        } else if TextWidth.of(scalar) == 0 {
            combining += 1
            if combining <= Self.combiningLimit { sink.scalar(scalar) }
        } else {
            combining = 0
            sink.scalar(scalar)
        }
    }

    private mutating func flushReturn(_ sink: inout some SanitizerSink) {
        guard pendingReturn else { return }
        pendingReturn = false
        combining = 0
        sink.control(0x0D)
    }

    // MARK: sequences

    private mutating func begin(_ next: State) {
        state = next
        sequenceLength = 0
        parameters.removeAll(keepingCapacity: true)
        parameterOpen = false
        privateSequence = false
    }

    private mutating func endSequence(counted: Bool = true) {
        state = .ground
        if counted { swallowed &+= 1 }
    }

    private mutating func control1(_ value: UInt32) {
        switch value {
        case 0x9B: begin(.csi)
        case 0x90, 0x98, 0x9D, 0x9E, 0x9F: begin(.string)
        default: swallowed &+= 1
        }
    }

    private mutating func inSequence(_ scalar: Unicode.Scalar, _ sink: inout some SanitizerSink) {
        sequenceLength += 1
        if sequenceLength > Self.sequenceLimit {
            endSequence()
            return
        }
        let value = scalar.value
        if value == 0x18 || value == 0x1A {  // CAN and SUB end any sequence
            endSequence()
            return
        }
        switch state {
        case .ground: break
        case .escape: inEscape(value)
        case .escapeIntermediate:
            if value == 0x1B { begin(.escape) } else if !(0x20...0x2F).contains(value) { endSequence() }
        case .csi: inCSI(scalar, &sink)
        case .string:
            if value == 0x07 || value == 0x9C { endSequence() } else if value == 0x1B { state = .stringEscape }
        case .stringEscape:
            // ESC inside a string: ESC \ ends it; another ESC may still be the start of that; anything else is content.
            if value == 0x5C || value == 0x07 || value == 0x9C {
                endSequence()
            } else if value != 0x1B {
                state = .string
            }
        }
    }

    private mutating func inEscape(_ value: UInt32) {
        switch value {
        case 0x1B: begin(.escape)
        case 0x5B: begin(.csi)
        case 0x50, 0x58, 0x5D, 0x5E, 0x5F: begin(.string)
        case 0x20...0x2F: state = .escapeIntermediate
        default: endSequence()
        }
    }

    private mutating func inCSI(_ scalar: Unicode.Scalar, _ sink: inout some SanitizerSink) {
        switch scalar.value {
        case 0x1B: begin(.escape)
        case 0x30...0x39:
            if !parameterOpen {
                parameterOpen = true
                if parameters.count < 16 { parameters.append(0) }
            }
            if let last = parameters.last {
                let (product, over) = last.multipliedReportingOverflow(by: 10)
                let (sum, over2) = product.addingReportingOverflow(UInt16(scalar.value - 0x30))
                parameters[parameters.count - 1] = over || over2 ? .max : sum
            }
        case 0x3A, 0x3B:
            if !parameterOpen, parameters.count < 16 { parameters.append(0) }
            parameterOpen = false
        case 0x20...0x2F, 0x3C...0x3F: privateSequence = true
        case 0x6D where !privateSequence:
            sink.rendition(parameters)
            endSequence(counted: false)
        case 0x40...0x7E: endSequence()
        case 0x00...0x1F: break
        default:
            // Not part of any control sequence: the sequence was broken, the character is text.
            endSequence()
            take(scalar, &sink)
        }
    }

    // MARK: classes of scalars

    private static func isInvisible(_ value: UInt32) -> Bool {
        switch value {
        case 0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B...0x180F, 0x200B...0x200F, 0x2028...0x202E,
            0x2060...0x206F, 0x3164, 0xFEFF, 0xFFA0, 0xFFF9...0xFFFB, 0xE0000...0xE007F:
            true
        default:
            value & 0xFFFE == 0xFFFE || (0xFDD0...0xFDEF).contains(value)
        }
    }

    private static func isVariationSelector(_ value: UInt32) -> Bool {
        (0xFE00...0xFE0F).contains(value) || (0xE0100...0xE01EF).contains(value)
    }
}

extension Sanitizer {
    /// A foreign string for one line of output (a name, a command, an error): line ends become `^J`, TAB a space.
    public static func line(_ text: String) -> String {
        let cleaned = plain(Array(text.utf8))
        guard cleaned.utf8.contains(where: { $0 == 0x0A || $0 == 0x09 }) else { return cleaned }
        var out = ""
        for scalar in cleaned.unicodeScalars {
            if scalar == "\n" { out += "^J" } else { out.unicodeScalars.append(scalar == "\t" ? " " : scalar) }
        }
        return out
    }

    /// A whole foreign text, line ends and TABs kept.
    public static func plain(_ bytes: [UInt8]) -> String {
        var sanitizer = Sanitizer()
        var sink = PlainTextSink()
        sanitizer.feed(bytes, into: &sink)
        sanitizer.finish(into: &sink)
        return String(decoding: sink.bytes, as: UTF8.self)
    }
}

extension Unicode.Scalar {
    fileprivate static let replacement: Unicode.Scalar = "\u{FFFD}"
}
