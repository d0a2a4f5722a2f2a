// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import Glibc
import NIOCore
import Testing

@testable import Agent

@Suite struct `A part of a file` {
    private func hash(_ text: String) -> ContentHash { ContentHash(digest: SHA256.hash(data: Array(text.utf8))) }

    private func append(_ text: String, to part: PartFile) throws {
        var bytes = ByteBuffer(string: text)
        try part.append(&bytes)
        #expect(bytes.readableBytes == 0)
    }

    /// Opens the part of a text, writes what is missing, and gives it its name.
    @discardableResult
    private func bring(
        _ text: String, as name: String, to directory: OpenDirectory, backup: BackupName? = nil
    ) throws -> String? {
        let part = try PartFile.open(in: directory, for: name, hash(text))
        try part.resume(size: Int64(text.utf8.count))
        try append(String(text.dropFirst(Int(part.offset))), to: part)
        #expect(part.digest == hash(text))
        return try part.place(backup: backup)
    }

    @Test func `goes on where an earlier one stopped, and takes its place whole`() async throws {
        try await withTemporaryDirectory { top in
            let directory = try OpenDirectory(top)
            let sha256 = hash("hello world")
            do {
                let part = try PartFile.open(in: directory, for: "a", sha256)
                try part.resume(size: 11)
                try append("hello ", to: part)
                part.leave()
            }
            #expect(StateDirectory.names(in: top) == [".a.\(sha256.short).tiangong-part"])
            let part = try PartFile.open(in: directory, for: "a", sha256)
            try part.resume(size: 11)
            #expect(part.resumed == 6)
            try append("world", to: part)
            try part.synchronize()
            #expect(try part.place(backup: nil) == nil)
            part.leave()
            part.discard()
            #expect(StateDirectory.names(in: top) == ["a"])
            #expect(contents(of: top + "/a") == "hello world")
        }
    }

    @Test func `is written by one at a time, and never once it has its name`() async throws {
        try await withTemporaryDirectory { top in
            let directory = try OpenDirectory(top)
            let sha256 = hash("same")
            let one = try PartFile.open(in: directory, for: "a", sha256)
            let other = try PartFile.open(in: directory, for: "a", sha256)
            #expect(one.name != other.name)
            try append("same", to: one)
            try append("sa", to: other)
            _ = try one.place(backup: nil)
            // The lock is still held: a third must not take the file for a part.
            let third = try PartFile.open(in: directory, for: "a", sha256)
            try third.resume(size: 4)
            #expect(third.offset == 0)
            try append("s", to: third)
            #expect(contents(of: top + "/a") == "same")
            other.leave()
            third.leave()
            #expect(Set(StateDirectory.names(in: top)) == ["a", third.name], "a part of its own is not left behind")
        }
    }

    @Test func `is not taken from a link, from others, or when it is too long`() async throws {
        try await withTemporaryDirectory { top in
            let directory = try OpenDirectory(top)
            let name = PartFile.name("a", hash("x").short)
            try write("canary", to: top + "/canary")
            symlink("canary", "\(top)/\(name)")
            #expect(try bring("x", as: "a", to: directory) == nil)
            #expect(contents(of: top + "/canary") == "canary" && contents(of: top + "/a") == "x")
            unlink("\(top)/\(name)")
            link(top + "/canary", "\(top)/\(name)")
            let linked = try PartFile.open(in: directory, for: "a", hash("x"))
            try append("x", to: linked)
            #expect(contents(of: top + "/canary") == "canary")
            linked.discard()
            try write("xyz", to: "\(top)/\(name)")
            chmod("\(top)/\(name)", 0o600)
            let long = try PartFile.open(in: directory, for: "a", hash("x"))
            try long.resume(size: 1)
            #expect(long.offset == 0 && long.resumed == 0)
        }
    }

    @Test func `has a name within what a file system takes`() {
        for name in [String(repeating: "x", count: 255), String(repeating: "界", count: 85), "a"] {
            let part = PartFile.name(name, "0123456789ab")
            #expect(part.utf8.count <= 255 && part.hasPrefix(".\(name.prefix(1))") && part.hasSuffix(PartFile.suffix))
        }
    }

    @Test func `keeps what it replaces, the newest few, in the order of time`() async throws {
        try await withTemporaryDirectory { top in
            let directory = try OpenDirectory(top)
            let now = Timestamp("2026-11-27T06:15:00.500Z") ?? .now()
            for version in 0..<4 {
                let backup = try BackupName(of: "a", at: now)
                let kept = try bring("version \(version)", as: "a", to: directory, backup: backup)
                let expected = ["", ".1", ".2"].map { "a.20261127T061500Z\($0)~" }
                #expect(kept == (version == 0 ? nil : expected[version - 1]))
                if let kept { #expect(contents(of: "\(top)/\(kept)") == "version \(version - 1)") }
            }
            try bring(
                "version 4", as: "a", to: directory, backup: BackupName(of: "a", at: now.adding(milliseconds: 1000)))
            try write("", to: top + "/a.notes~")
            try write("", to: top + "/ab.20261127T061500Z~")
            #expect(try BackupName.prune("a", in: directory, keeping: 2) == 2)
            #expect(
                Set(StateDirectory.names(in: top)) == [
                    "a", "a.20261127T061500Z.2~", "a.20261127T061501Z~", "a.notes~", "ab.20261127T061500Z~",
                ])
            #expect(throws: DeployError.self) { try BackupName(of: String(repeating: "x", count: 240)) }
        }
    }

    @Test func `does not take the place of what is no file any more`() async throws {
        try await withTemporaryDirectory { top in
            let directory = try OpenDirectory(top)
            try StateDirectory.create(top + "/a/inside")
            #expect(throws: DeployError.self) { try bring("x", as: "a", to: directory) }
            #expect(throws: DeployError.self) { try bring("x", as: "a", to: directory, backup: BackupName(of: "a")) }
            #expect(StateDirectory.names(in: top + "/a") == ["inside"])
            symlink("nowhere", top + "/l")
            #expect(throws: DeployError.self) { try bring("x", as: "l", to: directory, backup: BackupName(of: "l")) }
            #expect(try directory.kind(of: "l") == .link)
        }
    }

    @Test(.enabled(if: geteuid() == 0, "mounting needs root"))
    func `on a full disk keeps what it has and says that there is no room`() async throws {
        try await withTemporaryDirectory { top in
            #expect(mount("tiangong-test", top, "tmpfs", 0, "size=1m") == 0)
            defer { umount2(top, Int32(MNT_DETACH)) }
            let directory = try OpenDirectory(top)
            let part = try PartFile.open(in: directory, for: "a", hash(""))
            var bytes = ByteBuffer(repeating: 7, count: 3 << 20)
            let error = #expect(throws: DeployError.self) { try part.append(&bytes) }
            #expect(error?.code == .insufficientStorage)
            #expect(part.offset > 900_000 && part.offset == Int64((3 << 20) - bytes.readableBytes))
            #expect(directory.free().map { $0 < 65_536 } == true)
            let again = try PartFile.open(in: directory, for: "b", hash("b"))
            var more = ByteBuffer(string: "b")
            #expect(throws: DeployError.self) { try again.append(&more) }
            try part.reset()
            try again.append(&more)
            #expect(again.digest == hash("b"))
        }
    }
}

@Suite struct `Owners and permissions` {
    @Test func `are those of what is replaced, unless others are asked for`() async throws {
        try await withTemporaryDirectory { top in
            try write("", to: top + "/old")
            chmod(top + "/old", 0o604)
            let directory = try OpenDirectory(top)
            let old = try directory.status(of: "old")
            let new = try directory.open("new", O_RDWR | O_CREAT)
            defer { close(new) }
            try FileAttributes().apply(to: new, "new", replacing: old, standard: 0o640)
            #expect(try FileStatus(of: new, "new").mode == 0o604)
            try FileAttributes(mode: 0o711).apply(to: new, "new", replacing: old, standard: 0o640)
            #expect(try FileStatus(of: new, "new").modeText == "0711")
            try FileAttributes().apply(to: new, "new", replacing: nil, standard: 0o640)
            #expect(try FileStatus(of: new, "new").permissions == "-rw-r-----")
            if geteuid() == 0 {
                try FileAttributes(mode: 0o4755, userID: 1, groupID: 2).apply(
                    to: new, "new", replacing: old, standard: 0o640)
                let status = try FileStatus(of: new, "new")
                #expect(status.mode == 0o4755 && status.userID == 1 && status.groupID == 2)
                #expect(status.permissions == "-rwsr-xr-x")
            }
        }
    }

    @Test func `are found by name and by number`() throws {
        #expect(try Owners.userID("root") == 0 && Owners.userID("12") == 12)
        #expect(try Owners.groupID("root") == 0 && Owners.groupID("0") == 0)
        #expect(Owners.name(ofUser: 0) == "root" && Owners.name(ofGroup: 0) == "root")
        #expect(Owners.name(ofUser: 4_000_000_000) == "4000000000")
        for name in ["no-such-account", "4294967295", "99999999999"] {
            #expect(throws: DeployError.self) { try Owners.userID(name) }
            #expect(throws: DeployError.self) { try Owners.groupID(name) }
        }
    }
}
