// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The grid of cells every widget draws into. A terminal shows it; a test prints it.
///
/// Drawing outside the grid is cut off, never an error. Text must have been sanitised; as a last line of defence a
/// character that may not be drawn, such as a control, is drawn as `?`.
struct Canvas: Equatable, Sendable {
    let size: Size
    private(set) var cells: [Cell]
    /// Where the terminal's cursor is shown: only while a text field has the focus.
    var cursor: (column: Int, row: Int)? {
        get { cursorColumn >= 0 ? (cursorColumn, cursorRow) : nil }
        set { (cursorColumn, cursorRow) = newValue ?? (-1, -1) }
    }
    /// How often the last line of defence was needed: text that was not sanitised. Anything but 0 is a defect.
    private(set) var replaced = 0
    private var cursorColumn = -1
    private var cursorRow = -1

    /// What stands for a character whose width terminals do not agree on: two cells.
    static let placeholder: (Unicode.Scalar, Unicode.Scalar) = ("<", ">")

    init(_ size: Size) {
        let bounded = Size(columns: max(1, min(size.columns, 1000)), rows: max(1, min(size.rows, 500)))
        self.size = bounded
        cells = Array(repeating: .blank, count: bounded.columns * bounded.rows)
    }

    var bounds: Rect { Rect(0, 0, size.columns, size.rows) }

    subscript(column: Int, row: Int) -> Cell {
        guard column >= 0, row >= 0, column < size.columns, row < size.rows else { return .blank }
        return cells[row * size.columns + column]
    }

    /// The cells of one row.
    func row(_ row: Int) -> ArraySlice<Cell> {
        guard row >= 0, row < size.rows else { return [] }
        return cells[row * size.columns..<(row + 1) * size.columns]
    }

    /// Writes text and returns the column after it. Stops before `limit` (default: the right edge).
    @discardableResult
    mutating func put(_ text: String, _ column: Int, _ row: Int, _ style: Style = .plain, limit: Int? = nil) -> Int {
        let end = min(limit ?? size.columns, size.columns)
        guard row >= 0, row < size.rows else { return column }
        var at = column
        for scalar in text.unicodeScalars {
            let next = put(scalar, at, row, style, end: end)
            if next == at, Self.cells(scalar) > 0 { break }
            at = next
        }
        return at
    }

    /// Cells that a scalar takes here, also one that is drawn as `?`.
    static func cells(_ scalar: Unicode.Scalar) -> Int { Sanitizer.isDrawable(scalar) ? TextWidth.of(scalar) : 1 }

    /// Writes one scalar and returns the column after it; the same column when it did not fit or is a mark.
    @discardableResult
    mutating func put(_ scalar: Unicode.Scalar, _ column: Int, _ row: Int, _ style: Style, end: Int) -> Int {
        guard row >= 0, row < size.rows, column >= 0 else { return column }
        guard Sanitizer.isDrawable(scalar) else {
            replaced += 1
            return put("?", column, row, style, end: end)
        }
        let width = TextWidth.of(scalar)
        if width == 0 {
            combine(scalar, column - 1, row)
            return column
        }
        guard column + width <= min(end, size.columns) else { return column }
        if TextWidth.needsPlaceholder(scalar) {
            set(Cell(base: Self.placeholder.0, style: style), column, row)
            set(Cell(base: Self.placeholder.1, style: style), column + 1, row)
            return column + 2
        }
        set(Cell(base: scalar, width: UInt8(width), style: style), column, row)
        if width == 2 { set(Cell(width: 0, style: style), column + 1, row, keepLeft: true) }
        return column + width
    }

    /// Fills a part with blanks of one style.
    mutating func fill(_ rect: Rect, _ style: Style = .plain, _ base: Unicode.Scalar = " ") {
        for row in max(0, rect.row)..<max(max(0, rect.row), min(size.rows, rect.row + rect.rows)) {
            for column in max(0, rect.column)..<max(max(0, rect.column), min(size.columns, rect.column + rect.columns))
            {
                set(Cell(base: base, style: style), column, row)
            }
        }
    }

    /// Changes how a part of a row looks without touching its text.
    mutating func restyle(_ column: Int, _ row: Int, _ columns: Int, _ change: (Style) -> Style) {
        guard row >= 0, row < size.rows else { return }
        let from = max(0, column)
        let to = max(from, min(size.columns, column + columns))
        for at in from..<to {
            let index = row * size.columns + at
            cells[index].style = change(cells[index].style)
        }
    }

    private mutating func combine(_ mark: Unicode.Scalar, _ column: Int, _ row: Int) {
        guard column >= 0, column < size.columns else { return }
        var index = row * size.columns + column
        if cells[index].width == 0, column > 0 { index -= 1 }
        if cells[index].mark == nil {
            cells[index].mark = mark
        } else if cells[index].mark2 == nil {
            cells[index].mark2 = mark
        }
    }

    /// Overwriting half of a wide character blanks its other half.
    private mutating func set(_ cell: Cell, _ column: Int, _ row: Int, keepLeft: Bool = false) {
        guard column >= 0, column < size.columns else { return }
        let index = row * size.columns + column
        if !keepLeft, cells[index].width == 0, column > 0 { cells[index - 1] = Cell(style: cells[index - 1].style) }
        if cells[index].width == 2, column + 1 < size.columns {
            cells[index + 1] = Cell(style: cells[index + 1].style)
        }
        cells[index] = cell
    }

    static func == (left: Canvas, right: Canvas) -> Bool {
        left.size == right.size && left.cursorColumn == right.cursorColumn && left.cursorRow == right.cursorRow
            && left.cells == right.cells
    }
}
