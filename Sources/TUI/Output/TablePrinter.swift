// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// What a value means, for its colour.
enum CellStyle: Sendable, Equatable {
    case plain
    case good
    case bad
    case active
    case dim

    /// The colour a state is shown in.
    init(_ state: TaskState) {
        self =
            switch state {
            case .succeeded: .good
            case .failed, .timedOut, .rejected, .interrupted, .lost: .bad
            case .running, .canceling, .dispatched: .active
            case .pending, .canceled: .dim
            }
    }

    /// A text in this colour.
    fileprivate func paint(_ text: String) -> String { code.isEmpty ? text : "\u{1B}[\(code)m\(text)\u{1B}[0m" }

    private var code: String {
        switch self {
        case .plain: ""
        case .good: "32"
        case .bad: "31"
        case .active: "36"
        case .dim: "2"
        }
    }
}

/// One value of a table; foreign text is made safe here.
struct TableCell: Sendable, Equatable {
    /// The safe text, on one line.
    let text: String
    /// Its meaning.
    let style: CellStyle

    /// A value of foreign text.
    init(_ text: String, _ style: CellStyle = .plain) {
        self.text = Sanitizer.line(text)
        self.style = style
    }

    /// The text in its colour.
    var painted: String { style.paint(text) }
}

/// Aligned columns. Widths count terminal cells, so Chinese and Japanese text aligns too.
struct TablePrinter: Sendable {
    /// A column.
    struct Column: Sendable, Equatable {
        /// Its heading.
        var title: String
        /// Whether values end at the right edge.
        var right = false
        /// Whether it may be cut when the terminal is too narrow.
        var elastic = false
    }

    /// The columns.
    let columns: [Column]
    /// Whether to colour.
    let color: Bool
    /// Terminal columns to fit into; nil writes every value whole.
    let width: Int?
    private static let gap = 2
    private static let narrowest = 8

    /// The table as text, a line for the headings and one for each row; missing values are empty.
    func text(_ rows: [[TableCell]]) -> String {
        let widths = fitted(rows)
        var output = line(columns.map { TableCell($0.title) }, widths, heading: true)
        for row in rows { output += line(row, widths, heading: false) }
        return output
    }

    private func fitted(_ rows: [[TableCell]]) -> [Int] {
        var widths = columns.map { TextWidth.of($0.title) }
        for row in rows {
            for (index, cell) in row.prefix(columns.count).enumerated() {
                widths[index] = max(widths[index], TextWidth.of(cell.text))
            }
        }
        guard let width else { return widths }
        var over = widths.reduce(0, +) + Self.gap * (columns.count - 1) - width
        while over > 0 {
            let elastic = columns.indices.filter { columns[$0].elastic && widths[$0] > Self.narrowest }
            guard let widest = elastic.max(by: { widths[$0] < widths[$1] }) else { break }
            widths[widest] -= 1
            over -= 1
        }
        return widths
    }

    private func line(_ row: [TableCell], _ widths: [Int], heading: Bool) -> String {
        var parts: [String] = []
        for (index, column) in columns.enumerated() {
            let cell = index < row.count ? row[index] : TableCell("")
            let isLast = index == columns.count - 1
            let shown =
                isLast && !column.right
                ? TextWidth.fit(cell.text, max(widths[index], 1))
                : TextWidth.pad(cell.text, widths[index], right: column.right)
            parts.append(color && !heading ? cell.style.paint(shown) : shown)
        }
        let text = parts.joined(separator: String(repeating: " ", count: Self.gap))
        return (color && heading ? "\u{1B}[1m\(text)\u{1B}[0m" : trimmed(text)) + "\n"
    }

    private func trimmed(_ text: String) -> String {
        var end = text.endIndex
        while end > text.startIndex, text[text.index(before: end)] == " " { end = text.index(before: end) }
        return String(text[..<end])
    }
}
