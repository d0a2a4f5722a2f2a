// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Core

@Suite struct `File tasks` {
    private func read(
        _ command: String, _ params: [String: JSONValue] = [:], fileID: String? = nil
    ) throws -> FileParameters {
        try FileParameters(TaskSpec(type: "file", command: command, params: params, fileID: fileID))
    }

    @Test func `are read from their command and parameters`() throws {
        let put = try read(
            "put /srv/my app/x.conf", ["mode": .string("0640"), "backup": .bool(true), "owner": .string("app")],
            fileID: "f1")
        #expect(put.act == .put && put.path == "/srv/my app/x.conf" && put.mode == 0o640 && put.backup)
        #expect(put.targets == ["/srv/my app/x.conf"] && put.items[0].fileID.rawValue == "f1")
        let many = try read(
            "put /srv/app",
            [
                "files": .array([
                    .object(["file_id": .string("f1"), "path": .string("a/b")]),
                    .object(["file_id": .string("f2"), "path": .string("c"), "mode": .string("755")]),
                ])
            ])
        #expect(many.targets == ["/srv/app/a/b", "/srv/app/c"])
        #expect(try read("delete /srv/x", ["recursive": .bool(true)]).recursive)
    }

    @Test(
        arguments: [
            ("", [:], nil), ("put", [:], "f"), ("put  /x", [:], "f"), ("put x", [:], "f"), ("PUT /x", [:], "f"),
            ("put /x\n", [:], "f"), ("put /x", [:], nil), ("stat /x", [:], "f"),
            ("stat /x", ["mode": .string("644")], nil),
            ("put /x", ["mode": .string("9")], "f"), ("put /x", ["mode": .string("99999")], "f"),
            ("put /x", ["owner": .string("-x")], "f"), ("delete /x", ["backup": .bool(true)], nil),
            ("put /x", ["files": .array([])], nil),
            ("put /x", ["files": .array([.object(["file_id": .string("a"), "path": .string("../b")])])], nil),
            ("put /x", ["files": .array([.object(["file_id": .string("a"), "path": .string("/b")])])], nil),
            ("put /x", ["files": .array([.object(["file_id": .string("a"), "evil": .bool(true)])])], nil),
            (
                "put /x",
                [
                    "files": .array([
                        .object(["file_id": .string("a"), "path": .string("b")]),
                        .object(["file_id": .string("c"), "path": .string("b")]),
                    ])
                ], nil
            ),
        ] as [(String, [String: JSONValue], String?)])
    func `that are not right are refused`(command: String, params: [String: JSONValue], fileID: String?) {
        let spec = TaskSpec(type: "file", command: command, params: params, fileID: fileID)
        #expect(throws: DeployError.self) { try spec.validate() }
    }

    @Test(arguments: [
        ("put /etc/passwd", "D7"), ("put /dev/sda", "D3"), ("delete /etc", "D1"), ("delete /", "D1"),
        ("delete /var/../usr", "D1"), ("put /proc/sysrq-trigger", "D2"),
    ])
    func `are held to the deny rules in every mode`(command: String, rule: String) throws {
        for mode in GuardMode.allCases {
            let policy = GuardPolicy(mode: mode, allow: ["file .*"])
            let spec = TaskSpec(type: "file", command: command, fileID: command.hasPrefix("put") ? "f" : nil)
            let verdict = try CommandGuard(policy).judge(spec)
            #expect(verdict.verdict == .deny && verdict.rule == rule, "\(mode) \(verdict)")
        }
    }

    @Test func `are listed by what they do`() throws {
        let policy = GuardPolicy(mode: .whitelist, allow: ["file put /srv/app/[a-z.]+", "file stat /srv/.*"])
        let rules = try CommandGuard(policy)
        func judge(_ command: String, _ id: String? = nil) -> GuardVerdict {
            rules.judge(TaskSpec(type: "file", command: command, fileID: id))
        }
        #expect(judge("put /srv/app/x.conf", "f").verdict == .allow)
        #expect(judge("put /srv/app/sub/x", "f").verdict == .deny)
        #expect(judge("stat /srv/x").verdict == .allow && judge("list /srv/x").verdict == .deny)
        let open = try CommandGuard(GuardPolicy(mode: .noInjection, deny: ["file delete .*"]))
        #expect(open.judge(TaskSpec(type: "file", command: "delete /srv/x")).rule == "deny[0]")
        #expect(open.judge(TaskSpec(type: "file", command: "fetch /srv/x")).verdict == .allow)
    }
}

@Suite struct `A rate` {
    @Test func `lets a burst pass and then so much a second`() {
        let limiter = RateLimiter(bytesPerSecond: 1000)
        let now = ContinuousClock.now + .seconds(1)
        #expect(limiter.reserve(250, now: now) == nil, "a quarter of a second's worth at once")
        #expect(limiter.reserve(1000, now: now) == .seconds(1))
        #expect(limiter.reserve(500, now: now) == .milliseconds(1500))
        #expect(limiter.reserve(0, now: now + .seconds(5)) == nil)
        #expect(RateLimiter(bytesPerSecond: nil).reserve(.max, now: now) == nil)
    }

    @Test func `is shared in small pieces`() {
        #expect(RateLimiter(bytesPerSecond: nil).piece(of: 524_288) == 524_288)
        #expect(RateLimiter(bytesPerSecond: 1 << 20).piece(of: 524_288) == 32_768)
        #expect(RateLimiter(bytesPerSecond: 1000).piece(of: 524_288) == 4096)
        #expect(RateLimiter(bytesPerSecond: 1000).piece(of: 10) == 10)
    }
}
