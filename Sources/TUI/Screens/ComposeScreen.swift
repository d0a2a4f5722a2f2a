// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The form of a shell task. The number of agents meant and the equivalent command line follow every key.
enum ComposeScreen {
    static func draw(_ model: AppModel, _ canvas: inout Canvas) {
        Frame.title(model, &canvas, "New task", "[1 Write]  2 Review")
        let compose = model.compose
        let verdict = model.check.summary(isLive: model.connection.isLive)
        let labelWidth = 13
        let width = canvas.size.columns - labelWidth - 4
        var row = 3
        for field in ComposeState.Field.allCases {
            let focused = compose.focus == field && model.overlay == nil
            canvas.put(field.label, 2, row, focused ? .key : .plain)
            if field == .target || field == .command { canvas.put("*", labelWidth, row, .dim) }
            let style: Style = field == .namespaces && !compose[field].scalars.isEmpty ? .bad : .field
            compose[field].draw(&canvas, labelWidth + 2, row, columns: width, focused: focused, style: style)
            row += 1
            if field == .command {
                canvas.put(TextWidth.fit(Sanitizer.line(verdict.text), width), labelWidth + 2, row, verdict.style)
            }
            if field == .target {
                let summary = target(model)
                canvas.put(TextWidth.fit(Sanitizer.line(summary.text), width), labelWidth + 2, row, summary.style)
                row += 1
            }
            row += field == .command || field == .target ? 1 : 0
        }
        canvas.put(
            TextWidth.fit("\(compose.focus.label): \(compose.focus.help)", canvas.size.columns - 4), 2, row + 1, .dim)
        if let problem = compose.problem {
            canvas.put(TextWidth.fit(Sanitizer.line("! " + problem), canvas.size.columns - 4), 2, row + 2, .bad)
        }
        equivalent(compose, &canvas, from: row + 4)
    }

    private static func target(_ model: AppModel) -> (text: String, style: Style) {
        let selector = ComposeState.selector(model.compose[.target].text)
        if selector.isEmpty { return ("-> nobody yet", .dim) }
        let agents = model.agents.items.filter(selector.matches)
        let unknown = selector.agents.filter { name in
            !model.agents.items.contains { $0.name == name || $0.id.rawValue == name }
        }
        var text = "-> \(agents.count) agent\(agents.count == 1 ? "" : "s")"
        let down = agents.count { $0.status == .offline }
        if down > 0 { text += " (\(down) offline: their tasks wait)" }
        if !unknown.isEmpty { text += "  unknown: \(unknown.joined(separator: ", "))" }
        return (text, !unknown.isEmpty || agents.isEmpty ? .bad : down > 0 ? .warning : .good)
    }

    private static func equivalent(_ compose: ComposeState, _ canvas: inout Canvas, from row: Int) {
        guard let spec = try? compose.spec() else { return }
        let line = EquivalentCommand.run(ComposeState.selector(compose[.target].text), spec)
        canvas.put("Same as", 2, row, .dim)
        for (index, part) in TextBox.wrap(Sanitizer.line(line), canvas.size.columns - 6).enumerated()
        where row + 1 + index < canvas.size.rows - 2 {
            canvas.put(part, 4, row + 1 + index)
        }
    }

    /// Keys that are not actions edit the field.
    static func edit(_ key: Key, _ model: inout AppModel) {
        model.compose.problem = nil
        _ = model.compose[model.compose.focus].handle(key)
    }

    static func act(_ action: Action, _ model: inout AppModel) -> [Effect] {
        switch action {
        case .nextField: model.compose.moveFocus(1)
        case .previousField: model.compose.moveFocus(-1)
        case .review: review(&model)
        default: break
        }
        return []
    }

    /// Freezes what will run where, or says what is wrong.
    private static func review(_ model: inout AppModel) {
        do throws(DeployError) {
            let spec = try model.compose.spec()
            let selector = ComposeState.selector(model.compose[.target].text)
            guard !selector.isEmpty else { throw DeployError(.invalidArgument, "Target: say which agents") }
            let unknown = selector.agents.filter { name in
                !model.agents.items.contains { $0.name == name || $0.id.rawValue == name }
            }
            if let first = unknown.first { throw DeployError(.notFound, "Target: no agent is called '\(first)'") }
            let agents = model.agents.items.filter(selector.matches)
            guard !agents.isEmpty else { throw DeployError(.notFound, "Target: no agent matches") }
            model.compose.problem = nil
            model.compose.review = ReviewState(
                selector: selector, spec: spec, agents: agents.sorted { $0.name < $1.name },
                key: RunID.random().rawValue)
            model.push(.review)
        } catch {
            model.compose.problem = error.message
        }
    }
}
