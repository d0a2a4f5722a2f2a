// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The stored files, and below them what this console uploads.
enum FilesScreen {
    private static let table = Table(
        columns: [
            .init(title: "NAME", width: 20, priority: 0, grows: true, middle: true),
            .init(title: "SIZE", width: 9, priority: 0, right: true),
            .init(title: "SHA-256", width: 12, priority: 4),
            .init(title: "ENV", width: 8, priority: 3),
            .init(title: "BY", width: 12, priority: 2, middle: true),
            .init(title: "AGE", width: 6, priority: 1, right: true),
            .init(title: "KEPT", width: 6, priority: 5, right: true),
            .init(title: "ID", width: 16, priority: 6),
        ], empty: "No file. u uploads the first one.")

    /// Uploads shown at once.
    private static let uploadRows = 3

    private static func panelRows(_ model: AppModel) -> Int {
        let count = model.files.uploads.count
        return count == 0 ? 0 : min(count, uploadRows) + 1
    }

    static func listArea(_ model: AppModel) -> Rect {
        var area = model.body
        area.rows = max(0, area.rows - 1 - panelRows(model))
        return area
    }

    static func draw(_ model: AppModel, _ canvas: inout Canvas) {
        let state = model.files
        let rows = state.shown
        let filter = state.list.filter
        let size = rows.reduce(Int64(0)) { $0 &+ max(0, $1.size) }
        Frame.title(
            model, &canvas, filter.isEmpty ? "Files" : "Files  filter: \(filter)",
            "\(rows.count) file\(rows.count == 1 ? "" : "s")  \(ProgressText.bytes(max(0, size)))")
        var table = table
        if !state.isKnown { table.empty = "Waiting for the server." }
        if let failure = state.failure { table.empty = failure }
        if state.isKnown, !filter.isEmpty { table.empty = "Nothing contains '\(filter)'. / changes the filter." }
        let area = listArea(model)
        table.draw(&canvas, area, count: rows.count, list: state.list) { values(rows[$0], model) }
        if let file = state.selected {
            let text = "\(file.id)  sha-256 \(file.sha256)"
            canvas.put(TextWidth.fit(Sanitizer.line(text), canvas.size.columns - 2), 1, area.row + area.rows, .dim)
        }
        drawUploads(model, &canvas, area.row + area.rows + 1)
    }

    private static func values(_ file: FileInfo, _ model: AppModel) -> [Table.Value] {
        [
            Table.Value(file.name), Table.Value(ProgressText.bytes(file.size)), Table.Value(file.sha256.short, .dim),
            Table.Value(file.environment ?? "-"), Table.Value(file.actor),
            Table.Value(Words.age(file.createdAt, model.now)),
            Table.Value(file.expiresAt.map { Words.span($0.milliseconds - model.now.milliseconds) } ?? "ever"),
            Table.Value(file.id.rawValue),
        ]
    }

    private static func drawUploads(_ model: AppModel, _ canvas: inout Canvas, _ row: Int) {
        let uploads = model.files.uploads
        guard !uploads.isEmpty else { return }
        let more = uploads.count > uploadRows ? ", \(uploads.count - uploadRows) more wait" : ""
        canvas.put("Uploads of this console\(more)", 1, row, .title)
        for (index, upload) in uploads.prefix(uploadRows).enumerated() { draw(upload, model, &canvas, row + 1 + index) }
    }

    /// `web.tar  [====----]  43%  177.0/412.0 MB  61.2 MB/s  ETA 0:03`.
    private static func draw(_ upload: UploadRow, _ model: AppModel, _ canvas: inout Canvas, _ row: Int) {
        let width = canvas.size.columns
        let name = TextWidth.fitMiddle(Sanitizer.line(upload.name), max(12, width / 4))
        var at = canvas.put(TextWidth.pad(name, max(12, width / 4)), 1, row) + 1
        let end = width - 1
        if let problem = upload.problem {
            canvas.put(TextWidth.fit(Sanitizer.line("! \(problem)"), end - at), at, row, .bad)
            return
        }
        guard let progress = upload.progress else {
            canvas.put(upload.isBegun ? "begins" : "waits for its turn", at, row, .dim)
            return
        }
        if let total = progress.total {
            at = canvas.put(ProgressText.bar(progress.done, of: total, width: max(10, width / 8)), at, row, .busy) + 1
        }
        let percent = ProgressText.percent(progress.done, of: progress.total)
        let amount = ProgressText.amount(progress.done, of: progress.total)
        at = canvas.put("\(percent)  \(amount)", at, row) + 2
        let pace = ProgressText.pace(upload.meter, of: progress.total, at: model.now.milliseconds)
        var style = Style.plain
        if case .waiting = progress.stage { style = .warning }
        let text = Sanitizer.line(ProgressText.stage(progress.stage, pace: pace))
        canvas.put(TextWidth.fit(text, max(0, end - at)), at, row, style)
    }

    static func act(_ action: Action, _ model: inout AppModel) -> [Effect] {
        switch action {
        case .uploadFile: FileUpdate.askUpload(&model)
        case .stopUpload: return FileUpdate.askStop(&model)
        case .removeFile: return FileUpdate.askRemove(&model)
        case .pushFile: return FileUpdate.push(&model)
        case .open:
            guard let file = model.files.selected else { return [] }
            model.overlay = .text(title: "File \(file.id)", lines: facts(file, model))
        default: break
        }
        return []
    }

    private static func facts(_ file: FileInfo, _ model: AppModel) -> [String] {
        var facts = [
            "name     \(file.name)", "size     \(Words.count(Int(clamping: file.size))) bytes",
            "sha-256  \(file.sha256)",
            "belongs  \(file.environment ?? "nowhere: only who reaches everything sees it")",
            "stored   by \(file.actor) on \(Words.date(file.createdAt, offset: model.utcOffset))",
        ]
        facts.append(
            file.expiresAt.map { "kept     until \(Words.date($0, offset: model.utcOffset)), longer when it is used" }
                ?? "kept     until it is removed")
        if let task = file.taskID { facts.append("task     \(task)") }
        return facts
    }
}
