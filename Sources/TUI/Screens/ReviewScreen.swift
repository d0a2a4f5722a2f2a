// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

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
        var row = drawCommand(review, model, &canvas, 4)
        row = drawFacts(review, &canvas, row)
        let verdict = model.check.summary(isLive: model.connection.isLive)
        canvas.put(TextWidth.fit(Sanitizer.line(verdict.text), width - 6), 4, row, verdict.style)
        row += 1
        if let reason = RefusalText.reasons(model.check.refused).first {
            canvas.put(TextWidth.fit(Sanitizer.line(reason.text), width - 6), 4, row, .bad)
            row += 1
        }
        row += 1
        let same = TextBox.lines(review.equivalent, width - 7, most: equivalentRows + 1)
        let bottom = canvas.size.rows - 3
        // Whatever is long: some of the agents are seen.
        let sameRows = min(same.count, equivalentRows, max(1, bottom - row - 6))
        drawAgents(review, model.check.refused, &canvas, Rect(4, row, width - 6, bottom - row - sameRows - 3))
        canvas.put("Same as", 1, bottom - sameRows - 2, .dim)
        for (index, part) in same.prefix(sameRows).enumerated() {
            let isCut = index == sameRows - 1 && sameRows < same.count
            canvas.put(isCut ? part + "~" : part, 4, bottom - sameRows - 1 + index)
        }
        Dialog.buttons(
            &canvas, ["Back", "Run"], focus: review.focus, enabled: [true, model.connection.isLive], canvas.bounds,
            bottom)
    }

    /// The command; when it is refused, the part of it that is to blame, with a caret. Returns the row below.
    private static func drawCommand(
        _ review: ReviewState, _ model: AppModel, _ canvas: inout Canvas, _ row: Int
    ) -> Int {
        let width = canvas.size.columns - 6
        let command = review.spec.command
        if let reason = RefusalText.reasons(model.check.refused).first, reason.position != nil {
            let prefix = Sanitizer.line(TaskHeading.prefix(review.spec.type))
            let excerpt = CommandExcerpt(
                command, position: reason.position, width: max(8, width - TextWidth.of(prefix)))
            canvas.put(prefix + excerpt.line, 4, row)
            if let caret = excerpt.caret {
                canvas.put(TextWidth.pad("", TextWidth.of(prefix)) + caret, 4, row + 1, .bad)
            }
            return row + 2
        }
        let parts = TextBox.lines(review.spec.heading, width, most: commandRows + 1)
        let shown = min(parts.count, commandRows)
        for (index, part) in parts.prefix(shown).enumerated() { canvas.put(part, 4, row + index) }
        guard shown < parts.count else { return row + shown }
        let lines = command.split(separator: "\n", omittingEmptySubsequences: false).count
        canvas.put(
            "... \(Words.bytes(command.utf8.count)) in \(lines) line\(lines == 1 ? "" : "s"); the form has all of it",
            4, row + shown, .dim)
        return row + shown + 1
    }

    private static let commandRows = 3
    private static let factRows = 3
    private static let equivalentRows = 4

    /// What goes along with the command. Returns the row below.
    private static func drawFacts(_ review: ReviewState, _ canvas: inout Canvas, _ row: Int) -> Int {
        let parts = TextBox.lines(facts(review), canvas.size.columns - 7, most: factRows + 1)
        for (index, part) in parts.prefix(factRows).enumerated() {
            let isCut = index == factRows - 1 && factRows < parts.count
            let end = canvas.put(isCut ? part + "~" : part, 4, row + index, .dim)
            if index == 0, review.spec.usesHostNamespaces { HostMark.draw(&canvas, end + 2, row) }
        }
        return row + min(parts.count, factRows)
    }

    private static func facts(_ review: ReviewState) -> String {
        let spec = review.spec
        var facts: [String] = []
        guard spec.type == TaskType.shell.rawValue else {
            facts = review.schema.parameters.compactMap { parameter in
                spec.params[parameter.name].map { value in
                    let form = ParameterForm(parameter: parameter, type: spec.type)
                    return "\(parameter.name) \(form.text(value))"
                }
            }
            return (facts + [timeout(spec)]).joined(separator: ", ")
        }
        facts.append("in \(spec.params["cwd"]?.stringValue ?? "the agent's directory")")
        facts.append("as \(spec.params["user"]?.stringValue ?? "the agent's user")")
        if let env = spec.params["env"]?.objectValue, !env.isEmpty {
            facts.append("env \(env.keys.sorted().joined(separator: ","))")
        }
        if spec.params["stdin"] != nil || spec.params["stdin_base64"] != nil { facts.append("with input") }
        return (facts + [timeout(spec)]).joined(separator: ", ")
    }

    private static func timeout(_ spec: TaskSpec) -> String {
        spec.timeout.map { "timeout \(EquivalentCommand.seconds($0))" } ?? "no timeout"
    }

    static func visibleRows(_ model: AppModel) -> Int { max(1, model.size.rows - 16) }

    private static func drawAgents(
        _ review: ReviewState, _ refused: [AgentVerdict], _ canvas: inout Canvas, _ area: Rect
    ) {
        guard area.rows > 0 else { return }
        let rules = Dictionary(refused.map { ($0.agent, $0) }) { first, _ in first }
        let columnWidth = 38
        let columns = max(1, area.columns / columnWidth)
        // Those that refuse come first.
        let agents = review.agents.filter { rules[$0.name] != nil } + review.agents.filter { rules[$0.name] == nil }
        let shown = agents.dropFirst(review.list.offset * columns)
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
            if let verdict = rules[agent.name] {
                let rule = verdict.agentFileError == nil ? verdict.verdict.rule : "its file"
                canvas.put("x ", at, row, .bad)
                canvas.put(TextWidth.fit("\(name)  \(Sanitizer.line(rule))", columnWidth - 3), at + 2, row, .bad)
                continue
            }
            canvas.put(up ? "+ " : "! ", at, row, up ? .good : .bad)
            canvas.put(name + (up ? "" : " offline"), at + 2, row, up ? .plain : .warning)
        }
    }

    /// Keys of the review are fixed: choosing between two buttons, and scrolling.
    static func handle(_ key: Key, _ model: inout AppModel) -> [Effect] {
        guard var review = model.compose.review else { return [] }
        switch key {
        case .character("p"), .control("t"): VerdictsScreen.open(&model)
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
        let refused = model.check.refused.count
        var facts = "\(review.agents.count) agents, \(down) offline"
        if refused > 0 { facts += ", refused by policy on \(refused)" }
        model.overlay = .confirm(
            ConfirmState(
                title: "Run on \(review.agents.count) agents",
                lines: [review.spec.heading, facts, "This cannot be undone."],
                verb: "Run", effects: [.createRun(review.request)], expected: "\(review.agents.count)"))
        return []
    }
}
