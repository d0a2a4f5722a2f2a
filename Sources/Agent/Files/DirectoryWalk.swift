// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CKernel
import Core
import Glibc

/// A directory held open; closed when the last reference goes.
final class OpenDirectory: Sendable {
    /// The descriptor; valid as long as this object. Good for looking up names, not for reading.
    let descriptor: Int32

    /// What a name in a directory is.
    enum Kind: Sendable, Equatable {
        case missing
        /// A regular file with this one name.
        case file
        /// A regular file with several names.
        case linkedFile
        case directory
        /// A symbolic link.
        case link
        /// A pipe, socket or device.
        case other
    }

    /// Opens a directory by its path, which is followed as usual. Throws `not_found` or `forbidden`.
    init(_ path: String) throws(DeployError) {
        descriptor = open(path, ck_o_path() | O_DIRECTORY | O_CLOEXEC)
        if descriptor < 0 { throw Self.failure(path) }
    }

    fileprivate init(owning descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// What a name in it is; links are not followed.
    func kind(of name: String) throws(DeployError) -> Kind {
        var status = stat()
        guard fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
            if errno == ENOENT { return .missing }
            throw Self.failure(name)
        }
        switch status.st_mode & S_IFMT {
        case S_IFREG: return status.st_nlink == 1 ? .file : .linkedFile
        case S_IFDIR: return .directory
        case S_IFLNK: return .link
        default: return .other
        }
    }

    fileprivate static func failure(_ path: String) -> DeployError {
        let code = errno
        let text = "directory \(path.prefix(200)): \(String(cString: strerror(code)))"
        switch code {
        case ENOENT: return DeployError(.notFound, text)
        case ELOOP, ENOTDIR, EXDEV: return DeployError(.forbidden, text, hint: "no part of the path may be a link")
        default: return DeployError(.forbidden, text)
        }
    }
}

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
