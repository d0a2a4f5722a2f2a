// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The policies of the Cloud.
enum PoliciesScreen {
    private static let table = Table(
        columns: [
            .init(title: "NAME", width: 14, priority: 0, grows: true, middle: true),
            .init(title: "MODE", width: 17, priority: 0),
            .init(title: "ENVIRONMENTS", width: 14, priority: 1),
            .init(title: "ALLOW", width: 5, priority: 4, right: true),
            .init(title: "DENY", width: 4, priority: 5, right: true),
            .init(title: "WARN", width: 4, priority: 2, right: true),
            .init(title: "LABELS", width: 16, priority: 6),
            .init(title: "BY", width: 10, priority: 3),
            .init(title: "CHANGED", width: 7, priority: 4, right: true),
        ], empty: "No policy: production refuses everything, other environments take plain commands.")

    static func listArea(_ model: AppModel) -> Rect {
        var area = model.body
        area.rows = max(0, area.rows - 1)
        return area
    }

    static func draw(_ model: AppModel, _ canvas: inout Canvas) {
        let state = model.policies
        let rows = state.shown
        let filter = state.list.filter
        Frame.title(
            model, &canvas, filter.isEmpty ? "Policies" : "Policies  filter: \(filter)",
            "\(rows.count) polic\(rows.count == 1 ? "y" : "ies")")
        var table = table
        if !state.isKnown { table.empty = "Waiting for the server." }
        if let failure = state.failure { table.empty = failure }
        if state.isKnown, !filter.isEmpty { table.empty = "Nothing contains '\(filter)'. / changes the filter." }
        let area = listArea(model)
        table.draw(&canvas, area, count: rows.count, list: state.list) { values(rows[$0], model) }
        if let warning = state.selected?.warnings.first {
            canvas.put(
                TextWidth.fit(Sanitizer.line("warning: \(warning)"), canvas.size.columns - 2), 1,
                area.row + area.rows, .warning)
        }
    }

    private static func values(_ record: PolicyRecord, _ model: AppModel) -> [Table.Value] {
        [
            Table.Value(record.name), Table.Value(record.policy.mode.rawValue, PolicyScreen.style(record.policy.mode)),
            Table.Value(ScopeText.environments(record.scope)), Table.Value("\(record.policy.allow.count)"),
            Table.Value("\(record.policy.deny.count)"),
            Table.Value("\(record.warnings.count)", record.warnings.isEmpty ? .plain : .warning),
            Table.Value(KeyValue.text(record.scope.labels)), Table.Value(record.actor),
            Table.Value(Words.age(record.updatedAt, model.now)),
        ]
    }

    static func act(_ action: Action, _ model: inout AppModel) -> [Effect] {
        guard action == .open, let record = model.policies.selected else { return [] }
        model.policies.open = record.name
        model.policies.offset = 0
        model.push(.policy)
        return []
    }
}

/// One policy, whole.
enum PolicyScreen {
    static func page(_ model: AppModel) -> TextPage {
        var area = model.body
        area.column += 1
        area.columns -= 2
        return TextPage(
            area, model.policies.opened.map(lines) ?? [.init(text: "This policy is gone.", style: .warning)])
    }

    static func draw(_ model: AppModel, _ canvas: inout Canvas) {
        let page = page(model)
        Frame.title(
            model, &canvas, "Policy  \(model.policies.open ?? "")", page.position(model.policies.offset))
        page.draw(&canvas, offset: model.policies.offset)
    }

    private static func lines(_ record: PolicyRecord) -> [TextPage.Line] {
        let policy = record.policy
        var lines: [TextPage.Line] = [
            .init(text: "for    \(ScopeText.text(record.scope))"),
            .init(text: "mode   \(policy.mode.rawValue)", style: style(policy.mode)),
            .init(text: "set    by \(record.actor) on \(record.updatedAt)"),
            .init(text: "hash   \(record.hash)", style: .dim),
        ]
        lines += record.warnings.map { .init(text: "warning: \($0)", style: .warning) }
        for (title, expressions) in [("allow", policy.allow), ("deny", policy.deny), ("lifted", policy.statements)]
        where !expressions.isEmpty {
            lines += [.init(text: ""), .init(text: "\(title) (\(expressions.count))", style: .title)]
            lines += expressions.enumerated().map { .init(text: "[\($0.offset)] \($0.element)") }
        }
        return lines
    }

    static func style(_ mode: GuardMode) -> Style {
        switch mode {
        case .whitelist: .good
        case .noInjection, .blacklistDefault: .plain
        case .audit: .warning
        }
    }
}

/// What the policies say about the command being written, agent by agent, and which rule decides.
enum VerdictsScreen {
    private static let table = Table(
        columns: [
            .init(title: "AGENT", width: 16, priority: 0, grows: true, middle: true),
            .init(title: "ENV", width: 8, priority: 3),
            .init(title: "VERDICT", width: 8, priority: 0),
            .init(title: "RULE", width: 11, priority: 1),
            .init(title: "DECIDED BY", width: 18, priority: 2),
            .init(title: "MODE", width: 17, priority: 4),
        ], empty: "")

    private static let detailRows = 4

    static func listArea(_ model: AppModel) -> Rect {
        var area = model.body
        area.rows = max(0, area.rows - detailRows)
        return area
    }

    /// Shows what is known about the command being written.
    static func open(_ model: inout AppModel) {
        guard model.check.wanted != nil else {
            model.say("Nothing to try yet: a target and a command are needed", .warning)
            return
        }
        model.check.list = ListState()
        model.push(.verdicts)
    }

    static func draw(_ model: AppModel, _ canvas: inout Canvas) {
        let check = model.check
        let verdicts = check.verdicts ?? []
        let refused = check.refused.count
        Frame.title(
            model, &canvas, "Which rule decides",
            check.verdicts == nil ? "" : "\(refused) of \(verdicts.count) refuse")
        var table = table
        table.empty = check.verdicts == nil ? check.summary(isLive: model.connection.isLive).text : "No agent matches."
        let area = listArea(model)
        table.draw(&canvas, area, count: verdicts.count, list: check.list) { values(verdicts[$0]) }
        guard let command = check.wanted?.spec.command else { return }
        let selected = verdicts.indices.contains(check.list.cursor) ? verdicts[check.list.cursor] : nil
        drawDetail(selected, command, &canvas, area.row + area.rows)
    }

    /// The command with the place that is to blame, and the reason in two lines.
    private static func drawDetail(_ agent: AgentVerdict?, _ command: String, _ canvas: inout Canvas, _ row: Int) {
        let width = canvas.size.columns - 2
        let place = agent?.agentFileError == nil ? agent?.verdict.position : nil
        let excerpt = CommandExcerpt(command, position: place, width: width - 2)
        let style: Style = agent.map { $0.isRefusal ? .bad : .good } ?? .plain
        canvas.put("$ " + excerpt.line, 1, row)
        var next = row + 1
        if let caret = excerpt.caret {
            canvas.put("  " + caret, 1, next, style)
            next += 1
        }
        guard let agent else { return }
        for part in Prose.pieces(Sanitizer.line(agent.reason), width).prefix(row + detailRows - next) {
            canvas.put(part, 1, next, style)
            next += 1
        }
    }

    private static func values(_ agent: AgentVerdict) -> [Table.Value] {
        let word = agent.word.text
        let style: Style = agent.isRefusal ? .bad : agent.verdict.verdict == .deny ? .warning : .good
        let decided = agent.agentFileError == nil ? agent.decidedBy : "agent file"
        return [
            Table.Value(agent.agent, agent.isRefusal ? .bad : .plain), Table.Value(agent.environment),
            Table.Value("\(agent.isRefusal ? "x" : "+") \(word)", style), Table.Value(agent.verdict.rule, style),
            Table.Value(decided), Table.Value(agent.verdict.mode.rawValue),
        ]
    }

    static func act(_ action: Action, _ model: inout AppModel) -> [Effect] {
        guard action == .open, let verdicts = model.check.verdicts,
            verdicts.indices.contains(model.check.list.cursor)
        else { return [] }
        let agent = verdicts[model.check.list.cursor]
        let commands = agent.verdict.commands.map { "  " + $0 }
        model.overlay = .text(
            title: "Why",
            lines: [agent.agent, agent.reason]
                + (commands.isEmpty ? [] : ["the simple commands in it:"] + commands))
        return []
    }
}
