// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc

/// Makes directories by their names in open ones, with the owner and the permissions of a task. Used by one task.
final class DirectoryMaker {
    /// Owner and group of what is made.
    private let attributes: FileAttributes
    /// Directories that were made, in order.
    private(set) var made = 0

    /// - Parameter attributes: Owner and group; the permissions are those that directories have for which nothing is said.
    init(_ attributes: FileAttributes) { self.attributes = attributes }

    /// Goes into a directory, which is made if it is not there. Throws `forbidden` for a link or a file of that name.
    func enter(_ name: String, in parent: OpenDirectory, _ walk: DirectoryWalk) throws(DeployError) -> OpenDirectory {
        do throws(DeployError) {
            return try walk.open([name], below: parent)
        } catch {
            guard error.code == .notFound else { throw error }
        }
        _ = try make(name, in: parent, mode: nil)
        return try walk.open([name], below: parent)
    }

    /// Makes a directory unless it is there; then it gets the permissions that are given.
    ///
    /// - Returns: Whether it was made.
    func make(_ name: String, in parent: OpenDirectory, mode: UInt32?) throws(DeployError) -> Bool {
        let isNew = mkdirat(parent.descriptor, name, 0o700) == 0
        guard isNew || errno == EEXIST else { throw HostFailure.make("make the directory", name) }
        var wanted = attributes
        wanted.mode = mode
        guard isNew || wanted != FileAttributes() else { return false }
        let descriptor = try parent.open(name, O_RDONLY | O_DIRECTORY)
        defer { close(descriptor) }
        let old = isNew ? nil : try FileStatus(of: descriptor, name)
        try wanted.apply(to: descriptor, name, replacing: old, standard: FileAttributes.standardDirectory)
        guard isNew else { return false }
        made += 1
        try parent.synchronize()
        return true
    }
}
