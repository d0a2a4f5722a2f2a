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
        descriptor = Glibc.open(path, ck_o_path() | O_DIRECTORY | O_CLOEXEC)
        if descriptor < 0 { throw Self.failure(path) }
    }

    init(owning descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    // MARK: Names

    /// What a name in it is; links are not followed.
    func kind(of name: String) throws(DeployError) -> Kind {
        guard let status = try status(of: name) else { return .missing }
        switch status.kind {
        case .file: return status.names == 1 ? .file : .linkedFile
        case .directory: return .directory
        case .link: return .link
        case .pipe, .socket, .device: return .other
        }
    }

    /// What a name in it is, links not followed; nil when there is none.
    func status(of name: String) throws(DeployError) -> FileStatus? {
        var status = stat()
        guard fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
            if errno == ENOENT { return nil }
            throw HostFailure.make("look at", name)
        }
        return FileStatus(status)
    }

    /// The directory itself.
    func status() throws(DeployError) -> FileStatus { try FileStatus(of: descriptor, "the directory") }

    /// Opens a name in it, never following a link nor waiting for the other end of a pipe; throws what the system says.
    func open(_ name: String, _ flags: Int32, mode: mode_t = 0o600) throws(DeployError) -> Int32 {
        while true {
            let found = openat(descriptor, name, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, mode)
            if found >= 0 { return found }
            if errno != EINTR { throw HostFailure.make("open", name) }
        }
    }

    /// Removes a name that is no directory; one that is not there is removed.
    func unlink(_ name: String) { unlinkat(descriptor, name, 0) }

    /// Makes what happened to its names durable. A directory that may be searched but not read is left to the kernel.
    func synchronize() throws(DeployError) {
        let readable = openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard readable >= 0 else { return }
        defer { close(readable) }
        guard fsync(readable) == 0 || errno == EINVAL else { throw HostFailure.make("synchronize", "a directory") }
    }

    /// Bytes that may still be written on its file system; nil where that is not known.
    func free() -> Int64? {
        var status = statvfs()
        guard fstatvfs(descriptor, &status) == 0, status.f_blocks > 0 else { return nil }
        let (bytes, isTooLarge) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
        return isTooLarge ? nil : Int64(clamping: bytes)
    }

    static func failure(_ path: String) -> DeployError {
        let code = errno
        let text = "directory \(path.prefix(200)): \(String(cString: strerror(code)))"
        switch code {
        case ENOENT: return DeployError(.notFound, text)
        case ELOOP, ENOTDIR, EXDEV: return DeployError(.forbidden, text, hint: "no part of the path may be a link")
        case EMFILE, ENFILE: return HostFailure.make("open", "directory \(path)", code: code)
        default: return DeployError(.forbidden, text)
        }
    }
}
