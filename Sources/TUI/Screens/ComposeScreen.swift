// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The form of a task of any type, made of what the type takes. The number of agents meant, what the policies say and the
/// equivalent command line follow every key.
enum ComposeScreen {
    static func draw(_ model: AppModel, _ canvas: inout Canvas) {
        Frame.title(model, &canvas, "New task", "[1 Write]  2 Review")
        ComposeLayout(model).draw(&canvas)
    }

    // MARK: Keys

    /// Keys that are not actions edit the field, or choose what it is.
    static func edit(_ key: Key, _ model: inout AppModel) {
        model.compose.problem = nil
        let field = model.compose.focus
        guard let choices = FieldChoices.of(field, model) else {
            _ = model.compose[field].handle(key)
            return
        }
        let text = field == .type ? model.compose.schema.type : model.compose[field].text
        if !choices.isOpen || text.isEmpty || choices.texts.contains(text),
            let chosen = choices.chosen(by: key, instead: text)
        {
            choose(chosen, in: field, &model)
        } else if choices.isOpen {
            _ = model.compose[field].handle(key)
        }
    }

    /// Pasted text is literal; into a choice it must be one of the choices.
    static func paste(_ text: String, _ model: inout AppModel) {
        model.compose.problem = nil
        let field = model.compose.focus
        if let choices = FieldChoices.of(field, model), !choices.isOpen {
            let word = text.filter { !$0.isWhitespace }
            guard choices.texts.contains(word) else {
                model.compose.problem = "\(model.compose.label(field)): what was pasted is none of the choices"
                return
            }
            choose(word, in: field, &model)
        } else if !model.compose[field].paste(text) {
            model.compose.problem =
                "\(model.compose.label(field)): what was pasted is too long, nothing was taken (tiangong run --file)"
        }
    }

    private static func choose(_ text: String, in field: ComposeState.Field, _ model: inout AppModel) {
        if field == .type {
            if let schema = model.executors.schema(of: text) { model.compose.choose(schema) }
        } else {
            model.compose.write(text, into: field)
        }
    }

    static func act(_ action: Action, _ model: inout AppModel) -> [Effect] {
        switch action {
        case .nextField: model.compose.moveFocus(1)
        case .previousField: model.compose.moveFocus(-1)
        case .newLine:
            model.compose.problem = nil
            model.compose[model.compose.focus].breakLine()
        case .review: review(&model)
        default: break
        }
        return []
    }

    // MARK: Review

    /// Freezes what will run where, or says what is wrong.
    private static func review(_ model: inout AppModel) {
        do throws(DeployError) {
            let spec = try model.compose.spec()
            let selector = model.compose.selector
            guard !selector.isEmpty else { throw DeployError(.invalidArgument, "Target: say which agents") }
            let unknown = selector.agents.filter { name in
                !model.agents.items.contains { $0.name == name || $0.id.rawValue == name }
            }
            if let first = unknown.first { throw DeployError(.notFound, "Target: no agent is called '\(first)'") }
            let agents = model.agents.items.filter(selector.matches).sorted { $0.name < $1.name }
            guard !agents.isEmpty else { throw DeployError(.notFound, "Target: no agent matches") }
            try check(spec, agents)
            model.compose.problem = nil
            model.compose.review = ReviewState(
                selector: selector, spec: spec, schema: model.compose.schema, agents: agents,
                key: RunID.random().rawValue)
            model.push(.review)
        } catch {
            model.compose.problem = error.message
        }
    }

    /// What the agents have told of their executors is enough to say that it cannot work.
    private static func check(_ spec: TaskSpec, _ agents: [AgentInfo]) throws(DeployError) {
        let unable = agents.filter { !$0.mayRun(spec.type) }
        if let first = unable.first {
            throw DeployError(.unsupported, "Type: \(first.name) does not run tasks of type \(spec.type)")
        }
        guard let wanted = spec.params["datasource"]?.stringValue else { return }
        let isPlugin = TaskType(rawValue: spec.type) == nil
        for agent in agents {
            guard let known = agent.datasources(of: spec.type), !known.contains(wanted), !(isPlugin && known.isEmpty)
            else { continue }
            let has = known.isEmpty ? "it has none" : "it has: \(known.joined(separator: ", "))"
            throw DeployError(.invalidArgument, "Datasource: \(agent.name) does not know '\(wanted)'; \(has)")
        }
    }
}

extension AgentInfo {
    /// Whether, as far as it has told, it runs tasks of a type.
    func mayRun(_ type: String) -> Bool { executors.isEmpty || executors.contains(type) }
}
