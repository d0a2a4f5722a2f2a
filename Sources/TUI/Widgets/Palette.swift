// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Commands by name: those that apply here, narrowed by what is typed.
struct PaletteState: Equatable, Sendable {
    var field = TextField()
    var cursor = 0

    static let visible = 10

    /// Every word typed must occur in the name or the title.
    func entries(_ model: AppModel) -> [ActionRow] {
        let words = field.text.lowercased().split(separator: " ")
        return ActionTable.rows(in: model.keyChain).filter { row in
            let text = (row.action.rawValue + " " + row.title).lowercased()
            return row.action != .palette && words.allSatisfy { text.contains($0) }
        }
    }

    mutating func move(_ delta: Int, _ model: AppModel) {
        cursor = max(0, min(cursor + delta, entries(model).count - 1))
    }

    func draw(_ model: AppModel, _ canvas: inout Canvas) {
        let area = Dialog.frame(
            &canvas, columns: min(76, canvas.size.columns - 4), rows: Self.visible + 4, title: "Command")
        canvas.put(":", area.column, area.row, .key)
        field.draw(&canvas, area.column + 1, area.row, columns: area.columns - 1, focused: true, style: .plain)
        let entries = entries(model)
        let offset = max(0, min(cursor - Self.visible + 1, entries.count - Self.visible))
        for (index, entry) in entries.dropFirst(offset).prefix(Self.visible).enumerated() {
            let row = area.row + 1 + index
            let keys = entry.keys.first ?? ""
            canvas.put(TextWidth.pad(entry.action.rawValue, 16), area.column + 1, row, .title)
            canvas.put(TextWidth.fit(entry.title, max(0, area.columns - 28)), area.column + 18, row)
            canvas.put(keys, area.column + area.columns - TextWidth.of(keys), row, .key)
            if offset + index == cursor { canvas.restyle(area.column, row, area.columns) { $0.selected } }
        }
        if entries.isEmpty { canvas.put("Nothing is called that.", area.column + 1, area.row + 2, .dim) }
    }
}
