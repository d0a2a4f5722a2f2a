// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Yams

/// How objects are written for people and programs.
enum ObjectText {
    /// JSON of several lines, members by name, four blanks a level, as kubectl writes it.
    static func json(_ node: JSONNode) -> String {
        var text = ""
        write(node.sorted, indentation: 0, into: &text)
        return text
    }

    private static func write(_ node: JSONNode, indentation: Int, into text: inout String) {
        let blanks = String(repeating: " ", count: indentation + 4)
        let end = String(repeating: " ", count: indentation)
        switch node {
        case .array(let elements) where !elements.isEmpty:
            text += "[\n"
            for (index, element) in elements.enumerated() {
                text += blanks
                write(element, indentation: indentation + 4, into: &text)
                text += index + 1 < elements.count ? ",\n" : "\n"
            }
            text += end + "]"
        case .object(let members) where !members.isEmpty:
            text += "{\n"
            for (index, member) in members.enumerated() {
                text += "\(blanks)\(JSONNode.quoted(member.name)): "
                write(member.value, indentation: indentation + 4, into: &text)
                text += index + 1 < members.count ? ",\n" : "\n"
            }
            text += end + "}"
        default: text += node.compact
        }
    }

    /// YAML in blocks, members by name. Any reader takes it for the same object.
    static func yaml(_ node: JSONNode) -> String {
        // Yams fails for what it cannot encode only, and all here is plain values.
        (try? Yams.serialize(node: yamlNode(node.sorted), width: -1, allowUnicode: true)) ?? json(node) + "\n"
    }

    private static func yamlNode(_ node: JSONNode) -> Node {
        switch node {
        case .null: Node("null", Tag(.null), .plain)
        case .bool(let flag): Node(flag ? "true" : "false", Tag(.bool), .plain)
        case .number(let digits): Node(digits, Tag(Int64(digits) == nil ? .float : .int), .plain)
        case .string(let text): Node(text, Tag(.str), style(of: text))
        case .array(let elements):
            Node(elements.map(yamlNode), Tag(.seq), elements.isEmpty ? .flow : .block)
        case .object(let members):
            Node(
                members.map { (Node($0.name, Tag(.str), style(of: $0.name)), yamlNode($0.value)) }, Tag(.map),
                members.isEmpty ? .flow : .block)
        }
    }

    /// Plain only where no reader can take a text for anything else.
    private static func style(of text: String) -> Node.Scalar.Style {
        if text.utf8.contains(0x0A) { return isLiteral(text) ? .literal : .doubleQuoted }
        guard let first = text.utf8.first, let last = text.utf8.last else { return .doubleQuoted }
        let isSafe =
            ((0x41...0x5A).contains(first & 0xDF) || first == UInt8(ascii: "/")) && last != 0x20
            && last != UInt8(ascii: ":") && !text.contains(": ")
            && text.utf8.allSatisfy { (0x20...0x7E).contains($0) && !"#\"'`{}[]&*!|>%@\\".utf8.contains($0) }
        return isSafe && ManifestScalar.read(text) == .string(text) ? .plain : .doubleQuoted
    }

    /// Whether lines can be written as they stand.
    private static func isLiteral(_ text: String) -> Bool {
        !text.utf8.contains { $0 < 0x20 && $0 != 0x0A || $0 == 0x7F }
            && text.first != " " && text.first != "\n" && !text.contains(" \n") && text.last != " "
    }

    // MARK: Secrets

    /// An object with the values of a `Secret` hidden; for every act but those that the guard knows as reading secrets.
    static func masked(_ node: JSONNode, with mark: String = "***") -> JSONNode {
        if let items = node["items"]?.elements {
            return node.setting("items", to: .array(items.map { masked($0, with: mark) }))
        }
        guard node["kind"]?.text == "Secret", node["apiVersion"]?.text == "v1" else { return node }
        var node = node
        for part in ["data", "stringData"] {
            guard let members = node[part]?.members else { continue }
            node = node.setting(
                part, to: .object(members.map { JSONMember(name: $0.name, value: .string(mark)) }))
        }
        let annotation = "kubectl.kubernetes.io/last-applied-configuration"
        if let metadata = node["metadata"], let annotations = metadata["annotations"], annotations[annotation] != nil {
            let hidden = annotations.setting(annotation, to: .string(mark))
            node = node.setting("metadata", to: metadata.setting("annotations", to: hidden))
        }
        return node
    }
}
