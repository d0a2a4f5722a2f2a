// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Testing

@testable import Agent

@Suite struct `Where requests may go` {
    private func mayGo(_ addresses: [String], host: String? = nil, allow: [String] = []) throws -> Bool {
        let policy = try AddressPolicy(allow: allow)
        let parsed = try addresses.map { try #require(IPAddress($0)) }
        do throws(DeployError) {
            try policy.check(parsed, of: host.map { .name($0) } ?? .address(parsed[0]))
            return true
        } catch {
            #expect(error.code == .forbidden)
            return false
        }
    }

    @Test(arguments: [
        "8.8.8.8", "1.1.1.1", "172.15.255.255", "172.32.0.0", "100.63.255.255", "100.128.0.0", "169.253.255.255",
        "192.167.1.1", "223.255.255.255", "2606:4700::1111", "2a00::1", "2400:cb00::1", "198.17.255.255", "11.0.0.0",
        "128.0.0.1",
    ])
    func `public addresses are open`(address: String) throws { #expect(try mayGo([address])) }

    @Test(arguments: [
        // Loopback, this host.
        "127.0.0.1", "127.0.0.0", "127.255.255.255", "0.0.0.0", "0.255.255.255", "::1", "::",
        // Metadata of clouds, link-local.
        "169.254.169.254", "169.254.0.0", "169.254.255.255", "169.254.170.2", "fd00:ec2::254", "fd20:ce::254",
        "100.100.100.200",
        "168.63.129.16", "192.0.0.192", "fe80::1", "febf:ffff::1", "fec0::1",
        // Private and shared.
        "10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.0", "192.168.255.255", "100.64.0.0",
        "100.127.255.255", "fc00::1", "fdff:ffff::1", "198.18.0.1", "198.19.255.255",
        // Multicast, reserved, documents.
        "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "ff02::1", "ffff::1", "192.0.2.1",
        "198.51.100.1",
        "203.0.113.1", "2001:db8::1", "3fff::1", "192.88.99.1",
        // IPv4 in IPv6, whatever stands inside.
        "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:127.0.0.1", "::127.0.0.1", "::8.8.8.8", "64:ff9b::7f00:1",
        "64:ff9b::808:808",
        "64:ff9b:1::1", "2002:7f00:1::", "2002:808:808::", "2001::1", "2001:0:53aa:64c:0:0:f5ff:fffe",
        // Not public in IPv6.
        "100::1", "4000::1", "8000::", "5f00::1", "1fff:ffff::1", "e000::1",
    ])
    func `others are closed, and a range opens them`(address: String) throws {
        #expect(try !mayGo([address]))
        #expect(try !mayGo([address], host: "app.example", allow: ["other.example"]))
        let wide = ["0.0.0.0/0", "::/0"]
        #expect(try mayGo([address], allow: wide), "whoever opens everything has opened this")
    }

    @Test(arguments: [
        ("64:ff9b::a9fe:a9fe", ["64:ff9b::/96"], false),
        ("64:ff9b::a9fe:a9fe", ["64:ff9b::/96", "169.254.0.0/16"], true),
        ("64:ff9b::808:808", ["64:ff9b::/96"], true), ("2002:a00:1::", ["2002::/16"], false),
        ("2002:808:808::", ["2002::/16"], true),
        ("2001:0:1:2:3:4:f5ff:fffe", ["2001::/32"], false), ("2001:0:1:2:3:4:f7f7:f7f7", ["2001::/32"], true),
        ("::ffff:127.0.0.1", ["::/0"], false), ("::ffff:127.0.0.1", ["127.0.0.0/8"], false),
    ])
    func `what is inside an address is judged as well`(address: String, allow: [String], expected: Bool) throws {
        #expect(try mayGo([address], allow: allow) == expected)
    }

    @Test(arguments: [
        ("127.0.0.1", true), ("10.1.2.3", true), ("::1", true), ("fd12::1", true), ("100.64.0.1", true),
        ("169.254.169.254", false),
        ("fd00:ec2::254", false), ("100.100.100.200", false), ("fe80::1", false), ("0.0.0.0", false),
        ("224.0.0.1", false),
        ("::ffff:127.0.0.1", false), ("240.0.0.1", false), ("192.0.0.192", false),
    ])
    func `a name in the list opens what is private, and no more`(address: String, expected: Bool) throws {
        #expect(try mayGo([address], host: "app.example", allow: ["App.Example."]) == expected)
        #expect(try !mayGo([address], host: "app.example.org", allow: ["app.example"]))
        #expect(try !mayGo([address], allow: ["app.example"]), "the address itself stays closed")
    }

    @Test func `one closed address closes the name`() throws {
        #expect(try mayGo(["8.8.8.8", "2606:4700::1111"], host: "a"))
        #expect(try !mayGo(["8.8.8.8", "10.0.0.1"], host: "a"))
        #expect(try !mayGo(["8.8.8.8", "::1"], host: "a"))
    }

    @Test(arguments: [
        "", "*", "*.example", "a b", "http://a", "a:80", "10.0.0.0/40", "10.0.0.1/8", "127.1", "a/b", "u@a", "a?",
    ])
    func `what is neither a range nor a name is refused`(entry: String) {
        let error = #expect(throws: DeployError.self) { try AddressPolicy(allow: [entry]) }
        #expect(error?.code == .invalidArgument)
    }

    @Test func `every block of the table was read`() { #expect(AddressPolicy.blocks.count == 34) }

    @Test func `a name is not looked up twice`() async throws {
        let answers = Answers([["8.8.8.8"], ["127.0.0.1"]])
        let resolver = HostResolver { _ throws(DeployError) in answers.next() }
        let first = try await lookedUp { () async throws(DeployError) -> [IPAddress] in
            try await resolver.addresses(of: .name("rebind.test"), within: .seconds(60))
        }
        try AddressPolicy().check(first, of: .name("rebind.test"))
        #expect(first.map(\.description) == ["8.8.8.8"] && answers.asked == 1)
        let itself = try await resolver.addresses(of: .address(#require(IPAddress("9.9.9.9"))), within: .seconds(5))
        #expect(itself.map(\.description) == ["9.9.9.9"] && answers.asked == 1, "an address is not looked up at all")
    }
}
