// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Foundation

/// Text that tries everything a terminal could be made to do, and values of any type with it in every place that takes
/// text.
enum Hostile {
    static let text =
        "x\u{1B}[2J\u{1B}]0;owned\u{7}\u{1B}]52;c;cm0gLXJm\u{1B}\\\u{1B}P$qm\u{1B}\\\u{9B}5n\u{9D}0;t\u{9C}\u{85}"
        + "\u{202E}gnp\u{2066}\u{200B}\u{200D}\u{FEFF}\u{E0041}\u{E0142}\u{2028}\u{0}\u{8}\u{B}\u{C}\r\u{E}\u{F}\n\t\u{7F}"
        + "\u{301}\u{20DD}\u{FFFE}" + String(repeating: "\u{336}", count: 40) + "中\u{1F1E9}\u{1F1EA}\u{10FFFF}"

    /// Whether a terminal would act on a scalar instead of showing it, or would show nothing.
    static func isForbidden(_ scalar: Unicode.Scalar) -> Bool {
        SanitizerTests.isForbidden(scalar) || scalar == "\t" || !Sanitizer.isDrawable(scalar)
    }

    /// The value with hostile text in every place where it still decodes: ids, times and the like keep what they have.
    static func poisoned<Value: Codable>(_ value: Value) throws -> Value {
        var json = try JSONDecoder().decode(JSONValue.self, from: try JSONEncoder().encode(value))
        var reached = 0
        for path in paths(json, []) {
            for change in [Change.value, .key] {
                guard let candidate = replace(json, path[...], change) else { continue }
                let data = try JSONEncoder().encode(candidate)
                guard (try? JSONDecoder().decode(Value.self, from: data)) != nil else { continue }
                json = candidate
                reached += 1
                if change == .key { break }
            }
        }
        precondition(reached > 0, "no place in \(Value.self) takes text")
        return try JSONDecoder().decode(Value.self, from: try JSONEncoder().encode(json))
    }

    private enum Change { case value, key }

    private static func paths(_ json: JSONValue, _ path: [String]) -> [[String]] {
        switch json {
        case .string: return [path]
        case .array(let items): return items.indices.flatMap { paths(items[$0], path + ["\($0)"]) }
        case .object(let members): return members.keys.sorted().flatMap { paths(members[$0] ?? .null, path + [$0]) }
        default: return []
        }
    }

    /// The JSON with hostile text at the path's end: as the value, or as the last key.
    private static func replace(_ json: JSONValue, _ path: ArraySlice<String>, _ change: Change) -> JSONValue? {
        guard let first = path.first else { return change == .value ? .string(text) : nil }
        switch json {
        case .array(var items):
            guard let index = Int(first), items.indices.contains(index),
                let item = replace(items[index], path.dropFirst(), change)
            else { return nil }
            items[index] = item
            return .array(items)
        case .object(var members):
            guard let member = members[first] else { return nil }
            if path.count == 1, change == .key {
                members[first] = nil
                members[text] = member
                return .object(members)
            }
            guard let replaced = replace(member, path.dropFirst(), change) else { return nil }
            members[first] = replaced
            return .object(members)
        default: return nil
        }
    }
}
