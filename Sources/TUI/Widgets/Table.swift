// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// A list with columns: one header line, no boxes. A column that does not fit is left out whole, the least important
/// first; one column takes the room that is left.
struct Table {
    struct Column {
        var title: String
        /// Cells it needs.
        var width: Int
        /// Columns with a higher number go first when there is no room.
        var priority: Int
        /// Takes the room that is left.
        var grows = false
        var right = false
        /// Cut in the middle: names differ at both ends.
        var middle = false
    }

    struct Value {
        var text: String
        var style: Style

        init(_ text: String, _ style: Style = .plain) {
            self.text = text
            self.style = style
        }
    }

    var columns: [Column]
    /// Text shown when there are no rows.
    var empty: String

    /// Rows that fit below the header.
    static func visibleRows(_ area: Rect) -> Int { max(0, area.rows - 1) }

    /// - Parameter row: The values of one row, one for each column; asked only for rows that are drawn.
    func draw(
        _ canvas: inout Canvas, _ area: Rect, count: Int, list: ListState, marked: (Int) -> Bool = { _ in false },
        row: (Int) -> [Value]
    ) {
        let chosen = fitting(area.columns - 4)
        var list = list
        list.settle(count: count, visible: Self.visibleRows(area))
        canvas.fill(Rect(area.column, area.row, area.columns, 1), .column)
        put(&canvas, area, area.row, chosen) { Value(columns[$0].title, .column) }
        if count == 0 {
            canvas.put(TextWidth.fit(Sanitizer.line(empty), area.columns - 4), area.column + 4, area.row + 2, .dim)
            return
        }
        for index in 0..<Self.visibleRows(area) where list.offset + index < count {
            let number = list.offset + index
            let values = row(number)
            let line = area.row + 1 + index
            put(&canvas, area, line, chosen) { $0 < values.count ? values[$0] : Value("") }
            if marked(number) { canvas.put("*", area.column + 2, line, .key) }
            if number == list.cursor {
                canvas.put(">", area.column, line)
                canvas.restyle(area.column, line, area.columns) { $0.selected }
            }
        }
    }

    private func put(
        _ canvas: inout Canvas, _ area: Rect, _ line: Int, _ chosen: [(index: Int, width: Int)], _ value: (Int) -> Value
    ) {
        var at = area.column + 4
        for (index, width) in chosen {
            let value = value(index)
            let safe = Sanitizer.line(value.text)
            let text = columns[index].middle ? TextWidth.fitMiddle(safe, width) : TextWidth.fit(safe, width)
            canvas.put(TextWidth.pad(text, width, right: columns[index].right), at, line, value.style)
            at += width + 2
        }
    }

    private func fitting(_ room: Int) -> [(index: Int, width: Int)] {
        var kept = Array(columns.indices)
        func used() -> Int { kept.reduce(0) { $0 + columns[$1].width + 2 } - 2 }
        while kept.count > 1, used() > room, let drop = kept.max(by: { columns[$0].priority < columns[$1].priority }) {
            kept.removeAll { $0 == drop }
        }
        let spare = max(0, room - used())
        return kept.map { ($0, columns[$0].width + (columns[$0].grows ? spare : 0)) }
    }
}
