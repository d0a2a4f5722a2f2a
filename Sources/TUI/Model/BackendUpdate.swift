// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// What the other side says without being asked.
enum BackendUpdate {
    static func backend(_ event: BackendEvent, _ model: inout AppModel) -> [Effect] {
        switch event {
        case .connecting(let context):
            model.contexts.current = context
            if case .offline = model.connection { break }
            model.connection = .connecting
        case .connected(let info):
            model.connection = .live
            model.server = info
            model.check.forgetAnswers()
            return AppActions.reload(&model)
        case .offline(let reason, let attempt, let retry):
            var since = model.now
            if case .offline(_, _, _, let before) = model.connection { since = before }
            model.connection = .offline(reason: reason, attempt: attempt, retry: retry, since: since)
        case .loginNeeded(let reason):
            model.connection = .loginNeeded(reason)
            model.stack = [.contexts]
        case .agentChanged(let agent):
            model.agents.upsert(agent)
            model.freshAt = model.now
            AppUpdate.settle(&model)
        case .agentRemoved(let id):
            model.agents.remove(id)
            model.freshAt = model.now
            AppUpdate.settle(&model)
        case .taskChanged(let task):
            take(task, &model)
            AppUpdate.settle(&model)
        case .log, .logGap, .logEnd: log(event, &model)
        }
        return []
    }

    /// A task as it stands now, wherever it is shown.
    static func take(_ task: TaskRecord, _ model: inout AppModel) {
        model.runsAreOld = true
        model.freshAt = model.now
        if model.run?.id == task.runID {
            if model.run?.detail?.tasks.contains(where: { $0.id == task.id }) == true {
                model.run?.take(task)
            } else {
                model.runIsOld = true
            }
        }
        if model.log?.tasks.contains(task.id) == true { model.log?.states[task.id] = task }
    }

    private static func log(_ event: BackendEvent, _ model: inout AppModel) {
        guard let log = model.log else { return }
        let buffer = log.buffer
        func lane(_ task: TaskID) -> Int? { buffer.lanes.firstIndex { $0.task == task } }
        switch event {
        case .log(let piece):
            guard let lane = lane(piece.task) else { return }
            buffer.append(piece.bytes, lane: lane, kind: kind(piece.stream), at: piece.at.milliseconds)
        case .logGap(let task, let from, let to):
            guard let lane = lane(task) else { return }
            buffer.note("-- gap: chunks \(from) to \(to) are not here --", lane: lane, at: model.now.milliseconds)
        case .logEnd(let task):
            guard let lane = lane(task.id), model.log?.ended.insert(task.id).inserted == true else { return }
            buffer.finish(lane: lane)
            let exit = task.exitCode.map { ", exit \($0)" } ?? task.signal.map { ", signal \($0)" } ?? ""
            buffer.note("-- \(task.state.rawValue)\(exit) --", lane: lane, at: model.now.milliseconds)
            take(task, &model)
        default: break
        }
    }

    private static func kind(_ stream: LogStream) -> LogLine.Kind {
        switch stream {
        case .stdout: .stdout
        case .stderr: .stderr
        case .system: .system
        }
    }
}
