// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Where everything of the form stands: fields with their remarks, and below them the help of the field with the focus, what
/// is wrong, and the equivalent command line. A form that is longer than the screen shows the part around the focus.
struct ComposeLayout {
    private struct Remark {
        var text: String
        var style: Style
    }

    /// A field and the remark below it.
    private struct Item {
        var field: ComposeState.Field
        var rows: Int
        var remark: Remark?

        var height: Int { rows + (remark == nil ? 0 : 1) }
    }

    private let model: AppModel
    private let labelWidth: Int
    private let width: Int
    private let items: [Item]

    /// Rows that a command is shown in at most.
    private static let commandRows = 4
    /// From so many rows on there is always room for the equivalent command line.
    private static let roomy = 16

    init(_ model: AppModel) {
        self.model = model
        let compose = model.compose
        let fields = compose.fields
        let longest = fields.map { TextWidth.of(Sanitizer.line(compose.label($0))) }.max() ?? 0
        labelWidth = max(13, min(longest + 3, 20))
        width = max(2, model.size.columns - labelWidth - 4)
        let width = width
        items = fields.map { field in
            Item(field: field, rows: Self.rows(field, model, width), remark: Self.remark(field, model))
        }
    }

    private static func rows(_ field: ComposeState.Field, _ model: AppModel, _ width: Int) -> Int {
        let text = model.compose[field]
        return text.keepsLines ? max(1, min(text.rows(columns: width).count, commandRows)) : 1
    }

    // MARK: Remarks

    private static func remark(_ field: ComposeState.Field, _ model: AppModel) -> Remark? {
        switch field {
        case .target: target(model)
        case .type: type(model)
        case .command:
            {
                let verdict = model.check.summary(isLive: model.connection.isLive)
                return Remark(text: verdict.text, style: verdict.style)
            }()
        case .parameter, .timeout: nil
        }
    }

    private static func target(_ model: AppModel) -> Remark {
        let selector = model.compose.selector
        if selector.isEmpty { return Remark(text: "-> nobody yet", style: .dim) }
        let agents = model.agents.items.filter(selector.matches)
        let unknown = selector.agents.filter { name in
            !model.agents.items.contains { $0.name == name || $0.id.rawValue == name }
        }
        var text = "-> \(agents.count) agent\(agents.count == 1 ? "" : "s")"
        let down = agents.count { $0.status == .offline }
        if down > 0 { text += " (\(down) offline: their tasks wait)" }
        if !unknown.isEmpty { text += "  unknown: \(unknown.joined(separator: ", "))" }
        return Remark(text: text, style: !unknown.isEmpty || agents.isEmpty ? .bad : down > 0 ? .warning : .good)
    }

    /// Who of the targets does not run the type.
    private static func type(_ model: AppModel) -> Remark? {
        let type = model.compose.schema.type
        let agents = model.agents.items.filter(model.compose.selector.matches)
        let unable = agents.filter { !$0.mayRun(type) }.map(\.name).sorted()
        guard let first = unable.first else {
            guard model.executors[type]?.isConflicting == true else { return nil }
            return Remark(text: "agents describe it differently; these are the fields of the first", style: .warning)
        }
        let share = agents.count == 1 ? "" : " (\(unable.count) of \(agents.count))"
        return Remark(text: "not run by \(first)\(share)", style: .bad)
    }

    // MARK: Drawing

    func draw(_ canvas: inout Canvas) {
        let end = canvas.size.rows - 2
        let top = end - 3 >= Self.roomy ? 3 : 2
        let help = Self.wrapped("\(model.compose.label(model.compose.focus)): \(self.help)", canvas, most: 2)
        let problem = model.compose.problem.map { Self.wrapped("! " + $0, canvas, most: 2) } ?? []
        let same = equivalent(canvas)
        let room = end - top - 1 - help.count - problem.count
        let reserved = end - top >= Self.roomy && !same.isEmpty ? 2 + min(same.count, 2) : 0
        let window = max(1, min(items.reduce(0) { $0 + $1.height }, room - reserved))
        var row = drawForm(&canvas, top, window) + 1
        for line in help {
            canvas.put(line, 2, row, .dim)
            row += 1
        }
        for line in problem {
            canvas.put(line, 2, row, .bad)
            row += 1
        }
        guard row + 2 < end, !same.isEmpty else { return }
        canvas.put("Same as", 2, row + 1, .dim)
        let shown = min(same.count, end - row - 2)
        for (index, part) in same.prefix(shown).enumerated() {
            let isCut = index == shown - 1 && shown < same.count
            canvas.put(isCut ? part + "~" : part, 4, row + 2 + index)
        }
    }

    /// Draws what fits of the fields, the one with the focus among them; returns the row below.
    private func drawForm(_ canvas: inout Canvas, _ top: Int, _ window: Int) -> Int {
        let all = items.reduce(0) { $0 + $1.height }
        let focus = items.firstIndex { $0.field == model.compose.focus } ?? 0
        let visible = all > window ? max(1, window - 1) : window
        var first = 0
        while first < focus, items[first...focus].reduce(0, { $0 + $1.height }) > visible { first += 1 }
        var row = top
        var next = first
        while next < items.count, next == first || row + items[next].height <= top + visible {
            draw(items[next], &canvas, row, most: top + visible - row)
            row += min(items[next].height, top + visible - row)
            next += 1
        }
        guard all > window else { return row }
        let more = [(first, "above"), (items.count - next, "below")].filter { $0.0 > 0 }
        canvas.put(more.map { "\($0.0) more \($0.1)" }.joined(separator: ", "), labelWidth + 2, top + visible, .dim)
        return top + window
    }

    private func draw(_ item: Item, _ canvas: inout Canvas, _ row: Int, most: Int) {
        let compose = model.compose
        let isFocused = compose.focus == item.field && model.overlay == nil
        let label = TextWidth.fit(Sanitizer.line(compose.label(item.field)), labelWidth - 3)
        canvas.put(label, 2, row, isFocused ? .key : .plain)
        if compose.isRequired(item.field) { canvas.put("*", labelWidth, row, .dim) }
        let area = Rect(labelWidth + 2, row, width, min(item.rows, max(1, most)))
        if item.field == .type {
            drawType(&canvas, area, isFocused)
        } else if let choices = FieldChoices.of(item.field, model), !choices.isOpen {
            drawChoice(item.field, &canvas, area, isFocused)
        } else {
            drawText(item.field, &canvas, area, isFocused)
        }
        if let remark = item.remark, area.rows < most {
            canvas.put(
                TextWidth.fit(Sanitizer.line(remark.text), width), area.column, row + area.rows, remark.style)
        }
    }

    private func drawType(_ canvas: inout Canvas, _ area: Rect, _ isFocused: Bool) {
        let schema = model.compose.schema
        canvas.fill(area, .field)
        let text = Sanitizer.line(isFocused ? "< \(schema.type) >" : schema.type)
        let end = canvas.put(TextWidth.fit(text, area.columns), area.column, area.row, .field)
        var facts = schema.summary
        if let count = model.executors[schema.type]?.agents { facts += "  \(count) agent\(count == 1 ? "" : "s")" }
        let room = area.column + area.columns - end - 2
        if room > 8 { canvas.put(TextWidth.fit(Sanitizer.line(facts), room), end + 2, area.row, .dim) }
        if isFocused { canvas.cursor = (area.column, area.row) }
    }

    private func drawChoice(
        _ field: ComposeState.Field, _ canvas: inout Canvas, _ area: Rect, _ isFocused: Bool
    ) {
        let text = model.compose[field].text
        let isAlarming = field == .parameter("host_namespaces") && text == "yes"
        canvas.fill(area, isAlarming ? .bad : .field)
        let shown = Sanitizer.line(isFocused ? "< \(text) >" : text)
        canvas.put(TextWidth.fit(shown, area.columns), area.column, area.row, isAlarming ? .bad : .field)
        if text.isEmpty, !isFocused { drawStandard(field, &canvas, area) }
        if isFocused { canvas.cursor = (area.column, area.row) }
    }

    private func drawText(_ field: ComposeState.Field, _ canvas: inout Canvas, _ area: Rect, _ isFocused: Bool) {
        let text = model.compose[field]
        if text.keepsLines {
            text.draw(&canvas, area, focused: isFocused)
        } else {
            text.draw(&canvas, area.column, area.row, columns: area.columns, focused: isFocused)
        }
        if text.scalars.isEmpty, !isFocused { drawStandard(field, &canvas, area) }
    }

    /// What holds while the field is empty.
    private func drawStandard(_ field: ComposeState.Field, _ canvas: inout Canvas, _ area: Rect) {
        guard let standard = model.compose.form(field)?.standard else { return }
        canvas.put(TextWidth.fit(Sanitizer.line("(\(standard))"), area.columns), area.column, area.row, .dim)
    }

    // MARK: Below the form

    private var help: String {
        let compose = model.compose
        switch compose.focus {
        case .target: return "agent names, label pairs such as role=web, or all"
        case .type:
            return "Left and Right choose, or a letter: \(model.executors.types.joined(separator: ", "))"
        case .command: return "\(compose.schema.command.help) C-o begins a new line."
        case .timeout: return "90s, 10m, 2h; empty for none"
        case .parameter:
            guard let form = compose.form(compose.focus) else { return "" }
            let known = form.namesDatasource ? FieldChoices.datasources(model) : []
            return form.help + (known.isEmpty ? "" : " Left, Right: \(known.joined(separator: ", "))")
        }
    }

    private func equivalent(_ canvas: Canvas) -> [String] {
        guard let spec = try? model.compose.spec() else { return [] }
        let line = EquivalentCommand.run(model.compose.selector, spec, model.compose.schema)
        return TextBox.lines(line, canvas.size.columns - 7, most: canvas.size.rows)
    }

    private static func wrapped(_ text: String, _ canvas: Canvas, most: Int) -> [String] {
        let columns = max(2, canvas.size.columns - 4)
        let lines = Prose.lines(Sanitizer.line(text), columns)
        guard lines.count > most else { return lines }
        return lines.prefix(most - 1) + [TextWidth.fit(lines[most - 1] + " " + lines[most], columns)]
    }
}
