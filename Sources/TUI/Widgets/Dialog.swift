// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// A box in the middle of the screen. Boxes are for dialogs only.
enum Dialog {
    /// Draws the frame and returns what is inside of it.
    static func frame(_ canvas: inout Canvas, columns: Int, rows: Int, title: String) -> Rect {
        let box = canvas.bounds.centred(columns: columns, rows: rows)
        canvas.fill(box)
        let line = "+" + String(repeating: "-", count: max(0, box.columns - 2)) + "+"
        canvas.put(line, box.column, box.row)
        canvas.put(line, box.column, box.row + box.rows - 1)
        for row in box.row + 1..<max(box.row + 1, box.row + box.rows - 1) {
            canvas.put("|", box.column, row)
            canvas.put("|", box.column + box.columns - 1, row)
        }
        canvas.put(" " + TextWidth.fit(title, box.columns - 6) + " ", box.column + 2, box.row, .title)
        return Rect(box.column + 2, box.row + 1, box.columns - 4, box.rows - 2)
    }

    /// Draws the buttons of a dialog; the focused one is reversed.
    static func buttons(
        _ canvas: inout Canvas, _ labels: [String], focus: Int, enabled: [Bool], _ area: Rect, _ row: Int
    ) {
        let width = labels.reduce(0) { $0 + TextWidth.of($1) + 4 } + 3 * max(0, labels.count - 1)
        var at = area.column + max(0, (area.columns - width) / 2)
        for (index, label) in labels.enumerated() {
            let base: Style = index < enabled.count && !enabled[index] ? .dim : .title
            at = canvas.put("[ \(label) ]", at, row, index == focus ? base.selected : base) + 3
        }
    }
}

/// A question before something that cannot be undone. Cancel has the focus; a severe one wants a number typed.
struct ConfirmState: Equatable, Sendable {
    var title: String
    var lines: [String]
    var verb: String
    var effects: [Effect]
    /// What must be typed before the verb can be chosen; nil for no such thing.
    var expected: String?
    var typed = TextField()
    /// 0 is Cancel.
    var focus = 0
    /// The console ends when it is confirmed.
    var ends = false

    var isAllowed: Bool { expected.map { $0 == typed.text } ?? true }

    func draw(_ canvas: inout Canvas) {
        let width = min(66, canvas.size.columns - 4)
        let extra = expected == nil ? 0 : 3
        let area = Dialog.frame(&canvas, columns: width, rows: lines.count + 5 + extra, title: title)
        var row = area.row + 1
        for line in lines {
            canvas.put(TextWidth.fit(Sanitizer.line(line), area.columns), area.column, row)
            row += 1
        }
        if let expected {
            row += 1
            let end = canvas.put("Type \(expected) to go on: ", area.column, row, .warning)
            typed.draw(&canvas, end, row, columns: 12, focused: true)
            row += 2
        } else {
            row += 1
        }
        Dialog.buttons(&canvas, ["Cancel", verb], focus: focus, enabled: [true, isAllowed], area, row)
    }
}
