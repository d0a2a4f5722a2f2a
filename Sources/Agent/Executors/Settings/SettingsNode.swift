// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// A mapping of the settings file, read key by key. Values of the wrong kind are errors that name their place, and so are
/// keys that nobody asked for.
struct SettingsNode: Sendable {
    /// Where it stands, such as `executors.mysql.datasources.main`.
    let path: String
    private let members: [String: JSONValue]
    private var asked: Set<String> = []

    /// Throws `invalid_argument` when the value is not a mapping; nothing counts as an empty one.
    init(_ value: JSONValue, path: String) throws(DeployError) {
        self.path = path
        switch value {
        case .object(let members): self.members = members
        case .null: members = [:]
        default: throw DeployError(.invalidArgument, "\(path) is not a mapping")
        }
    }

    /// A text.
    mutating func text(_ key: String) throws(DeployError) -> String? {
        switch take(key) {
        case nil, .null: return nil
        case .string(let text): return text
        case .integer(let number): return String(number)
        case .number(let number): return String(number)
        case .bool(let flag): return flag ? "true" : "false"
        default: throw bad(key, "is not a text")
        }
    }

    /// A text that must be there.
    mutating func requiredText(_ key: String) throws(DeployError) -> String {
        guard let text = try text(key), !text.isEmpty else { throw bad(key, "is missing") }
        return text
    }

    /// An absolute path.
    mutating func path(_ key: String) throws(DeployError) -> String? {
        guard let text = try text(key) else { return nil }
        guard text.hasPrefix("/") else { throw bad(key, "is not an absolute path") }
        return text
    }

    /// A whole number within a range.
    mutating func number(_ key: String, in range: ClosedRange<Int>) throws(DeployError) -> Int? {
        guard let text = try text(key) else { return nil }
        guard let number = Int(text), range.contains(number) else {
            throw bad(key, "is not a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// `true` or `false`.
    mutating func flag(_ key: String) throws(DeployError) -> Bool? {
        guard let text = try text(key) else { return nil }
        guard let flag = Bool(text) else { throw bad(key, "is not true or false") }
        return flag
    }

    /// A span of time in seconds, such as `90s`.
    mutating func seconds(_ key: String) throws(DeployError) -> Double? {
        guard let text = try text(key) else { return nil }
        guard let seconds = try? TimeSpan.seconds(text) else { throw bad(key, "is not a duration such as 90s") }
        return seconds
    }

    /// A size in bytes, such as `64MiB`.
    mutating func bytes(_ key: String) throws(DeployError) -> Int64? {
        guard let text = try text(key) else { return nil }
        guard let bytes = try? ByteSize.bytes(text) else { throw bad(key, "is not a size such as 64MiB") }
        return bytes
    }

    /// One of some words.
    mutating func word(_ key: String, _ words: [String]) throws(DeployError) -> String? {
        guard let text = try text(key) else { return nil }
        guard words.contains(text) else { throw bad(key, "is none of \(words.joined(separator: ", "))") }
        return text
    }

    /// A list of texts; a single text is a list of one.
    mutating func list(_ key: String) throws(DeployError) -> [String]? {
        switch take(key) {
        case nil, .null: return nil
        case .string(let text): return [text]
        case .array(let items):
            var texts: [String] = []
            for item in items {
                switch item {
                case .string(let text): texts.append(text)
                case .integer(let number): texts.append(String(number))
                default: throw bad(key, "has an item that is not a text")
                }
            }
            return texts
        default: throw bad(key, "is not a list")
        }
    }

    /// A secret, written `{secret_ref: NAME}`. Anything else is refused: no password stands in a settings file.
    mutating func secret(_ key: String) throws(DeployError) -> SecretReference? {
        switch take(key) {
        case nil, .null: return nil
        case .object(let members):
            if members.count == 1, let name = members["secret_ref"]?.stringValue, let secret = SecretReference(name) {
                return secret
            }
        default: break
        }
        throw bad(key, "is not {secret_ref: NAME}", hint: "put the secret into a file of secrets.directory")
    }

    /// A mapping below this one.
    mutating func node(_ key: String) throws(DeployError) -> SettingsNode? {
        guard let value = take(key) else { return nil }
        return try SettingsNode(value, path: "\(path).\(key)")
    }

    /// Mappings by name, in the order of their names.
    mutating func nodes(_ key: String) throws(DeployError) -> [(name: String, node: SettingsNode)] {
        guard let value = take(key), value != .null else { return [] }
        guard let members = value.objectValue else { throw bad(key, "is not a mapping of names") }
        var nodes: [(name: String, node: SettingsNode)] = []
        for (name, member) in members.sorted(by: { $0.key < $1.key }) {
            guard (1...64).contains(name.utf8.count) else { throw bad(key, "has a name that is not 1 to 64 bytes") }
            nodes.append((name, try SettingsNode(member, path: "\(path).\(key).\(name)")))
        }
        return nodes
    }

    /// All keys, in order.
    var keys: [String] { members.keys.sorted() }

    /// Whatever stands there.
    mutating func value(_ key: String) -> JSONValue? { take(key) }

    /// Throws `invalid_argument` when there is a key that nobody asked for.
    func finish() throws(DeployError) {
        if let unknown = members.keys.sorted().first(where: { !asked.contains($0) }) {
            throw DeployError(
                .invalidArgument, "\(path).\(unknown.prefix(64)) is not a setting",
                hint: asked.isEmpty ? nil : "the settings here are \(asked.sorted().joined(separator: ", "))")
        }
    }

    private mutating func take(_ key: String) -> JSONValue? {
        asked.insert(key)
        return members[key]
    }

    private func bad(_ key: String, _ what: String, hint: String? = nil) -> DeployError {
        DeployError(.invalidArgument, "\(path).\(key) \(what)", hint: hint)
    }
}
