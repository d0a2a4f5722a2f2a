// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// What a key does: overlays take it first, then a form's field, then the action table.
enum KeyUpdate {
    static func key(_ key: Key, _ model: inout AppModel) -> [Effect] {
        if model.isTooSmall {
            if key == .character("Q") || key == .character("q") || key == .control("c") { model.ended = true }
            return key == .control("z") ? [.suspend] : []
        }
        if model.overlay != nil { return OverlayUpdate.key(key, &model) }
        if model.screen == .review, key != .control("z"), key != .control("l") {
            return ReviewScreen.handle(key, &model)
        }
        if model.screen == .pushReview, key != .control("z"), key != .control("l") {
            return PushReviewScreen.handle(key, &model)
        }
        let keys = model.pending + [key]
        model.pending = []
        switch Keymap.standard.find(keys, in: model.keyChain) {
        case .action(let action): return act(action, &model)
        case .more: model.pending = keys
        case .unbound:
            if model.screen == .compose {
                ComposeScreen.edit(key, &model)
            } else if model.screen == .push {
                PushScreen.edit(key, &model)
            } else if keys.count > 1 {
                model.say("\(keys.map(\.name).joined(separator: " ")) is not bound; ? shows the keys")
            }
        }
        return []
    }

    /// Pasted text is literal: it goes into the field that has the focus, and nowhere else.
    static func paste(_ text: String, _ model: inout AppModel) {
        switch model.overlay {
        case .prompt(var prompt):
            prompt.field.paste(text)
            model.overlay = .prompt(prompt)
        case .palette(var palette):
            palette.field.paste(text)
            model.overlay = .palette(palette)
        case nil where model.screen == .compose: ComposeScreen.paste(text, &model)
        case nil where model.screen == .push:
            guard let focus = model.pushed?.focus else { return }
            model.pushed?.problem = nil
            model.pushed?[focus].paste(text)
        default: model.say("Pasted text was ignored here")
        }
    }

    /// Does an action, from a key or from the palette.
    static func act(_ action: Action, _ model: inout AppModel) -> [Effect] {
        switch action {
        case .help: model.overlay = .help(offset: 0)
        case .palette: model.overlay = .palette(PaletteState())
        case .back: back(&model)
        case .quit: AppActions.leave(&model)
        case .interrupt: interrupt(&model)
        case .suspend: return [.suspend]
        case .redraw: return [.redraw]
        case .refresh: return model.connection.isLive ? AppActions.reload(&model) : [.retryNow, .loadContexts]
        case .goPolicies: return PolicyUpdate.goPolicies(&model)
        case .goAudit: return PolicyUpdate.goAudit(&model)
        case .goFiles: return FileUpdate.go(&model)
        case .verdicts: VerdictsScreen.open(&model)
        case .goAgents: model.stack = [.agents]
        case .goRuns: model.stack = [.agents, .runs]
        case .goLog: model.push(.log)
        case .goContexts:
            model.push(.contexts)
            return [.loadContexts]
        case .newRun: return AppActions.compose(&model)
        case .showCommand: model.overlay = .text(title: "Same as", lines: AppActions.equivalent(model))
        case .filter: model.overlay = .prompt(PromptState(purpose: .filter, field: TextField(filter(model))))
        default: return onScreen(action, &model)
        }
        return []
    }

    private static func onScreen(_ action: Action, _ model: inout AppModel) -> [Effect] {
        if model.screen != .log, let move = move(action) {
            moveList(move, &model)
            return model.screen == .audit ? AuditScreen.more(&model) : []
        }
        switch model.screen {
        case .contexts: return ContextsScreen.act(action, &model)
        case .agents: return AgentsScreen.act(action, &model)
        case .runs: return RunsScreen.act(action, &model)
        case .run: return RunScreen.act(action, &model)
        case .compose: return ComposeScreen.act(action, &model)
        case .log: return LogScreen.act(action, &model)
        case .policies: return PoliciesScreen.act(action, &model)
        case .verdicts: return VerdictsScreen.act(action, &model)
        case .audit: return AuditScreen.act(action, &model)
        case .files: return FilesScreen.act(action, &model)
        case .push: return PushScreen.act(action, &model)
        case .review, .policy, .auditRecord, .pushReview: return []
        }
    }

    private static func back(_ model: inout AppModel) {
        if model.stack.count > 1 {
            model.stack.removeLast()
        } else if model.screen == .compose || model.screen == .review {
            model.stack = [.agents]
        } else {
            AppActions.leave(&model)
        }
    }

    /// C-c stops what goes on here; twice within a second it asks whether to leave.
    private static func interrupt(_ model: inout AppModel) {
        if let last = model.lastInterrupt, model.now.milliseconds - last.milliseconds <= 1000 {
            model.lastInterrupt = nil
            AppActions.askToLeave(&model)
            return
        }
        model.lastInterrupt = model.now
        if model.log?.searching != nil {
            model.log?.searching = nil
            model.say("The search was stopped")
        } else if model.screen == .compose || model.screen == .push {
            back(&model)
        } else {
            model.say("C-c again to leave; X stops a task")
        }
    }

    private static func move(_ action: Action) -> ListState.Move? {
        switch action {
        case .up: .by(-1)
        case .down: .by(1)
        case .halfUp: .halfPage(-1)
        case .halfDown: .halfPage(1)
        case .pageUp: .page(-1)
        case .pageDown: .page(1)
        case .top: .first
        case .bottom: .last
        default: nil
        }
    }

    private static func moveList(_ move: ListState.Move, _ model: inout AppModel) {
        switch model.screen {
        case .contexts:
            model.contextList.move(
                move, count: model.contexts.items.count, visible: Table.visibleRows(ContextsScreen.listArea(model)))
        case .agents:
            model.agents.list.move(
                move, count: model.agents.shown.count, visible: Table.visibleRows(AgentsScreen.listArea(model)))
        case .runs:
            model.runs.list.move(move, count: model.runs.shown.count, visible: Table.visibleRows(model.body))
        case .run:
            let count = model.run?.tasks.count ?? 0
            let visible = Table.visibleRows(RunScreen.listArea(model))
            model.run?.list.move(move, count: count, visible: visible)
        case .policies:
            model.policies.list.move(
                move, count: model.policies.shown.count, visible: Table.visibleRows(PoliciesScreen.listArea(model)))
        case .verdicts:
            model.check.list.move(
                move, count: model.check.verdicts?.count ?? 0,
                visible: Table.visibleRows(VerdictsScreen.listArea(model)))
        case .audit:
            model.audit.list.move(
                move, count: model.audit.items.count, visible: Table.visibleRows(AuditScreen.listArea(model)))
        case .policy: model.policies.offset = PolicyScreen.page(model).moved(move, from: model.policies.offset)
        case .auditRecord: model.audit.offset = AuditRecordScreen.page(model).moved(move, from: model.audit.offset)
        case .files:
            model.files.list.move(
                move, count: model.files.shown.count, visible: Table.visibleRows(FilesScreen.listArea(model)))
        case .compose, .review, .log, .push, .pushReview: break
        }
    }

    static func filter(_ model: AppModel) -> String {
        switch model.screen {
        case .agents: model.agents.list.filter
        case .runs: model.runs.list.filter
        case .run: model.run?.list.filter ?? ""
        case .policies: model.policies.list.filter
        case .files: model.files.list.filter
        default: ""
        }
    }

    static func setFilter(_ text: String, _ model: inout AppModel) {
        switch model.screen {
        case .agents: model.agents.list.filter = text
        case .runs: model.runs.list.filter = text
        case .run: model.run?.list.filter = text
        case .policies: model.policies.list.filter = text
        case .files: model.files.list.filter = text
        default: break
        }
        AppUpdate.settle(&model)
    }
}
