// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The whole behaviour of the console: an event changes the model and may ask for effects. No clocks, no sockets, no
/// terminal: everything here can be tested by calling it.
enum AppUpdate {
    static func update(_ model: inout AppModel, _ event: AppEvent) -> [Effect] {
        var ticked = false
        if case .tick = event { ticked = true }
        return change(&model, event) + PolicyUpdate.follow(&model, ticked: ticked)
    }

    private static func change(_ model: inout AppModel, _ event: AppEvent) -> [Effect] {
        switch event {
        case .key(let key): return KeyUpdate.key(key, &model)
        case .paste(let text): KeyUpdate.paste(text, &model)
        case .resize(let size): resize(size, &model)
        case .tick(let now): return tick(now, &model)
        case .backend(let event): return BackendUpdate.backend(event, &model)
        case .quit: model.ended = true
        default: return reply(event, &model)
        }
        return []
    }

    private static func resize(_ size: Size, _ model: inout AppModel) {
        model.size = size
        settle(&model)
    }

    private static func tick(_ now: Timestamp, _ model: inout AppModel) -> [Effect] {
        model.now = now
        if let message = model.message, message.until < now { model.message = nil }
        LogScreen.advanceSearch(&model)
        measureRate(&model)
        guard model.connection.isLive else { return [] }
        var effects: [Effect] = []
        if model.runsAreOld { effects.append(.loadRuns) }
        if model.runIsOld, let run = model.run { effects.append(.loadRun(run.id)) }
        model.runsAreOld = false
        model.runIsOld = false
        return effects
    }

    private static func measureRate(_ model: inout AppModel) {
        guard let log = model.log else { return }
        let elapsed = model.now.milliseconds - log.rateFrom.at.milliseconds
        guard elapsed >= 1000 else { return }
        let bytes = Double(log.buffer.received - log.rateFrom.received) * 1000 / Double(elapsed)
        model.log?.rate = Int(min(max(bytes, 0), 1e15))
        model.log?.rateFrom = (model.now, log.buffer.received)
    }

    /// Answers to our own requests.
    private static func reply(_ event: AppEvent, _ model: inout AppModel) -> [Effect] {
        var effects: [Effect] = []
        switch event {
        case .contexts(let list):
            model.contexts = list
            if let row = list.items.firstIndex(where: { $0.name == list.current }) { model.contextList.cursor = row }
            if list.current == nil { model.stack = [.contexts] }
        case .agents(let agents):
            model.agents.replace(agents)
            model.freshAt = model.now
        case .executors(let executors):
            model.executors.replace(executors)
            if let schema = model.executors.schema(of: model.compose.schema.type) { model.compose.adopt(schema) }
        case .runs(let runs):
            model.runs.replace(runs)
            model.freshAt = model.now
        case .run(let detail): effects = take(detail, &model)
        case .runCreated(let detail):
            model.compose = ComposeState()
            model.agents.marked = []
            model.stack.removeAll { $0 == .compose || $0 == .review || $0 == .run }
            model.run = RunState(id: detail.run.id, detail: detail)
            model.push(.run)
            model.say("Run \(detail.run.id.short) has started", .good)
            model.runsAreOld = true
            if detail.tasks.count == 1, let task = detail.tasks.first {
                effects = AppActions.openLog([task], title: "\(task.agentName)  \(task.command)", &model)
            }
        case .canceled(let tasks):
            for task in tasks { BackendUpdate.take(task, &model) }
            model.say("\(tasks.count) task\(tasks.count == 1 ? " is" : "s are") being stopped")
        case .policies, .policiesFailed, .policyTested, .policyTestFailed, .audit, .auditFailed:
            PolicyUpdate.take(event, &model)
        case .file(let event): effects = FileUpdate.take(event, &model)
        case .logOpened(let state): BackendUpdate.take(state.task, &model)
        case .logSaved(let path, let bytes): model.say("Saved \(Words.bytes(bytes)) to \(path)", .good)
        case .failed(let doing, let error):
            let hint = error.hint.map { " (\($0))" } ?? ""
            model.say("\(doing): \(error.message)\(hint)", .bad, seconds: 12)
        default: break
        }
        settle(&model)
        return effects
    }

    private static func take(_ detail: RunDetail, _ model: inout AppModel) -> [Effect] {
        guard model.run?.id == detail.run.id else { return [] }
        model.run?.detail = detail
        model.freshAt = model.now
        guard model.run?.opensLog == true else { return [] }
        model.run?.opensLog = false
        return AppActions.openLog(detail.tasks, title: "run \(detail.run.id.short)  \(detail.run.spec.command)", &model)
    }

    /// Cursors and scroll positions are brought back into what exists.
    static func settle(_ model: inout AppModel) {
        model.agents.list.settle(
            count: model.agents.shown.count, visible: Table.visibleRows(AgentsScreen.listArea(model)))
        model.runs.list.settle(count: model.runs.shown.count, visible: Table.visibleRows(model.body))
        if let run = model.run {
            let visible = Table.visibleRows(RunScreen.listArea(model))
            model.run?.list.settle(count: run.tasks.count, visible: visible)
        }
        model.contextList.settle(
            count: model.contexts.items.count, visible: Table.visibleRows(ContextsScreen.listArea(model)))
        model.policies.list.settle(
            count: model.policies.shown.count, visible: Table.visibleRows(PoliciesScreen.listArea(model)))
        model.check.list.settle(
            count: model.check.verdicts?.count ?? 0, visible: Table.visibleRows(VerdictsScreen.listArea(model)))
        model.audit.list.settle(
            count: model.audit.items.count, visible: Table.visibleRows(AuditScreen.listArea(model)))
        model.files.list.settle(
            count: model.files.shown.count, visible: Table.visibleRows(FilesScreen.listArea(model)))
        LogScreen.settle(&model)
    }
}
