// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import Testing

@testable import Agent

@Suite struct `Paths of files` {
    /// `app` and `data` are allowed, `outside` is not; `app` holds one of everything.
    private func withTree(_ body: (String) throws -> Void) async throws {
        try await withTemporaryDirectory { top in
            for name in ["app", "app/releases", "app/releases/1", "data", "outside", "application"] {
                try StateDirectory.create("\(top)/\(name)")
            }
            try write("canary", to: top + "/outside/secret")
            try write("old", to: top + "/app/exist.txt")
            link(top + "/outside/secret", top + "/app/hard")
            symlink("../outside/secret", top + "/app/final")
            symlink("exist.txt", top + "/app/inner")
            symlink("../outside", top + "/app/evil")
            symlink("nowhere", top + "/app/dangling")
            symlink("loop", top + "/app/loop")
            symlink(top + "/app", top + "/data/back")
            mkfifo(top + "/app/pipe", 0o600)
            try body(top)
        }
    }

    @Test(arguments: [DirectoryWalk.kernel, .stepwise])
    func `lead to regular files below the roots only, without any link`(walk: DirectoryWalk) async throws {
        try await withTree { top in
            let policy = try PathPolicy(roots: [top + "/app/", top + "/data"], walk: walk)
            let good: [(String, PathPolicy.Access)] = [
                ("app/exist.txt", .read), ("app/exist.txt", .write), ("app/new.txt", .write),
                ("app/releases/1/x", .write), ("app//releases/./1/x", .write), ("data/报表 2024.csv", .write),
                ("app/%2e%2e", .write), ("app/a\\b", .write), ("app/-rf", .write), ("app/...", .write),
            ]
            for (path, access) in good {
                let location = try policy.locate("\(top)/\(path)", for: access)
                #expect(location.exists == path.hasSuffix("exist.txt"))
            }
            let bad: [(String, PathPolicy.Access)] = [
                ("app", .write), ("app/", .write), ("app/releases", .write), ("app/releases/", .read),
                ("app/exist.txt/", .read), ("app/exist.txt/x", .write), ("app/new.txt", .read),
                ("app/missing/x", .write), ("app/../outside/secret", .read), ("app/..", .write), ("app/.", .write),
                ("app/evil/new", .write), ("app/evil/secret", .read), ("app/evil/../exist.txt", .read),
                ("app/final", .write), ("app/final", .read), ("app/inner", .read), ("app/dangling", .write),
                ("app/loop", .write), ("app/loop/x", .write), ("app/hard", .read), ("app/hard", .write),
                ("app/pipe", .write), ("app/pipe", .read), ("data/back/exist.txt", .read),
                ("application/x", .write), ("APP/x", .write), ("outside/secret", .read),
                ("app/a\nb", .write), ("app/a\u{0}b", .write), ("app/a\u{1b}]0;t\u{7}", .write),
                ("app/\u{202E}x", .write), ("app/\u{200B}", .write), ("app/\u{85}", .write), ("app/ ", .write),
                ("app/" + String(repeating: "d", count: 256), .write),
                ("app" + String(repeating: "/d", count: 2100), .write),
            ]
            for (path, access) in bad {
                #expect(throws: DeployError.self, "\(path)") { try policy.locate("\(top)/\(path)", for: access) }
            }
            for path in ["/etc/passwd", "/dev/fd/1", "/dev/null", "/proc/self/root\(top)/app/x", "x", "./x", "", "~/x"]
            {
                #expect(throws: DeployError.self, "\(path)") { try policy.locate(path, for: .write) }
            }
        }
    }

    @Test func `may be anywhere when the root is the root, and nowhere without one`() async throws {
        try await withTree { top in
            _ = try PathPolicy(roots: ["/"]).locate("\(top)/app/exist.txt", for: .read)
            #expect(throws: DeployError.self) { try PathPolicy(roots: []).locate("\(top)/app/exist.txt", for: .read) }
            #expect(throws: DeployError.self) { try PathPolicy(roots: ["app"]) }
            #expect(throws: DeployError.self) { try PathPolicy(roots: ["/app/../etc"]) }
        }
    }

    @Test func `stay where they were checked when a directory is replaced by a link`() async throws {
        try await withTree { top in
            let location = try PathPolicy(roots: [top + "/app"]).locate("\(top)/app/releases/1/new", for: .write)
            rename(top + "/app/releases/1", top + "/app/releases/old")
            symlink("../../outside", top + "/app/releases/1")
            let file = openat(location.directory.descriptor, location.name, O_WRONLY | O_CREAT | O_EXCL, 0o600)
            #expect(file >= 0)
            close(file)
            #expect(StateDirectory.names(in: top + "/outside") == ["secret"])
            #expect(StateDirectory.names(in: top + "/app/releases/old") == ["new"])
        }
    }

    @Test func `of an archive stay below where it is unpacked`() async throws {
        try await withTree { top in
            let policy = try PathPolicy(roots: [top + "/app"])
            for (member, isDirectory) in [("bin/app", false), ("./bin/", true), ("..\\x", false), ("exist.txt", false)]
            {
                try policy.checkMember(member, isDirectory: isDirectory, in: top + "/app")
            }
            for (member, isDirectory) in [
                ("/etc/cron.d/x", false), ("../x", false), ("a/../../x", false), ("a/../x", false), ("", false),
                ("a\u{0}b", false), ("evil/x", false), ("final", false), ("releases", false), ("exist.txt", true),
                ("bin/", false), (".", false), ("pipe", false), ("hard", false),
            ] {
                #expect(throws: DeployError.self, "\(member)") {
                    try policy.checkMember(member, isDirectory: isDirectory, in: top + "/app")
                }
            }
            #expect(throws: DeployError.self) { try policy.checkMember("x", isDirectory: false, in: top + "/outside") }
        }
    }

    @Test func `of uploads are names, taken as they are or not at all`() throws {
        let longest = String(repeating: "x", count: 255)
        for name in [
            "app.tar.gz", "报表 2024年.xlsx", "nai\u{308}ve.txt", ".env", "$(id).txt", "-rf", "日志😀.log", longest, "...",
        ] {
            try FileNames.checkUpload(name)
        }
        for name in [
            "", ".", "..", "/etc/passwd", "a/b", "..\\x", "a\nb", "a\tb", "a\u{7f}", "a\u{9b}", "a\u{202e}b",
            "a\u{200d}b",
            "a\u{2028}b", "\u{feff}a", "   ", "\u{3000}", longest + "x", String(repeating: "报", count: 86),
        ] {
            #expect(throws: DeployError.self, "\(name)") { try FileNames.checkUpload(name) }
        }
    }

    @Test func `and ids of files have one alphabet`() throws {
        for id in ["8f3c1a0000000000", "a", "A_b-9", String(repeating: "f", count: 64)] {
            try FileNames.checkFileID(id)
        }
        for id in ["", ".", "a/b", "%00", "é", "'; drop table files;--", String(repeating: "f", count: 65)] {
            #expect(throws: DeployError.self) { try FileNames.checkFileID(id) }
        }
    }
}
