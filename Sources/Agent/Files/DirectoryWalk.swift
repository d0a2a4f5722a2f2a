// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CKernel
import Core
import Glibc

/// How to go down from a directory without following any link.
enum DirectoryWalk: Sendable {
    /// In one step, by the kernel (openat2); part by part where it cannot.
    case kernel
    /// Part by part.
    case stepwise

    /// The directory that the parts lead to. Throws `not_found`, or `forbidden` when one of them is a link.
    func open(_ parts: [String], below directory: OpenDirectory) throws(DeployError) -> OpenDirectory {
        guard !parts.isEmpty else { return directory }
        let flags = ck_o_path() | O_DIRECTORY
        if self == .kernel {
            let path = parts.joined(separator: "/")
            let found = ck_open_beneath(directory.descriptor, path, flags, 0, 0)
            if found >= 0 { return OpenDirectory(owning: found) }
            // Unknown to this kernel, or kept from us by a filter of system calls.
            guard errno == ENOSYS || errno == EPERM else { throw OpenDirectory.failure(path) }
        }
        var current = directory
        for part in parts {
            let next = openat(current.descriptor, part, flags | O_NOFOLLOW | O_CLOEXEC)
            guard next >= 0 else { throw OpenDirectory.failure(part) }
            current = OpenDirectory(owning: next)
        }
        return current
    }
}
