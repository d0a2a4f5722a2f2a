// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CNcurses

/// Turns what curses reads into our keys and pasted text.
final class CursesKeys {
    private enum Code {
        static let pasteBegin: Int32 = 2001
        static let pasteEnd: Int32 = 2002
    }

    /// Scalars of a paste that go beyond this are dropped.
    static let pasteLimit = 1 << 20

    private var paste: String.UnicodeScalarView?
    private var pasted = 0

    /// Sequences that terminals send but terminfo does not list.
    func define() {
        let sequences: [(String, Int32)] = [
            ("\u{1B}[A", KEY_UP), ("\u{1B}[B", KEY_DOWN), ("\u{1B}[C", KEY_RIGHT), ("\u{1B}[D", KEY_LEFT),
            ("\u{1B}[H", KEY_HOME), ("\u{1B}[F", KEY_END), ("\u{1B}[Z", KEY_BTAB),
            ("\u{1B}[200~", Code.pasteBegin), ("\u{1B}[201~", Code.pasteEnd),
        ]
        for (sequence, code) in sequences { define_key(sequence, code) }
    }

    /// The event, or nil when nothing is to be done (part of a paste, an unknown code).
    func event(_ value: UInt32, isCode: Bool) -> TerminalEvent? {
        if isCode, Int32(truncatingIfNeeded: value) == Code.pasteEnd { return endPaste() }
        if paste != nil {
            collect(value, isCode: isCode)
            return nil
        }
        if isCode { return code(Int32(truncatingIfNeeded: value)) }
        return character(value).map { .key($0) }
    }

    private func endPaste() -> TerminalEvent? {
        guard let text = paste else { return nil }
        paste = nil
        return .paste(String(text))
    }

    private func collect(_ value: UInt32, isCode: Bool) {
        guard !isCode, pasted < Self.pasteLimit, let scalar = Unicode.Scalar(value) else { return }
        pasted += 1
        paste?.append(scalar == "\r" ? "\n" : scalar)
    }

    private func character(_ value: UInt32) -> Key? {
        switch value {
        case 9: .tab
        case 10, 13: .enter
        case 27: .escape
        case 8, 127: .backspace
        case 1...26: .control(Character(Unicode.Scalar(UInt8(value + 0x60))))
        case 28: .control("\\")
        case 0..<32, 0x80..<0xA0: nil
        default: Unicode.Scalar(value).map { .character($0) }
        }
    }

    private func code(_ code: Int32) -> TerminalEvent? {
        switch code {
        case Code.pasteBegin:
            paste = String.UnicodeScalarView()
            pasted = 0
            return nil
        case KEY_RESIZE: return .resized
        case KEY_UP: return .key(.up)
        case KEY_DOWN: return .key(.down)
        case KEY_LEFT: return .key(.left)
        case KEY_RIGHT: return .key(.right)
        case KEY_HOME: return .key(.home)
        case KEY_END: return .key(.end)
        case KEY_PPAGE: return .key(.pageUp)
        case KEY_NPAGE: return .key(.pageDown)
        case KEY_BTAB: return .key(.backTab)
        case KEY_BACKSPACE: return .key(.backspace)
        case KEY_DC: return .key(.delete)
        case KEY_ENTER: return .key(.enter)
        case KEY_F0 + 1...KEY_F0 + 12: return .key(.function(Int(code - KEY_F0)))
        default: return nil
        }
    }
}
