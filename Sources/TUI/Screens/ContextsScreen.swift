// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The stored connections, and how to make one.
enum ContextsScreen {
    private static let table = Table(
        columns: [
            .init(title: "", width: 2, priority: 0),
            .init(title: "CONTEXT", width: 16, priority: 0),
            .init(title: "SERVER", width: 24, priority: 0, grows: true),
            .init(title: "LOGIN", width: 8, priority: 1),
        ], empty: "No context yet.")

    static func listArea(_ model: AppModel) -> Rect {
        var area = model.body
        area.rows = max(0, area.rows - 5)
        return area
    }

    static func draw(_ model: AppModel, _ canvas: inout Canvas) {
        Frame.title(model, &canvas, "Contexts", "\(model.contexts.items.count)")
        let items = model.contexts.items
        let area = listArea(model)
        table.draw(&canvas, area, count: items.count, list: model.contextList) { index in
            let item = items[index]
            return [
                Table.Value(item.name == model.contexts.current ? "->" : ""), Table.Value(item.name),
                Table.Value(item.server),
                item.hasCredential ? Table.Value("stored", .good) : Table.Value("none", .warning),
            ]
        }
        let row = area.row + area.rows + 1
        if case .loginNeeded(let reason) = model.connection {
            canvas.put(
                TextWidth.fit(Sanitizer.line("The server refused the login: \(reason)"), canvas.size.columns - 2), 1,
                row, .bad)
        }
        canvas.put("Add or renew one in a shell (C-z comes back with fg):", 1, row + 1, .dim)
        canvas.put("tiangong login --server https://HOST:8443 --token-file FILE", 4, row + 2)
    }

    static func act(_ action: Action, _ model: inout AppModel) -> [Effect] {
        guard action == .open, model.contexts.items.indices.contains(model.contextList.cursor) else { return [] }
        let chosen = model.contexts.items[model.contextList.cursor]
        model.contexts.current = chosen.name
        AppActions.forget(&model)
        model.connection = .connecting
        model.stack = [.agents]
        return [.useContext(chosen.name)]
    }
}
