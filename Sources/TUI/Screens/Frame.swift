// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Draws the whole screen: header, page, hint line, message line, and what lies on top.
enum Frame {
    static func draw(_ model: AppModel) -> Canvas {
        var canvas = Canvas(model.size)
        guard !model.isTooSmall else {
            TooSmall.draw(model, &canvas)
            return canvas
        }
        StatusBar.draw(model, &canvas)
        switch model.screen {
        case .contexts: ContextsScreen.draw(model, &canvas)
        case .agents: AgentsScreen.draw(model, &canvas)
        case .runs: RunsScreen.draw(model, &canvas)
        case .run: RunScreen.draw(model, &canvas)
        case .compose: ComposeScreen.draw(model, &canvas)
        case .review: ReviewScreen.draw(model, &canvas)
        case .log: LogScreen.draw(model, &canvas)
        case .policies: PoliciesScreen.draw(model, &canvas)
        case .policy: PolicyScreen.draw(model, &canvas)
        case .verdicts: VerdictsScreen.draw(model, &canvas)
        case .audit: AuditScreen.draw(model, &canvas)
        case .auditRecord: AuditRecordScreen.draw(model, &canvas)
        case .files: FilesScreen.draw(model, &canvas)
        case .push: PushScreen.draw(model, &canvas)
        case .pushReview: PushReviewScreen.draw(model, &canvas)
        }
        HintLine.draw(model, &canvas)
        MessageLine.draw(model, &canvas)
        switch model.overlay {
        case .help(let offset): HelpScreen.draw(model, offset, &canvas)
        case .palette(let state): state.draw(model, &canvas)
        case .confirm(let state): state.draw(&canvas)
        case .text(let title, let lines): TextBox.draw(title, lines, &canvas)
        case .prompt, nil: break
        }
        return canvas
    }

    /// The line below the header: what the page is, and facts at the right.
    static func title(
        _ model: AppModel, _ canvas: inout Canvas, _ left: String, _ right: String = "", mark: String? = nil
    ) {
        var text = left
        if !model.connection.isLive, model.freshAt != nil, model.screen != .contexts { text += "  STALE" }
        // The facts are short and change; of a long title the beginning is enough.
        let facts = TextWidth.fit(Sanitizer.line(right), max(0, canvas.size.columns * 3 / 4))
        var at = 1
        if let mark { at = canvas.put(mark, at, 1, .bad) + 1 }
        let room = canvas.size.columns - 3 - at - TextWidth.of(facts)
        canvas.put(TextWidth.fit(Sanitizer.line(text), room), at, 1, .title)
        canvas.put(facts, canvas.size.columns - 1 - TextWidth.of(facts), 1, .dim)
    }
}

/// The reverse line at the top: where we are connected, how that stands, the counts, who and when.
enum StatusBar {
    static func draw(_ model: AppModel, _ canvas: inout Canvas) {
        let width = canvas.size.columns
        let style: Style
        if case .offline = model.connection { style = .offline } else { style = .header }
        canvas.fill(Rect(0, 0, width, 1), style)
        let context = Sanitizer.line(model.contexts.current ?? "no context")
        let clock = Words.clock(model.now, offset: model.utcOffset)
        let who = model.server.map(identity) ?? ""
        let right = (who.isEmpty ? "" : TextWidth.fit(who, max(16, width / 3)) + "  ") + clock
        let limit = width - TextWidth.of(right) - 2
        let left = " " + TextWidth.fit(context, 20) + "  " + connection(model) + "   " + counts(model)
        canvas.put(TextWidth.fit(left, limit), 0, 0, style)
        canvas.put(right, width - 1 - TextWidth.of(right), 0, style)
    }

    /// `wang operator prod,lab`: who, in which role, and where, unless everywhere.
    private static func identity(_ server: ServerInfo) -> String {
        var text = "\(server.actor) \(server.role.rawValue)"
        if server.scope != Scope() { text += " " + ScopeText.text(server.scope) }
        return Sanitizer.line(text)
    }

    static func connection(_ model: AppModel) -> String {
        switch model.connection {
        case .none: return "not connected"
        case .connecting: return "~ connecting"
        case .live: return "* live"
        case .loginNeeded: return "x LOGIN NEEDED"
        case .offline(_, let attempt, let retry, let since):
            var text = "x OFFLINE \(Words.age(since, model.now))  try \(attempt)"
            if let retry { text += " in \(Words.span(max(0, retry.milliseconds - model.now.milliseconds)))" }
            return text + " (r now)"
        }
    }

    private static func counts(_ model: AppModel) -> String {
        if case .offline = model.connection {
            return model.freshAt.map { "as of \(Words.clock($0, offset: model.utcOffset))" } ?? ""
        }
        guard model.agents.isKnown else { return "" }
        var text = "agents \(model.agents.online)/\(model.agents.items.count)"
        let running = model.runs.count(.running, .dispatched, .canceling)
        let failed = model.runs.count(.failed, .timedOut, .rejected, .interrupted)
        if running > 0 { text += "  run \(running)" }
        if failed > 0 { text += "  fail \(failed)" }
        return text
    }
}

/// The line of keys, made from the action table.
enum HintLine {
    static func draw(_ model: AppModel, _ canvas: inout Canvas) {
        var at = 1
        let row = canvas.size.rows - 2
        let all = hints(model)
        // The way to everything else is never what is cut off.
        let always = all.filter { $0.1 == "help" }
        let room = canvas.size.columns - always.reduce(0) { $0 + TextWidth.of($1.0) + TextWidth.of($1.1) + 3 }
        let fitting = all.filter { $0.1 != "help" }.prefix { hint in
            at += TextWidth.of(hint.0) + TextWidth.of(hint.1) + 3
            return at <= room
        }
        at = 1
        for (key, word) in fitting + always {
            at = canvas.put(key, at, row, .key) + 1
            at = canvas.put(word, at, row) + 2
        }
    }

    private static func hints(_ model: AppModel) -> [(String, String)] {
        switch model.overlay {
        case .confirm: [("Tab", "choose"), ("Enter", "do it"), ("Esc", "cancel")]
        case .prompt(let prompt) where prompt.purpose == .upload:
            [("Enter", "upload"), ("Tab", "complete"), ("Esc", "cancel"), ("C-u", "clear")]
        case .prompt: [("Enter", "take"), ("Esc", "cancel"), ("C-u", "clear")]
        case .palette: [("Enter", "run"), ("Up/Down", "choose"), ("Esc", "close")]
        case .help, .text: [("j/k", "scroll"), ("Esc", "close")]
        case nil where model.screen == .review || model.screen == .pushReview:
            [("Tab", "choose"), ("Enter", "do it"), ("j/k", "scroll"), ("p", "policy"), ("Esc", "back to the form")]
        case nil:
            ActionTable.rows(in: model.keyChain).compactMap { row in row.hint.map { (row.keys.first ?? "", $0) } }
        }
    }
}

/// The last line: a question, a message, or keys waiting for the rest of their sequence.
enum MessageLine {
    static func draw(_ model: AppModel, _ canvas: inout Canvas) {
        let row = canvas.size.rows - 1
        if case .prompt(let prompt) = model.overlay {
            let end = canvas.put(prompt.label, 1, row, .key)
            prompt.field.draw(&canvas, end, row, columns: canvas.size.columns - end - 1, focused: true, style: .plain)
        } else if !model.pending.isEmpty {
            canvas.put(model.pending.map(\.name).joined(separator: " ") + " ...", 1, row, .dim)
        } else if let message = model.message {
            canvas.put(TextWidth.fit(Sanitizer.line(message.text), canvas.size.columns - 2), 1, row, message.style)
        } else if case .offline(let reason, _, _, _) = model.connection {
            let text = "offline: \(reason). Reading and composing work; nothing is sent."
            canvas.put(TextWidth.fit(Sanitizer.line(text), canvas.size.columns - 2), 1, row, .warning)
        }
    }
}

/// What a terminal gets that is too small for anything else.
enum TooSmall {
    static func draw(_ model: AppModel, _ canvas: inout Canvas) {
        let lines = [
            "tiangong needs 60x16, has \(canvas.size.columns)x\(canvas.size.rows)",
            StatusBar.connection(model),
            "agents \(model.agents.online)/\(model.agents.items.count)",
            "running \(model.runs.count(.running))  failed \(model.runs.count(.failed, .timedOut, .rejected))",
            "Q quit   enlarge to go on",
        ]
        for (row, line) in lines.enumerated() { canvas.put(line, 0, row) }
    }
}

/// A box of text, closed by any of the usual keys.
enum TextBox {
    static func draw(_ title: String, _ lines: [String], _ canvas: inout Canvas) {
        let width = canvas.size.columns - 6
        let inner = width - 4
        let wrapped = lines.flatMap { Self.lines($0, inner) }
        let area = Dialog.frame(&canvas, columns: width, rows: wrapped.count + 4, title: title)
        for (row, line) in wrapped.enumerated() where row < area.rows - 1 {
            canvas.put(line, area.column, area.row + 1 + row)
        }
    }

    /// The first lines of a text, each as pieces of at most `columns` cells; foreign text is made safe here.
    static func lines(_ text: String, _ columns: Int, most: Int = 200) -> [String] {
        var pieces: [String] = []
        for line in text.split(separator: "\n", maxSplits: most, omittingEmptySubsequences: false) {
            guard pieces.count < most else { break }
            // Of a line that is longer than all of this nothing more could be seen.
            let seen = String(String.UnicodeScalarView(line.unicodeScalars.prefix(most * max(1, columns))))
            pieces += Prose.pieces(Sanitizer.line(seen), columns)
        }
        return Array(pieces.prefix(most))
    }
}
