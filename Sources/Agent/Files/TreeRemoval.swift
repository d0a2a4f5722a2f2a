// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc

/// Removes a directory with all below it: name by name in open directories, so that no link ever leads it elsewhere. Never goes
/// over to another file system.
struct TreeRemoval {
    /// Names that were removed and were no directories.
    private(set) var files: Int64 = 0
    /// Directories that were removed.
    private(set) var directories: Int64 = 0
    /// What could not be removed.
    private(set) var failures: Int64 = 0
    /// Why, for the first of them.
    private(set) var firstFailure: DeployError?

    /// The deepest nesting; each level holds a descriptor.
    static let depth = 200
    /// How often a directory is gone over in which others make new files meanwhile.
    private static let passes = 8

    private struct Level {
        let reader: DirectoryReader
        /// Its name in the level above; nil at the top.
        let entry: DirectoryReader.Entry?
        var passes = 0
        var failures: Int64 = 0
    }

    /// Removes it.
    ///
    /// - Parameters:
    ///   - name: The directory's name.
    ///   - parent: Where it is.
    ///   - path: What messages call it.
    /// - Throws: `canceled` when the task is, or why it could not even be opened; all else is counted.
    mutating func remove(_ name: String, in parent: OpenDirectory, path: String) throws(DeployError) {
        var levels = [Level(reader: try DirectoryReader(parent, name, path: path), entry: nil)]
        let device = try FileStatus(of: levels[0].reader.descriptor, path).identity.device
        while let level = levels.last {
            if Task.isCancelled { throw DeployError(.canceled) }
            do throws(DeployError) {
                if let entry = try level.reader.next() {
                    if let below = try enter(entry, in: level.reader, device: device, depth: levels.count) {
                        levels.append(below)
                    }
                    continue
                }
                guard try leave(&levels, name, parent, path) else { continue }
            } catch {
                note(error)
                levels[levels.count - 1].failures += 1
                // A directory that cannot be read to its end is left.
                if error.message.hasPrefix("cannot read") { levels.removeLast() }
            }
        }
    }

    /// Removes what is no directory. Throws what the system says.
    mutating func removeFile(_ name: String, in parent: OpenDirectory, path: String) throws(DeployError) {
        guard unlinkat(parent.descriptor, name, 0) == 0 else { throw HostFailure.make("remove", path) }
        files += 1
    }

    /// Removes a name, or gives the directory that has to be emptied first.
    private mutating func enter(
        _ entry: DirectoryReader.Entry, in reader: DirectoryReader, device: UInt64, depth: Int
    ) throws(DeployError) -> Level? {
        guard let status = try reader.status(of: entry) else { return nil }
        guard status.kind == .directory else {
            try reader.remove(entry, isDirectory: false)
            files += 1
            return nil
        }
        guard status.identity.device == device else {
            throw DeployError(.conflict, "another file system is mounted at \(entry.text.prefix(200))")
        }
        guard depth < Self.depth else {
            throw DeployError(.conflict, "\(entry.text.prefix(200)) is deeper than \(Self.depth) directories")
        }
        return Level(reader: try DirectoryReader(reader, entry), entry: entry)
    }

    /// Removes an emptied directory and goes up; false when it is not empty after all and is gone over again.
    private mutating func leave(
        _ levels: inout [Level], _ name: String, _ parent: OpenDirectory, _ path: String
    ) throws(DeployError) -> Bool {
        guard let level = levels.last else { return true }
        guard level.failures == 0 else {
            levels.removeLast()
            if !levels.isEmpty { levels[levels.count - 1].failures += 1 }
            return true
        }
        do throws(DeployError) {
            if let entry = level.entry {
                try levels[levels.count - 2].reader.remove(entry, isDirectory: true)
            } else if unlinkat(parent.descriptor, name, AT_REMOVEDIR) != 0, errno != ENOENT {
                throw HostFailure.make("remove", path)
            }
            directories += 1
            levels.removeLast()
            return true
        } catch {
            guard error.code == .conflict, level.passes < Self.passes else {
                levels.removeLast()
                if levels.isEmpty {
                    note(error)
                    return true
                }
                throw error
            }
            levels[levels.count - 1].passes += 1
            level.reader.rewind()
            return false
        }
    }

    private mutating func note(_ error: DeployError) {
        failures += 1
        firstFailure = firstFailure ?? error
    }
}
