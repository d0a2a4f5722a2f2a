// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Core

@Suite struct `A task of type api` {
    private func parameters(_ command: String, _ params: [String: JSONValue] = [:]) throws -> APIParameters {
        try APIParameters(TaskSpec(type: "api", command: command, params: params))
    }

    private let secret: JSONValue = .object(["secret_ref": .string("key")])

    @Test func `is judged by one line, however it was written`() throws {
        for command in ["GET http://a/x?y=1", "get  HTTP://A:80/%78?y=1", "\tGET http://a./x?%79=1 "] {
            #expect(try parameters(command).canonicalLines == ["api GET http://a/x?y=1"])
        }
        let query: JSONValue = .object(["b": .string("{key}"), "a": secret, "z z": .string("&")])
        #expect(
            try parameters("GET http://a/", ["query": query]).canonicalLines
                == ["api GET http://a/?a={key}&b=%7Bkey%7D&z%20z=%26"])
        #expect(
            try parameters("GET http://a/", ["follow_redirects": .bool(true)]).canonicalLines
                == ["api GET http://a/", "api GET http://a/ follow_redirects"])
    }

    @Test func `is sent with its secrets and shown without them`() throws {
        let task = try parameters("GET http://a/?x", ["query": .object(["k": secret])])
        #expect(task.shownURL == "http://a/?x&k={key}")
        let sent = try task.sentURL { _ throws(DeployError) in Array("a&b \u{0}".utf8) }
        #expect(sent.description == "http://a/?x&k=a%26b%20%00")
    }

    @Test(arguments: [
        ("200", 200, true), ("200", 201, false), ("2xx", 299, true), ("2XX", 200, true), ("2xx", 300, false),
        ("200-204", 204, true), ("200-204", 205, false), ("599", 599, true),
    ])
    func `names statuses`(text: String, status: Int, expected: Bool) throws {
        #expect(try StatusRange(text).contains(status) == expected)
    }

    @Test(arguments: [
        "", "20", "2000", "6xx", "0xx", "xxx", "x2x", "204-200", "200-", "-200", "200-201-202", "２00", "+20", "099",
    ])
    func `has no status that is none`(text: String) { #expect(throws: DeployError.self) { try StatusRange(text) } }

    private func differences(
        _ params: [String: JSONValue], _ body: String, headers: [(name: String, value: String)] = []
    ) throws -> [String] {
        try parameters("GET http://a/", params).expectations.differences(
            .init(status: 200, headers: headers, body: Array(body.utf8)),
            reveal: { _ throws(DeployError) in "s3cret" })
    }

    @Test func `looks into bodies line by line`() throws {
        #expect(try differences(["expect_matches": .string("b+")], "a\nbb\r\nc") == [])
        #expect(try differences(["expect_matches": .string("b")], "a\nbb\nc") == ["no line of the body matches b"])
        #expect(try differences(["expect_matches": .string(".*")], "") == [])
    }

    @Test(arguments: ["", "a", "aab", "abab", "aabaaab", "ü", "\u{0}b"])
    func `finds a text in a body`(text: String) throws {
        guard !text.isEmpty else { return }
        for body in [text, "x" + text, text + "x", "aa" + text, "aabaa" + text + "a"] {
            #expect(
                try differences(
                    ["expect_body": .string(text.replacing("\u{0}", with: "a"))], body.replacing("\u{0}", with: "a"))
                    == [])
        }
        #expect(try !differences(["expect_body": .string("aabaaac")], "aabaaabaaab").isEmpty)
    }

    @Test func `does not tell a secret it expects`() throws {
        let wanted: [String: JSONValue] = ["expect_headers": .object(["X-Key": secret])]
        #expect(try differences(wanted, "", headers: [("x-key", "s3cret")]) == [])
        #expect(
            try differences(wanted, "", headers: [("X-Key", "other")])
                == ["the header X-Key is 'other', expected the secret key"])
    }

    @Test(arguments: [
        ("1", "1.0", true), ("1", "2", false), ("[1,{\"a\":null}]", "[1.0,{\"a\":null}]", true), ("\"1\"", "1", false),
        ("{\"a\":1}", "{\"a\":1,\"b\":2}", false), ("true", "1", false), ("[]", "{}", false),
    ])
    func `compares numbers by what they are`(left: String, right: String, expected: Bool) throws {
        #expect(try JSONValue(text: left).isSame(as: JSONValue(text: right)) == expected)
    }

    @Test func `says what a body is that is no JSON, or nests too deep`() throws {
        let place: [String: JSONValue] = ["expect_json": .object(["/a": .integer(1)])]
        #expect(try differences(place, "<html>") == ["the body is not JSON that can be checked: not valid JSON"])
        #expect(try differences(place, String(repeating: "[", count: 100)).first?.contains("deeper than 32") == true)
    }

    @Test func `stops matching when it is canceled`() throws {
        let expectations = try parameters("GET http://a/", ["expect_matches": .string("(a|b|ab)*c")]).expectations
        var asked = 0
        let found = try expectations.differences(
            .init(status: 200, body: [UInt8](repeating: UInt8(ascii: "a"), count: 4 << 20)),
            reveal: { _ throws(DeployError) in "" },
            isCanceled: {
                asked += 1
                return asked > 3
            })
        #expect(found.count == 1 && asked < 10)
    }
}

@Suite struct `The guard of other work` {
    private func judge(
        _ type: String, _ command: String, _ params: [String: JSONValue] = [:], mode: GuardMode = .whitelist,
        allow: [String] = [], deny: [String] = []
    ) throws -> GuardVerdict {
        try CommandGuard(GuardPolicy(mode: mode, allow: allow, deny: deny))
            .judge(TaskSpec(type: type, command: command, params: params))
    }

    @Test func `holds a request against whole lines`() throws {
        let allow = ["^api GET https://app\\.example/health$"]
        #expect(try judge("api", "GET https://App.Example:443/he%61lth", allow: allow).verdict == .allow)
        for command in [
            "POST https://app.example/health", "GET http://app.example/health", "GET https://app.example/health?x",
            "GET https://app.example:8443/health", "GET https://app.example/health/", "GET https://app-example/health",
            "GET https://app.example/healt",
        ] {
            let verdict = try judge("api", command, allow: allow)
            #expect(verdict.verdict == .deny && verdict.rule == "whitelist", "\(command)")
        }
    }

    @Test func `asks for redirects by name`() throws {
        let follow: [String: JSONValue] = ["follow_redirects": .bool(true)]
        #expect(try judge("api", "GET http://a/", follow, allow: ["api GET http://a/"]).verdict == .deny)
        #expect(
            try judge("api", "GET http://a/", follow, allow: ["api GET http://a/( follow_redirects)?"]).verdict
                == .allow)
        let denied = try judge("api", "GET http://a/", follow, mode: .blacklistDefault, deny: ["api GET http://a/"])
        #expect(denied.verdict == .deny && denied.rule == "deny[0]", "a rule without the word holds as well")
    }

    @Test func `refuses what is no request in every mode that refuses`() throws {
        for mode in [GuardMode.whitelist, .noInjection, .blacklistDefault] {
            let verdict = try judge("api", "GET http://u:p@a/", mode: mode, allow: [".*"])
            #expect(verdict.isRefusal && verdict.rule == "request" && !verdict.message.contains("u:p"))
        }
        #expect(try !judge("api", "GET http://u:p@a/", mode: .audit).isRefusal, "audit only watches")
    }

    @Test func `reads the command of a plugin line by line`() throws {
        let allow = ["^redis (GET|TTL) [a-z]+$"]
        #expect(try judge("redis", " GET   a \n\n TTL b\n", allow: allow).verdict == .allow)
        for command in ["GET a\nFLUSHALL", "GET a\r\nDEL b", "GET a\u{2028}DEL b", "DEL a", "GET a b", "", "\n"] {
            #expect(try judge("redis", command, allow: allow).verdict == .deny, "\(command)")
        }
        let verdict = try judge("redis", "GET a\n  FLUSHALL", mode: .blacklistDefault, deny: ["redis FLUSHALL"])
        #expect(verdict.verdict == .deny && verdict.commands == ["redis GET a", "redis FLUSHALL"])
    }

    @Test func `bounds the lines it reads`() throws {
        let lines = String(repeating: "x\n", count: WorkGuard.maximumLines)
        #expect(try judge("demo", lines, mode: .blacklistDefault).verdict == .allow)
        #expect(try judge("demo", lines + "x", mode: .blacklistDefault).rule == "lines")
    }
}
