// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// How many terminal cells text takes, by our own pinned table: never libc's, which differs from host to host.
public enum TextWidth {
    /// Cells of one scalar: 0 for a combining mark or control, 1, or 2. Ambiguous width counts as 1; a scalar the table
    /// does not know counts as 2, because that is what is drawn for it (a placeholder).
    public static func of(_ scalar: Unicode.Scalar) -> Int {
        let value = scalar.value
        if value < 0x300 { return value < 0x20 || (0x7F...0x9F).contains(value) || value == 0xAD ? 0 : 1 }
        if contains(TextWidthTable.zero, value) { return 0 }
        if contains(TextWidthTable.wide, value) || needsPlaceholder(scalar) { return 2 }
        return 1
    }

    /// True for scalars whose drawn width differs between terminals: unassigned ones, regional indicators, skin tones.
    public static func needsPlaceholder(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x300: false
        case 0x1F1E6...0x1F1FF, 0x1F3FB...0x1F3FF, 0xE0000...0xE0FFF: true
        default: contains(TextWidthTable.unknown, scalar.value)
        }
    }

    /// Cells of a string, which must have been sanitised: controls count nothing here.
    public static func of(_ text: String) -> Int {
        if let ascii = text.utf8.withContiguousStorageIfAvailable({ bytes in
            bytes.allSatisfy { $0 >= 0x20 && $0 < 0x7F } ? bytes.count : nil
        }) ?? nil {
            return ascii
        }
        return text.unicodeScalars.reduce(0) { $0 + of($1) }
    }

    /// The longest beginning of `text` that fits into `cells`; a wide character is never cut in half.
    public static func prefix(_ text: String, _ cells: Int) -> String {
        var used = 0
        var out = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            let width = of(scalar)
            if used + width > cells { break }
            used += width
            out.append(scalar)
        }
        return String(out)
    }

    /// The longest end of `text` that fits into `cells`.
    public static func suffix(_ text: String, _ cells: Int) -> String {
        var used = 0
        var from = text.unicodeScalars.endIndex
        while from > text.unicodeScalars.startIndex {
            let before = text.unicodeScalars.index(before: from)
            let width = of(text.unicodeScalars[before])
            if used + width > cells { break }
            used += width
            from = before
        }
        var kept = text.unicodeScalars[from...]
        while let first = kept.first, of(first) == 0 { kept.removeFirst() }
        return String(kept)
    }

    /// `text` in at most `cells`, cut at the end and marked with `~` when it does not fit.
    public static func fit(_ text: String, _ cells: Int) -> String {
        guard cells > 0 else { return "" }
        return of(text) <= cells ? text : prefix(text, cells - 1) + "~"
    }

    /// `text` in at most `cells`, cut in the middle: names differ at both ends.
    public static func fitMiddle(_ text: String, _ cells: Int) -> String {
        guard cells > 0 else { return "" }
        guard of(text) > cells else { return text }
        guard cells >= 5 else { return fit(text, cells) }
        let tail = (cells - 1) / 2
        return prefix(text, cells - 1 - tail) + "~" + suffix(text, tail)
    }

    /// `text` made exactly `cells` wide with spaces, cut when longer.
    public static func pad(_ text: String, _ cells: Int, right: Bool = false) -> String {
        let shown = fit(text, cells)
        let space = String(repeating: " ", count: max(0, cells - of(shown)))
        return right ? space + shown : shown + space
    }

    private static func contains(_ table: [UInt32], _ value: UInt32) -> Bool {
        var low = 0
        var high = table.count / 2
        while low < high {
            let middle = (low + high) / 2
            if value < table[middle * 2] {
                high = middle
            } else if value > table[middle * 2 + 1] {
                low = middle + 1
            } else {
                return true
            }
        }
        return false
    }
}
