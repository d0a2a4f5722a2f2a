// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// A canvas as text, for golden files: each row between bars, and below every row that has a style a line of letters,
/// one per cell, explained at the end. A file that changes shows what changed.
enum CanvasDump {
    static func text(_ canvas: Canvas) -> String {
        var out = "size \(canvas.size.columns)x\(canvas.size.rows)\n"
        if let cursor = canvas.cursor { out += "cursor \(cursor.column),\(cursor.row)\n" }
        var letters: [Style: Character] = [:]
        for row in 0..<canvas.size.rows {
            out += "|" + plain(canvas, row) + "|\n"
            let styles = styleRow(canvas, row)
            if !styles.isEmpty { out += " " + styles + "\n" }
            for cell in canvas.row(row) where cell.style != .plain { letters[cell.style] = letter(cell.style) }
        }
        return out + letters.map { "\($0.value) = \(describe($0.key))\n" }.sorted().joined()
    }

    /// One row's text, with trailing blanks.
    static func plain(_ canvas: Canvas, _ row: Int) -> String {
        var out = String.UnicodeScalarView()
        for cell in canvas.row(row) where cell.width > 0 {
            out.append(cell.base)
            if let mark = cell.mark { out.append(mark) }
            if let mark = cell.mark2 { out.append(mark) }
        }
        return String(out)
    }

    private static func styleRow(_ canvas: Canvas, _ row: Int) -> String {
        var out = canvas.row(row).map { $0.style == .plain ? Character(" ") : letter($0.style) }
        while out.last == " " { out.removeLast() }
        return String(out)
    }

    /// Colour's initial, upper case when bold; reverse, dim and underline without colour have letters of their own.
    private static func letter(_ style: Style) -> Character {
        let bold = style.attributes.contains(.bold)
        let reverse = style.attributes.contains(.reverse)
        let table: [Colour: String] = [
            .plain: "nbdu", .red: "rRsS", .green: "gGhH", .yellow: "yYzZ", .blue: "lLkK", .magenta: "mMoO",
            .cyan: "cCeE",
            .white: "wWxX",
        ]
        guard let row = table[style.colour].map(Array.init) else { return "?" }
        if style.colour == .plain {
            if reverse {
                return bold
                    ? "V" : style.attributes.contains(.dim) ? "D" : style.attributes.contains(.underline) ? "U" : "v"
            }
            if bold { return "b" }
            return style.attributes.contains(.dim) ? "d" : "u"
        }
        return row[(reverse ? 2 : 0) + (bold ? 1 : 0)]
    }

    private static func describe(_ style: Style) -> String {
        var words = style.colour == .plain ? [] : ["\(style.colour)"]
        if style.attributes.contains(.bold) { words.append("bold") }
        if style.attributes.contains(.dim) { words.append("dim") }
        if style.attributes.contains(.reverse) { words.append("reverse") }
        if style.attributes.contains(.underline) { words.append("underline") }
        return words.joined(separator: " ")
    }
}
