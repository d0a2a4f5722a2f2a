// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// A simple JSONPath, such as `{.status.phase}` or `{.status.conditions[0].type}`: members and indices, nothing else.
struct FieldPath: Sendable, Equatable {
    private enum Step: Sendable, Equatable {
        case member(String)
        case index(Int)
    }

    private let steps: [Step]

    /// Throws `invalid_argument` for what is not that simple.
    init(_ text: String) throws(DeployError) {
        var rest = text[...]
        if rest.first == "{", rest.last == "}" { rest = rest.dropFirst().dropLast() }
        if rest.first == "$" { rest.removeFirst() }
        if rest.first != ".", rest.first != "[" { rest = "." + rest }
        var steps: [Step] = []
        while let first = rest.first {
            rest.removeFirst()
            if first == "." {
                var name = ""
                while let next = rest.first, next != ".", next != "[" {
                    rest.removeFirst()
                    // A dot of a name is written with a backslash.
                    if next == "\\", let escaped = rest.popFirst() { name.append(escaped) } else { name.append(next) }
                }
                guard !name.isEmpty, name != "*" else { throw Self.wrong(text) }
                steps.append(.member(name))
            } else {
                guard first == "[", let end = rest.firstIndex(of: "]") else { throw Self.wrong(text) }
                let inside = rest[..<end]
                rest = rest[rest.index(after: end)...]
                if let index = Int(inside), index >= 0 {
                    steps.append(.index(index))
                } else if inside.count > 2, let quote = inside.first, "'\"".contains(quote), inside.last == quote {
                    steps.append(.member(String(inside.dropFirst().dropLast())))
                } else {
                    throw Self.wrong(text)
                }
            }
        }
        guard !steps.isEmpty else { throw Self.wrong(text) }
        self.steps = steps
    }

    private static func wrong(_ text: String) -> DeployError {
        DeployError(
            .invalidArgument, "'\(text.prefix(64))' is no path of members and indices", hint: "such as {.status.phase}")
    }

    /// What is there; nil for nothing.
    func value(in node: JSONNode) -> JSONNode? {
        var node: JSONNode? = node
        for step in steps {
            switch step {
            case .member(let name): node = node?[name]
            case .index(let index):
                guard let elements = node?.elements, index < elements.count else { return nil }
                node = elements[index]
            }
        }
        return node
    }
}
