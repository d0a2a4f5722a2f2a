// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// What happens on the screens of files.
enum FileUpdate {
    static func go(_ model: inout AppModel) -> [Effect] {
        model.push(.files)
        return model.connection.isLive ? [.file(.list)] : []
    }

    /// What the present screen shows and a new link makes old.
    static func reload(_ model: AppModel) -> [Effect] {
        [.files, .push, .pushReview].contains(model.screen) ? [.file(.list)] : []
    }

    static func take(_ event: FileEvent, _ model: inout AppModel) -> [Effect] {
        switch event {
        case .listed(let files):
            model.files.replace(files)
            model.freshAt = model.now
        case .listFailed(let error): model.files.failure = error.message
        case .removed(let id):
            model.files.remove(id)
            model.say("File \(id.short) is removed", .good)
        case .progress(let number, let progress, let at):
            model.files.change(number) { row in
                row.progress = progress
                if progress.stage != .reading { row.meter.note(progress.done, at: at.milliseconds) }
            }
        case .uploaded(let number, let file):
            guard model.files.forget(number) else { break }
            model.files.add(file)
            model.say("Uploaded \(file.name) as \(file.id)", .good)
            return startNext(&model)
        case .uploadFailed(let number, let error):
            let hint = error.hint.map { " (\($0))" } ?? ""
            model.files.change(number) { $0.problem = error.message + hint }
            return startNext(&model)
        case .stopped(let number):
            model.files.forget(number)
            return startNext(&model)
        case .completed(let typed, let completed, let names): complete(typed, completed, names, &model)
        case .pushed(let detail):
            model.pushed = nil
            model.agents.marked = []
            model.stack.removeAll { [.push, .pushReview, .run].contains($0) }
            model.run = RunState(id: detail.run.id, detail: detail)
            model.push(.run)
            model.say("Run \(detail.run.id.short) has started", .good)
            model.runsAreOld = true
        }
        return []
    }

    // MARK: uploads

    static func askUpload(_ model: inout AppModel) {
        model.overlay = .prompt(PromptState(purpose: .upload, field: TextField()))
    }

    /// A path was typed; where the file belongs is asked when the server could not know.
    static func upload(_ path: String, _ model: inout AppModel) -> [Effect] {
        guard !path.isEmpty else { return [] }
        if let environments = model.server?.scope.environments, environments.count > 1 {
            model.overlay = .prompt(
                PromptState(purpose: .uploadEnvironment(path), field: TextField(environments.sorted()[0])))
            return []
        }
        return queue(path, environment: nil, &model)
    }

    static func queue(_ path: String, environment: String?, _ model: inout AppModel) -> [Effect] {
        model.files.queue(path, environment: environment)
        return startNext(&model)
    }

    private static func startNext(_ model: inout AppModel) -> [Effect] {
        model.files.startNext().map { [.file(.upload($0))] } ?? []
    }

    /// Asks before an upload is given up: the first that is under way, or shown as failed.
    static func askStop(_ model: inout AppModel) -> [Effect] {
        if let failed = model.files.uploads.first(where: { $0.problem != nil }) {
            model.files.forget(failed.number)
            return []
        }
        guard let row = model.files.uploads.first else {
            model.say("Nothing is uploaded")
            return []
        }
        model.overlay = .confirm(
            ConfirmState(
                title: "Give the upload up", lines: [row.path, "What the server has of it is removed."],
                verb: "Give up", effects: [.file(.stop(row.number, row.progress?.upload))]))
        return []
    }

    private static func complete(_ typed: String, _ completed: String, _ names: [String], _ model: inout AppModel) {
        guard case .prompt(var prompt) = model.overlay, prompt.purpose == .upload, prompt.field.text == typed else {
            return
        }
        prompt.field.text = completed
        model.overlay = .prompt(prompt)
        if names.count > 1, completed == typed {
            model.say("\(names.count) names: \(names.prefix(20).joined(separator: "  "))")
        }
    }

    // MARK: files

    static func askRemove(_ model: inout AppModel) -> [Effect] {
        guard let file = model.files.selected else { return [] }
        model.overlay = .confirm(
            ConfirmState(
                title: "Remove file \(file.id.short)",
                lines: [file.name, "\(ProgressText.bytes(file.size)), stored by \(file.actor)"],
                verb: "Remove", effects: [.file(.remove(file.id))]))
        return []
    }

    /// Opens the form that brings the file to agents. Marked agents become its target.
    static func push(_ model: inout AppModel) -> [Effect] {
        guard let file = model.files.selected else { return [] }
        if model.pushed?.file.id != file.id {
            let typed = model.pushed
            model.pushed = PushState(file: file)
            // The next file often goes to the same place.
            if let typed { for field in PushState.Field.allCases { model.pushed?[field] = typed[field] } }
        }
        let marked = model.agents.items.filter { model.agents.marked.contains($0.id) }
        if !marked.isEmpty {
            model.pushed?[.target] = TextField(marked.map(\.name).sorted().joined(separator: " "))
            model.pushed?.focus = .destination
        }
        model.push(.push)
        return []
    }

    /// What the policies are asked about while a push is written.
    static func test(_ model: AppModel) -> PolicyTest? {
        guard let push = model.pushed, !push.selector.isEmpty, let spec = try? push.spec() else { return nil }
        return PolicyTest(selector: push.selector, spec: spec)
    }
}
