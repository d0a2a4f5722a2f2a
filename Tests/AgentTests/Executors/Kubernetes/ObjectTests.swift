// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore
import TestSupport
import Testing

@testable import Agent

@Suite struct `A unified diff` {
    private func diff(_ old: String, _ new: String) -> String { UnifiedDiff.text(old, new, names: ("a", "b")) }

    @Test func `of the same is nothing`() {
        #expect(diff("x\ny\n", "x\ny\n") == "")
    }

    @Test func `shows changes with three lines around them`() {
        let old = (1...20).map { "line \($0)\n" }.joined()
        let new = old.replacing("line 10\n", with: "line ten\n").replacing("line 20\n", with: "")
        #expect(
            diff(old, new) == """
                --- a
                +++ b
                @@ -7,7 +7,7 @@
                 line 7
                 line 8
                 line 9
                -line 10
                +line ten
                 line 11
                 line 12
                 line 13
                @@ -17,4 +17,3 @@
                 line 17
                 line 18
                 line 19
                -line 20

                """)
    }

    @Test func `of something new or gone counts from nothing`() {
        #expect(diff("", "a\nb\n") == "--- a\n+++ b\n@@ -0,0 +1,2 @@\n+a\n+b\n")
        #expect(diff("a\n", "") == "--- a\n+++ b\n@@ -1 +0,0 @@\n-a\n")
    }

    @Test func `can be applied, whatever the texts`() {
        var state: UInt64 = 7
        func next(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        for _ in 0..<300 {
            let old = (0..<next(30)).map { _ in "\(next(4))\n" }.joined()
            let new = (0..<next(30)).map { _ in "\(next(4))\n" }.joined()
            #expect(apply(diff(old, new), to: old) == new)
        }
    }

    @Test func `of very long texts that have nothing in common is made at once`() {
        let old = (0..<20_000).map { "a\($0)\n" }.joined()
        let new = (0..<20_000).map { "b\($0)\n" }.joined()
        var length = 0
        let time = processorTime { length = diff(old, new).count }
        #expect(length > 200_000 && time < .seconds(10))
    }

    /// What patch(1) would make of it.
    private func apply(_ patch: String, to old: String) -> String {
        guard !patch.isEmpty else { return old }
        let lines = old.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
        var (result, position) = ("", 0)
        for line in patch.split(separator: "\n").dropFirst(2) {
            if line.hasPrefix("@@") {
                let place = line.dropFirst(4).prefix { $0.isNumber || $0 == "," }.split(separator: ",")
                let start = (Int(place[0]) ?? 0) - (place.count == 2 && place[1] == "0" ? 0 : 1)
                while position < start {
                    result += lines[position] + "\n"
                    position += 1
                }
            } else {
                if !line.hasPrefix("-") { result += line.dropFirst() + "\n" }
                if !line.hasPrefix("+") { position += 1 }
            }
        }
        while position < lines.count {
            result += lines[position] + "\n"
            position += 1
        }
        return result
    }
}

@Suite struct `An object after a request` {
    @Test func `is unchanged though a controller has written its status meanwhile`() throws {
        func object(_ version: Int, replicas: Int, ready: Int) throws -> KubernetesObject {
            try kubernetesObject(
                """
                {"metadata": {"name": "web", "resourceVersion": "\(version)", "managedFields": [\(version)]},
                 "spec": {"replicas": \(replicas)}, "status": {"ready": \(ready)}}
                """)
        }
        let before = try object(1, replicas: 2, ready: 0)
        #expect(try object(1, replicas: 2, ready: 0).isUnchanged(from: before))
        #expect(try object(2, replicas: 2, ready: 1).isUnchanged(from: before))
        #expect(try !object(2, replicas: 3, ready: 0).isUnchanged(from: before))
    }
}

@Suite struct `An object as text` {
    private static let strings = [
        "", " ", "a", "a b", "a: b", "a:", "- a", "#a", "a #b", "yes", "No", "null", "~", "true", "1", "1.5", "0x1F",
        "1e3",
        "-1", ".5", "2024-01-01", "1:30", "x\ny", "x\ny\n", "x\n\n", "\nx", " x\n", "x \ny", "a\tb", "\u{7}", "天工", "'",
        "\"",
        "a'b", "\\", "%x", "@x", "`x", "&a", "*a", "!a", "|", ">", "{a", "[a", "a]", "?", "? a", "=", "<<", "/var/run",
        "0644", "x:1", "http://a/b", "a\r\nb", "\u{85}", "\u{2028}", "y", "N", "off", "+1", "_1", "e\u{301}",
    ]

    @Test(arguments: strings) func `is the same when it is read again`(text: String) throws {
        let node = JSONNode.members([
            "text": .string(text), "list": .array([.string(text), .members(["k": .string(text)])]), "empty": .array([]),
            "none": .object([]), "number": .number("5"), "flag": .bool(false), "nothing": .null,
            "nested": .members(["deep": .array([.array([.string(text)])])]),
        ])
        // In YAML, as any manifest is read, and in JSON.
        let command = "apply\n" + ObjectText.yaml(node)
        let read = try KubernetesStatement(command).objects
        #expect(read.count == 1 && plain(read[0]) == plain(node), "\(ObjectText.yaml(node))")
        #expect(try JSONText.parse(Array(ObjectText.json(node).utf8)[...]).sorted.compact == node.sorted.compact)
    }

    @Test func `as a key is the same when it is read again`() throws {
        for text in Self.strings where !text.isEmpty {
            let node = JSONNode.object([JSONMember(name: text, value: .number("1"))])
            #expect(
                plain(try #require(try KubernetesStatement("apply\n" + ObjectText.yaml(node)).objects.first))
                    == plain(node))
        }
    }

    private func plain(_ node: JSONNode) -> String { node.sorted.compact }

    @Test func `in a list is written item by item`() throws {
        for isYAML in [true, false] {
            for count in [0, 1, 3] {
                let list = ListText(isYAML: isYAML)
                let items = (0..<count).map { list.item(.members(["n": .number("\($0)")]), isFirst: $0 == 0) }
                let text = list.head + items.joined() + list.tail(count: count)
                let objects = try KubernetesStatement("apply\n" + text).objects
                #expect(objects.count == count && objects.last?["n"]?.integer ?? -1 == Int64(count - 1), "\(text)")
            }
        }
    }

    @Test func `of a secret shows no value`() throws {
        let secret = try kubernetesObject(
            #"""
            {"apiVersion": "v1", "kind": "Secret", "data": {"a": "c2VjcmV0"}, "stringData": {"b": "secret"}, "metadata":
             {"name": "s", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{secret}", "x": "y"}}}
            """#
        ).node
        for node in [secret, .members(["kind": .string("List"), "items": .array([secret])])] {
            let text = ObjectText.masked(node).compact
            #expect(!text.contains("c2VjcmV0") && !text.contains("secret\"") && !text.contains("{secret}"))
            #expect(text.contains(#""a":"***""#) && text.contains(#""x":"y""#))
        }
    }
}

@Suite struct `Paths of fields` {
    @Test(arguments: [
        ("{.status.phase}", "\"Running\""), (".status.phase", "\"Running\""), ("status.list[1].a", "2"),
        ("{$.metadata.labels.app\\.kubernetes\\.io/name}", "\"web\""),
        ("{.metadata.labels['app.kubernetes.io/name']}", "\"web\""),
    ])
    func `find values`(path: String, value: String) throws {
        let object = try kubernetesObject(
            #"{"status": {"phase": "Running", "list": [{"a": 1}, {"a": 2}]}, "metadata": {"labels": {"app.kubernetes.io/name": "web"}}}"#
        )
        #expect(try FieldPath(path).value(in: object.node)?.compact == value)
    }

    @Test(arguments: ["", "{}", "{.a[}", "{.a[*]}", "{..a}", "{.a[?(@.b)]}", "{.*}", "{.a[-1]}"])
    func `that are more than that are refused`(path: String) {
        #expect(throws: DeployError.self) { try FieldPath(path) }
    }

    @Test func `find nothing where nothing is`() throws {
        let object = try kubernetesObject(#"{"a": [1]}"#)
        #expect(try FieldPath("a[7]").value(in: object.node) == nil && FieldPath("a.b.c").value(in: object.node) == nil)
    }
}

@Suite struct `What wait waits for` {
    @Test func `is reached or not`() throws {
        let pod = try kubernetesObject(
            #"{"metadata": {"generation": 2}, "status": {"phase": "Running", "n": 3, "conditions": [{"type": "Ready", "status": "True"}, {"type": "Old", "status": "True", "observedGeneration": 1}]}}"#
        )
        func isReached(_ text: String, _ object: KubernetesObject?) throws -> Bool {
            try WaitVerb.Goal(text).isReached(by: object)
        }
        #expect(try isReached("condition=ready", pod) && !isReached("condition=Ready=False", pod))
        #expect(
            try !isReached("condition=Old", pod) && !isReached("condition=None", pod)
                && !isReached("condition=Ready", nil))
        #expect(try isReached("jsonpath={.status.phase}=Running", pod) && isReached("jsonpath={.status.n}=3", pod))
        #expect(try isReached("jsonpath={.status.phase}", pod) && !isReached("jsonpath={.status.phase}=Failed", pod))
        #expect(
            try isReached("delete", nil) && !isReached("delete", pod) && isReached("create", pod)
                && !isReached("create", nil))
        for text in ["", "condition", "delete=x", "ready", "jsonpath"] {
            #expect(throws: DeployError.self) { try WaitVerb.Goal(text) }
        }
    }
}

@Suite struct `Selectors of workloads` {
    @Test(arguments: [
        (#"{"matchLabels": {"app": "web", "tier": "front"}}"#, "app=web,tier=front"), (#"{"app": "web"}"#, "app=web"),
        (
            #"{"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}, {"key": "b", "operator": "DoesNotExist"}]}"#,
            "a in (1,2),!b"
        ), ("{}", ""), ("null", ""),
    ])
    func `become queries`(json: String, text: String) throws {
        #expect(LabelSelector(try kubernetesObject(json).node).text == text)
    }
}

@Suite struct `Streams of a program` {
    @Test func `are told apart by their first byte, also in fragments`() {
        var streams = ExecStreams()
        func take(_ bytes: [UInt8], isFirst: Bool = true) -> String? {
            streams.take(ByteBuffer(bytes: bytes), isFirst: isFirst).map { "\($0.0) \(String(buffer: $0.1))" }
        }
        #expect(take([1] + Array("out".utf8)) == "stdout out" && take([2] + Array("err".utf8)) == "stderr err")
        #expect(take(Array("more".utf8), isFirst: false) == "stderr more")
        #expect(take([1]) == nil && take([]) == nil && take([9, 65]) == nil && take([255, 1]) == nil)
        #expect(
            take([3] + Array(#"{"status": "Succ"#.utf8)) == nil && take(Array(#"ess"}"#.utf8), isFirst: false) == nil)
        #expect(ExecEnd(streams.status) == .exited(0))
        _ = take([3] + [UInt8](repeating: 65, count: 200_000))
        #expect(streams.status.count == 65_536)
    }

    @Test func `end as the last message says`() {
        func end(_ text: String) -> ExecEnd { ExecEnd(Array(text.utf8)) }
        #expect(
            end(
                #"{"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": [{"reason": "ExitCode", "message": "7"}]}}"#
            )
                == .exited(7))
        #expect(end(#"{"status": "Failure", "message": "no such program"}"#) == .failed("no such program"))
        for text in ["", "{", "[]", "null", #"{"details": {"causes": [{"reason": "ExitCode", "message": "x"}]}}"#] {
            guard case .failed = end(text) else {
                Issue.record("\(text) is no end")
                continue
            }
        }
    }
}
