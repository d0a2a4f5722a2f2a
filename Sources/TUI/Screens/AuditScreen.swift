// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The audit, newest first: who tried what, where, and what came of it.
enum AuditScreen {
    private static let table = Table(
        columns: [
            .init(title: "TIME", width: 8, priority: 0),
            .init(title: "WHO", width: 10, priority: 1, middle: true),
            .init(title: "ACTION", width: 12, priority: 0),
            .init(title: "AGENT", width: 14, priority: 2, middle: true),
            .init(title: "VERDICT", width: 7, priority: 1),
            .init(title: "RULE", width: 9, priority: 5),
            .init(title: "RESULT", width: 13, priority: 3),
            .init(title: "SEQ", width: 7, priority: 6, right: true),
            .init(title: "FROM", width: 15, priority: 7),
            .init(title: "COMMAND", width: 12, priority: 4, grows: true),
        ], empty: "No record matches.")

    static func listArea(_ model: AppModel) -> Rect {
        var area = model.body
        area.rows = max(0, area.rows - 1)
        return area
    }

    static func draw(_ model: AppModel, _ canvas: inout Canvas) {
        let state = model.audit
        Frame.title(
            model, &canvas, state.filter.isEmpty ? "Audit" : "Audit  filter: \(state.filter)",
            "\(Words.count(state.items.count))\(state.hasMore ? "+" : "") newest first")
        var table = table
        if !state.isKnown { table.empty = "Waiting for the server." }
        if let failure = state.failure { table.empty = failure }
        let area = listArea(model)
        table.draw(&canvas, area, count: state.items.count, list: state.list) { values(state.items[$0], model) }
        guard let record = state.selected else { return }
        let text = [Words.date(record.ts, offset: model.utcOffset), summary(record)].joined(separator: "  ")
        canvas.put(
            TextWidth.fit(Sanitizer.line(text), canvas.size.columns - 2), 1, area.row + area.rows,
            isRefusal(record) ? .bad : .dim)
    }

    private static func summary(_ record: AuditRecord) -> String {
        var parts = ["\(record.actor) \(record.action)"]
        if let place = place(record) { parts.append("on \(place)") }
        if let rule = record.rule { parts.append("rule \(rule)") }
        if let command = record.command { parts.append("$ \(command)") }
        return parts.joined(separator: "  ")
    }

    /// The agent; for a run, which is for several, what its target was.
    private static func place(_ record: AuditRecord) -> String? {
        record.agent ?? record.detail?["target"]?.stringValue
    }

    static func isRefusal(_ record: AuditRecord) -> Bool { record.verdict == "deny" }

    private static func values(_ record: AuditRecord, _ model: AppModel) -> [Table.Value] {
        let style: Style = isRefusal(record) ? .bad : record.verdict == "audit" ? .warning : .plain
        return [
            Table.Value(Words.clock(record.ts, offset: model.utcOffset)), Table.Value(record.actor),
            Table.Value(record.action), Table.Value(place(record) ?? "-"),
            Table.Value(record.verdict ?? "-", style), Table.Value(record.rule ?? "-", style),
            Table.Value(record.result ?? "-"), Table.Value("\(record.seq)"), Table.Value(record.source ?? "-"),
            Table.Value(record.command ?? "", style),
        ]
    }

    /// Asks for older records when the cursor comes near the end of those that are here.
    static func more(_ model: inout AppModel) -> [Effect] {
        guard model.connection.isLive, let query = model.audit.more() else { return [] }
        return [.loadAudit(query)]
    }

    static func act(_ action: Action, _ model: inout AppModel) -> [Effect] {
        switch action {
        case .open:
            guard let record = model.audit.selected else { return [] }
            model.audit.open = record.seq
            model.audit.offset = 0
            model.push(.auditRecord)
        case .auditFilter:
            model.overlay = .prompt(PromptState(purpose: .audit, field: TextField(model.audit.filter)))
        case .auditRefusals:
            let words = model.audit.filter.split(separator: " ").filter { $0 != "allow" && !$0.hasPrefix("verdict=") }
            let kept = words.filter { $0 != "deny" }
            let filter = kept.count == words.count ? kept + ["deny"] : kept
            return PolicyUpdate.searchAudit(filter.joined(separator: " "), &model)
        default: break
        }
        return []
    }
}

/// One record, whole.
enum AuditRecordScreen {
    static func page(_ model: AppModel) -> TextPage {
        var area = model.body
        area.column += 1
        area.columns -= 2
        let gone = [TextPage.Line(text: "This record is not here any more.", style: .warning)]
        return TextPage(area, model.audit.opened.map { lines($0, model) } ?? gone)
    }

    static func draw(_ model: AppModel, _ canvas: inout Canvas) {
        let page = page(model)
        Frame.title(
            model, &canvas, "Audit record \(model.audit.open.map { "\($0)" } ?? "")",
            page.position(model.audit.offset))
        page.draw(&canvas, offset: model.audit.offset)
    }

    private static func lines(_ record: AuditRecord, _ model: AppModel) -> [TextPage.Line] {
        let style: Style = AuditScreen.isRefusal(record) ? .bad : .plain
        let facts: [(name: String, value: String?, style: Style)] = [
            ("time", "\(record.ts)", .plain), ("who", record.actor, .plain), ("from", record.source, .plain),
            ("action", record.action, .title), ("agent", record.agent, .plain), ("environment", record.env, .plain),
            ("run", record.run, .plain), ("task", record.task, .plain),
            ("attempt", record.attempt.map { "\($0)" }, .plain), ("verdict", record.verdict, style),
            ("rule", record.rule, style), ("result", record.result, .plain), ("command", record.command, .plain),
        ]
        var lines = facts.compactMap { fact in
            fact.value.map { TextPage.Line(text: TextWidth.pad(fact.name, 12) + $0, style: fact.style) }
        }
        if let detail = record.detail, !detail.isEmpty {
            lines += [.init(text: ""), .init(text: "detail", style: .title)]
            for (key, value) in detail.sorted(by: { $0.key < $1.key }) {
                lines.append(.init(text: "  \(key)  \(value.stringValue ?? (try? JSONPrinter.line(value)) ?? "")"))
            }
        }
        return lines + [
            .init(text: ""), .init(text: "hash        \(record.hash)", style: .dim),
            .init(text: "before it   \(record.prev)", style: .dim),
        ]
    }
}
