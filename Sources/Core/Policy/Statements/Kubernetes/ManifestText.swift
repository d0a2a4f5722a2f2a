// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Yams

/// Reads manifests: JSON values, or YAML documents without anchors and of bounded depth.
enum ManifestText {
    /// The furthest indentation, the most brackets that may be open, and how deep JSON may nest: definitions of custom
    /// resources go far.
    static let indentation = 128
    static let depth = 48
    static let jsonDepth = 96

    /// All documents of a text; empty ones are left out.
    static func read(_ bytes: ArraySlice<UInt8>) throws(JSONTextError) -> [JSONNode] {
        let first = bytes.first { $0 != 0x20 && !(0x09...0x0D).contains($0) }
        guard let first else { return [] }
        if first == UInt8(ascii: "{") || first == UInt8(ascii: "[") {
            var reader = JSONText(bytes, depth: jsonDepth)
            var result: [JSONNode] = []
            while let node = try reader.next() {
                result.append(node)
                reader.separator()
            }
            return result
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw JSONTextError(position: bytes.startIndex, message: "the manifest is not UTF-8")
        }
        try check(bytes)
        let parser: Parser
        var roots: [Node] = []
        do {
            parser = try Parser(yaml: text, encoding: .utf8)
            while let root = try parser.nextRoot() { roots.append(root) }
        } catch {
            throw JSONTextError(position: bytes.startIndex, message: "the manifest is not valid YAML")
        }
        return try withExtendedLifetime(parser) { () throws(JSONTextError) in
            var result: [JSONNode] = []
            for root in roots {
                let node = try convert(root, bytes.startIndex, depth: 0)
                if node != .null { result.append(node) }
            }
            return result
        }
    }

    /// Refuses what could unfold or nest without end, before the YAML library reads it.
    static func check(_ bytes: ArraySlice<UInt8>) throws(JSONTextError) {
        var open = 0
        var lines = ManifestLines(bytes)
        for line in bytes.split(separator: 0x0A, omittingEmptySubsequences: false) {
            let kind = lines.kind(of: line)
            if kind == .text || line.isEmpty { continue }
            if line.starts(with: "---".utf8) { open = 0 }
            let content = line.drop { $0 == 0x20 }
            guard content.startIndex - line.startIndex <= indentation else {
                throw JSONTextError(
                    position: line.startIndex, message: "indented over \(indentation) columns; write JSON")
            }
            if kind == .plain { continue }
            try anchors(line)
            try dashes(content)
            let quotes = content.contains { $0 == UInt8(ascii: "'") || $0 == UInt8(ascii: "\"") }
            if quotes, open == 0, isQuotedValue(content) { continue }
            for byte in content {
                if byte == UInt8(ascii: "[") || byte == UInt8(ascii: "{") { open += 1 }
                // Inside quotes a closing bracket closes nothing, so that on such lines none is counted.
                if !quotes, byte == UInt8(ascii: "]") || byte == UInt8(ascii: "}") { open = max(0, open - 1) }
                guard open <= depth else {
                    throw JSONTextError(position: line.startIndex, message: "too many brackets; write JSON")
                }
            }
        }
    }

    /// Throws where an anchor, an alias or a tag may start.
    private static func anchors(_ line: ArraySlice<UInt8>) throws(JSONTextError) {
        var before = UInt8(ascii: " ")
        for index in line.indices {
            let byte = line[index]
            if byte == UInt8(ascii: "&") || byte == UInt8(ascii: "*") || byte == UInt8(ascii: "!"),
                isBreak(before), index + 1 < line.endIndex
            {
                let next = line[index + 1]
                let isName =
                    (0x30...0x39).contains(next) || (0x41...0x5A).contains(next) || next == 0x5F || next == 0x2D
                    || (0x61...0x7A).contains(next) || next >= 0x80 || (byte == UInt8(ascii: "!") && next != 0x20)
                if isName {
                    throw JSONTextError(position: index, message: "what looks like an anchor, alias or tag; write JSON")
                }
            }
            before = byte
        }
    }

    /// Whether an anchor may stand behind this byte: a blank, a bracket, or the last byte of a line end or mark that only
    /// the YAML library takes for one (CR, NEL, LS, PS, a byte order mark).
    private static func isBreak(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x0D, 0x85, 0xA8, 0xA9, 0xBF: true
        default: " \t[{,:?-".utf8.contains(byte)
        }
    }

    private static func dashes(_ content: ArraySlice<UInt8>) throws(JSONTextError) {
        var count = 0
        var rest = content
        while let first = rest.first, first == UInt8(ascii: "-") || first == UInt8(ascii: "?"),
            rest.dropFirst().first.map({ $0 == 0x20 || $0 == 0x09 }) == true
        {
            count += 1
            rest = rest.dropFirst().drop { $0 == 0x20 || $0 == 0x09 }
            guard count <= 8 else {
                throw JSONTextError(position: content.startIndex, message: "too many levels on one line")
            }
        }
    }

    /// Whether a line is `key: "..."`, quoted to its end.
    private static func isQuotedValue(_ content: ArraySlice<UInt8>) -> Bool {
        var content = content
        while let last = content.last, last == 0x20 || last == 0x0D { content = content.dropLast() }
        guard let quote = content.last, quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\""),
            let start = content.firstIndex(where: { $0 == UInt8(ascii: "'") || $0 == UInt8(ascii: "\"") }),
            content[start] == quote, start < content.endIndex - 1
        else { return false }
        let key = content[..<start]
        return key.last == 0x20 && key.dropLast().last == UInt8(ascii: ":")
            && key.dropLast(2).allSatisfy {
                $0 == 0x5F || $0 >= 0x2D && $0 <= 0x39 || $0 >= 0x41 && $0 <= 0x5A || $0 >= 0x61 && $0 <= 0x7A
                    || $0 == 0x20
            }
    }

    private static func convert(_ node: Node, _ place: Int, depth: Int) throws(JSONTextError) -> JSONNode {
        guard depth <= 200, node.anchor == nil else {
            throw JSONTextError(position: place, message: "the manifest nests too deep or has anchors")
        }
        switch node {
        case .scalar(let scalar):
            guard scalar.style == .plain else { return .string(scalar.string) }
            return ManifestScalar.read(scalar.string)
        case .sequence(let items):
            var elements: [JSONNode] = []
            for item in items { elements.append(try convert(item, place, depth: depth + 1)) }
            return .array(elements)
        case .mapping(let pairs):
            var members: [JSONMember] = []
            for (key, value) in pairs {
                guard let name = key.scalar?.string, name != "<<" || key.scalar?.style != .plain else {
                    throw JSONTextError(position: place, message: "a key of the manifest is no text")
                }
                members.append(
                    JSONMember(name: name, value: try convert(value, place, depth: depth + 1), position: place))
            }
            return .object(members)
        case .alias: throw JSONTextError(position: place, message: "an alias in the manifest")
        }
    }
}
