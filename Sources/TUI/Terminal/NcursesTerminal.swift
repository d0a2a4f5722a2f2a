// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CNcurses
import CTerminal
import Core

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The terminal through curses. Every call must come from the thread that opened it: curses knows no other.
final class NcursesTerminal: Terminal {
    /// Changed cells above which a frame may reach the terminal in several pieces.
    private static let largeFrame = 2500

    private let window: UnsafeMutablePointer<WINDOW>
    private let screen: OpaquePointer
    private let keys = CursesKeys()
    private let unicode: Bool
    private let colours: Bool
    private let privateModes: Bool
    private var shown: Canvas?
    private var open = true
    private var wide: [wchar_t] = []

    /// Opens the terminal on standard input and output; throws `unsupported` when it cannot show a full screen.
    init(environment: [String: String]) throws(DeployError) {
        guard isatty(STDIN_FILENO) == 1, isatty(STDOUT_FILENO) == 1 else {
            throw DeployError(.unsupported, "the console needs a terminal on standard input and output")
        }
        unicode = ct_locale_is_utf8()
        // Exported sizes would win over the real one for ever.
        unsetenv("LINES")
        unsetenv("COLUMNS")
        let type = try Self.terminalType(environment)
        ct_guard_remember(STDIN_FILENO)
        set_escdelay(environment["SSH_CONNECTION"] == nil ? 25 : 100)
        guard let opened = type.withCString({ ct_newterm($0) }), let standard = ct_stdscr() else {
            throw DeployError(.unsupported, "this terminal cannot be opened for a full screen")
        }
        screen = OpaquePointer(opened)
        window = standard.assumingMemoryBound(to: WINDOW.self)
        privateModes = !["linux", "vt", "dumb", "ansi"].contains { type.hasPrefix($0) }
        colours = (environment["NO_COLOR"] ?? "").isEmpty && has_colors()
        start()
    }

    /// The terminal type to use; one that is unknown here is treated as xterm-256color when the emulator names itself.
    private static func terminalType(_ environment: [String: String]) throws(DeployError) -> String {
        let type = environment["TERM"] ?? ""
        switch type.isEmpty ? 1 : ct_terminal_check(type) {
        case 0: return type
        case 2:
            throw DeployError(
                .unsupported, "TERM=\(Sanitizer.line(type)) cannot show a full screen", hint: "use the subcommands")
        default:
            let modern = environment["COLORTERM"] != nil || environment["TERM_PROGRAM"] != nil
            if modern, ct_terminal_check("xterm-256color") == 0 { return "xterm-256color" }
            let name = type.isEmpty ? "TERM is not set" : "TERM=\(Sanitizer.line(type)) is not known here"
            throw DeployError(.unsupported, name, hint: "set TERM, for example TERM=xterm-256color")
        }
    }

    private func start() {
        raw()
        noecho()
        nonl()
        keypad(window, true)
        nodelay(window, true)
        leaveok(window, false)
        scrollok(window, false)
        idcok(window, false)
        // Keys never cut a frame short; without this curses asks for them every few rows.
        typeahead(-1)
        curs_set(0)
        if colours {
            start_color()
            use_default_colors()
            let codes: [Int16] = [-1, 1, 2, 3, 4, 5, 6, 7]
            for colour in Colour.allCases where colour != .plain {
                init_pair(Int16(colour.rawValue), codes[Int(colour.rawValue)], -1)
            }
        }
        keys.define()
        // Until the first endwin and refresh, curses flushes after every cursor move: one write per row, not per frame.
        endwin()
        wrefresh(window)
        enterModes()
        ct_stderr_capture()
        arm()
    }

    private func enterModes() {
        if privateModes { Self.send("\u{1B}[?2004h") }
    }

    private func arm() {
        var restore = privateModes ? "\u{1B}[?2026l\u{1B}[?2004l" : ""
        for name in ["sgr0", "rmkx", "cnorm", "rmcup"] {
            guard let value = tigetstr(name), Int(bitPattern: value) != -1 else { continue }
            restore += Self.withoutPadding(String(cString: value))
        }
        restore += "\r"
        restore.withCString { ct_guard_arm($0, restore.utf8.count) }
    }

    /// Terminfo strings may ask for delays as `$<5>`; in a crash they are left out.
    private static func withoutPadding(_ text: String) -> String {
        var out = ""
        var rest = text[...]
        while let mark = rest.firstIndex(of: "$"), rest[mark...].hasPrefix("$<"),
            let end = rest[mark...].firstIndex(of: ">")
        {
            out += rest[..<mark]
            rest = rest[rest.index(after: end)...]
        }
        return out + rest
    }

    // MARK: Terminal

    var size: Size {
        var columns: Int32 = 0
        var rows: Int32 = 0
        if ct_window_size(STDOUT_FILENO, &columns, &rows) { return Size(columns: Int(columns), rows: Int(rows)) }
        return Size(columns: max(1, Int(getmaxx(window))), rows: max(1, Int(getmaxy(window))))
    }

    func present(_ canvas: Canvas) {
        guard open else { return }
        if Int(getmaxx(window)) != canvas.size.columns || Int(getmaxy(window)) != canvas.size.rows {
            resizeterm(Int32(canvas.size.rows), Int32(canvas.size.columns))
            shown = nil
        }
        if shown?.size != canvas.size {
            shown = nil
            werase(window)
        }
        var changed = 0
        for row in 0..<canvas.size.rows where shown.map({ $0.row(row) != canvas.row(row) }) ?? true {
            draw(canvas.row(row), row)
            changed += canvas.size.columns
        }
        if let cursor = canvas.cursor {
            curs_set(1)
            wmove(window, Int32(cursor.row), Int32(cursor.column))
        } else {
            curs_set(0)
            wmove(window, Int32(canvas.size.rows - 1), 0)
        }
        // One frame is one write, which a terminal shows at once. Only one that is too large for that is worth a second
        // write to say where it ends.
        let large = privateModes && changed > Self.largeFrame
        if large { putp("\u{1B}[?2026h") }
        wnoutrefresh(window)
        doupdate()
        if large { Self.send("\u{1B}[?2026l") }
        shown = canvas
    }

    private func draw(_ cells: ArraySlice<Cell>, _ row: Int) {
        var column = 0
        var index = cells.startIndex
        while index < cells.endIndex {
            let style = cells[index].style
            let start = column
            wide.removeAll(keepingCapacity: true)
            while index < cells.endIndex, cells[index].style == style {
                append(cells[index])
                index += 1
                column += 1
            }
            setStyle(style)
            wmove(window, Int32(row), Int32(start))
            wide.withUnsafeBufferPointer { _ = waddnwstr(window, $0.baseAddress, Int32($0.count)) }
        }
    }

    /// A character that curses would lay out differently from us is not drawn: the row would shift.
    private func append(_ cell: Cell) {
        guard cell.width > 0 else { return }
        let value = cell.base.value
        if value < 0x7F {
            wide.append(wchar_t(value))
        } else if unicode, ct_wcwidth(value) == Int32(cell.width) {
            wide.append(wchar_t(value))
            for mark in [cell.mark, cell.mark2] {
                if let mark, ct_wcwidth(mark.value) == 0 { wide.append(wchar_t(mark.value)) }
            }
        } else {
            wide.append(contentsOf: repeatElement(0x3F, count: Int(cell.width)))
        }
    }

    private func setStyle(_ style: Style) {
        var bits: UInt32 = 0
        if style.attributes.contains(.bold) { bits |= ct_attr_bold() }
        if style.attributes.contains(.dim) { bits |= ct_attr_dim() }
        if style.attributes.contains(.reverse) { bits |= ct_attr_reverse() }
        if style.attributes.contains(.underline) { bits |= ct_attr_underline() }
        ct_set_style(bits, colours ? Int16(style.colour.rawValue) : 0)
    }

    func events() -> [TerminalEvent] {
        var events: [TerminalEvent] = []
        var character: wint_t = 0
        while events.count < 4096 {
            let kind = wget_wch(window, &character)
            if kind == ERR { break }
            if let event = keys.event(character, isCode: kind == KEY_CODE_YES) { events.append(event) }
        }
        return events
    }

    func redraw() {
        shown = nil
        clearok(window, true)
    }

    func suspend() {
        guard open else { return }
        if privateModes { Self.send("\u{1B}[?2026l\u{1B}[?2004l") }
        endwin()
        ct_guard_disarm()
        ct_stop_self()
        // The shell may have changed its settings meanwhile; these are what must come back at the end.
        def_shell_mode()
        ct_guard_remember(STDIN_FILENO)
        arm()
        reset_prog_mode()
        enterModes()
        redraw()
    }

    func close() {
        guard open else { return }
        open = false
        if privateModes { Self.send("\u{1B}[?2026l\u{1B}[?2004l") }
        curs_set(1)
        endwin()
        delscreen(screen)
        ct_guard_restore()
    }

    /// Writes outside curses, between frames only: curses has nothing buffered then.
    private static func send(_ text: String) {
        var text = text
        text.withUTF8 { _ = write(STDOUT_FILENO, $0.baseAddress, $0.count) }
    }
}
