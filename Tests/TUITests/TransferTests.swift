// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Foundation
import Testing

@testable import TUI

/// What is counted, walked and planned around transfers.
@Suite struct TransferTests {
    private let place = ScratchFiles()

    @Test func `a pace is that of the last seconds`() {
        var meter = RateMeter()
        #expect(meter.rate(at: 0) == nil && meter.remaining(100, at: 0) == nil)
        for second in Int64(0)...10 { meter.note(second < 5 ? 0 : (second - 5) * 1000, at: second * 1000) }
        let rate = meter.rate(at: 10_000) ?? 0
        #expect(rate > 800 && rate < 1100, "\(rate)")
        #expect(meter.remaining(7000, at: 10_000) == 2)
        #expect((meter.rate(at: 20_000) ?? 0) < 400, "a halt lowers it")
        meter.note(10, at: 20_500)
        #expect(meter.rate(at: 20_500) == nil, "another content begins anew")
    }

    @Test func `progress in words`() {
        #expect(ProgressText.bar(0, of: 100, width: 4) == "[----]")
        #expect(ProgressText.bar(50, of: 100, width: 4) == "[==--]")
        #expect(ProgressText.bar(200, of: 100, width: 4) == "[====]")
        #expect(ProgressText.bar(-5, of: 100, width: 4) == "[----]")
        #expect(ProgressText.bar(0, of: 0, width: 4) == "[====]")
        #expect(ProgressText.percent(.max, of: .max) == "100%")
        #expect(ProgressText.percent(1, of: 200) == "  0%" && ProgressText.percent(10, of: 100) == " 10%")
        #expect(ProgressText.amount(177_000_000, of: 412_000_000) == "177.0/412.0 MB")
        #expect(ProgressText.amount(177, of: 412_000_000) == "177 B/412.0 MB")
        #expect(ProgressText.amount(1500, of: nil) == "1.5 kB")
        #expect(ProgressText.clock(3) == "0:03" && ProgressText.clock(760) == "12:40")
        #expect(ProgressText.clock(11_100) == "3:05:00")
        let line = ProgressText.line("a\u{1B}[2J", 1, of: 2, .waiting("why"), pace: "")
        #expect(!line.unicodeScalars.contains("\u{1B}") && line.contains("waiting: why"))
    }

    @Test func `a tree is walked in order, links and devices are refused by name`() throws {
        place.write([1], to: "t/b/one")
        place.write([1, 2], to: "t/a")
        place.write([], to: "t/b/天工 \u{1F600}")
        try FileManager.default.createDirectory(
            atPath: "\(place.directory)/t/empty/er", withIntermediateDirectories: true)
        let tree = try FileTree("\(place.directory)/t/")
        #expect(tree.files.map(\.below) == ["a", "b/one", "b/天工 \u{1F600}"])
        #expect(tree.files.map(\.size) == [2, 1, 0])
        #expect(tree.empty == ["empty/er"])
        for (name, make) in [
            ("link", { try FileManager.default.createSymbolicLink(atPath: $0, withDestinationPath: "a") }),
            ("fifo", { path in _ = mkfifo(path, 0o600) }), ("new\nline", { path in _ = self.place.touch(path) }),
            ("back\\slash", { path in _ = self.place.touch(path) }),
        ] as [(String, (String) throws -> Void)] {
            let path = "\(place.directory)/t/\(name)"
            try make(path)
            let error = #expect(throws: DeployError.self) { try FileTree("\(place.directory)/t") }
            #expect(error?.code == .invalidArgument && error?.message.contains(path) == true, "\(name)")
            try FileManager.default.removeItem(atPath: path)
        }
        #expect(throws: DeployError.self) { try FileTree("\(place.directory)/nowhere") }
    }

    @Test func `names that are not UTF-8 are refused`() throws {
        let path = "\(place.directory)/bad-".utf8.map { CChar(bitPattern: $0) } + [CChar(bitPattern: 0xFF), 0]
        #expect(creat(path, 0o600) >= 0)
        let error = #expect(throws: DeployError.self) { try FileTree(place.directory) }
        #expect(error?.message.contains("UTF-8") == true)
    }

    private func plan(_ sources: [String], _ destination: String) throws -> [String?] {
        let paths = sources.map { $0.hasPrefix("@") ? String($0.dropFirst()) : "\(place.directory)/\($0)" }
        return try PushPlan(paths, to: destination).items.map(\.path)
    }

    @Test func `one file takes the destination's name, several and directories go below it`() throws {
        place.write([1], to: "one")
        place.write([1], to: "two")
        place.write([1], to: "tree/x/deep")
        place.write([1], to: "tree/top")
        #expect(try plan(["one"], "/srv/a") == [nil])
        #expect(try plan(["one"], "/srv/a/") == ["one"])
        #expect(try plan(["one", "two"], "/srv/a") == ["one", "two"])
        #expect(try plan(["tree"], "/srv/a") == ["tree/top", "tree/x/deep"])
        #expect(try plan(["tree/"], "/srv/a") == ["top", "x/deep"])
        #expect(try plan(["tree/", "one"], "/srv/a") == ["top", "x/deep", "one"])
        #expect(try plan(["@8f3c1a70"], "/srv/a") == [nil], "an id of a stored file")
        #expect(try PushPlan(["\(place.directory)/tree/"], to: "/srv/a").needsParents)
        #expect(try !PushPlan(["\(place.directory)/one"], to: "/srv/a/").needsParents)
        #expect(try PushPlan(["\(place.directory)/one"], to: "/").destination == "/")
        for destination in ["srv/a", "", "/srv/a\nb", "/a\0"] {
            #expect(throws: DeployError.self, "\(destination)") { try plan(["one"], destination) }
        }
        for source in ["missing.txt", "@no such id", "@/dev/null"] {
            #expect(throws: DeployError.self, "\(source)") { try plan([source], "/srv/a") }
        }
    }

    private func file(_ name: String) -> FileInfo {
        FileInfo(
            id: .random(), name: name, size: 1, sha256: ContentHash(digest: [UInt8](repeating: 1, count: 32)),
            environment: nil, actor: "olga", createdAt: .now())
    }

    @Test func `a list becomes as many runs as it takes`() throws {
        for number in 0..<4100 { place.write([], to: "many/f\(number)") }
        let plan = try PushPlan(["\(place.directory)/many/"], to: "/srv/a")
        let lists = try plan.lists(plan.items.map { file($0.path ?? "") }, keepsModes: false)
        #expect(lists.map(\.count) == [2000, 2000, 100])
        #expect(lists.flatMap { $0 }.map(\.path) == plan.items.map(\.path))
    }

    @Test func `stored files keep their names, and none replaces another`() throws {
        place.write([1], to: "x.conf")
        let plan = try PushPlan(["\(place.directory)/x.conf", "8f3c1a70"], to: "/srv/a/")
        let list = try plan.lists([file("x.conf"), file("y.conf")], keepsModes: true)[0]
        #expect(list.map(\.path) == ["x.conf", "y.conf"])
        #expect(list[0].mode?.count == 4 && list[1].mode == nil)
        #expect(throws: DeployError.self) { try plan.lists([file("x.conf"), file("x.conf")], keepsModes: false) }
    }

    @Test(arguments: [("docs/a/file", "file"), ("file", "file"), ("/", "/"), ("a/b//", "b"), ("/x", "x")])
    func `the name of a path is its last part`(_ path: String, _ name: String) {
        #expect(LocalFile.name(path) == name)
    }

    @Test func `a path is completed as far as it is certain`() throws {
        place.write([], to: "alpha-one")
        place.write([], to: "alpha-two")
        place.write([], to: "dir/x")
        place.write([], to: ".hidden")
        let base = place.directory
        #expect(PathCompletion.complete("\(base)/al").path == "\(base)/alpha-")
        #expect(PathCompletion.complete("\(base)/alpha-").names == ["alpha-one", "alpha-two"])
        #expect(PathCompletion.complete("\(base)/alpha-o").path == "\(base)/alpha-one")
        #expect(PathCompletion.complete("\(base)/d").path == "\(base)/dir/")
        #expect(PathCompletion.complete("\(base)/").names == ["alpha-one", "alpha-two", "dir"])
        #expect(PathCompletion.complete("\(base)/zz").path == "\(base)/zz")
    }
}

extension ScratchFiles {
    /// An empty file at a whole path.
    func touch(_ path: String) -> Bool { FileManager.default.createFile(atPath: path, contents: nil) }
}
