// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Core

@Suite struct GuardExpressionTests {
    @Test(
        arguments: [
            ("ls", ["ls"], ["", "lsx", "xls", "LS", "ls ", "ls\n"]),
            ("^ls( .*)?$", ["ls", "ls -la /var/log", "ls 你好"], ["lsblk", "ls\n-la", "ls a\nb", "als"]),
            ("a|bc", ["a", "bc"], ["ac", "abc", "b", ""]),
            (
                "^kubectl get|top|describe .*$", ["kubectl get", "top", "describe x"],
                ["xdescribe nodes", "kubectl get x"]
            ),
            (
                "systemctl (status|restart) [a-zA-Z0-9@_.-]+", ["systemctl status redis@6379.service"],
                ["systemctl status a b"]
            ),
            ("a{2,4}", ["aa", "aaa", "aaaa"], ["a", "aaaaa"]), ("a{3}", ["aaa"], ["aa", "aaaa"]),
            ("a{2,}", ["aa", "aaaaaaaa"], ["a"]), ("a{0}b", ["b"], ["ab"]),
            ("(ab){1,2}c", ["abc", "ababc"], ["c", "abababc"]),
            ("a??b+?c*?", ["b", "abcc"], ["a"]), ("(?:a|b)*", ["", "abba"], ["c"]), ("(a*)*", ["", "aaa"], ["b"]),
            ("(|a)b", ["b", "ab"], ["a"]), ("()x", ["x"], [""]),
            (".", ["a", "é", "你", "😀"], ["", "ab", "\n", "\r", "\u{2028}", "\u{85}"]),
            ("[^a]", ["b", "é"], ["a", "\n", "\r"]), ("[^a\\n]", ["b"], ["\n"]), ("[\\t-~]", ["\t", "a"], ["\n"]),
            ("a\\nb", ["a\nb"], ["a b"]), ("a[\\n ]b", ["a\nb", "a b"], []), ("\\S+", ["ab"], ["a b", "a\nb"]),
            ("\\d+", ["0189"], ["٣", "a"]), ("\\w+", ["aZ_9"], ["é", "-"]), ("\\s", [" ", "\t"], ["\n", "\u{A0}"]),
            ("\\D", ["a"], ["1", "\n"]), ("\\W", ["-", "é"], ["a", "\n"]),
            ("[]a]+", ["]a"], ["b"]), ("[^]a]", ["b"], ["]"]), ("[a-]+", ["a-"], ["b"]),
            ("[+-.]", ["+", ",", "-", "."], ["/"]),
            ("[[:alpha:][:digit:]_]+", ["aB3_"], ["-"]), ("[\\w.-]+", ["a.b-c"], ["a b"]),
            ("[\\]\\\\]+", ["]\\"], ["a"]),
            ("\\.\\*\\[\\(\\{\\|\\^\\$\\+\\?\\/", [".*[({|^$+?/"], []), ("\\x41\\x{4F60}", ["A你"], ["A"]),
            ("x\\b.*\\bz", ["x z", "x-z", "x-yz"].filter { $0 != "x-yz" }, ["xz", "x-yz"]), ("a\\Bb", ["ab"], ["a b"]),
            ("\\bab\\b", ["ab"], ["abc"]), ("a^b|c$d", [], ["ab", "cd", "a^b"]), ("(^a|b)c", ["ac", "bc"], ["abc"]),
            ("a}]", ["a}]"], []), ("é", ["é"], ["e", "e\u{301}"]), (" ", [" "], ["", "\u{A0}"]),
        ] as [(String, [String], [String])])
    func `expressions match whole texts and nothing else`(pattern: String, yes: [String], no: [String]) throws {
        let expression = try GuardExpression(pattern)
        for text in yes { #expect(expression.matchesWhole(text), "\(pattern) on \(text.debugDescription)") }
        for text in no { #expect(!expression.matchesWhole(text), "\(pattern) on \(text.debugDescription)") }
    }

    @Test(
        arguments: [
            ("(a)\\1", 4, "back-references"), ("a(?=b)", 2, "look-ahead"), ("(?!x)y", 1, "look-ahead"),
            ("(?<=x)y", 1, "look-behind"), ("(?<!x)y", 1, "look-behind"), ("(?<n>x)", 1, "named"),
            ("(?P<n>x)", 1, "named"),
            ("(?i)x", 1, "flags"), ("(?>x)", 1, "atomic"), ("(?#x)", 1, "kind of group"), ("a++", 3, "possessive"),
            ("a**", 2, "repeat of a repeat"), ("a{2}{3}", 2, "repeat of a repeat"), ("*a", 1, "nothing to repeat"),
            ("a|+", 3, "nothing to repeat"), ("(?:*)", 4, "nothing to repeat"), ("^*", 1, "anchor"),
            ("\\b+", 1, "anchor"),
            ("a{", 2, "count"), ("a{x}", 2, "count"), ("a{,3}", 2, "count"), ("a{3,2}", 2, "wrong order"),
            ("{2}", 1, "nothing"),
            ("awk {print}", 5, "count"), ("(a", 1, "not closed"), ("a)", 2, "without"), ("[a", 1, "not closed"),
            ("[]", 1, "not closed"),
            ("[b-a]", 2, "wrong order"), ("[a-\\d]", 4, "range"), ("[[:foo:]]", 2, "no such class"),
            ("[[.x.]]", 2, "collating"),
            ("[\\b]", 2, "outside"), ("a\\", 2, "backslash"), ("\\y", 1, "no meaning"), ("\\p{L}", 1, "properties"),
            ("\\Qa\\E", 1, "\\Q"),
            ("\\Aa", 1, "\\A"), ("a\\z", 2, "\\z"), ("\\x4", 1, "\\x"), ("\\x{D800}", 1, "\\x"),
            ("\\x{110000}", 1, "\\x"), ("\\0", 1, "no meaning"),
            ("你(", 2, "not closed"),
        ] as [(String, Int, String)])
    func `a mistake is named with its place and a way out`(pattern: String, place: Int, word: String) {
        do {
            _ = try GuardExpression(pattern)
            Issue.record("\(pattern) was accepted")
        } catch {
            #expect(error.code == .invalidArgument)
            #expect(error.message.hasPrefix("character \(place) of the expression: "), "\(pattern): \(error.message)")
            #expect((error.message + (error.hint ?? "")).contains(word), "\(pattern): \(error.message)")
            #expect(error.hint?.isEmpty == false)
        }
    }

    @Test func `limits hold exactly`() throws {
        #expect(throws: DeployError.self) { try GuardExpression("") }
        #expect(try GuardExpression(String(repeating: "a", count: 512)).stateCount == 513)
        #expect(throws: DeployError.self) { try GuardExpression(String(repeating: "a", count: 513)) }
        #expect(throws: DeployError.self) { try GuardExpression(String(repeating: "é", count: 257)) }
        #expect(try GuardExpression("a{64}").stateCount == 65)
        #expect(throws: DeployError.self) { try GuardExpression("a{65}") }
        #expect(throws: DeployError.self) { try GuardExpression("a{1,32767}") }
        #expect(throws: DeployError.self) { try GuardExpression("a{99999999999999999999}") }
        // 64 * 31 + 15 = 1999 states and the accepting one.
        let most = "(a{31}){64}" + String(repeating: "b", count: 15)
        #expect(try GuardExpression(most).stateCount == 2000)
        #expect(throws: DeployError.self) { try GuardExpression(most + "b") }
        let deep = String(repeating: "(", count: 32) + "a" + String(repeating: ")", count: 32)
        #expect(try GuardExpression(deep).matchesWhole("a"))
        #expect(throws: DeployError.self) { try GuardExpression("(\(deep))") }
    }

    @Test func `repeats of nothing cost nothing`() throws {
        let empty = "((((((){64}){64}){64}){64}){64}){64}"
        #expect(throws: DeployError.self) { try GuardExpression(empty) }
        #expect(throws: DeployError.self) { try GuardExpression("(((((a{64}){64}){64}){64}){64}){64}") }
    }

    @Test(arguments: [
        "(a+)+b", "(a*)*b", "(a|a)*b", "(a|aa)+b", "a*a*a*a*a*a*a*b", "(.*a){12}b", "(\\b|a)+b", "^(a?){32}a*b$",
    ])
    func `the work grows with the text and not faster`(pattern: String) throws {
        let expression = try GuardExpression(pattern)
        var steps: [Int] = []
        for size in [16_384, 32_768, 65_536] {
            let text = String(repeating: "a", count: size)
            let plain = expression.match(text)
            #expect(!plain.accepted)
            #expect(plain.steps <= (size + 1) * (expression.stateCount + 1))
            #expect(expression.match(text + "b").accepted)
            steps.append(plain.steps)
        }
        #expect(steps[1] <= 2 * steps[0] && steps[2] <= 2 * steps[1], "steps: \(steps)")
    }

    @Test func `a text that never repeats a state is still bounded`() throws {
        // Remembers which of the last twelve letters were a: 4096 states, far over what the table holds at once.
        let expression = try GuardExpression("[ab]*a[ab]{12}[ab ]*c")
        var random = Generator(seed: 7)
        for size in [4_096, 16_384] {
            let text = String((0..<size).map { _ in random.next(2) == 0 ? "a" : "b" })
            let result = expression.match(text)
            #expect(!result.accepted)
            #expect(result.steps <= (size + 1) * (expression.stateCount + 1))
            #expect(expression.matchesWhole(text + "c") == text.utf8.dropLast(12).contains(UInt8(ascii: "a")))
        }
    }

    @Test func `random safe expressions agree with NSRegularExpression`() throws {
        var random = Generator(seed: 20_260_101)
        var compared = 0
        var accepted = 0
        for _ in 0..<1_500 {
            let pattern = random.pattern(depth: 3)
            guard pattern.utf8.count <= 512 else { continue }
            let ours = try GuardExpression(pattern)
            let theirs = try NSRegularExpression(pattern: "\\A(?:\(pattern))\\z")
            for _ in 0..<12 {
                let text = random.text()
                let range = NSRange(location: 0, length: text.utf16.count)
                let expected = theirs.firstMatch(in: text, range: range) != nil
                #expect(ours.matchesWhole(text) == expected, "\(pattern) on \(text.debugDescription)")
                compared += 1
                accepted += expected ? 1 : 0
            }
        }
        #expect(compared > 15_000 && accepted > 1_000, "\(compared) compared, \(accepted) accepted")
    }

    @Test func `no expression crashes the compiler or the matcher`() {
        var random = Generator(seed: 99)
        let alphabet = Array("ab01()[]{}|*+?.^$\\-,:=!<>dwsbnx你 ")
        var compiled = 0
        for _ in 0..<20_000 {
            let pattern = String((0..<(1 + random.next(14))).map { _ in alphabet[random.next(alphabet.count)] })
            guard let expression = try? GuardExpression(pattern) else { continue }
            compiled += 1
            _ = expression.matchesWhole(random.text())
        }
        #expect(compiled > 1_000)
    }

    @Test func `equal means written alike`() throws {
        #expect(try GuardExpression("a") == GuardExpression("a"))
        #expect(try GuardExpression("\u{E9}") != GuardExpression("e\u{301}"))
    }

    @Test(
        arguments: [
            ("^ls [a-z]+$", ""), ("^ls .*$", "any arguments"), ("^ls .+$", "any arguments"), ("ls", "no ^ and $"),
            ("^ls", "no ^ and $"), ("^a|b$", "outside every group"), ("^(a|b)$", ""), ("^[|.*]$", ""),
            ("^a\\|b\\.*$", ""),
            ("^find /var -name x$", "'find'"), ("^/usr/bin/(?:tar|cat) x$", "'tar'"), ("^(sudo )?ls$", "'sudo'"),
            ("^[ts]ar x$", "'tar'"), ("^tart$", ""), ("^env$", "'env'"), ("^xargs[ ]x$", "'xargs'"), ("^finder x$", ""),
        ] as [(String, String)])
    func `lint warns of what is rarely meant`(pattern: String, word: String) {
        let found = PolicyLint.lint(GuardPolicy(mode: .whitelist, allow: [pattern]))
        if word.isEmpty {
            #expect(found == [])
        } else {
            #expect(found.contains { $0.hasPrefix("allow[0] ") && $0.contains(word) }, "\(found)")
        }
    }

    @Test func `lint warns of lists without effect`() {
        #expect(PolicyLint.lint(GuardPolicy(mode: .whitelist)).count == 1)
        #expect(PolicyLint.lint(GuardPolicy(mode: .noInjection, allow: ["^ls$"])).count == 1)
        #expect(PolicyLint.lint(GuardPolicy(mode: .noInjection, deny: ["^find x$", "^find x$"])).count == 1)
    }
}

/// SplitMix64, and what the tests draw from it.
private struct Generator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next(_ bound: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int((value ^ (value >> 31)) >> 1) % bound
    }

    mutating func text() -> String {
        let alphabet = Array("aaabbc1_ -.→")
        return String((0..<next(9)).map { _ in alphabet[next(alphabet.count)] })
    }

    /// An expression without nested repeats, so that a backtracking engine ends as well.
    mutating func pattern(depth: Int) -> String {
        (0..<(1 + next(3))).map { _ in branch(depth: depth) }.joined(separator: "|")
    }

    private mutating func branch(depth: Int) -> String {
        (0..<(1 + next(4))).map { _ in piece(depth: depth) }.joined()
    }

    private mutating func piece(depth: Int) -> String {
        let atoms = [
            "a", "b", "c", "1", "_", " ", "-", "\\.", ".", "[ab]", "[^a]", "[a-c]", "[^-.]", "\\d", "\\w", "\\s", "\\S",
            "\\D",
            "\\W", "→", "[\\w-]", "[[:alpha:]]", "\\x61",
        ]
        let repeats = ["", "", "", "*", "+", "?", "{2}", "{1,3}", "{0,2}", "{2,}", "*?", "+?"]
        switch next(12) {
        case 0 where depth > 0: return "(?:\(pattern(depth: depth - 1)))" + ["", "?", "{2}", "{1,2}"][next(4)]
        case 1 where depth > 0: return "(\(pattern(depth: depth - 1)))"
        case 2: return ["\\b", "\\B", "^", "$"][next(4)]
        default: return atoms[next(atoms.count)] + repeats[next(repeats.count)]
        }
    }
}
