// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Core
import Foundation
import Testing

@testable import TUI

/// The manual and the parsers say the same, and the manual is well formed.
@Suite struct ManualTests {
    private static let directory = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "man")
    /// Where the test program is, and so the three programs.
    private static let products = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()

    @Test(arguments: [
        ("tiangong", "tiangong.1"), ("tiangong-cloud", "tiangong-cloud.8"), ("tiangong-agent", "tiangong-agent.8"),
    ])
    func everyFlagIsDocumentedAndEveryDocumentedFlagExists(_ program: String, _ page: String) throws {
        let help =
            program == "tiangong"
            ? TiangongCommand._dumpHelp()
            : try #require(
                try Self.output(Self.products.appending(path: program).path, ["--experimental-dump-help"]).text)
        let tree = try JSONDecoder().decode(JSONValue.self, from: Data(help.utf8))
        var parsed: Set<String> = []
        Self.collect(tree.objectValue?["command"], into: &parsed)
        let text = try String(contentsOf: Self.directory.appending(path: page), encoding: .utf8)
        var documented = Set(text.matches(of: /Fl -([a-z][a-z-]+)/).map { String($0.output.1) })
        #expect(!parsed.isEmpty)
        #expect(parsed.subtracting(documented).sorted() == [])
        documented.remove("help")
        #expect(documented.subtracting(parsed).sorted() == [])
    }

    @Test func everyPageHasItsSections() throws {
        for page in try Self.pages() {
            let text = try String(contentsOf: Self.directory.appending(path: page), encoding: .utf8)
            for section in [
                "NAME", "DESCRIPTION", "FILES", "EXAMPLES", "DIAGNOSTICS", "SEE ALSO", "SECURITY CONSIDERATIONS",
            ] {
                #expect(text.contains("\n.Sh \(section)\n"), "\(page): \(section)")
            }
        }
    }

    @Test func thePagesAreCleanMdoc() throws {
        guard FileManager.default.isExecutableFile(atPath: "/usr/bin/mandoc") else { return }
        for page in try Self.pages() {
            let result = try Self.output(
                "/usr/bin/mandoc", ["-T", "lint", "-W", "warning", Self.directory.appending(path: page).path])
            #expect(result.text == "" && result.status == 0, "\(page)")
        }
    }

    @Test func theProtocolPageNamesEveryMessage() throws {
        let text = try String(contentsOf: Self.directory.appending(path: "tiangong-protocol.7"), encoding: .utf8)
        let messages = [
            "agent_register", "agent_heartbeat", "task_status", "task_log", "task_complete", "agent_status",
            "task_create",
            "task_log_ack", "task_complete_ack", "task_cancel", "error", "server_info", "agent_list", "agent_show",
            "executor_list", "run_create", "run_list", "run_show", "task_list", "task_show", "log_open", "log_close",
            "events_open",
            "reply",
            "log_end", "agent_changed", "task_changed", "agent_removed", "agent_update", "agent_remove",
            "operator_list", "operator_put", "operator_remove", "token_list", "token_create", "token_revoke",
            "enrolment_list", "enrolment_create", "enrolment_revoke",
        ]
        for message in messages { #expect(text.contains(".It Ic \(message)\n"), "\(message)") }
        for code in ErrorCode.allCases { #expect(text.contains(code.rawValue), "\(code)") }
    }

    @Test func theExitTableIsInTheManual() throws {
        let text = try String(contentsOf: Self.directory.appending(path: "tiangong.1"), encoding: .utf8)
        for status in Set(ErrorCode.allCases.map(\.exitStatus)) {
            #expect(text.contains("\n.It \(status)\n"), "\(status)")
        }
    }

    private static func pages() throws -> [String] {
        let names = try FileManager.default.contentsOfDirectory(atPath: directory.path).sorted()
        return names.filter { $0.hasPrefix("tiangong") }
    }

    private static func collect(_ command: JSONValue?, into flags: inout Set<String>) {
        guard let members = command?.objectValue, members["commandName"]?.stringValue != "help" else { return }
        for argument in members["arguments"]?.arrayValue ?? [] {
            for name in argument.objectValue?["names"]?.arrayValue ?? []
            where name.objectValue?["kind"] == .string("long") {
                if let flag = name.objectValue?["name"]?.stringValue { flags.insert(flag) }
            }
        }
        for subcommand in members["subcommands"]?.arrayValue ?? [] { collect(subcommand, into: &flags) }
    }

    private static func output(_ program: String, _ arguments: [String]) throws -> (text: String?, status: Int32) {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(filePath: program)
        process.arguments = arguments
        process.standardOutput = pipe
        try process.run()
        let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return (String(data: data, encoding: .utf8), process.terminationStatus)
    }
}
