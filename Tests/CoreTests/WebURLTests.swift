// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Core

@Suite struct `The URL of a request` {
    @Test(arguments: [
        ("http://a", "http://a/"), ("HTTPS://App.Example:443/x", "https://app.example/x"),
        ("http://a:80/", "http://a/"),
        ("http://a:8080", "http://a:8080/"), ("https://a:80/", "https://a:80/"), ("http://a.:81/", "http://a:81/"),
        ("http://a?b", "http://a/?b"), ("http://a/?", "http://a/?"),
        ("http://a/%7euser/%c3%bc", "http://a/~user/%C3%BC"),
        ("http://a/x[1]?y[z]=1", "http://a/x%5B1%5D?y%5Bz%5D=1"), ("http://a/b%2Fc", "http://a/b%2Fc"),
        ("http://192.0.2.7/", "http://192.0.2.7/"), ("http://[2001:DB8:0::1]:81/", "http://[2001:db8::1]:81/"),
        ("http://[::ffff:10.0.0.1]/", "http://[::ffff:10.0.0.1]/"), ("http://a/b//c/", "http://a/b//c/"),
        ("http://a_b.c-d/", "http://a_b.c-d/"), ("http://xn--3et96o.example/", "http://xn--3et96o.example/"),
        ("http://a/?q=/?:@!$&'()*+,;=", "http://a/?q=/?:@!$&'()*+,;="), ("http://a/...", "http://a/..."),
    ])
    func `is written in one way`(text: String, expected: String) throws {
        let url = try WebURL(text)
        #expect(url.description == expected)
        #expect(try WebURL(expected) == url, "and read back the same")
    }

    @Test(arguments: [
        "", "a", "/x", "http:/a", "http:a", "http://", "http:///x", "http://?x", "ftp://a/", "javascript:alert(1)",
        "http://a b/", "http://a/\n", "http://a/\u{0}", "http://ä/", "http://a/ü", "http://a\\@b/", "http://a/<x>",
        "http://u@a/", "http://u:p@a/", "http://@a/", "http://a/#", "http://a#@b/", "http://a:/", "http://a:0/",
        "http://a:65536/", "http://a:+80/", "http://a:080000/", "http://a:80:80/", "http://.a/", "http://a..b/",
        "http://-a/", "http://a-/", "http://a%2eb/", "http://a,b/", "http://[::1/", "http://[::1]x/",
        "http://[1.2.3.4]/",
        "http://[fe80::1%25eth0]/", "http://[::1%eth0]/", "http://::1/", "http://[g::]/", "http://a/%", "http://a/%zz",
        "http://a/%00", "http://a/?%00", "http://a/%0d%0aX", "http://a/%250a", "http://a/.", "http://a/..",
        "http://a/b/../c",
        "http://a/%2e%2e/c", "http://a/.%2E", "http://a/b%2f..%2fc", "http://a/b%5c..%5cc", "http://a/%252e%252e/",
        "http://a/..;x/c", "http://a/b;/../c",
    ])
    func `is refused when it could be read in two ways`(text: String) {
        let error = #expect(throws: DeployError.self) { try WebURL(text) }
        #expect(error?.code == .invalidArgument)
    }

    /// What `inet_aton` takes for an address, and with it many resolvers.
    @Test(arguments: [
        "2130706433", "127.1", "127.0.1", "0x7f000001", "0x7f.1", "0x7F.0.0.1", "0177.0.0.1", "017700000001",
        "127.0.0.01",
        "1.2.3.4.5", "256.1.1.1", "1.2.3", "0", "0x", "a.0x1", "a.1", "127.0.0.0x1", "00000000177.0.0.1", "127.0.0.1.1",
        "4294967296", "127.0.0.1..", "0xffffffffff",
    ])
    func `has no address in another form than four decimal numbers`(host: String) {
        #expect(throws: DeployError.self) { try WebURL("http://\(host)/") }
    }

    @Test func `is bounded in length`() {
        let longest = "http://a/" + String(repeating: "x", count: WebURL.maximumBytes - 9)
        #expect(throws: Never.self) { try WebURL(longest) }
        let error = #expect(throws: DeployError.self) { try WebURL(longest + "x") }
        #expect(error?.code == .tooLarge)
    }

    @Test(
        arguments: [
            ("/x", "https://h:81/x"), ("x", "https://h:81/a/x"), ("../x", "https://h:81/x"),
            ("../../../x", "https://h:81/x"),
            ("./x/.", "https://h:81/a/x/"), ("..", "https://h:81/"), ("?y=2", "https://h:81/a/b?y=2"),
            ("", "https://h:81/a/b?c=1"),
            ("#f", "https://h:81/a/b?c=1"), ("//o/x", "https://o/x"), ("http://o/x#f", "http://o/x"),
            ("HTTP://O/../y", "http://o/y"),
            ("x:y/z", nil), ("mailto:a@b", nil), ("//u@o/", nil), ("http://0x7f.1/", nil), ("//", nil),
            ("/a%2f..%2fb", nil),
            ("/ü x", "https://h:81/%C3%BC%20x"), ("%2e%2E/x", "https://h:81/x"), ("/\u{1}", nil),
            ("a/b:c", "https://h:81/a/a/b:c"),
            ("/a\r\nX: y", nil), ("\\\\o/x", nil),
        ] as [(String, String?)])
    func `leads where a server says`(reference: String, expected: String?) throws {
        let base = try WebURL("https://h:81/a/b?c=1")
        #expect((try? base.resolving(reference))?.description == expected)
    }

    @Test func `can be given more in its query`() throws {
        let url = try WebURL("http://a/")
        #expect(url.adding(query: "").description == "http://a/")
        #expect(url.adding(query: "b=1").description == "http://a/?b=1")
        #expect(url.adding(query: "b=1").adding(query: "c=2").description == "http://a/?b=1&c=2")
        #expect(WebURL.encoded("a b&c=ü/{x}".utf8) == "a%20b%26c%3D%C3%BC%2F%7Bx%7D")
    }
}

@Suite struct `A JSON pointer` {
    private let root: JSONValue = .object([
        "a": .array([.integer(1), .object(["b/c": .string("x"), "~": .null, "": .bool(true)])]), "0": .integer(5),
    ])

    @Test(
        arguments: [
            ("/a/0", "1"), ("/a/1/b~1c", "\"x\""), ("/a/1/~0", "null"), ("/a/1/", "true"), ("/0", "5"), ("/a/2", nil),
            ("/a/-", nil), ("/a/00", nil), ("/a/+0", nil), ("/b", nil), ("/a/0/x", nil),
            ("/a/99999999999999999999", nil),
        ] as [(String, String?)])
    func `finds its place`(text: String, expected: String?) throws {
        #expect(try JSONPointer(text).value(in: root)?.text == expected)
    }

    @Test func `is the whole when it is empty`() throws { #expect(try JSONPointer("").value(in: root) == root) }

    @Test(arguments: ["a", "a/b", "/~", "/~2", "/a~"])
    func `is refused when it is none`(text: String) { #expect(throws: DeployError.self) { try JSONPointer(text) } }
}
