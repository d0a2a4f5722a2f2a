// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Yams

/// The keys of a settings file and their lines, read more strictly than the agent itself does.
struct SettingsFile {
    /// Where each setting is.
    private(set) var lines: [AgentConfiguration.Key: Int] = [:]
    /// Unknown keys, keys that stand twice, and text that is no YAML mapping.
    private(set) var problems: [Problem] = []
    /// Whether its keys are those of a policy.
    private(set) var isPolicy = false

    private let path: String
    private static let policyKeys: Set = ["mode", "allow", "deny", "statements", "host_namespaces"]

    /// Reads the text of a file; what is wrong with it is in ``problems``.
    init(_ text: String, path: String) {
        self.path = path
        // Nodes hold their anchors weakly: the parser has to live as long as they are looked at.
        guard let parser = try? Parser(yaml: text) else {
            note(nil, "is not text in UTF-8")
            return
        }
        withExtendedLifetime(parser) {
            do {
                read(try parser.singleRoot())
            } catch {
                fail(error)
            }
        }
    }

    private mutating func read(_ root: Node?) {
        guard let root else { return note(nil, "is empty") }
        guard case .mapping(let mapping) = root else { return note(root, "is not a mapping of settings") }
        let names = mapping.keys.compactMap(\.scalar?.string)
        isPolicy = names.contains { Self.policyKeys.contains($0) }
        if !isPolicy { read(mapping, below: "") }
    }

    private mutating func read(_ mapping: Node.Mapping, below prefix: String) {
        for (key, value) in mapping {
            guard let name = key.scalar?.string else {
                note(key, "a key is not a text")
                continue
            }
            let full = prefix + name
            if let known = AgentConfiguration.Key(rawValue: full) {
                if lines.updateValue(key.mark?.line ?? 0, forKey: known) != nil { note(key, "\(full) is given twice") }
                check(value, of: known)
            } else if prefix.isEmpty, ExecutorSettings.keys.contains(name) {
                continue  // ExecutorSettings reads these as strictly
            } else if case .mapping(let inner) = value,
                AgentConfiguration.Key.allCases.contains(where: { $0.rawValue.hasPrefix(full + ".") })
            {
                read(inner, below: full + ".")
            } else {
                note(key, "unknown setting '\(full.prefix(64))'\(Self.suggestion(for: full))")
            }
        }
    }

    private mutating func check(_ value: Node, of key: AgentConfiguration.Key) {
        switch value {
        case .scalar: break
        case .sequence(let items) where key == .labels:
            for item in items where item.scalar == nil { note(item, "labels: an item is not a text") }
        default: note(value, "\(key.rawValue) is not a single value")
        }
    }

    private mutating func note(_ node: Node?, _ text: String) {
        problems.append(Problem(file: path, line: node?.mark?.line, text: text))
    }

    private mutating func fail(_ error: any Error) {
        switch error as? YamlError {
        case .scanner(_, let text, let mark, _), .parser(_, let text, let mark, _), .composer(_, let text, let mark, _):
            problems.append(Problem(file: path, line: mark.line, text: "is not valid YAML: \(text)"))
        case .duplicatedKeysInMapping(let names, let context):
            let name = names.first.map { "\($0)" } ?? ""
            problems.append(Problem(file: path, line: context.mark.line, text: "'\(name.prefix(64))' is given twice"))
        default: note(nil, "is not valid YAML")
        }
    }

    /// The setting that was probably meant: one that ends alike, or differs in case or in the kind of stroke.
    private static func suggestion(for name: String) -> String {
        func plain(_ text: some StringProtocol) -> String { text.lowercased().filter { $0.isLetter || $0.isNumber } }
        let wanted = plain(name)
        let found = AgentConfiguration.Key.allCases.map(\.rawValue).first { key in
            plain(key) == wanted || plain(key.split(separator: ".").last ?? "") == wanted
        }
        return found.map { "; did you mean '\($0)'?" } ?? ""
    }
}
