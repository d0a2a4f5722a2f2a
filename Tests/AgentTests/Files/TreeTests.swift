// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import Testing

@testable import Agent

@Suite struct `A directory with all below it` {
    /// `tree` with files, directories and links to `outside`, which holds a canary.
    private func withTree(_ body: (String) async throws -> Void) async throws {
        try await withTemporaryDirectory { top in
            for name in ["tree/a/b/c", "tree/empty", "outside"] { try StateDirectory.create("\(top)/\(name)") }
            for name in ["tree/one", "tree/a/two", "tree/a/b/c/three", "outside/canary"] {
                try write(name, to: "\(top)/\(name)")
            }
            symlink("../../outside", top + "/tree/a/link")
            symlink("nowhere", top + "/tree/dangling")
            mkfifo(top + "/tree/a/pipe", 0o600)
            try await body(top)
        }
    }

    @Test func `is removed, and nothing that its links lead to`() async throws {
        try await withTree { top in
            var removal = TreeRemoval()
            try removal.remove("tree", in: OpenDirectory(top), path: "tree")
            #expect(removal.files == 6 && removal.directories == 5 && removal.failures == 0)
            #expect(StateDirectory.names(in: top) == ["outside"])
            #expect(contents(of: top + "/outside/canary") == "outside/canary")
            #expect(throws: DeployError.self) { try removal.remove("tree", in: OpenDirectory(top), path: "tree") }
            symlink("outside", top + "/tree")
            #expect(throws: DeployError.self) { try removal.remove("tree", in: OpenDirectory(top), path: "tree") }
            #expect(StateDirectory.names(in: top + "/outside") == ["canary"])
        }
    }

    @Test(.enabled(if: geteuid() == 0, "mounting needs root"))
    func `that holds another file system loses all but that`() async throws {
        try await withTree { top in
            #expect(mount("tiangong-test", top + "/tree/a/b", "tmpfs", 0, "size=1m") == 0)
            defer { umount2(top + "/tree/a/b", Int32(MNT_DETACH)) }
            try write("mounted", to: top + "/tree/a/b/mounted")
            var removal = TreeRemoval()
            try removal.remove("tree", in: OpenDirectory(top), path: "tree")
            #expect(removal.failures == 1 && removal.firstFailure?.message.contains("mounted") == true)
            #expect(contents(of: top + "/tree/a/b/mounted") == "mounted")
            #expect(StateDirectory.names(in: top + "/tree") == ["a"])
        }
    }

    @Test func `is listed in order, and only down to where it may be entered`() async throws {
        try await withTree { top in
            let directory = try OpenDirectory(top)
            func list(_ listing: TreeListing) throws -> [String] {
                var paths: [String] = []
                let reader = try DirectoryReader(directory, "tree")
                #expect(try listing.list(reader) { paths.append($0.path + ($0.remark.map { ": \($0)" } ?? "")) } == 0)
                return paths
            }
            #expect(try list(TreeListing()) == ["a", "dangling", "empty", "one"])
            #expect(
                try list(TreeListing(isRecursive: true)) == [
                    "a", "a/b", "a/b/c", "a/b/c/three", "a/link", "a/pipe", "a/two", "dangling", "empty", "one",
                ])
            let own = try #require(try OpenDirectory(top + "/tree/a").status(of: "b")).identity
            #expect(
                try list(TreeListing(hidden: [own], isRecursive: true)) == [
                    "a", "a/b: the agent's own", "a/link", "a/pipe", "a/two", "dangling", "empty", "one",
                ])
        }
    }

    @Test func `is made with its parents, where nothing else is in the way`() async throws {
        try await withTree { top in
            let policy = try PathPolicy(roots: [top + "/tree"])
            let maker = DirectoryMaker(FileAttributes())
            let place = try policy.reach(top + "/tree/x/y/z/", making: maker)
            #expect(maker.made == 2 && place.name == "z" && place.path == top + "/tree/x/y/z")
            #expect(try maker.make("z", in: place.directory, mode: 0o711))
            #expect(try place.status().mode == 0o711)
            #expect(try !maker.make("z", in: place.directory, mode: nil))
            #expect(try place.status().mode == 0o711)
            for path in ["tree/a/link/new", "tree/one/new", "tree/dangling/new"] {
                #expect(throws: DeployError.self) { try policy.reach("\(top)/\(path)", making: maker) }
            }
            #expect(StateDirectory.names(in: top + "/outside") == ["canary"])
            #expect(try policy.reach(top + "/tree").name == nil)
        }
    }

    @Test func `is the agent's own, whatever way leads there`() async throws {
        try await withTree { top in
            symlink("tree/a", top + "/alias")
            for root in [top, top + "/tree", top + "/alias"] {
                let policy = try PathPolicy(roots: [root], excluding: [top + "/tree/a/b", top + "/tree/one"])
                let inside = root == top + "/alias" ? root : root == top ? top + "/tree/a" : root + "/a"
                for path in [inside + "/b", inside + "/b/c/three", inside + "/b/new"] {
                    let error = #expect(throws: DeployError.self) { try policy.reach(path) }
                    #expect(error?.code == .forbidden, "\(path)")
                    #expect(throws: DeployError.self) { try policy.checkTarget(path) }
                    #expect(throws: DeployError.self) { try policy.locate(path, for: .read) }
                }
                #expect(try policy.reach(inside).holdsOwnFiles)
                #expect(try !policy.reach(inside + "/two").holdsOwnFiles)
            }
        }
    }
}
