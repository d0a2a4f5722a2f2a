// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Keys while something lies on top of the page.
enum OverlayUpdate {
    static func key(_ key: Key, _ model: inout AppModel) -> [Effect] {
        if key == .control("z") { return [.suspend] }
        if key == .control("l") { return [.redraw] }
        if key == .escape || key == .control("c") {
            cancel(&model)
            return []
        }
        switch model.overlay {
        case .help(let offset): help(key, offset, &model)
        case .palette(let state): return palette(key, state, &model)
        case .confirm(let state): return confirm(key, state, &model)
        case .prompt(let state): return prompt(key, state, &model)
        case .text: model.overlay = nil
        case nil: break
        }
        return []
    }

    private static func cancel(_ model: inout AppModel) {
        if case .prompt(let prompt) = model.overlay, prompt.purpose == .filter { KeyUpdate.setFilter("", &model) }
        model.overlay = nil
    }

    private static func help(_ key: Key, _ offset: Int, _ model: inout AppModel) {
        let page = HelpScreen.visibleRows(model)
        let last = max(0, HelpScreen.lines(model).count - page)
        let delta: Int
        switch key {
        case .down, .character("j"): delta = 1
        case .up, .character("k"): delta = -1
        case .pageDown, .character(" "), .control("d"): delta = page
        case .pageUp, .control("u"): delta = -page
        case .home: delta = -last
        case .end, .character("G"): delta = last
        case .character("q"), .character("?"), .enter, .function(1):
            model.overlay = nil
            return
        default: return
        }
        model.overlay = .help(offset: max(0, min(offset + delta, last)))
    }

    private static func palette(_ key: Key, _ state: PaletteState, _ model: inout AppModel) -> [Effect] {
        var state = state
        switch key {
        case .down, .tab, .control("n"): state.move(1, model)
        case .up, .backTab, .control("p"): state.move(-1, model)
        case .enter:
            let entries = state.entries(model)
            guard entries.indices.contains(state.cursor) else { return [] }
            model.overlay = nil
            return KeyUpdate.act(entries[state.cursor].action, &model)
        case .backspace where state.field.scalars.isEmpty:
            model.overlay = nil
            return []
        default:
            _ = state.field.handle(key)
            state.cursor = 0
        }
        model.overlay = .palette(state)
        return []
    }

    private static func confirm(_ key: Key, _ state: ConfirmState, _ model: inout AppModel) -> [Effect] {
        var state = state
        switch key {
        case .tab, .backTab, .left, .right: state.focus = 1 - state.focus
        case .enter:
            guard state.focus == 1 else {
                model.overlay = nil
                return []
            }
            guard state.isAllowed else {
                model.say("The number does not match", .warning)
                return []
            }
            model.overlay = nil
            if state.ends { model.ended = true }
            return state.effects
        default: if state.expected != nil { _ = state.typed.handle(key) }
        }
        model.overlay = .confirm(state)
        return []
    }

    private static func prompt(_ key: Key, _ state: PromptState, _ model: inout AppModel) -> [Effect] {
        var state = state
        guard key == .enter else {
            if key == .tab, state.purpose == .upload { return [.file(.complete(state.field.text))] }
            _ = state.field.handle(key)
            model.overlay = .prompt(state)
            if state.purpose == .filter { KeyUpdate.setFilter(state.field.text, &model) }
            return []
        }
        model.overlay = nil
        switch state.purpose {
        case .filter: KeyUpdate.setFilter(state.field.text, &model)
        case .audit: return PolicyUpdate.searchAudit(state.field.text, &model)
        case .search: LogScreen.search(state.field.text, &model)
        case .upload: return FileUpdate.upload(state.field.text, &model)
        case .uploadEnvironment(let path):
            return FileUpdate.queue(path, environment: state.field.text, &model)
        case .save: if !state.field.text.isEmpty { return [.saveLog(path: state.field.text)] }
        }
        return []
    }
}
