// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc

/// Goes over a directory, and what is below it if asked to: in the order of names, directories before what is in them. Links are
/// told and not followed, other file systems and the agent's own files are not entered.
struct TreeListing {
    /// One row.
    struct Item {
        /// The path below the directory that is listed.
        var path: String
        var status: FileStatus
        /// Why a directory was not entered.
        var remark: String?
    }

    /// Directories that are not entered.
    var hidden: Set<FileStatus.Identity> = []
    /// Whether it goes down.
    var isRecursive = false

    /// Names in all open directories that are put in order; of more, the rest comes as it is.
    private static let sorted = 50_000

    private struct Level {
        let reader: DirectoryReader
        let prefix: String
        /// Names in order that are still to come, the next at the end.
        var waiting: [DirectoryReader.Entry]
    }

    /// Gives each thing to `take`. Throws `canceled` when the task is, or why the directory itself cannot be read.
    ///
    /// - Returns: Directories that could not be read.
    func list(_ reader: DirectoryReader, _ take: (Item) -> Void) throws(DeployError) -> Int64 {
        var unreadable: Int64 = 0
        let device = try FileStatus(of: reader.descriptor, ".").identity.device
        var levels = [try level(reader, "", room: Self.sorted)]
        while !levels.isEmpty {
            if Task.isCancelled { throw DeployError(.canceled) }
            let top = levels.count - 1
            var next = levels[top].waiting.popLast()
            if next == nil { next = try levels[top].reader.next() }
            guard let entry = next else {
                levels.removeLast()
                continue
            }
            guard let status = try levels[top].reader.status(of: entry) else { continue }
            var item = Item(path: levels[top].prefix + entry.text, status: status)
            if isRecursive, status.kind == .directory {
                if status.identity.device != device {
                    item.remark = "another file system"
                } else if hidden.contains(status.identity) {
                    item.remark = "the agent's own"
                } else if levels.count >= TreeRemoval.depth {
                    item.remark = "too deep"
                } else {
                    do throws(DeployError) {
                        let room = Self.sorted - levels.reduce(0) { $0 + $1.waiting.count }
                        let below = try DirectoryReader(levels[top].reader, entry)
                        levels.append(try level(below, item.path + "/", room: room))
                    } catch {
                        unreadable += 1
                        item.remark = error.message
                    }
                }
            }
            take(item)
        }
        return unreadable
    }

    private func level(_ reader: DirectoryReader, _ prefix: String, room: Int) throws(DeployError) -> Level {
        var names: [DirectoryReader.Entry] = []
        while names.count < room, let entry = try reader.next() { names.append(entry) }
        names.sort { one, other in
            other.name.lexicographicallyPrecedes(one.name) { UInt8(bitPattern: $0) < UInt8(bitPattern: $1) }
        }
        return Level(reader: reader, prefix: prefix, waiting: names)
    }
}
