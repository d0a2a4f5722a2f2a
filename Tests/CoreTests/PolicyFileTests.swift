// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Foundation
import Testing

@Suite struct PolicyFileTests {
    @Test func `a whole policy is read`() throws {
        let policy = try PolicyFile.parse(
            """
            # What the web servers may run.
            ---
            mode: whitelist   # nothing else
            allow:
              - ^ls( -l)? [a-z/]*$
              - '^echo it''s [&*!|>#%@`]$'
              - "^caf\\u00e9 \\"x\\"$"
            deny: ['^a, b$', "^c$", ^d$]
            statements:
            - sql.truncate
            host_namespaces: true

            """)
        #expect(policy.mode == .whitelist)
        #expect(policy.allow == ["^ls( -l)? [a-z/]*$", "^echo it's [&*!|>#%@`]$", "^café \"x\"$"])
        #expect(policy.deny == ["^a, b$", "^c$", "^d$"])
        #expect(policy.statements == ["sql.truncate"])
        #expect(policy.hostNamespaces)
    }

    @Test(arguments: [
        "mode: audit", "{mode: audit}", "{\"mode\": \"audit\"}", "mode:  'audit'\r\nallow: []\r\n",
        "---\nmode: audit\n...\n",
    ])
    func `only the mode is needed`(text: String) throws {
        #expect(try PolicyFile.parse(text) == GuardPolicy(mode: .audit))
    }

    @Test(
        arguments: [
            ("", "empty"), ("\n# nothing\n", "empty"), ("---\n", "empty"), ("~", "empty"), ("mode", "list of keys"),
            ("- mode", "list of keys"),
            ("allow: []", "mode is missing"), ("mode: strict", "line 1: mode is not one of whitelist, no-injection"),
            ("mode: [audit]", "line 1"),
            ("mode: audit\nalow: []", "line 2: unknown key 'alow'"),
            ("mode: audit\nmode: audit", "line 1: 'mode' is given twice"),
            ("mode: audit\n1: x", "unknown key '1'"), ("mode: audit\n? [a]\n: x", "unknown key"),
            ("mode: audit\nallow: ls", "line 2: allow is not a list"),
            ("mode: audit\nallow:", "allow is not a list"), ("mode: audit\nallow: {a: b}", "allow is not a list"),
            ("mode: audit\nallow:\n- a\n- 5", "line 4: allow[1] is not a text"),
            ("mode: audit\nallow: [~]", "allow[0]"),
            ("mode: audit\nallow: [true]", "allow[0]"), ("mode: audit\nallow: [[a]]", "allow[0]"),
            ("mode: audit\nallow: [2026-01-01]", "allow[0]"),
            ("mode: audit\nhost_namespaces: yes", "host_namespaces is not true or false"),
            ("mode: audit\nhost_namespaces: 'true'", "host_namespaces is not true or false"),
            ("mode: audit\ndeny: ['(a']", "line 2: deny[0]: character 1 of the expression: '(' is not closed"),
            ("mode: audit\ndeny:\n  - a\n  - '(?=a)'", "line 4: deny[1]: character 1 of the expression: look-ahead"),
            ("mode: audit\nallow: ['']", "allow[0]: the expression is empty"),
            ("mode: audit\nallow: &a [x]", "line 2: has an anchor"),
            ("mode: audit\nallow: [x]\ndeny: *a", "line 3: has an anchor or alias"),
            ("mode: &m audit", "line 1: has an anchor"),
            ("&r {mode: audit}", "has an anchor"), ("--- &r\nmode: audit", "has an anchor"),
            ("mode: !!str audit", "line 1: has a tag"),
            ("mode: audit\nallow: [a,&b c]", "has an anchor"), ("mode: audit\nallow: [?&b c]", "has an anchor"),
            ("mode: audit\n? &k allow\n: []", "anchor"),
            ("mode: audit\nallow: [x\n 'b, &y c']", "unclear place"), ("mode: audit\nallow: [a:'b, &y c']", "anchor"),
            ("mode: audit\nallow:\n- |\n  x", "line 3: a value starts with '|'"),
            ("mode: audit\nallow: ['a\n b']", "not closed"), ("mode: audit\nallow: ['a' b]", "valid YAML"),
            ("%YAML 1.1\n---\nmode: audit", "starts with '%'"),
            ("mode: audit\n---\nmode: audit", "valid YAML"), ("mode: audit\nallow: [", "valid YAML"),
            ("mode: audit\n\tallow: []", "a tab"), ("mode: a\u{0}b", "U+0"), ("mode: a\u{2028}b", "U+2028"),
            ("mode: a\rb", "U+D"), ("\u{FEFF}mode: audit", "U+FEFF"),
            ("mode: audit\nallow: [[[[[[[[[[a]]]]]]]]]]", "nests deeper"),
            ("mode: audit\nallow: \n - - - - - - - - - a", "nests deeper"),
            ("mode: audit\n" + String(repeating: " ", count: 41) + "a: b", "indented"),
            ("<<: {mode: audit}", "unknown key '<<'"),
            ("mode: audit\nstatements: [sql.dorp]", "line 2: statements[0]: there is no rule 'sql.dorp'"),
            (
                "mode: audit\nstatements:\n- es.cluster\n- es.syntax",
                "line 4: statements[1]: the rule es.syntax cannot be lifted"
            ),
        ] as [(String, String)])
    func `what is not a policy is refused with one clear sentence`(text: String, sentence: String) {
        do {
            let policy = try PolicyFile.parse(text)
            Issue.record("\(text.debugDescription) gave \(policy)")
        } catch {
            #expect(error.message.contains(sentence), "\(text.debugDescription): \(error.message)")
            #expect(!error.message.contains("\n"))
        }
    }

    @Test func `limits hold exactly`() throws {
        let lines = "mode: audit\n"
        let full = lines + "#" + String(repeating: "x", count: PolicyFile.maximumBytes - lines.utf8.count - 1)
        #expect(try PolicyFile.parse(full).mode == .audit)
        #expect(throws: DeployError.self) { try PolicyFile.parse(full + "x") }
        let most =
            lines + "allow:\n" + String(repeating: "- a\n", count: 300) + "deny:\n"
            + String(repeating: "- a\n", count: 200)
        #expect(try PolicyFile.parse(most).allow.count == 300)
        #expect(throws: DeployError.self) { try PolicyFile.parse(most + "- a\n") }
    }

    @Test func `texts that unfold or nest are refused before they do`() {
        var bomb = "mode: audit\nallow:\n- &a0 x\n"
        for level in 1..<60 { bomb += "- &a\(level) [*a\(level - 1), *a\(level - 1)]\n" }
        #expect(throws: DeployError.self) { try PolicyFile.parse(bomb + "? *a59\n: x\n") }
        for piece in ["[", "{", "- ", "? ", "a: ", "{a: ", "[{", "'", "\"", ": "] {
            let text = String(repeating: piece, count: PolicyFile.maximumBytes / piece.utf8.count)
            #expect(throws: DeployError.self) { try PolicyFile.parse(text) }
        }
        let stairs = (0..<700).map { String(repeating: " ", count: $0) + "-" }.joined(separator: "\n")
        #expect(throws: DeployError.self) { try PolicyFile.parse(stairs) }
    }

    @Test func `a policy written for people is read back the same`() throws {
        var state: UInt64 = 5
        func next(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        let pieces = [
            "a", "'", "\"", ": ", " #", "- ", "&x", "*", "!", "|", "\\n", "\n", "\t", "é", "你", "\u{2028}", "\u{85}",
            "\u{7F}", "\u{1}", "😀", " ", "%", "@", "~",
            "true", "5", ",", "[]", "\\\\",
        ]
        for _ in 0..<400 {
            func list() -> [String] {
                (0..<next(4)).map { _ in (0...next(6)).map { _ in pieces[next(pieces.count)] }.joined() }
                    .filter { (try? GuardExpression($0)) != nil }
            }
            let policy = GuardPolicy(
                mode: GuardMode.allCases[next(4)], allow: list(), deny: list(),
                statements: next(2) == 0 ? [] : ["sql.drop"],
                hostNamespaces: next(2) == 0)
            let text = PolicyFile.text(policy)
            let again = try PolicyFile.parse(text)
            #expect(again == policy, "\(text)")
            #expect(again.hash == policy.hash)
        }
    }

    @Test func `no text crashes the reader`() {
        var state: UInt64 = 11
        func next(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        let pieces = [
            "mode", ": ", "audit", "\n", "allow", "- ", "[", "]", "{", "}", ",", "'", "\"", "&a", "*a", "!", " ", "  ",
            "#", "x", "?", "\t", "\\", "---",
        ]
        for _ in 0..<5_000 {
            _ = try? PolicyFile.parse((0...next(20)).map { _ in pieces[next(pieces.count)] }.joined())
        }
    }

    @Test func `a file is read only when nobody else can write it`() throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("policy-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let path = directory.appendingPathComponent("policy.yaml").path
        func write(_ bytes: [UInt8], mode: Int) throws {
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
        }
        func code() -> ErrorCode? {
            do {
                _ = try PolicyFile.load(path: path)
                return nil
            } catch {
                #expect(error.message.contains(path))
                return error.code
            }
        }
        #expect(code() == .notFound)
        try write(Array("mode: audit\n".utf8), mode: 0o644)
        #expect(try PolicyFile.load(path: path).mode == .audit)
        for mode in [0o664, 0o646, 0o666] {
            try write(Array("mode: audit\n".utf8), mode: mode)
            #expect(code() == .forbidden)
        }
        try write([], mode: 0o600)
        #expect(code() == .invalidArgument)
        try write([0x6D, 0xFF], mode: 0o600)
        #expect(code() == .invalidArgument)
        try write(Array(repeating: UInt8(ascii: "#"), count: PolicyFile.maximumBytes + 1), mode: 0o600)
        #expect(code() == .tooLarge)
        try FileManager.default.removeItem(atPath: path)
        #expect(mkfifo(path, 0o600) == 0)
        #expect(code() == .invalidArgument)
        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        #expect(code() == .invalidArgument)
    }
}
