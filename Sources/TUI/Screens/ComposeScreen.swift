// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The form of a shell task. The number of agents meant and the equivalent command line follow every key.
enum ComposeScreen {
    static func draw(_ model: AppModel, _ canvas: inout Canvas) {
        Frame.title(model, &canvas, "New task", "[1 Write]  2 Review")
        let compose = model.compose
        let labelWidth = 13
        let width = canvas.size.columns - labelWidth - 4
        var row = 3
        for field in ComposeState.Field.allCases {
            let focused = compose.focus == field && model.overlay == nil
            canvas.put(field.label, 2, row, focused ? .key : .plain)
            if field == .target || field == .command { canvas.put("*", labelWidth, row, .dim) }
            compose[field].draw(&canvas, labelWidth + 2, row, columns: width, focused: focused)
            row += 1
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

/// The last step before something runs: the exact agents, the exact command, the equivalent line. Back has the focus.
enum ReviewScreen {
    static func draw(_ model: AppModel, _ canvas: inout Canvas) {
        guard let review = model.compose.review else { return }
        let down = review.agents.count { $0.status == .offline }
        Frame.title(model, &canvas, "Review", "1 Write  [2 Review]")
        let width = canvas.size.columns
        let server = model.contexts.current ?? "this server"
        var heading = "This will run on \(review.agents.count) agent\(review.agents.count == 1 ? "" : "s") of \(server)"
        if down > 0 { heading += ", \(down) offline (waits for them)" }
        canvas.put(TextWidth.fit(Sanitizer.line(heading) + ":", width - 2), 1, 3, .title)
        var row = 4
        for part in TextBox.wrap(Sanitizer.line("$ " + review.spec.command), width - 6).prefix(3) {
            canvas.put(part, 4, row)
            row += 1
        }
        canvas.put(TextWidth.fit(Sanitizer.line(facts(review.spec)), width - 6), 4, row, .dim)
        row += 2
        let same = TextBox.wrap(Sanitizer.line(EquivalentCommand.run(review.selector, review.spec)), width - 6)
        let bottom = canvas.size.rows - 3
        let sameRows = min(same.count, 3)
        drawAgents(review, &canvas, Rect(4, row, width - 6, bottom - row - sameRows - 3))
        canvas.put("Same as", 1, bottom - sameRows - 2, .dim)
        for (index, part) in same.prefix(sameRows).enumerated() { canvas.put(part, 4, bottom - sameRows - 1 + index) }
        Dialog.buttons(
            &canvas, ["Back", "Run"], focus: review.focus, enabled: [true, model.connection.isLive], canvas.bounds,
            bottom)
    }

    private static func facts(_ spec: TaskSpec) -> String {
        var facts: [String] = []
        facts.append("in \(spec.params["cwd"]?.stringValue ?? "the agent's directory")")
        facts.append("as \(spec.params["user"]?.stringValue ?? "the agent's user")")
        if let env = spec.params["env"]?.objectValue, !env.isEmpty {
            facts.append("env \(env.keys.sorted().joined(separator: ","))")
        }
        facts.append(spec.timeout.map { "timeout \(EquivalentCommand.seconds($0))" } ?? "no timeout")
        return facts.joined(separator: ", ")
    }

    static func visibleRows(_ model: AppModel) -> Int { max(1, model.size.rows - 16) }

    private static func drawAgents(_ review: ReviewState, _ canvas: inout Canvas, _ area: Rect) {
        guard area.rows > 0 else { return }
        let columnWidth = 38
        let columns = max(1, area.columns / columnWidth)
        let shown = review.agents.dropFirst(review.list.offset * columns)
        for (index, agent) in shown.enumerated() {
            let row = area.row + index / columns
            guard row < area.row + area.rows else {
                let rest = shown.count - index
                canvas.put("... and \(rest) more (j)", area.column, area.row + area.rows, .dim)
                break
            }
            let up = agent.status == .online
            let name = TextWidth.fitMiddle(Sanitizer.line(agent.name), columnWidth - 12)
            let at = area.column + index % columns * columnWidth
            canvas.put(up ? "+ " : "! ", at, row, up ? .good : .bad)
            canvas.put(name + (up ? "" : " offline"), at + 2, row, up ? .plain : .warning)
        }
    }

    /// Keys of the review are fixed: choosing between two buttons, and scrolling.
    static func handle(_ key: Key, _ model: inout AppModel) -> [Effect] {
        guard var review = model.compose.review else { return [] }
        switch key {
        case .tab, .backTab, .left, .right, .character("h"), .character("l"): review.focus = 1 - review.focus
        case .down, .character("j"): review.list.offset = min(review.list.offset + 1, max(0, review.agents.count - 1))
        case .up, .character("k"): review.list.offset = max(0, review.list.offset - 1)
        case .enter:
            if review.focus == 1 { return run(review, &model) }
            model.stack.removeAll { $0 == .review }
        case .escape, .character("q"), .control("c"): model.stack.removeAll { $0 == .review }
        default: break
        }
        model.compose.review = review
        return []
    }

    private static func run(_ review: ReviewState, _ model: inout AppModel) -> [Effect] {
        guard model.connection.isLive else {
            model.say("Offline: nothing was sent. The form is kept.", .bad)
            return []
        }
        guard review.agents.count > ReviewState.severeCount else {
            model.say("Sent, waiting for the server")
            return [.createRun(review.request)]
        }
        let down = review.agents.count { $0.status == .offline }
        model.overlay = .confirm(
            ConfirmState(
                title: "Run on \(review.agents.count) agents",
                lines: [
                    "$ " + review.spec.command, "\(review.agents.count) agents, \(down) offline",
                    "This cannot be undone.",
                ],
                verb: "Run", effects: [.createRun(review.request)], expected: "\(review.agents.count)"))
        return []
    }
}
