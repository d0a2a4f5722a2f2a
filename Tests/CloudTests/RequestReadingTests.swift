// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOHTTP1
import Testing

@testable import Cloud

/// How requests are taken apart: exactly, or not at all.
@Suite struct RequestReadingTests {
    @Test func readsWhatIsJSON() throws {
        let text = #" {"a" : [1, -2.5e1, true, null, "x\n\u00e9\ud83d\ude00\/"], "": {}} "#
        #expect(
            try StrictJSON.value(Array(text.utf8))
                == .object([
                    "a": .array([.integer(1), .number(-25), .bool(true), .null, "x\né😀/"]), "": .object([:]),
                ]))
        #expect(try StrictJSON.value(Array("9223372036854775807".utf8)) == .integer(.max))
    }

    @Test(arguments: [
        "", " ", "{", "}", "[1,]", "{\"a\":1,}", "{\"a\" 1}", "{a:1}", "{'a':1}", "01", "+1", ".5", "1.", "1e", "0x1",
        "NaN",
        "Infinity", "-", "tru", "nul", "truex", "\"a", "\"\\x\"", "\"\\u12\"", "\"\\u00g0\"", "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\n\"", "\"\\ud800\\ud800\"", "\"\\u0000\"", "\"\t\"", "1 2", "{}{}", "[]x", "1e999",
        "9223372036854775808",
        "{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}", "/*x*/1", "\u{FEFF}1",
    ])
    func refusesWhatIsNot(_ text: String) {
        let error = #expect(throws: DeployError.self) { try StrictJSON.value(Array(text.utf8)) }
        #expect(error?.code == .invalidArgument)
    }

    @Test(arguments: [
        [0xFF], [0x22, 0xC3, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22], [0x22, 0xC0, 0xAF, 0x22], [0xFE, 0xFF, 0, 0x31],
    ])
    func refusesWhatIsNotUTF8(_ bytes: [UInt8]) {
        #expect(throws: DeployError.self) { try StrictJSON.value(bytes) }
    }

    @Test func holdsItsLimits() throws {
        func nested(_ depth: Int) -> [UInt8] {
            Array((String(repeating: "[", count: depth) + String(repeating: "]", count: depth)).utf8)
        }
        _ = try StrictJSON.value(nested(32))
        for depth in [33, 1000, 1_000_000] {
            #expect(throws: DeployError.self) { try StrictJSON.value(nested(depth)) }
        }
        func keys(_ count: Int) -> [UInt8] {
            Array("{\((0..<count).map { "\"k\($0)\":0" }.joined(separator: ","))}".utf8)
        }
        _ = try StrictJSON.value(keys(1000))
        #expect(throws: DeployError(.tooLarge, "an object has more than 1000 members")) {
            try StrictJSON.value(keys(1001))
        }
    }

    /// Every way to cut a text off is refused, and none traps.
    @Test func refusesEveryBeginning() throws {
        let text = Array(#"{"a":[1.5e3,"é\ud83d\ude00",true,null],"b":{"c":-1}}"#.utf8)
        _ = try StrictJSON.value(text)
        for count in 0..<text.count {
            #expect(throws: DeployError.self) { try StrictJSON.value(Array(text[..<count])) }
        }
    }

    @Test func takesTargetsApart() throws {
        let target = try RequestTarget("/api/v1/tasks?a=1&b=x%20y+z&c=%E5%A4%A9")
        #expect(target.path == "/api/v1/tasks" && target.pieces == ["api", "v1", "tasks"])
        #expect(try target.parameters() == ["a": "1", "b": "x y z", "c": "天"])
        #expect(try RequestTarget("/").pieces == [""])
        for bad in ["", "x", "http://x/", "/a#b", "/a b", "/é", "/\u{0}"] {
            #expect(throws: DeployError.self, "\(bad)") { try RequestTarget(bad) }
        }
        for query in ["a", "=1", "a=1&a=2", "a=1&%61=2", "a=%", "a=%4", "a=%zz", "a=%ff", "a=%00", "a=1&", "&a=1"] {
            #expect(throws: DeployError.self, "\(query)") { try RequestTarget("/x?\(query)").parameters() }
        }
        for query in ["token=x", "TOKEN=x", "%74oken=x", "x=tg_operator_a_b", "a=1&access_token=", "x=%74g_agent_a_b"] {
            #expect(throws: DeployError.self, "\(query)") { try RequestTarget("/x?\(query)").refuseSecrets() }
        }
    }

    private func head(
        _ uri: String = "/", _ method: HTTPMethod = .POST, _ version: HTTPVersion = .http1_1,
        _ fields: [(String, String)] = []
    ) -> HTTPRequestHead {
        HTTPRequestHead(version: version, method: method, uri: uri, headers: HTTPHeaders([("Host", "x:1")] + fields))
    }

    @Test func letsPlainHeadsThrough() {
        for good in [
            head(), head("/a?b=%20"), head("*", .OPTIONS), head("a:1", .CONNECT), head("/", .GET, .http1_0),
            head("/", .POST, .http1_1, [("Content-Length", "0")]),
            head("/", .POST, .http1_1, [("Transfer-Encoding", "Chunked")]),
            HTTPRequestHead(version: .http1_0, method: .GET, uri: "/"),
        ] { #expect(RequestRules.allow(good), "\(good)") }
    }

    @Test func refusesHeadsThatCanBeReadInTwoWays() {
        let fields: [[(String, String)]] = [
            [("Content-Length", "1"), ("Transfer-Encoding", "chunked")],
            [("Content-Length", "1"), ("Content-Length", "1")],
            [("Content-Length", "-1")], [("Content-Length", "+1")], [("Content-Length", "1, 1")],
            [("Content-Length", "")],
            [("Content-Length", "0x1")], [("Content-Length", "9999999999999999999")],
            [("Transfer-Encoding", "identity")],
            [("Transfer-Encoding", "gzip, chunked")],
            [("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "chunked")],
            [("Transfer-Encoding", "")], [("Host", "y")], [("X Y", "z")], [("", "z")], [("X", "a\u{0}b")],
            [("X", "a\r\nb")],
        ]
        for field in fields { #expect(!RequestRules.allow(head("/", .POST, .http1_1, field)), "\(field)") }
        for uri in ["x", "http://x/", "", "/a b", "/\u{0}", "/é", "*"] {
            #expect(!RequestRules.allow(head(uri)), "\(uri)")
        }
        #expect(!RequestRules.allow(head("/", .POST, .http1_0, [("Transfer-Encoding", "chunked")])))
        #expect(!RequestRules.allow(HTTPRequestHead(version: .http1_1, method: .GET, uri: "/")))
        #expect(!RequestRules.allow(head("/", .GET, HTTPVersion(major: 2, minor: 0))))
    }

    @Test func takesACookieFromOurOwnPagesOnly() throws {
        let named = AllowedOrigins(configured: nil, names: ["Deploy.example", "::1"])
        let listed = AllowedOrigins(configured: ["https://a.example"], names: ["b.example"])
        #expect(named.allow("https://deploy.example:8443", port: 8443) && named.allow("https://[::1]:8443", port: 8443))
        #expect(
            named.allow("https://deploy.example", port: 443) && !named.allow("https://deploy.example:443", port: 443))
        #expect(
            !named.allow("http://deploy.example:8443", port: 8443) && !named.allow("https://evil.example", port: 443))
        #expect(listed.allow("https://a.example", port: 8443) && !listed.allow("https://b.example", port: 443))

        func token(_ authorization: [String], _ cookies: [String], _ origins: [String]) throws(DeployError) -> String {
            try ShownCredentials(authorization: authorization, cookies: cookies, origins: origins, port: 443).token(
                listed)
        }
        let cookie = "a=b; __Host-tiangong=t; c=d"
        #expect(try token([], [cookie], ["https://a.example"]) == "t")
        #expect(try token(["Bearer x"], [cookie], ["https://evil.example"]) == "x", "a page cannot send that header")
        for (cookies, origins, code) in [
            ([cookie], [], ErrorCode.forbidden), ([cookie], ["https://evil.example"], .forbidden),
            ([cookie], ["null"], .forbidden),
            ([cookie], ["https://a.example", "https://a.example"], .forbidden),
            (["x=y"], ["https://evil.example"], .forbidden),
            ([cookie, cookie], ["https://a.example"], .unauthenticated),
            (["x=y"], ["https://a.example"], .unauthenticated),
            (["x=y"], [], .unauthenticated), ([], ["https://evil.example"], .unauthenticated),
        ] {
            let error = #expect(throws: DeployError.self) { try token([], cookies, origins) }
            #expect(error?.code == code, "\(cookies) \(origins)")
        }
        for authorization in [["Basic x"], ["Bearer"], ["Bearer a", "Bearer b"]] {
            #expect(throws: DeployError.self) { try token(authorization, [], []) }
        }
        for bad in [
            "http://a.example", "https://", "https://a.example/", "https://A.example", "https://a b", "null", "*",
            "https://u@h",
        ] {
            #expect(throws: DeployError.self, "\(bad)") { try AllowedOrigins.check(bad) }
        }
        try AllowedOrigins.check("https://[::1]:8443")
    }
}
