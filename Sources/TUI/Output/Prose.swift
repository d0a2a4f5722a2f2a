// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Sentences in lines of some width. The text must have been made safe.
enum Prose {
    /// Lines of at most `columns` cells, broken between words where there are some.
    static func lines(_ text: String, _ columns: Int) -> [String] {
        var lines: [String] = []
        var line = ""
        for word in text.split(separator: " ") {
            let longer = line.isEmpty ? String(word) : line + " " + word
            if TextWidth.of(longer) <= columns {
                line = longer
                continue
            }
            if !line.isEmpty { lines.append(line) }
            let pieces = pieces(String(word), columns)
            lines += pieces.dropLast()
            line = pieces.last ?? ""
        }
        return lines + [line]
    }

    /// Pieces of at most `columns` cells; nothing is lost, so that it can be copied.
    static func pieces(_ text: String, _ columns: Int) -> [String] {
        var rest = text
        var out: [String] = []
        while TextWidth.of(rest) > columns, columns > 1 {
            let part = TextWidth.prefix(rest, columns)
            out.append(part)
            rest = String(String.UnicodeScalarView(rest.unicodeScalars.dropFirst(part.unicodeScalars.count)))
        }
        return out + [rest]
    }
}
