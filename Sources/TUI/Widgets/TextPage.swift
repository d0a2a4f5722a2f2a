// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Lines of text of any length, wrapped and scrolled.
struct TextPage {
    struct Line {
        var text: String
        var style = Style.plain
    }

    let area: Rect
    private let lines: [Line]

    /// - Parameter lines: Foreign text; it is made safe here.
    init(_ area: Rect, _ lines: [Line]) {
        self.area = area
        self.lines = lines.flatMap { line in
            Prose.pieces(Sanitizer.line(line.text), max(2, area.columns)).map { Line(text: $0, style: line.style) }
        }
    }

    private var last: Int { max(0, lines.count - area.rows) }

    /// The scroll position after a move.
    func moved(_ move: ListState.Move, from offset: Int) -> Int {
        let wanted =
            switch move {
            case .by(let delta): offset + delta
            case .halfPage(let sign): offset + sign * max(1, area.rows / 2)
            case .page(let sign): offset + sign * max(1, area.rows - 1)
            case .first: 0
            case .last: last
            }
        return max(0, min(wanted, last))
    }

    func draw(_ canvas: inout Canvas, offset: Int) {
        let from = max(0, min(offset, last))
        for (index, line) in lines.dropFirst(from).prefix(area.rows).enumerated() {
            canvas.put(line.text, area.column, area.row + index, line.style)
        }
    }

    /// `12-31 of 40`; empty when everything fits.
    func position(_ offset: Int) -> String {
        guard last > 0 else { return "" }
        let from = max(0, min(offset, last))
        return "\(from + 1)-\(min(lines.count, from + area.rows)) of \(lines.count)"
    }
}
