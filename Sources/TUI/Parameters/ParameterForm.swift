// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// One parameter of a task type as a field of a form: its label, what may be typed there, and what that stands for.
struct ParameterForm: Sendable {
    /// What the field is for.
    let parameter: ExecutorParameter
    /// The task type.
    let type: String

    /// The name as people write it: `max_rows` is `Max rows`.
    var label: String {
        let words = parameter.name.replacing("_", with: " ")
        return words.prefix(1).uppercased() + words.dropFirst()
    }

    /// The only texts there are to choose from; nil when anything may be typed.
    var choices: [String]? {
        switch parameter.kind {
        case .word: parameter.words ?? []
        case .flag: [Self.yes, Self.no]
        default: nil
        }
    }

    /// Whether it names one of the connections of an agent.
    var namesDatasource: Bool { parameter.name == "datasource" && parameter.kind == .text }

    /// Whether a text may have several lines.
    var keepsLines: Bool { isPlainInput || parameter.kind == .json }

    /// What the parameter is for, how it is written, and what holds without it.
    var help: String {
        var parts = [parameter.help, writing].filter { !$0.isEmpty }
        if let standard { parts.append("(\(standard) when empty)") }
        return parts.joined(separator: " ")
    }

    /// What holds when the field is empty.
    var standard: String? {
        guard let value = parameter.standard, value != .null else { return nil }
        let text = text(value)
        return text.isEmpty ? nil : text
    }

    private var writing: String {
        switch parameter.kind {
        case .text, .integer, .number: ""
        case .word, .flag: "Left and Right choose."
        case .duration: "90s, 10m, 2h."
        case .size: "Bytes, or 64MiB."
        case .list: "Words; quotes keep them together."
        case .pairs: "NAME=value NAME2='two words' NAME3=secret:NAME-OF-A-SECRET"
        case .secret: "The name of a secret that the agent keeps."
        case .json: isPlainInput ? "A text, or secret:NAME-OF-A-SECRET" : "JSON."
        }
    }

    private static let yes = "yes"
    private static let no = "no"
    private static let secretPrefix = "secret:"

    /// Standard input of a shell command is text, though its schema must call it JSON.
    private var isPlainInput: Bool { type == TaskType.shell.rawValue && parameter.name == "stdin" }

    // MARK: Values

    /// What a text stands for. Throws `invalid_argument` that begins with the label.
    func value(_ text: String) throws(DeployError) -> JSONValue {
        switch parameter.kind {
        case .flag:
            let word = [Self.yes: "true", Self.no: "false"][text] ?? text
            return try parameter.value(of: [word], called: label)
        case .list: return try parameter.value(of: try words(text), called: label)
        case .pairs: return try pairs(text)
        case .secret:
            let name = text.hasPrefix(Self.secretPrefix) ? String(text.dropFirst(Self.secretPrefix.count)) : text
            return try parameter.value(of: [name], called: label)
        case .json where isPlainInput: return try member(text)
        default: return try parameter.value(of: [text], called: label)
        }
    }

    private func words(_ text: String) throws(DeployError) -> [String] {
        do throws(DeployError) {
            return try ShellWords.split(text)
        } catch { throw DeployError(error.code, "\(label): \(error.message)") }
    }

    private func pairs(_ text: String) throws(DeployError) -> JSONValue {
        var members: [String: JSONValue] = [:]
        for word in try words(text) {
            guard let sign = word.firstIndex(of: "="), sign != word.startIndex else {
                throw DeployError(.invalidArgument, "\(label): '\(word)' has no NAME=")
            }
            members[String(word[..<sign])] = try member(String(word[word.index(after: sign)...]))
        }
        try parameter.check(.object(members))
        return .object(members)
    }

    /// `secret:NAME` is a secret that the agent keeps, anything else is itself.
    private func member(_ text: String) throws(DeployError) -> JSONValue {
        guard text.hasPrefix(Self.secretPrefix) else { return .string(text) }
        guard let secret = SecretReference(String(text.dropFirst(Self.secretPrefix.count))) else {
            throw DeployError(.invalidArgument, "\(label): '\(text)' does not name a secret")
        }
        return secret.value
    }

    /// The text that stands for a value.
    func text(_ value: JSONValue) -> String {
        switch (parameter.kind, value) {
        case (.flag, .bool(let isOn)): isOn ? Self.yes : Self.no
        case (.list, .array): ShellWords.display(parameter.texts(of: value))
        case (.pairs, .object(let members)):
            members.sorted { $0.key < $1.key }.map { key, member in
                "\(key)=\(ShellWords.quoted(Self.text(of: member)))"
            }.joined(separator: " ")
        case (.json, _) where isPlainInput: Self.text(of: value)
        default: parameter.texts(of: value).first ?? ""
        }
    }

    private static func text(of member: JSONValue) -> String {
        member.secretName.map { secretPrefix + $0 } ?? member.stringValue ?? member.text
    }
}

extension JSONValue {
    /// The name in `{"secret_ref": NAME}`.
    var secretName: String? {
        guard let members = objectValue, members.count == 1 else { return nil }
        return members["secret_ref"]?.stringValue
    }
}
