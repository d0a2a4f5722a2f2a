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
/// - a mark without a base gets one, so that text cannot change what was drawn before it;
/// - bytes that are not UTF-8 become U+FFFD;
/// - memory is bounded: nothing but the current sequence's parameters is kept.
public struct Sanitizer: Sendable {
    /// Bytes after which an unfinished escape sequence or control string is abandoned.
    public static let sequenceLimit = 4096
    /// Combining marks kept after one base; the rest are dropped.
    public static let combiningLimit = 4
    /// Invisible scalars in a row that are handed on one by one; the rest are counted.
    public static let invisibleLimit = 8

    /// Escape sequences and control strings swallowed so far (SGR not counted).
    public private(set) var swallowed = 0

    private enum State: Equatable {
        case ground, escape, escapeIntermediate, csi, string, stringEscape
        /// The Linux console's `ESC ] P`, which takes seven hexadecimal digits and no terminator.
        case palette
    }

    private var state = State.ground
    private var sequenceLength = 0
    private var pendingReturn = false
    private var combining = 0
    private var hasBase = false
    private var invisible = 0
    private var decoder = UTF8Decoder()
    private var parameters: [UInt16] = []
    private var parameterOpen = false
    private var privateSequence = false
    /// The string was begun by `ESC ]`.
    private var isCommand = false

    /// A sanitiser at the beginning of a stream.
    public init() {}

    /// Takes the next bytes of the stream.
    public mutating func feed(_ bytes: UnsafeBufferPointer<UInt8>, into sink: inout some SanitizerSink) {
        var index = 0
        while index < bytes.count {
            if state == .ground, !pendingReturn, invisible == 0, decoder.isIdle {
                let start = index
                while index < bytes.count, bytes[index] >= 0x20, bytes[index] < 0x7F { index += 1 }
                if index > start {
                    combining = 0
                    hasBase = true
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
        flushInvisible(&sink)
        if state != .ground { endSequence() }
        combining = 0
        hasBase = false
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
            flushInvisible(&sink)
            if state != .ground { endSequence() }
            combining = 0
            hasBase = false
            sink.lineEnd()
            return
        }
        flushReturn(&sink)
        guard state == .ground else {
            inSequence(scalar, &sink)
            return
        }
        if invisible > 0, !Self.isInvisible(scalar) { flushInvisible(&sink) }
        switch scalar.value {
        case 0x1B: begin(.escape)
        case 0x0D: pendingReturn = true
        case 0x00...0x1F, 0x7F:
            combining = 0
            hasBase = false
            sink.control(UInt8(scalar.value))
        case 0x20...0x7E:
            combining = 0
            hasBase = true
            let byte = UInt8(scalar.value)
            withUnsafePointer(to: byte) { sink.ascii(UnsafeBufferPointer(start: $0, count: 1)) }
        case 0x80...0x9F: control1(scalar, &sink)
        default: printable(scalar, &sink)
        }
    }

    private mutating func printable(_ scalar: Unicode.Scalar, _ sink: inout some SanitizerSink) {
        if Self.isInvisible(scalar) {
            combining = 0
            hasBase = false
            invisible &+= 1
            if invisible <= Self.invisibleLimit { sink.invisible(scalar) }
        } else if Self.isVariationSelector(scalar.value) {
            return
        } else if TextWidth.of(scalar) == 0 {
            if !hasBase { sink.scalar(.dottedCircle) }
            hasBase = true
            combining += 1
            if combining <= Self.combiningLimit { sink.scalar(scalar) }
        } else {
            combining = 0
            hasBase = true
            sink.scalar(scalar)
        }
    }

    private mutating func flushInvisible(_ sink: inout some SanitizerSink) {
        if invisible > Self.invisibleLimit { sink.invisible(more: invisible - Self.invisibleLimit) }
        invisible = 0
    }

    private mutating func flushReturn(_ sink: inout some SanitizerSink) {
        guard pendingReturn else { return }
        pendingReturn = false
        flushInvisible(&sink)
        combining = 0
        hasBase = false
        sink.control(0x0D)
    }

    // MARK: sequences

    private mutating func begin(_ next: State) {
        state = next
        sequenceLength = 0
        parameters.removeAll(keepingCapacity: true)
        parameterOpen = false
        privateSequence = false
        isCommand = false
    }

    private mutating func endSequence(counted: Bool = true) {
        state = .ground
        if counted { swallowed &+= 1 }
    }

    private mutating func control1(_ scalar: Unicode.Scalar, _ sink: inout some SanitizerSink) {
        switch scalar.value {
        case 0x9B: begin(.csi)
        case 0x90, 0x98, 0x9D, 0x9E, 0x9F: begin(.string)
        case 0x9C: swallowed &+= 1  // a terminator without a string
        default:
            combining = 0
            hasBase = false
            sink.invisible(scalar)
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
        if (0x80...0x9F).contains(value), value != 0x9C || state == .csi {  // C1 ends it and begins anew
            endSequence()
            take(scalar, &sink)
            return
        }
        switch state {
        case .ground: break
        case .escape: inEscape(scalar, &sink)
        case .escapeIntermediate:
            switch value {
            case 0x1B: begin(.escape)
            case 0x00...0x2F: break
            case 0x30...0x7F: endSequence()
            default: endBroken(scalar, &sink)
            }
        case .csi: inCSI(scalar, &sink)
        case .string: inString(value)
        case .stringEscape:
            // Only ESC \ ends the string in good order; as in terminals, any other ESC abandons it and counts itself.
            switch value {
            case 0x5C, 0x07, 0x9C: endSequence()
            default:
                swallowed &+= 1
                begin(.escape)
                inEscape(scalar, &sink)
            }
        case .palette:
            guard sequenceLength <= 7, Self.isHexadecimal(value) else {
                endBroken(scalar, &sink)
                return
            }
            if sequenceLength == 7 { endSequence() }
        }
    }

    /// A character that is no part of the sequence: the sequence was broken, the character is text.
    private mutating func endBroken(_ scalar: Unicode.Scalar, _ sink: inout some SanitizerSink) {
        endSequence()
        take(scalar, &sink)
    }

    private mutating func inString(_ value: UInt32) {
        switch value {
        case 0x07, 0x9C: endSequence()
        case 0x1B: state = .stringEscape
        case 0x50 where sequenceLength == 1 && isCommand: begin(.palette)
        case 0x52 where sequenceLength == 1 && isCommand: endSequence()  // the Linux console's palette reset
        default: break
        }
    }

    private mutating func inEscape(_ scalar: Unicode.Scalar, _ sink: inout some SanitizerSink) {
        switch scalar.value {
        case 0x1B: begin(.escape)
        case 0x5B: begin(.csi)
        case 0x5D:
            begin(.string)
            isCommand = true
        case 0x50, 0x58, 0x5E, 0x5F: begin(.string)
        case 0x20...0x2F: state = .escapeIntermediate
        case 0x00...0x1F: break
        case 0x30...0x7F: endSequence()
        default: endBroken(scalar, &sink)
        }
    }

    private static func isHexadecimal(_ value: UInt32) -> Bool {
        (0x30...0x39).contains(value) || (0x41...0x46).contains(value) || (0x61...0x66).contains(value)
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
        default: endBroken(scalar, &sink)
        }
    }

    // MARK: classes of scalars

    /// Whether a scalar would show nothing or would reorder or hide text: bidi controls, zero-width, line separators,
    /// tags, format controls, fillers and noncharacters.
    private static func isInvisible(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0xAD: false
        case 0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B...0x180F, 0x200B...0x200F, 0x2028...0x202E,
            0x2060...0x206F, 0x3164, 0xFDD0...0xFDEF, 0xFEFF, 0xFFA0, 0xFFF0...0xFFFB, 0x13430...0x1343F, 0x16FE4,
            0x1BCA0...0x1BCA3, 0x1D173...0x1D17A, 0xE0000...0xE00FF, 0xE01F0...0xE0FFF:
            true
        default: scalar.value & 0xFFFE == 0xFFFE
        }
    }

    private static func isVariationSelector(_ value: UInt32) -> Bool {
        (0xFE00...0xFE0F).contains(value) || (0xE0100...0xE01EF).contains(value)
    }
}

extension Sanitizer {
    /// Whether a scalar may be drawn as it is. What ``feed(_:into:)`` hands on as text always may.
    public static func isDrawable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x20...0x7E: true
        case 0x00...0x9F: false
        default: !isInvisible(scalar) && !isVariationSelector(scalar.value)
        }
    }

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
    /// What carries a mark that came without a base.
    fileprivate static let dottedCircle: Unicode.Scalar = "\u{25CC}"
}
