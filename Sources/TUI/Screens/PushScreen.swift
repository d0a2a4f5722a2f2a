// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The form that brings a stored file to agents.
enum PushScreen {
    static func draw(_ model: AppModel, _ canvas: inout Canvas) {
        guard let push = model.pushed else { return }
        Frame.title(model, &canvas, "Push \(push.file.name)", "[1 Write]  2 Review")
        let labelWidth = 13
        let width = canvas.size.columns - labelWidth - 4
        let verdict = model.check.summary(isLive: model.connection.isLive)
        var row = 3
        for field in PushState.Field.allCases {
            let focused = push.focus == field && model.overlay == nil
            canvas.put(field.label, 2, row, focused ? .key : .plain)
            if field.isNeeded { canvas.put("*", labelWidth, row, .dim) }
            push[field].draw(&canvas, labelWidth + 2, row, columns: width, focused: focused)
            row += 1
            guard field.isNeeded else { continue }
            let below = field == .target ? target(push, model) : verdict
            canvas.put(TextWidth.fit(Sanitizer.line(below.text), width), labelWidth + 2, row, below.style)
            row += 1
        }
        let help = "\(push.focus.label): \(push.focus.help)"
        canvas.put(TextWidth.fit(help, canvas.size.columns - 4), 2, row + 1, .dim)
        if let problem = push.problem {
            canvas.put(TextWidth.fit(Sanitizer.line("! " + problem), canvas.size.columns - 4), 2, row + 2, .bad)
        }
        guard (try? push.spec()) != nil else { return }
        canvas.put("Same as", 2, row + 4, .dim)
        for (index, part) in TextBox.lines(push.equivalent, canvas.size.columns - 6).enumerated()
        where row + 5 + index < canvas.size.rows - 2 {
            canvas.put(part, 4, row + 5 + index)
        }
    }

    private static func target(_ push: PushState, _ model: AppModel) -> (text: String, style: Style) {
        let selector = push.selector
        if selector.isEmpty { return ("-> nobody yet", .dim) }
        let agents = model.agents.items.filter(selector.matches)
        let unknown = unknown(selector, model)
        var text = "-> \(agents.count) agent\(agents.count == 1 ? "" : "s")"
        let down = agents.count { $0.status == .offline }
        if down > 0 { text += " (\(down) offline: their tasks wait)" }
        if !unknown.isEmpty { text += "  unknown: \(unknown.joined(separator: ", "))" }
        return (text, !unknown.isEmpty || agents.isEmpty ? .bad : down > 0 ? .warning : .good)
    }

    private static func unknown(_ selector: TargetSelector, _ model: AppModel) -> [String] {
        selector.agents.filter { name in
            !model.agents.items.contains { $0.name == name || $0.id.rawValue == name }
        }
    }

    /// Keys that are not actions edit the field.
    static func edit(_ key: Key, _ model: inout AppModel) {
        guard let focus = model.pushed?.focus else { return }
        model.pushed?.problem = nil
        _ = model.pushed?[focus].handle(key)
    }

    static func act(_ action: Action, _ model: inout AppModel) -> [Effect] {
        switch action {
        case .nextField: model.pushed?.moveFocus(1)
        case .previousField: model.pushed?.moveFocus(-1)
        case .review: review(&model)
        default: break
        }
        return []
    }

    /// Freezes what will be brought where, or says what is wrong.
    private static func review(_ model: inout AppModel) {
        guard let push = model.pushed else { return }
        do throws(DeployError) {
            let selector = push.selector
            guard !selector.isEmpty else { throw DeployError(.invalidArgument, "Target: say which agents") }
            if let first = unknown(selector, model).first {
                throw DeployError(.notFound, "Target: no agent is called '\(first)'")
            }
            let agents = model.agents.items.filter(selector.matches)
            guard !agents.isEmpty else { throw DeployError(.notFound, "Target: no agent matches") }
            model.pushed?.problem = nil
            model.pushed?.review = PushReview(
                spec: try push.spec(), rollout: try push.rollout(), agents: agents.sorted { $0.name < $1.name },
                key: RunID.random().rawValue)
            model.push(.pushReview)
        } catch {
            model.pushed?.problem = error.message
        }
    }
}

/// The last step before a file is brought: what, where, to whom. Back has the focus.
enum PushReviewScreen {
    static func draw(_ model: AppModel, _ canvas: inout Canvas) {
        guard let push = model.pushed, let review = push.review else { return }
        let file = push.file
        let width = canvas.size.columns
        let down = review.agents.count { $0.status == .offline }
        Frame.title(model, &canvas, "Push \(file.name)", "1 Write  [2 Review]")
        var heading = "This will be brought to \(review.agents.count) agent\(review.agents.count == 1 ? "" : "s")"
        heading += " of \(model.contexts.current ?? "this server")"
        if down > 0 { heading += ", \(down) offline (waits for them)" }
        canvas.put(TextWidth.fit(Sanitizer.line(heading) + ":", width - 2), 1, 3, .title)
        let verdict = model.check.summary(isLive: model.connection.isLive)
        let lines: [(text: String, style: Style)] = [
            ("\(file.name)  \(ProgressText.bytes(file.size))  sha-256 \(file.sha256.short)", .plain),
            ("to \(push[.destination].text)", .plain), (facts(push, review), .dim), (verdict.text, verdict.style),
        ]
        for (index, line) in lines.enumerated() {
            canvas.put(TextWidth.fit(Sanitizer.line(line.text), width - 6), 4, 4 + index, line.style)
        }
        let bottom = canvas.size.rows - 3
        let same = TextBox.lines(push.equivalent, width - 6).prefix(3)
        drawAgents(review, model.check.refused, &canvas, Rect(4, 9, width - 6, bottom - 9 - same.count - 3))
        canvas.put("Same as", 1, bottom - same.count - 2, .dim)
        for (index, part) in same.enumerated() { canvas.put(part, 4, bottom - same.count - 1 + index) }
        Dialog.buttons(
            &canvas, ["Back", "Push"], focus: review.focus, enabled: [true, model.connection.isLive], canvas.bounds,
            bottom)
    }

    private static func facts(_ push: PushState, _ review: PushReview) -> String {
        var facts = [push[.mode].text.isEmpty ? "mode as it is there, or 0640" : "mode \(push[.mode].text)"]
        if push[.backup].text == "yes" { facts.append("with a backup") }
        if let rollout = review.rollout { facts.append(rollout.text) }
        facts.append(review.spec.timeout.map { "timeout \(EquivalentCommand.seconds($0))" } ?? "no timeout")
        return facts.joined(separator: ", ")
    }

    private static func drawAgents(
        _ review: PushReview, _ refused: [AgentVerdict], _ canvas: inout Canvas, _ area: Rect
    ) {
        let names = Set(refused.map(\.agent))
        let agents =
            review.agents.filter { names.contains($0.name) } + review.agents.filter { !names.contains($0.name) }
        let shown = agents.dropFirst(review.offset)
        for (index, agent) in shown.enumerated() {
            guard index < area.rows else {
                canvas.put("... and \(shown.count - index) more (j)", area.column, area.row + max(0, area.rows), .dim)
                break
            }
            let (row, up) = (area.row + index, agent.status == .online)
            let name = TextWidth.fitMiddle(Sanitizer.line(agent.name), max(8, area.columns - 12))
            if names.contains(agent.name) {
                canvas.put("x \(name) refused", area.column, row, .bad)
            } else {
                canvas.put(up ? "+ \(name)" : "! \(name) offline", area.column, row, up ? .plain : .warning)
            }
        }
    }

    /// Keys of the review are fixed: choosing between two buttons, and scrolling.
    static func handle(_ key: Key, _ model: inout AppModel) -> [Effect] {
        guard var review = model.pushed?.review else { return [] }
        switch key {
        case .character("p"), .control("t"): VerdictsScreen.open(&model)
        case .tab, .backTab, .left, .right, .character("h"), .character("l"): review.focus = 1 - review.focus
        case .down, .character("j"): review.offset = min(review.offset + 1, max(0, review.agents.count - 1))
        case .up, .character("k"): review.offset = max(0, review.offset - 1)
        case .enter where review.focus == 1: return push(review, &model)
        case .enter, .escape, .character("q"), .control("c"): model.stack.removeAll { $0 == .pushReview }
        default: break
        }
        model.pushed?.review = review
        return []
    }

    private static func push(_ review: PushReview, _ model: inout AppModel) -> [Effect] {
        guard model.connection.isLive else {
            model.say("Offline: nothing was sent. The form is kept.", .bad)
            return []
        }
        let effects: [Effect] = [.file(.push(review.request))]
        guard review.agents.count > ReviewState.severeCount else {
            model.say("Sent, waiting for the server")
            return effects
        }
        let down = review.agents.count { $0.status == .offline }
        var facts = "\(review.agents.count) agents, \(down) offline"
        if !model.check.refused.isEmpty { facts += ", refused by policy on \(model.check.refused.count)" }
        model.overlay = .confirm(
            ConfirmState(
                title: "Push to \(review.agents.count) agents",
                lines: [model.pushed?.file.name ?? "", review.spec.command, facts], verb: "Push", effects: effects,
                expected: "\(review.agents.count)"))
        return []
    }
}
