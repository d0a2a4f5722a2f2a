// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// All agents, live: offline ones first.
enum AgentsScreen {
    private static let table = Table(
        columns: [
            .init(title: "STATUS", width: 9, priority: 0),
            .init(title: "NAME", width: 16, priority: 0, grows: true, middle: true),
            .init(title: "ENV", width: 8, priority: 4),
            .init(title: "VERSION", width: 8, priority: 6),
            .init(title: "RUN", width: 4, priority: 1, right: true),
            .init(title: "LAST", width: 6, priority: 2, right: true),
            .init(title: "LABELS", width: 18, priority: 3),
            .init(title: "HOST", width: 16, priority: 7, middle: true),
            .init(title: "ADDRESS", width: 15, priority: 8),
        ], empty: "No agent. Enrol one: tiangong-cloud token create --agent NAME, then start tiangong-agent.")

    static func listArea(_ model: AppModel) -> Rect {
        var area = model.body
        area.rows -= 2
        return area
    }

    static func draw(_ model: AppModel, _ canvas: inout Canvas) {
        let rows = model.agents.shown
        let filter = model.agents.list.filter
        var facts = filter.isEmpty ? "\(rows.count) agents" : "\(rows.count) of \(model.agents.items.count)"
        if !model.agents.marked.isEmpty { facts += "   \(model.agents.marked.count) marked" }
        Frame.title(model, &canvas, filter.isEmpty ? "Agents" : "Agents  filter: \(filter)", facts)
        let area = listArea(model)
        var table = table
        if !model.agents.isKnown { table.empty = "Waiting for the server." }
        if model.agents.isKnown, !filter.isEmpty { table.empty = "Nothing contains '\(filter)'. / changes the filter." }
        // Only where it matters: the column is not there while no agent may do so.
        let marked = model.agents.items.contains { $0.hostNamespaces == true }
        if marked { table.columns.insert(.init(title: "", width: HostMark.text.count, priority: 0), at: 1) }
        table.draw(
            &canvas, area, count: rows.count, list: model.agents.list,
            marked: { model.agents.marked.contains(rows[$0].id) },
            row: { index in
                var values = values(rows[index], model)
                if marked { values.insert(HostMark.value(rows[index]), at: 1) }
                return values
            })
        detail(model, &canvas, area.row + area.rows)
    }

    private static func values(_ agent: AgentInfo, _ model: AppModel) -> [Table.Value] {
        let up = agent.status == .online
        let labels = KeyValue.text(agent.labels)
        return [
            Table.Value(up ? "+ online" : "! offline", up ? .good : .bad), Table.Value(agent.name),
            Table.Value(agent.environment), Table.Value(agent.version),
            Table.Value(up ? "\(agent.running)" : "-", agent.running > 0 ? .busy : .plain),
            Table.Value(Words.age(agent.lastSeen, model.now)), Table.Value(labels), Table.Value(agent.hostname),
            Table.Value(agent.ip),
        ]
    }

    /// Two lines about the agent under the cursor.
    private static func detail(_ model: AppModel, _ canvas: inout Canvas, _ row: Int) {
        guard let agent = model.agents.selected else { return }
        var first = [agent.name, agent.hostname, agent.ip, "\(agent.os)/\(agent.arch)", agent.environment]
        first.removeAll { $0.isEmpty || $0 == "/" }
        var second = "running \(agent.running)/\(agent.maxConcurrency)  queued \(agent.queued)"
        if let load = agent.load { second += "  load \(Double(Int((load * 100).rounded(.toNearestOrEven))) / 100)" }
        second +=
            agent.status == .online
            ? "  up \(Words.age(agent.connectedAt, model.now))" : "  gone \(Words.age(agent.lastSeen, model.now))"
        second += "  runs \(agent.executors.joined(separator: ","))"
        if let mode = agent.policyMode { second += "  policy \(mode.rawValue)" }
        let host = agent.hostNamespaces == true ? "tasks may enter the host's namespaces" : ""
        let width = canvas.size.columns - 2
        let end = canvas.put(
            TextWidth.fit(Sanitizer.line(first.joined(separator: "  ")), width - host.count - 2), 1, row, .dim)
        canvas.put(host, end + 2, row, .bad)
        canvas.put(TextWidth.fit(Sanitizer.line(second), width), 1, row + 1, .dim)
    }

    static func act(_ action: Action, _ model: inout AppModel) -> [Effect] {
        switch action {
        case .mark:
            guard let agent = model.agents.selected else { return [] }
            if model.agents.marked.remove(agent.id) == nil { model.agents.marked.insert(agent.id) }
            model.agents.list.move(.by(1), count: model.agents.shown.count, visible: Table.visibleRows(listArea(model)))
        case .markAll: model.agents.marked.formUnion(model.agents.shown.map(\.id))
        case .unmark: model.agents.marked = []
        case .open: return AppActions.compose(&model)
        case .auditOf: return model.agents.selected.map { PolicyUpdate.auditOf("agent=\($0.name)", &model) } ?? []
        default: break
        }
        return []
    }
}
