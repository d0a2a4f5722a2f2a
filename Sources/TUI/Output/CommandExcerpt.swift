// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// A command and the place in it that a verdict is about, as two lines that are safe to show.
struct CommandExcerpt: Equatable, Sendable {
    /// The command, or the part of it around the place; what is cut off is marked with `~`.
    let line: String
    /// Cells before the place; nil when the verdict concerns the whole.
    let column: Int?

    /// - Parameters:
    ///   - command: Foreign text.
    ///   - position: Bytes before the place.
    ///   - width: Cells to fit into; nil for no limit.
    init(_ command: String, position: Int?, width: Int?) {
        let bytes = Array(command.utf8)
        let whole = Sanitizer.line(command)
        guard let position, (0...bytes.count).contains(position) else {
            line = width.map { TextWidth.fit(whole, $0) } ?? whole
            column = nil
            return
        }
        // Cut at a character's beginning: half a character would be shown as something else.
        var cut = position
        while cut > 0, cut < bytes.count, bytes[cut] & 0xC0 == 0x80 { cut -= 1 }
        let before = Sanitizer.line(String(decoding: bytes[..<cut], as: UTF8.self))
        let after = Sanitizer.line(String(decoding: bytes[cut...], as: UTF8.self))
        let start = TextWidth.of(before)
        guard let width, start + TextWidth.of(after) > width, width > 8 else {
            line = before + after
            column = start
            return
        }
        let head = start > width / 2 ? "~" + TextWidth.suffix(before, width / 2 - 1) : before
        line = head + TextWidth.fit(after, width - TextWidth.of(head))
        column = TextWidth.of(head)
    }

    /// The line below, with a caret under the place; nil when the verdict concerns the whole.
    var caret: String? { column.map { String(repeating: " ", count: $0) + "^" } }
}
