// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// One line of editable text. It holds scalars, so that the cursor can never fall inside one.
struct TextField: Equatable, Sendable {
    /// Scalars kept at most; more are not taken.
    static let limit = 16_384

    private(set) var scalars: [Unicode.Scalar] = []
    private(set) var cursor = 0

    init(_ text: String = "") { self.text = text }

    var text: String {
        get {
            var view = String.UnicodeScalarView()
            view.append(contentsOf: scalars)
            return String(view)
        }
        set {
            scalars = Array(newValue.unicodeScalars.prefix(Self.limit))
            cursor = scalars.count
        }
    }

    /// Takes an editing key; false when the key means nothing here.
    mutating func handle(_ key: Key) -> Bool {
        switch key {
        case .character(let scalar): insert(scalar)
        case .backspace: if cursor > 0 { remove(cursor - 1..<cursor) }
        case .delete, .control("d"): if cursor < scalars.count { remove(cursor..<cursor + 1) }
        case .left: cursor = max(0, cursor - 1)
        case .right: cursor = min(scalars.count, cursor + 1)
        case .home: cursor = 0
        case .end, .control("e"): cursor = scalars.count
        case .control("u"): remove(0..<cursor)
        case .control("k"): remove(cursor..<scalars.count)
        case .control("w"): remove(wordStart()..<cursor)
        default: return false
        }
        return true
    }

    /// Takes pasted text literally; line ends become spaces, for this is one line.
    mutating func paste(_ text: String) {
        for scalar in text.unicodeScalars {
            if scalar == "\n" || scalar == "\r" || scalar == "\t" { insert(" ") } else { insert(scalar) }
        }
    }

    private mutating func insert(_ scalar: Unicode.Scalar) {
        guard scalars.count < Self.limit, scalar.value >= 0x20, !(0x7F...0x9F).contains(scalar.value) else { return }
        scalars.insert(scalar, at: cursor)
        cursor += 1
    }

    private mutating func remove(_ range: Range<Int>) {
        guard range.lowerBound >= 0, range.upperBound <= scalars.count else { return }
        scalars.removeSubrange(range)
        cursor = range.lowerBound
    }

    private func wordStart() -> Int {
        var at = cursor
        while at > 0, scalars[at - 1] == " " { at -= 1 }
        while at > 0, scalars[at - 1] != " " { at -= 1 }
        return at
    }

    /// Draws the part around the cursor into `columns` cells; `focused` shows the cursor.
    func draw(_ canvas: inout Canvas, _ column: Int, _ row: Int, columns: Int, focused: Bool, style: Style = .field) {
        guard columns > 1 else { return }
        canvas.fill(Rect(column, row, columns, 1), style)
        var from = 0
        var width = scalars[..<cursor].reduce(0) { $0 + Canvas.cells($1) }
        while width >= columns, from < cursor {
            width -= Canvas.cells(scalars[from])
            from += 1
        }
        if !focused { from = 0 }
        var at = column
        for index in from..<scalars.count {
            // A mark without its base would change the cell before the field.
            if at == column, Canvas.cells(scalars[index]) == 0 { continue }
            if focused, index == cursor { canvas.cursor = (at, row) }
            let shown = Sanitizer.isDrawable(scalars[index]) ? scalars[index] : "?"
            let next = canvas.put(shown, at, row, style, end: column + columns)
            if next == at, Canvas.cells(scalars[index]) > 0 { break }
            at = next
        }
        if focused, cursor == scalars.count { canvas.cursor = (min(at, column + columns - 1), row) }
    }
}
