// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Testing
import Yams

@testable import Core

@Suite struct `Manifests` {
    private func read(_ text: String) throws -> [JSONNode] { try ManifestText.read(Array(text.utf8)[...]) }

    @Test(arguments: [
        ("1", "1"), ("-5", "-5"), ("+5", "5"), ("0644", "420"), ("0x1F", "31"), ("0b101", "5"), ("0o17", "15"),
        ("1_000", "1000"), ("089", "89.0"), ("1.50", "1.50"), (".5", "0.5"), ("-.5", "-0.5"), ("1e3", "1e3"),
        ("1.", "1.0"), ("18446744073709551615", "18446744073709551615"), ("0", "0"), ("-0", "0"), ("00", "0"),
        ("true", "true"), ("Yes", "true"), ("on", "true"), ("y", "true"), ("n", "false"), ("NO", "false"),
        ("off", "false"),
        ("null", "null"), ("~", "null"), ("", "null"),
        ("1:30", "\"1:30\""), ("2024-01-01", "\"2024-01-01\""), ("1.2.3", "\"1.2.3\""), ("0x", "\"0x\""),
        ("-", "\"-\""),
        ("+-5", "\"+-5\""), ("0x-5", "\"0x-5\""), ("1e", "\"1e\""), (".", "\".\""), ("1e999", "\"1e999\""),
        ("yEs", "\"yEs\""), ("ten", "\"ten\""), ("1 2", "\"1 2\""), ("٣", "\"٣\""), ("0888x", "\"0888x\""),
    ])
    func `give plain scalars the meaning that Kubernetes gives them`(text: String, json: String) throws {
        #expect(ManifestScalar.read(text).compact == json)
        // A number is one that JSON can hold.
        if case .number(let digits) = ManifestScalar.read(text) {
            #expect(try JSONText.parse(Array(digits.utf8)[...]) == .number(digits))
        }
    }

    @Test func `keep quoted scalars as texts`() throws {
        let node = try #require(try read("a: \"1\"\nb: 'yes'\nc: |\n  5\nd: >-\n  true\ne: 5\n").first)
        #expect(node.compact == #"{"a":"1","b":"yes","c":"5\n","d":"true","e":5}"#)
    }

    @Test func `may hold scripts, whatever is in them`() throws {
        let script = "if [ \"$a\" != b ]; then\n  x *y &z !t\nfi\n\n\tdeep: {[ 'unbalanced\n# end\n"
        let lines = script.split(separator: "\n", omittingEmptySubsequences: false).map {
            $0.isEmpty ? "" : "    \($0)"
        }
        let text =
            "apiVersion: v1\nkind: ConfigMap\ndata:\n  run.sh: |\n" + lines.joined(separator: "\n")
            + "\n  args: [\"-c\", 'it''s *x', a]\n  list:\n  - \"&x\"\n  - key: |-\n     *z\n    other: z\n---\nkind: b\n"
        let nodes = try read(text)
        #expect(nodes.count == 2 && nodes[0]["data"]?["run.sh"]?.text == script)
        #expect(nodes[0]["data"]?["args"]?.compact == #"["-c","it's *x","a"]"#)
        #expect(nodes[0]["data"]?["list"]?.compact == #"["&x",{"key":"*z","other":"z"}]"#)
    }

    @Test(arguments: [
        "a: &x 1\nb: *x\n", "a: !!str 1\n", "a: |\n  x\nb: &y 1\n", "a: \"x\n  b: |\n   &x\"\nc: &z 1\n", "- &x a\n",
        "[&x a, *x]\n", "{a: &x b}\n", "{a: [ *x ]}\n", "a: [\"x\", &y z]\n", "? &x a\n: b\n", "a:\n- |\n x\n-  &y b\n",
        "&x a: b\n", "a: [x,\n  &y z]\n", "--- &x\na: b\n", "a: 'x'\n&b c: d\n", "<<: {a: b}\n",
    ])
    func `with anchors, aliases or tags are refused`(text: String) {
        #expect(throws: JSONTextError.self) { try read(text) }
    }

    @Test func `that nest without end are refused before they are read`() {
        let deep = (0..<400).map { String(repeating: " ", count: $0) + "a:" }.joined(separator: "\n")
        for text in [
            deep, String(repeating: "[", count: 5000), "a: " + String(repeating: "{b: ", count: 200),
            String(repeating: "- ", count: 300) + "x",
        ] {
            #expect(throws: JSONTextError.self) { try read(text) }
        }
    }

    @Test func `hide no anchor from the check that comes before the reader`() throws {
        var state: UInt64 = 11
        func next(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        let pieces = [
            "a", "b:", ": ", "- ", "\n", "\n", "\n  ", "\n    ", "|", ">", "|-", "\"", "'", "[", "]", "{", "}", ",",
            "&x ", "*x", "!t ",
            "#", " ", "\\", "---\n", "key: |\n  ", "k: \"v\"\n", "? ", "\t", "\r\n", "\u{85}", "%", "''", "x: [",
            "...\n", "天",
        ]
        var passed = 0
        for _ in 0..<60_000 {
            let text = (0...next(14)).map { _ in pieces[next(pieces.count)] }.joined()
            guard (try? ManifestText.check(Array(text.utf8)[...])) != nil else { continue }
            guard let parser = try? Parser(yaml: text, encoding: .utf8) else { continue }
            while let root = (try? parser.nextRoot()) ?? nil {
                passed += 1
                #expect(!hasAnchor(root), "\(text.debugDescription)")
            }
        }
        #expect(passed > 5000)
    }

    private func hasAnchor(_ node: Node) -> Bool {
        if node.anchor != nil { return true }
        switch node {
        case .mapping(let pairs): return pairs.contains { hasAnchor($0.key) || hasAnchor($0.value) }
        case .sequence(let items): return items.contains { hasAnchor($0) }
        default: return false
        }
    }

    @Test func `of lists are taken apart, and targets are read from words`() throws {
        let statement = try KubernetesStatement(
            "delete -f -\nkind: List\nitems:\n- {kind: Pod, metadata: {name: a}}\n- kind: List\n  items: [{kind: Node}]\n---\nkind: Job\n"
        )
        #expect(statement.objects.compactMap { $0["kind"]?.text } == ["Pod", "Node", "Job"])
        func targets(_ words: String...) -> [String] {
            KubernetesStatement.targets(words).map { "\($0.word)/\($0.name ?? "*")" }
        }
        #expect(targets("pod", "a", "b") == ["pod/a", "pod/b"] && targets("po,svc") == ["po/*", "svc/*"])
        #expect(targets("po,svc", "a") == ["po/a", "svc/a"] && targets("pod/a", "svc/b") == ["pod/a", "svc/b"])
        #expect(targets().isEmpty && targets("pod/a", "b") == ["pod/a"])
    }

    @Test func `below exec are standard input, not manifests`() throws {
        let statement = try KubernetesStatement("exec -i web -- cat\n{ not: [yaml\n")
        #expect(statement.input == "{ not: [yaml\n" && statement.objects.isEmpty)
        #expect(statement.command.words == ["web", "cat"] && statement.command.wordsBeforeDashes == 1)
        #expect(try KubernetesStatement("exec web -- ls").input == nil)
        let canonical = StatementGuard.statements("exec -i web  -- sh\nrm -rf /\n", type: .k8s)
        #expect(canonical == [#"exec -i web -- sh "rm -rf /\n""#])
    }

    @Test func `of a kind with rules cannot hide behind a short name`() {
        #expect(
            KubernetesStatement.isDisguised("sek", kind: "Secret")
                && !KubernetesStatement.isDisguised("secrets", kind: "Secret"))
        #expect(
            KubernetesStatement.isDisguised("vol", kind: "PersistentVolume")
                && !KubernetesStatement.isDisguised("pv", kind: "PersistentVolume"))
        #expect(
            KubernetesStatement.isDisguised("rb", kind: "RoleBinding")
                && !KubernetesStatement.isDisguised("deploy", kind: "Deployment"))
        #expect(!KubernetesStatement.isDisguised("roles.rbac.authorization.k8s.io", kind: "Role"))
    }

    @Test func `may be patches in JSON or YAML`() throws {
        #expect(try KubernetesStatement.patch("spec: {replicas: 3}").compact == #"{"spec":{"replicas":3}}"#)
        #expect(try KubernetesStatement.patch(#"[{"op": "remove"}]"#).compact == #"[{"op":"remove"}]"#)
        for text in ["", "3", "a: &x 1", "{} {}", "a: 1\n---\nb: 2"] {
            #expect(throws: DeployError.self) { try KubernetesStatement.patch(text) }
        }
    }

    @Test func `in JSON are read fast and whole`() throws {
        let names = (0..<40).map { "\"n\($0)\": \($0)" }.joined(separator: ",")
        let node = try JSONText.parse(Array("{\(names), \"s\": \"a\\u5929\\n\", \"e\": \"\"}".utf8)[...])
        #expect(node["n39"]?.compact == "39" && node["s"]?.text == "a天\n" && node["e"]?.text == "")
        for text in ["{\(names), \"n7\": 1}", "{\"a\": 1, \"a\": 2}", "\"a\nb\"", "\"a", "\"\u{0}\""] {
            #expect(throws: JSONTextError.self) { try JSONText.parse(Array(text.utf8)[...]) }
        }
        #expect(try read("{\"a\": 1}\n---\n{\"b\": 2}\n--- \n---\n").map(\.compact) == [#"{"a":1}"#, #"{"b":2}"#])
        #expect(throws: JSONTextError.self) { try read("{\"a\": 1}\n----\n{}") }
        let deep = String(repeating: "[", count: 60) + String(repeating: "]", count: 60)
        #expect(throws: JSONTextError.self) { try JSONText.parse(Array(deep.utf8)[...]) }
        #expect(try JSONText.parse(Array(deep.utf8)[...], depth: 60).elements?.count == 1)
    }
}
