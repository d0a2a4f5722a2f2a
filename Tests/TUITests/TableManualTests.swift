// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Foundation
import Testing

@testable import TUI

/// Parts of the manual that are made from tables of the program. To write them anew: `TIANGONG_UPDATE_SCREENS=1 swift test
/// --filter TableManual`.
@Suite struct TableManualTests {
    private static let manual = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "man")

    @Test func `the manual has every key`() throws {
        try Self.hold(Self.keys, "keys", "the table of actions", in: "tiangong.1")
    }

    @Test func `the manual has every rule of the statement guard`() throws {
        try Self.hold(Self.rules, "rules", "the table of rules", in: "tiangong-policy.5")
    }

    @Test func `the manual has every parameter`() throws {
        for type in TaskType.allCases {
            try Self.hold(
                Self.parameters(type.schema), type.rawValue, "the schema of \(type.rawValue)",
                in: "tiangong-executors.7")
        }
    }

    private static func parameters(_ schema: ExecutorSchema) -> String {
        let command = schema.command
        let label = command.label == "command" ? "" : " is \(text(command.label))"
        var out = "\(text(schema.summary))\nThe command\(label): \(text(command.help))\n"
        out += "At most \(command.maximum) bytes\(command.isRequired ? "" : "; it may be left out").\n"
        guard !schema.parameters.isEmpty else { return out + "It takes no parameters.\n" }
        out += ".Bl -tag -width Ds\n"
        for parameter in schema.parameters {
            out += ".It Ic \(parameter.name)\(item(parameter))\n\(text(parameter.help))\n"
            if parameter.isRequired { out += "Must be given.\n" }
            if let standard = parameter.standard, standard != .null {
                let shown = ParameterForm(parameter: parameter, type: schema.type).text(standard)
                out += ".Li \(text(shown))\nwhen left out.\n"
            }
        }
        return out + ".El\n"
    }

    /// What may stand behind a parameter's name.
    private static func item(_ parameter: ExecutorParameter) -> String {
        switch parameter.kind {
        case .word: " Cm " + (parameter.words ?? []).map(text).joined(separator: " | ")
        case .integer: " Ar n"
        case .pairs: " Ar key Ns = Ns Ar value"
        default: " Ar \(parameter.kind.rawValue)"
        }
    }

    /// A text as mdoc shows it unchanged, each sentence on a line of its own.
    private static func text(_ text: String) -> String {
        let escaped = text.replacing("\\", with: "\\e").replacing(". ", with: ".\n")
        return escaped.hasPrefix(".") || escaped.hasPrefix("'") ? "\\&" + escaped : escaped
    }

    private static func hold(_ made: String, _ name: String, _ source: String, in page: String) throws {
        let file = manual.appending(path: page)
        let text = try String(contentsOf: file, encoding: .utf8)
        let from = try #require(text.range(of: ".\\\" \(name) begin: made from \(source) by the tests\n")?.upperBound)
        let to = try #require(text.range(of: ".\\\" \(name) end\n")?.lowerBound)
        if ProcessInfo.processInfo.environment["TIANGONG_UPDATE_SCREENS"] == "1" {
            try Data((text[..<from] + made + text[to...]).utf8).write(to: file)
        } else {
            #expect(text[from..<to] == made)
        }
    }

    private static var rules: String {
        StatementRule.table.reduce(into: "") { out, rule in
            let meaning = rule.meaning.replacing("\\", with: "\\e")
            out += ".It Ic \(rule.id)\n\(meaning.prefix(1).uppercased())\(meaning.dropFirst())"
            out += rule.liftable ? ".\n" : "; cannot be lifted.\n"
        }
    }

    private static var keys: String {
        var out = ""
        for context in KeyContext.allCases {
            let rows = ActionTable.rows.filter { $0.context == context }
            guard !rows.isEmpty else { continue }
            out += "\(context.title):\n.Bl -tag -width \"Tab, C-n, Down\" -compact\n"
            for row in rows {
                let keys = row.keys.map { "\"\\&\($0)\"" }.joined(separator: " , ")
                out += ".It Ic \(keys)\n\(row.title).\n"
            }
            out += ".El\n.Pp\n"
        }
        return String(out.dropLast(4))
    }
}
