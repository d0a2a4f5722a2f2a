// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Keys of the present screen, made from the action table.
enum HelpScreen {
    static func lines(_ model: AppModel) -> [(text: String, style: Style)] {
        var lines: [(text: String, style: Style)] = []
        var seen: Set<Action> = []
        for context in model.keyChain {
            let rows = ActionTable.rows.filter { $0.context == context }.filter { seen.insert($0.action).inserted }
            guard !rows.isEmpty else { continue }
            if !lines.isEmpty { lines.append(("", .plain)) }
            lines.append((context.title, .title))
            for row in rows {
                lines.append((TextWidth.pad("  " + row.keys.joined(separator: ", "), 24) + " " + row.title, .plain))
            }
        }
        return lines
    }

    static func visibleRows(_ model: AppModel) -> Int { max(1, model.size.rows - 6) }

    static func draw(_ model: AppModel, _ offset: Int, _ canvas: inout Canvas) {
        let lines = lines(model)
        let area = Dialog.frame(
            &canvas, columns: canvas.size.columns - 4, rows: canvas.size.rows - 3, title: "Help: keys and commands")
        let rows = visibleRows(model)
        for (index, line) in lines.dropFirst(offset).prefix(rows).enumerated() {
            canvas.put(TextWidth.fit(line.text, area.columns), area.column, area.row + index, line.style)
        }
        if offset + rows < lines.count {
            canvas.put("-- more: j or PgDn --", area.column, area.row + area.rows - 1, .dim)
        }
    }
}
