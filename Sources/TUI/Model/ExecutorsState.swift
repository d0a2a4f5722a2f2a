// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The task types that agents run, as the server last told.
struct ExecutorsState: Equatable, Sendable {
    /// Shell first, the others by name.
    private(set) var items: [ExecutorInfo] = []

    /// Takes the list anew.
    mutating func replace(_ executors: [ExecutorInfo]) {
        items = executors.sorted { (Self.rank($0), $0.type) < (Self.rank($1), $1.type) }
    }

    private static func rank(_ executor: ExecutorInfo) -> Int { executor.type == TaskType.shell.rawValue ? 0 : 1 }

    /// The types to choose from; shell until the server has told.
    var types: [String] { items.isEmpty ? [TaskType.shell.rawValue] : items.map(\.type) }

    subscript(_ type: String) -> ExecutorInfo? { items.first { $0.type == type } }

    /// What tasks of a type take, of a built-in one as this program knows it; nil for a plugin that was not told.
    func schema(of type: String) -> ExecutorSchema? { TaskType(rawValue: type)?.schema ?? self[type]?.schema }
}

/// What may be chosen in a field of the form.
struct FieldChoices: Equatable, Sendable {
    /// The texts, in order.
    var texts: [String]
    /// Whether another text may be typed as well.
    var isOpen = false
    /// Whether nothing may be chosen.
    var mayBeEmpty = true

    /// The choices of a field; nil for one that is only typed.
    static func of(_ field: ComposeState.Field, _ model: AppModel) -> FieldChoices? {
        if field == .type { return FieldChoices(texts: model.executors.types, mayBeEmpty: false) }
        guard let form = model.compose.form(field) else { return nil }
        if form.namesDatasource { return FieldChoices(texts: datasources(model), isOpen: true) }
        return form.choices.map { FieldChoices(texts: $0, mayBeEmpty: !form.parameter.isRequired) }
    }

    /// The names of connections that the targets have told, those that all of them have first.
    static func datasources(_ model: AppModel) -> [String] {
        let type = model.compose.schema.type
        let targets = model.agents.items.filter(model.compose.selector.matches)
        guard !targets.isEmpty else { return model.executors[type]?.datasources ?? [] }
        let told = targets.compactMap { $0.datasources(of: type) }
        let counts = told.joined().reduce(into: [String: Int]()) { $0[$1, default: 0] += 1 }
        return counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map(\.key)
    }

    /// What a key chooses instead of a text; nil when the key means nothing to a choice.
    func chosen(by key: Key, instead text: String) -> String? {
        let options = (mayBeEmpty ? [""] : []) + texts
        guard !options.isEmpty else { return nil }
        let at = options.firstIndex(of: text)
        switch key {
        case .right: return options[at.map { ($0 + 1) % options.count } ?? 0]
        case .left: return options[at.map { ($0 + options.count - 1) % options.count } ?? options.count - 1]
        case _ where isOpen: return nil
        case .character(" "): return options[at.map { ($0 + 1) % options.count } ?? 0]
        case .character(let scalar):
            let following = options.indices.map { options[($0 + (at ?? -1) + 1) % options.count] }
            return following.first { $0.unicodeScalars.first == scalar }
        case .backspace, .delete, .control("u"): return mayBeEmpty ? "" : nil
        default: return nil
        }
    }
}
