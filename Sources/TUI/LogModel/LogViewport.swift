// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Which part of a log is on the screen. Positions are line numbers, so that nothing moves when old lines are dropped
/// or new ones come.
struct LogViewport: Equatable {
    /// A row: a line and, when lines are wrapped, which of its rows.
    struct Place: Equatable {
        var line: Int
        var row = 0
    }

    struct Row: Equatable {
        var place: Place
        /// The scalars of the line's text that this row shows.
        var from: Int
        var to: Int
    }

    var top = Place(line: 0)
    /// Stay at the end as lines come.
    var follows = true
    var wraps = true
    /// Columns scrolled sideways, when lines are not wrapped.
    var left = 0

    /// The rows of one line.
    private func rows(_ line: Int, _ buffer: LogBuffer, _ columns: Int) -> [Int] {
        guard wraps, let found = buffer.line(line) else { return [0] }
        if found.bytes.count <= columns, found.bytes.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) { return [0] }
        return LogText(found).rowStarts(columns)
    }

    /// Where the first row must be so that the last line ends at the bottom.
    private func bottom(_ buffer: LogBuffer, _ size: Size) -> Place {
        var left = size.rows
        var line = buffer.endLine
        while line > buffer.firstLine, left > 0 {
            line -= 1
            let count = rows(line, buffer, size.columns).count
            if count >= left { return Place(line: line, row: count - left) }
            left -= count
        }
        return Place(line: max(line, buffer.firstLine))
    }

    /// Brings the position back into what exists, and to the end when following. Call before drawing.
    mutating func settle(_ buffer: LogBuffer, _ size: Size) {
        if follows {
            top = bottom(buffer, size)
            return
        }
        if top.line < buffer.firstLine { top = Place(line: buffer.firstLine) }
        let end = bottom(buffer, size)
        if top.line > end.line || (top.line == end.line && top.row > end.row) { top = end }
    }

    /// Moves by rows; up (negative) stops following, reaching the end does not start it again.
    mutating func scroll(_ delta: Int, _ buffer: LogBuffer, _ size: Size) {
        if follows { top = bottom(buffer, size) }
        follows = false
        var left = abs(delta)
        while left > 0 {
            if delta > 0 {
                if top.row + 1 < rows(top.line, buffer, size.columns).count {
                    top.row += 1
                } else if top.line + 1 < buffer.endLine {
                    top = Place(line: top.line + 1)
                } else {
                    break
                }
            } else if top.row > 0 {
                top.row -= 1
            } else if top.line > buffer.firstLine {
                let line = top.line - 1
                top = Place(line: line, row: rows(line, buffer, size.columns).count - 1)
            } else {
                break
            }
            left -= 1
        }
        settle(buffer, size)
    }

    /// Shows a line a third from the top.
    mutating func show(_ line: Int, _ buffer: LogBuffer, _ size: Size) {
        follows = false
        top = Place(line: max(buffer.firstLine, min(line, buffer.endLine - 1)))
        scroll(-(size.rows / 3), buffer, size)
    }

    /// What to draw, from the top.
    func layout(_ buffer: LogBuffer, _ size: Size, text: (LogLine) -> LogText) -> [(
        row: Row, line: LogLine, text: LogText
    )] {
        var out: [(row: Row, line: LogLine, text: LogText)] = []
        var place = top
        while out.count < size.rows, let line = buffer.line(place.line) {
            let shown = text(line)
            let starts = wraps ? shown.rowStarts(size.columns) : [0]
            for index in starts.indices.dropFirst(place.row) where out.count < size.rows {
                let to = index + 1 < starts.count ? starts[index + 1] : shown.scalars.count
                let row = Row(place: Place(line: place.line, row: index), from: starts[index], to: to)
                out.append((row, line, shown))
            }
            place = Place(line: place.line + 1)
        }
        return out
    }
}
