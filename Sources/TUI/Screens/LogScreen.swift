// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// A log: follows its end, can be paused, searched, wrapped and saved. Only the rows on the screen are decoded.
enum LogScreen {
    static func area(_ model: AppModel) -> Rect { model.body }

    /// Cells for text, beside the gutter that output cannot reach.
    static func textSize(_ model: AppModel) -> Size {
        let area = area(model)
        return Size(columns: max(2, area.columns - gutterWidth(model)), rows: max(1, area.rows))
    }

    private static func nameWidth(_ log: LogScreenState) -> Int {
        guard log.names else { return 0 }
        return min(16, log.buffer.lanes.map { TextWidth.of(Sanitizer.line($0.name)) }.max() ?? 0) + 1
    }

    static func gutterWidth(_ model: AppModel) -> Int {
        guard let log = model.log else { return 2 }
        return 2 + nameWidth(log) + (log.times ? 13 : 0)
    }

    static func draw(_ model: AppModel, _ canvas: inout Canvas) {
        guard let log = model.log else {
            Frame.title(model, &canvas, "Log")
            canvas.put("No log was opened yet. l on a task or run opens one.", 4, 4, .dim)
            return
        }
        let area = area(model)
        let size = textSize(model)
        Frame.title(model, &canvas, "Log  \(log.title)", facts(log), mark: log.hostNamespaces ? HostMark.text : nil)
        var viewport = log.viewport
        viewport.settle(log.buffer, size)
        let rows = viewport.layout(log.buffer, size) { line in
            var text = LogText(line, ansi: log.colours)
            if let pattern = log.pattern { text.highlight(pattern) }
            return text
        }
        let gutter = gutterWidth(model)
        for (index, entry) in rows.enumerated() {
            let row = area.row + index
            drawGutter(model, log, entry.line, first: entry.row.place.row == 0, &canvas, row, gutter)
            drawText(entry.text, entry.row, viewport, &canvas, gutter, row)
            if entry.row.place.line == log.found { canvas.restyle(gutter - 2, row, 1) { $0.selected } }
        }
        if rows.isEmpty {
            canvas.put(
                log.ended.count == log.tasks.count ? "The log is empty." : "No output yet.", 4, area.row + 1, .dim)
        }
    }

    private static func drawGutter(
        _ model: AppModel, _ log: LogScreenState, _ line: LogLine, first: Bool, _ canvas: inout Canvas, _ row: Int,
        _ gutter: Int
    ) {
        if first, log.times {
            canvas.put(
                Words.clock(Timestamp(milliseconds: line.at), offset: model.utcOffset, milliseconds: true), 0, row, .dim
            )
        }
        let names = nameWidth(log)
        if first, names > 0, log.buffer.lanes.indices.contains(line.lane) {
            let name = TextWidth.fitMiddle(Sanitizer.line(log.buffer.lanes[line.lane].name), names - 1)
            canvas.put(name, gutter - 2 - names, row, .busy)
        }
        switch line.kind {
        case .stdout: canvas.put("|", gutter - 2, row, .dim)
        case .stderr: canvas.put("!", gutter - 2, row, .warning)
        case .system, .notice: canvas.put("#", gutter - 2, row, .notice)
        }
    }

    private static func drawText(
        _ text: LogText, _ row: LogViewport.Row, _ viewport: LogViewport, _ canvas: inout Canvas, _ column: Int,
        _ line: Int
    ) {
        var at = column
        var skip = viewport.wraps ? 0 : viewport.left
        for index in row.from..<row.to {
            let scalar = text.scalars[index]
            let width = TextWidth.of(scalar)
            if skip > 0 {
                skip -= width
                continue
            }
            if at == column, width == 0 { continue }  // its base is beyond the edge
            let next = canvas.put(scalar, at, line, text.styles[index], end: canvas.size.columns)
            if next == at, width > 0 {
                canvas.put("~", canvas.size.columns - 1, line, .notice)
                break
            }
            at = next
        }
    }

    private static func facts(_ log: LogScreenState) -> String {
        var facts = [log.viewport.follows ? "FOLLOW" : "PAUSED"]
        if log.searching != nil { facts.append("searching") }
        facts.append("\(Words.bytes(log.rate))/s")
        facts.append("\(Words.count(log.buffer.endLine)) lines")
        if log.buffer.dropped > 0 { facts.append("dropped \(Words.count(log.buffer.dropped))") }
        if !log.viewport.follows {
            let last = log.viewport.top.line + 1
            facts.append("at \(Words.count(last))")
        }
        if !log.tasks.isEmpty, log.ended.count == log.tasks.count { facts.append(outcome(log)) }
        return facts.joined(separator: "  ")
    }

    private static func outcome(_ log: LogScreenState) -> String {
        guard log.tasks.count == 1, let task = log.tasks.first.flatMap({ log.states[$0] }) else { return "END" }
        return "END \(task.state.rawValue)" + (task.exitCode.map { " exit \($0)" } ?? "")
    }

    static func act(_ action: Action, _ model: inout AppModel) -> [Effect] {
        guard model.log != nil else { return [] }
        let size = textSize(model)
        switch action {
        case .logFollow: model.log?.viewport.follows.toggle()
        case .logWrap: model.log?.viewport.wraps.toggle()
        case .logColours: model.log?.colours.toggle()
        case .logTimes: model.log?.times.toggle()
        case .logNames: model.log?.names.toggle()
        case .down: scroll(1, &model, size)
        case .up: scroll(-1, &model, size)
        case .halfDown: scroll(size.rows / 2, &model, size)
        case .halfUp: scroll(-size.rows / 2, &model, size)
        case .pageDown: scroll(size.rows - 1, &model, size)
        case .pageUp: scroll(1 - size.rows, &model, size)
        case .top:
            model.log?.viewport.follows = false
            model.log?.viewport.top = LogViewport.Place(line: 0)
        case .bottom: model.log?.viewport.follows = true
        case .logLeft: model.log.map { model.log?.viewport.left = max(0, $0.viewport.left - size.columns / 2) }
        case .logRight: model.log.map { model.log?.viewport.left = min(65_536, $0.viewport.left + size.columns / 2) }
        case .logHome: model.log?.viewport.left = 0
        case .logSearch:
            model.overlay = .prompt(PromptState(purpose: .search, field: TextField(model.log?.pattern?.text ?? "")))
        case .logNext: searchAgain(&model, backwards: false)
        case .logPrevious: searchAgain(&model, backwards: true)
        case .logSave: model.overlay = .prompt(PromptState(purpose: .save, field: TextField(suggestedName(model))))
        case .cancelTask: return cancel(&model)
        default: break
        }
        settle(&model)
        return []
    }

    private static func suggestedName(_ model: AppModel) -> String {
        guard let log = model.log, let task = log.tasks.first else { return "" }
        return log.tasks.count == 1 ? "task-\(task.short).log" : "run-\(task.short)-and-\(log.tasks.count - 1).log"
    }

    private static func scroll(_ delta: Int, _ model: inout AppModel, _ size: Size) {
        guard let buffer = model.log?.buffer else { return }
        model.log?.viewport.settle(buffer, size)
        model.log?.viewport.scroll(delta, buffer, size)
    }

    /// After any change: what is shown must exist.
    static func settle(_ model: inout AppModel) {
        guard let buffer = model.log?.buffer else { return }
        let size = textSize(model)
        model.log?.viewport.settle(buffer, size)
    }

    private static func cancel(_ model: inout AppModel) -> [Effect] {
        guard let log = model.log else { return [] }
        let open = log.tasks.compactMap { log.states[$0] }.filter { !$0.state.isFinal }
        AppActions.askCancel(open, &model)
        return []
    }

    // MARK: search

    static func search(_ text: String, _ model: inout AppModel) {
        model.log?.pattern = LogPattern(text)
        model.log?.found = nil
        searchAgain(&model, backwards: false)
    }

    private static func searchAgain(_ model: inout AppModel, backwards: Bool) {
        guard let log = model.log, log.pattern != nil else { return }
        let start = log.found.map { $0 + (backwards ? -1 : 1) } ?? log.viewport.top.line
        if start < log.buffer.firstLine {
            wrap(&model, backwards: backwards)
        } else {
            model.log?.searching = (start, backwards, false)
        }
        advanceSearch(&model)
    }

    /// Goes on from the other end, once.
    private static func wrap(_ model: inout AppModel, backwards: Bool) {
        guard let buffer = model.log?.buffer else { return }
        model.log?.searching = (backwards ? buffer.endLine - 1 : buffer.firstLine, backwards, true)
    }

    /// One slice of the search: at most four slabs, so that the next frame is never late.
    static func advanceSearch(_ model: inout AppModel) {
        for _ in 0..<4 {
            guard let log = model.log, let search = log.searching, let pattern = log.pattern else { return }
            switch log.buffer.search(pattern, from: search.line, backwards: search.backwards) {
            case .found(let line):
                model.log?.searching = nil
                model.log?.found = line
                let size = textSize(model)
                model.log?.viewport.show(line, log.buffer, size)
                if search.wrapped { model.say("The search went on from the \(search.backwards ? "end" : "beginning")") }
                return
            case .next(let line): model.log?.searching = (line, search.backwards, search.wrapped)
            case .exhausted where !search.wrapped: wrap(&model, backwards: search.backwards)
            case .exhausted:
                model.log?.searching = nil
                model.say("'\(pattern.text)' is not found", .warning)
                return
            }
        }
    }
}
