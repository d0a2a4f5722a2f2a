// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore
import Yams

/// What the settings file says of executors: its mappings `executors` and `plugins`.
struct ExecutorSettings: Sendable {
    /// The settings of one executor.
    struct Entry: Sendable {
        /// The task type.
        var type: String
        /// Tasks of this type at once; nil for the agent's own limit.
        var maxConcurrency: Int?
        /// Seconds a task of this type may run at most; nil for no limit.
        var timeout: Double?
        /// What else stands there.
        var node: SettingsNode
    }

    /// Built-in executors that are switched on.
    private(set) var executors: [Entry] = []
    /// Plugins.
    private(set) var plugins: [Entry] = []

    /// The top-level keys this reads.
    static let keys: Set = ["executors", "plugins"]

    /// What holds without a file: shell alone.
    init() throws(DeployError) {
        try self.init(.object([:]))
    }

    /// Reads both mappings of a settings file; throws `invalid_argument` naming the place.
    init(file: String?) throws(DeployError) {
        guard let file else {
            try self.init()
            return
        }
        let text: String
        do {
            let file = try StateFile(reading: file)
            let bytes = try file.read(at: 0, length: min(try file.size(), PolicyFile.maximumBytes))
            text = String(buffer: bytes)
        } catch {
            throw DeployError(.invalidArgument, "\(file) cannot be read: \(DeployError(wrapping: error).message)")
        }
        try self.init(yaml: text)
    }

    /// The same from the text of a file.
    init(yaml text: String) throws(DeployError) {
        let loaded: Any?
        do {
            loaded = try Yams.load(yaml: text)
        } catch {
            throw DeployError(.invalidArgument, "the settings are not valid YAML: \(error)")
        }
        try self.init(try Self.json(loaded, depth: 0))
    }

    private init(_ root: JSONValue) throws(DeployError) {
        let members = root.objectValue ?? [:]
        var known = Dictionary(uniqueKeysWithValues: TaskType.allCases.map { ($0.rawValue, $0) })
        for (name, value) in (try Self.mapping(members["executors"], "executors")).sorted(by: { $0.key < $1.key }) {
            guard let type = known.removeValue(forKey: name) else {
                throw DeployError(
                    .invalidArgument, "executors.\(name.prefix(64)) is not an executor",
                    hint: "there are \(TaskType.allCases.map(\.rawValue).joined(separator: ", ")); others are plugins")
            }
            if let entry = try Self.entry(type.rawValue, value, "executors.\(name)") { executors.append(entry) }
        }
        // Shell needs no settings: it is on unless it was switched off.
        if known[TaskType.shell.rawValue] != nil {
            executors.append(
                Entry(type: TaskType.shell.rawValue, node: try SettingsNode(.null, path: "executors.shell")))
        }
        for (name, value) in (try Self.mapping(members["plugins"], "plugins")).sorted(by: { $0.key < $1.key }) {
            guard ExecutorSchema.isTypeName(name), TaskType(rawValue: name) == nil else {
                throw DeployError(
                    .invalidArgument, "plugins.\(name.prefix(64)) is not the name of a plugin",
                    hint: "1 to 32 of a-z 0-9 -, the first a letter, and no built-in executor's")
            }
            if let entry = try Self.entry(name, value, "plugins.\(name)") { plugins.append(entry) }
        }
    }

    private static func entry(_ type: String, _ value: JSONValue, _ path: String) throws(DeployError) -> Entry? {
        var node = try SettingsNode(value, path: path)
        let isEnabled = try node.flag("enabled") ?? true
        let most = try node.number("max-concurrency", in: 1...100_000)
        let timeout = try node.seconds("timeout")
        return isEnabled ? Entry(type: type, maxConcurrency: most, timeout: timeout, node: node) : nil
    }

    private static func mapping(_ value: JSONValue?, _ path: String) throws(DeployError) -> [String: JSONValue] {
        switch value {
        case nil, .null: return [:]
        case .object(let members): return members
        default: throw DeployError(.invalidArgument, "\(path) is not a mapping")
        }
    }

    private static func json(_ value: Any?, depth: Int) throws(DeployError) -> JSONValue {
        guard depth <= 32 else { throw DeployError(.invalidArgument, "the settings nest deeper than 32 levels") }
        switch value {
        case let text as String: return .string(text)
        case let flag as Bool: return .bool(flag)
        case let number as Int: return .integer(Int64(number))
        case let number as Double: return .number(number)
        case let items as [Any]:
            var values: [JSONValue] = []
            for item in items { values.append(try json(item, depth: depth + 1)) }
            return .array(values)
        case let members as [AnyHashable: Any]:
            var values: [String: JSONValue] = [:]
            for (key, member) in members { values["\(key)"] = try json(member, depth: depth + 1) }
            return .object(values)
        default: return .null
        }
    }
}
