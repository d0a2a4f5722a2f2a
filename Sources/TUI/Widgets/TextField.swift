// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Editable text, of one line unless it keeps more. It holds scalars, so that the cursor can never fall inside one.
struct TextField: Equatable, Sendable {
    /// Scalars kept at most; more are not taken.
    static let limit = 16_384

    /// Whether ends of lines are kept; they are shown as `⏎`.
    var keepsLines = false
    /// What is kept at most of this one.
    var limit = Self.limit
    private(set) var scalars: [Unicode.Scalar] = []
    private(set) var cursor = 0

    init(_ text: String = "", keepsLines: Bool = false, limit: Int = Self.limit) {
        self.keepsLines = keepsLines
        self.limit = limit
        self.text = text
    }

    /// What stands for the end of a line.
    static let lineEnd: Unicode.Scalar = "\u{23CE}"

    var text: String {
        get {
            var view = String.UnicodeScalarView()
            view.append(contentsOf: scalars)
            return String(view)
        }
        set {
            scalars = Array(newValue.unicodeScalars.prefix(limit))
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

    /// Takes pasted text literally; where lines are not kept their ends become spaces. False, and nothing is taken, when
    /// it does not fit: half of a text is another text.
    @discardableResult
    mutating func paste(_ text: String) -> Bool {
        var taken: [Unicode.Scalar] = []
        var previous: Unicode.Scalar?
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\n" where previous == "\r": break
            case "\n", "\r": taken.append(keepsLines ? "\n" : " ")
            case "\t": taken.append(" ")
            default: if Self.isText(scalar) { taken.append(scalar) }
            }
            previous = scalar
        }
        guard scalars.count + taken.count <= limit else { return false }
        scalars.insert(contentsOf: taken, at: cursor)
        cursor += taken.count
        return true
    }

    /// Ends the line at the cursor, where lines are kept.
    mutating func breakLine() {
        guard keepsLines, scalars.count < limit else { return }
        scalars.insert("\n", at: cursor)
        cursor += 1
    }

    private mutating func insert(_ scalar: Unicode.Scalar) {
        guard scalars.count < limit, Self.isText(scalar) else { return }
        scalars.insert(scalar, at: cursor)
        cursor += 1
    }

    private static func isText(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value >= 0x20 && !(0x7F...0x9F).contains(scalar.value)
    }

    private mutating func remove(_ range: Range<Int>) {
        guard range.lowerBound >= 0, range.upperBound <= scalars.count else { return }
        scalars.removeSubrange(range)
        cursor = range.lowerBound
    }

    private func wordStart() -> Int {
        var at = cursor
        while at > 0, scalars[at - 1] == " " || scalars[at - 1] == "\n" { at -= 1 }
        while at > 0, scalars[at - 1] != " ", scalars[at - 1] != "\n" { at -= 1 }
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
            let shown = Self.shown(scalars[index])
            let next = canvas.put(shown, at, row, style, end: column + columns)
            if next == at, Canvas.cells(scalars[index]) > 0 { break }
            at = next
        }
        if focused, cursor == scalars.count { canvas.cursor = (min(at, column + columns - 1), row) }
    }

    private static func shown(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
        scalar == "\n" ? lineEnd : Sanitizer.isDrawable(scalar) ? scalar : "?"
    }

    // MARK: Several rows

    /// The rows that the text takes at a width: broken at ends of lines, and where a row is full.
    func rows(columns: Int) -> [Range<Int>] {
        guard columns > 1 else { return [0..<scalars.count] }
        var rows: [Range<Int>] = []
        var from = 0
        var width = 0
        for (index, scalar) in scalars.enumerated() {
            let cells = Canvas.cells(scalar)
            // The last cell stays free for the cursor.
            if width + cells >= columns, index > from {
                rows.append(from..<index)
                (from, width) = (index, 0)
            }
            width += cells
            if scalar == "\n" {
                rows.append(from..<index + 1)
                (from, width) = (index + 1, 0)
            }
        }
        return rows + [from..<scalars.count]
    }

    /// Draws as many rows as fit, those around the cursor.
    func draw(_ canvas: inout Canvas, _ area: Rect, focused: Bool, style: Style = .field) {
        guard area.columns > 1, area.rows > 0 else { return }
        let rows = rows(columns: area.columns)
        let at = rows.lastIndex { $0.lowerBound <= cursor } ?? 0
        let first = focused ? max(0, min(at - area.rows + 1, rows.count - area.rows)) : 0
        for row in 0..<area.rows {
            canvas.fill(Rect(area.column, area.row + row, area.columns, 1), style)
            guard rows.indices.contains(first + row) else { continue }
            var column = area.column
            for index in rows[first + row] {
                if column == area.column, Canvas.cells(scalars[index]) == 0 { continue }
                if focused, index == cursor { canvas.cursor = (column, area.row + row) }
                column = canvas.put(
                    Self.shown(scalars[index]), column, area.row + row, style, end: area.column + area.columns)
            }
            if focused, cursor == scalars.count, first + row == rows.count - 1 {
                canvas.cursor = (min(column, area.column + area.columns - 1), area.row + row)
            }
        }
    }
}
