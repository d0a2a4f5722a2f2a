// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// What several screens do in the same way.
enum AppActions {
    /// Opens the form. Marked agents, or the one under the cursor, become the target unless one was typed before.
    static func compose(_ model: inout AppModel) -> [Effect] {
        let marked = model.agents.items.filter { model.agents.marked.contains($0.id) }
        if !marked.isEmpty {
            model.compose.write(marked.map(\.name).sorted().joined(separator: " "), into: .target)
            model.compose.focus = .command
        } else if model.screen == .agents, let agent = model.agents.selected {
            model.compose.write(agent.name, into: .target)
            model.compose.focus = .command
        }
        return open(&model)
    }

    /// The form, with what the server says now of the types there are.
    private static func open(_ model: inout AppModel) -> [Effect] {
        model.push(.compose)
        return model.connection.isLive ? [.loadExecutors] : []
    }

    static func duplicate(_ run: RunRecord, _ model: inout AppModel) -> [Effect] {
        model.compose.fill(from: run, model.executors.schema(of: run.spec.type))
        return open(&model)
    }

    static func openRun(_ id: RunID, _ model: inout AppModel) -> [Effect] {
        if model.run?.id != id { model.run = RunState(id: id) }
        model.push(.run)
        return [.loadRun(id)]
    }

    /// Follows the logs of some tasks on the log screen; the log that was there is given up.
    static func openLog(_ tasks: [TaskRecord], title: String, _ model: inout AppModel) -> [Effect] {
        let tasks = Array(tasks.prefix(LogBuffer.laneLimit))
        guard !tasks.isEmpty else { return [] }
        var effects: [Effect] = []
        if let old = model.log, old.tasks != tasks.map(\.id) { effects.append(.closeLogs(old.tasks)) }
        model.push(.log)
        if model.log?.tasks == tasks.map(\.id) { return effects }
        model.log = LogScreenState(title: title, tasks: tasks, now: model.now)
        if let run = model.run?.detail?.run, run.id == tasks.first?.runID {
            model.log?.hostNamespaces = run.spec.usesHostNamespaces
        }
        return effects + [.openLogs(tasks.map(\.id))]
    }

    /// Asks before tasks of a run are stopped; nil tasks means all of the run.
    static func askCancel(_ run: RunRecord, tasks: [TaskRecord]?, _ model: inout AppModel) -> [Effect] {
        if let tasks, tasks.count <= 1 {
            askCancel(tasks.filter { !$0.state.isFinal }, &model)
            return []
        }
        let open = tasks?.count { !$0.state.isFinal } ?? run.taskCount - run.endedCount
        guard open > 0 else {
            model.say("Nothing to stop: everything has ended")
            return []
        }
        model.overlay = .confirm(
            ConfirmState(
                title: "Stop \(open) tasks of run \(run.id.short)",
                lines: [run.spec.heading, "on \(open) of \(run.taskCount) agents: TERM, then KILL"],
                verb: "Stop them",
                effects: [.cancel(CancelRequest(runID: run.id.rawValue))],
                expected: open > ReviewState.severeCount ? "\(open)" : nil))
        return []
    }

    /// Asks before single tasks are stopped.
    static func askCancel(_ tasks: [TaskRecord], _ model: inout AppModel) {
        guard let first = tasks.first else {
            model.say("Nothing to stop: it has ended")
            return
        }
        let title = tasks.count == 1 ? "Stop task \(first.id.short) on \(first.agentName)" : "Stop \(tasks.count) tasks"
        model.overlay = .confirm(
            ConfirmState(
                title: Sanitizer.line(title),
                lines: [TaskHeading.text(first.type, first.command), "TERM, then KILL after the grace time"],
                verb: "Stop", effects: tasks.map { .cancel(CancelRequest(taskID: $0.id.rawValue)) },
                expected: tasks.count > ReviewState.severeCount ? "\(tasks.count)" : nil))
    }

    static func askToLeave(_ model: inout AppModel) {
        let uploads = model.files.running
        var lines = ["Tasks that run go on without the console."]
        if !uploads.isEmpty { lines.append("Uploads stop; what the server has is kept for a while:") }
        for upload in uploads.prefix(3) {
            lines.append(
                upload.progress?.upload.map { "tiangong file resume \($0) \(ShellWords.quoted(upload.path))" }
                    ?? "\(upload.path) has not begun")
        }
        model.overlay = .confirm(ConfirmState(title: "Leave", lines: lines, verb: "Leave", effects: [], ends: true))
    }

    /// Leaves, or asks while that would end something.
    static func leave(_ model: inout AppModel) {
        if model.files.running.isEmpty { model.ended = true } else { askToLeave(&model) }
    }

    /// Another server: nothing known of the old one is true here.
    static func forget(_ model: inout AppModel) {
        model.agents = AgentsState()
        model.executors = ExecutorsState()
        model.runs = RunsState()
        model.run = nil
        model.log = nil
        model.policies = PoliciesState()
        model.check = PolicyCheck()
        model.audit = AuditState()
        model.files.forgetList()
        model.pushed = nil
        model.server = nil
        model.freshAt = nil
        model.compose.review = nil
    }

    /// Asks for everything the present screen shows.
    static func reload(_ model: inout AppModel) -> [Effect] {
        var effects: [Effect] = [.loadAgents, .loadRuns]
        if let run = model.run { effects.append(.loadRun(run.id)) }
        if model.stack.contains(.compose) { effects.append(.loadExecutors) }
        return effects + PolicyUpdate.reload(&model) + FileUpdate.reload(model)
    }

    /// The command line that shows what the screen shows.
    static func equivalent(_ model: AppModel) -> [String] {
        switch model.screen {
        case .contexts: return ["tiangong login --server https://HOST:8443 --token-file FILE"]
        case .agents:
            return ["tiangong agent list"]
                + (model.agents.selected.map { ["tiangong agent show \(ShellWords.quoted($0.name))"] } ?? [])
        case .runs:
            return ["tiangong task list"]
                + (model.runs.selected.map { ["tiangong task list --run \($0.id.rawValue)"] } ?? [])
        case .run:
            return model.run.map { run in
                ["tiangong logs -f \(run.id.rawValue)"]
                    + (run.selected.map { ["tiangong task show \($0.id.rawValue)"] } ?? [])
            } ?? []
        case .log: return (model.log?.tasks.prefix(10) ?? []).map { "tiangong logs -f \($0.rawValue)" }
        case .policies:
            return ["tiangong policy list"]
                + (model.policies.selected.map { ["tiangong policy show \(ShellWords.quoted($0.name))"] } ?? [])
        case .policy:
            return model.policies.opened.map { ["tiangong policy show \(ShellWords.quoted($0.name))"] } ?? []
        case .verdicts:
            return model.check.wanted.map { test in
                [EquivalentCommand.policyTest(test, model.executors.schema(of: test.spec.type))]
            } ?? []
        case .audit: return [EquivalentCommand.audit(model.audit.query)]
        case .auditRecord: return model.audit.opened.map { ["tiangong audit show \($0.seq)"] } ?? []
        case .files:
            return ["tiangong file list"]
                + (model.files.selected.map { ["tiangong file show \($0.id)", "tiangong file get \($0.id)"] } ?? [])
        case .push, .pushReview: return model.pushed.map { [$0.equivalent] } ?? []
        case .compose, .review: return []
        }
    }
}
