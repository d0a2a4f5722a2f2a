// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Keeps the text of a policy within the part of YAML that a list of expressions needs.
///
/// Anchors, aliases, tags, block scalars and scalars over several lines are refused before the YAML library sees them, so
/// that no text can unfold to more than was written or nest deeper than a few levels.
struct PolicyText {
    /// The deepest nesting of `[` and `{`, and the furthest indentation.
    static let depth = 8
    static let indentation = 40

    private var flow = 0
    /// Whether the line before ended inside a plain scalar, which this one may continue.
    private var open = false

    /// Throws `invalid_argument` naming the line.
    static func check(_ text: String) throws(DeployError) {
        var checker = PolicyText()
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            try checker.check(Array(line.utf8), number: index + 1)
        }
    }

    /// Throws when the text holds a character that has no business in a policy.
    static func checkCharacters(_ text: String) throws(DeployError) {
        var line = 1
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x0A: line += 1
            case 0x09, 0x20...0x7E: break
            case 0...0x1F, 0x7F...0x9F, 0x2028, 0x2029, 0xFEFF:
                let name = String(scalar.value, radix: 16, uppercase: true)
                throw failure(
                    line, "contains the control character U+\(name)", "remove it, or write it as \\x{\(name)}")
            default: break
            }
        }
    }

    static func failure(_ line: Int, _ what: String, _ hint: String? = nil) -> DeployError {
        DeployError(.invalidArgument, "policy, line \(line): \(what)", hint: hint)
    }

    private mutating func check(_ line: [UInt8], number: Int) throws(DeployError) {
        var index = 0
        while index < line.count, line[index] == UInt8(ascii: " ") { index += 1 }
        guard index < line.count else { return }
        guard index <= Self.indentation else {
            throw Self.failure(number, "is indented over \(Self.indentation) columns")
        }
        if index == 0, ["---", "..."].contains(where: { line.starts(with: $0.utf8) }), blank(line, 3) {
            (flow, open, index) = (0, false, 3)
        }
        let continues = open && (flow > 0 || index > 0)
        var dashes = 0
        var first = true
        open = false
        while index < line.count {
            let byte = line[index]
            defer { first = false }
            switch byte {
            case UInt8(ascii: " "), UInt8(ascii: "\t"): index += 1
            case UInt8(ascii: "#"):
                guard index == 0 || blank(line, index - 1) else {
                    throw Self.failure(number, "has a '#' without a blank before it")
                }
                open = continues && first
                return
            case UInt8(ascii: "["), UInt8(ascii: "{"):
                flow += 1
                guard flow <= Self.depth else { throw Self.failure(number, "nests deeper than \(Self.depth) levels") }
                index += 1
            case UInt8(ascii: "]"), UInt8(ascii: "}"):
                flow = max(0, flow - 1)
                index += 1
            case UInt8(ascii: ","): index += 1
            case UInt8(ascii: "-") where blank(line, index + 1),
                UInt8(ascii: ":") where flow > 0 || blank(line, index + 1),
                UInt8(ascii: "?") where flow > 0 || blank(line, index + 1):
                dashes += 1
                guard dashes <= Self.depth else { throw Self.failure(number, "nests deeper than \(Self.depth) levels") }
                index += 1
            case UInt8(ascii: "'"), UInt8(ascii: "\""):
                let before = index == 0 ? UInt8(ascii: " ") : line[index - 1]
                guard !(continues && first), " \t[{,".utf8.contains(before) else {
                    throw Self.failure(number, "has a quote in an unclear place", "write one value on each line")
                }
                index = try quoted(line, index, number)
            case UInt8(ascii: "&"), UInt8(ascii: "*"):
                throw Self.failure(
                    number, "has an anchor or alias; they are not allowed in a policy",
                    "write the value out; a text that starts with \(text(byte)) needs quotes")
            case UInt8(ascii: "!"):
                throw Self.failure(number, "has a tag; they are not allowed in a policy", "write the text in quotes")
            case UInt8(ascii: "|"), UInt8(ascii: ">"), UInt8(ascii: "%"), UInt8(ascii: "@"), UInt8(ascii: "`"):
                throw Self.failure(
                    number, "a value starts with \(text(byte))", "write the text on one line and in single quotes")
            default: index = plain(line, index)
            }
        }
    }

    /// Where the quoted scalar that starts at `index` ends.
    private func quoted(_ line: [UInt8], _ index: Int, _ number: Int) throws(DeployError) -> Int {
        let quote = line[index]
        var index = index + 1
        while index < line.count {
            if line[index] == UInt8(ascii: "\\"), quote == UInt8(ascii: "\"") {
                index += 2
            } else if line[index] == quote {
                index += 1
                guard quote == UInt8(ascii: "'"), index < line.count, line[index] == quote else {
                    guard blank(line, index) || ":,]}".utf8.contains(line[index]) else {
                        throw Self.failure(
                            number, "has text after a closing quote", "write '' for a single quote in one")
                    }
                    return index
                }
                index += 1
            } else {
                index += 1
            }
        }
        throw Self.failure(
            number, "has a quote that is not closed", "close it on the same line; write '' for a single quote")
    }

    /// Where the plain scalar that starts at `index` ends.
    private mutating func plain(_ line: [UInt8], _ index: Int) -> Int {
        var index = index
        while index < line.count {
            let byte = line[index]
            if byte == UInt8(ascii: ":"),
                blank(line, index + 1) || (flow > 0 && ",?[]{}".utf8.contains(line[index + 1]))
            {
                return index + 1
            }
            if flow > 0, ",?[]{}".utf8.contains(byte) { return index }
            if byte == UInt8(ascii: "#"), index > 0, blank(line, index - 1) { return index }
            index += 1
        }
        open = true
        return index
    }

    private func blank(_ line: [UInt8], _ index: Int) -> Bool {
        index >= line.count || line[index] == UInt8(ascii: " ") || line[index] == UInt8(ascii: "\t")
    }

    private func text(_ byte: UInt8) -> String { "'\(Character(Unicode.Scalar(byte)))'" }
}
