// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc

/// What something in a file system is.
struct FileStatus: Sendable, Equatable {
    /// What kind of thing.
    enum Kind: String, Sendable {
        case file
        case directory
        case link
        case pipe
        case socket
        case device
    }

    /// What tells a file from all others.
    struct Identity: Sendable, Hashable {
        var device: UInt64
        var inode: UInt64
    }

    /// What kind of thing.
    var kind: Kind
    /// Bytes.
    var size: Int64
    /// Permissions, 0 to 0o7777.
    var mode: UInt32
    /// The owner.
    var userID: uid_t
    /// The group.
    var groupID: gid_t
    /// How many names it has.
    var names: UInt64
    /// Which one it is.
    var identity: Identity
    /// When its content was changed, in nanoseconds.
    var modified: Int64
    /// When anything about it was changed, in nanoseconds.
    var changed: Int64

    /// The system's answer.
    init(_ status: stat) {
        kind =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .file
            case S_IFDIR: .directory
            case S_IFLNK: .link
            case S_IFIFO: .pipe
            case S_IFSOCK: .socket
            default: .device
            }
        size = Int64(status.st_size)
        mode = UInt32(status.st_mode) & 0o7777
        userID = status.st_uid
        groupID = status.st_gid
        names = UInt64(status.st_nlink)
        identity = Identity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
        modified = Self.nanoseconds(status.st_mtim)
        changed = Self.nanoseconds(status.st_ctim)
    }

    /// What an open file is; throws what the system says.
    init(of descriptor: Int32, _ path: String) throws(DeployError) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw HostFailure.make("look at", path) }
        self.init(status)
    }

    /// When its content was changed.
    var modifiedAt: Timestamp { Timestamp(milliseconds: modified / 1_000_000) }

    /// Octal permissions, such as `0644`.
    var modeText: String {
        let digits = String(mode, radix: 8)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }

    /// As `ls -l` shows it, such as `-rw-r--r--`.
    var permissions: String {
        let letter =
            switch kind {
            case .file: "-"
            case .directory: "d"
            case .link: "l"
            case .pipe: "p"
            case .socket: "s"
            case .device: "c"
            }
        let special: [(bit: UInt32, set: String, plain: String)] = [
            (0o4000, "s", "S"), (0o2000, "s", "S"), (0o1000, "t", "T"),
        ]
        var text = letter
        for (index, special) in special.enumerated() {
            let bits = mode >> UInt32(6 - 3 * index)
            text += bits & 4 != 0 ? "r" : "-"
            text += bits & 2 != 0 ? "w" : "-"
            if mode & special.bit != 0 {
                text += bits & 1 != 0 ? special.set : special.plain
            } else {
                text += bits & 1 != 0 ? "x" : "-"
            }
        }
        return text
    }

    private static func nanoseconds(_ time: timespec) -> Int64 {
        let (seconds, isTooLarge) = Int64(time.tv_sec).multipliedReportingOverflow(by: 1_000_000_000)
        return isTooLarge ? 0 : seconds &+ Int64(time.tv_nsec)
    }
}

/// Errors of system calls on files of this host.
enum HostFailure {
    /// The error of the call that just failed.
    static func make(_ action: String, _ path: String, code: Int32 = errno) -> DeployError {
        let text = "cannot \(action) \(path.prefix(200)): \(String(cString: strerror(code)))"
        switch code {
        case ENOENT: return DeployError(.notFound, text)
        case ENOSPC, EDQUOT:
            return DeployError(.insufficientStorage, text, hint: "free some space on that file system")
        case EACCES, EPERM, EROFS, ELOOP, ENOTDIR, EXDEV: return DeployError(.forbidden, text)
        case EEXIST, ENOTEMPTY, EBUSY, EISDIR: return DeployError(.conflict, text)
        case EMFILE, ENFILE:
            return DeployError(.unavailable, text, hint: "raise the limit of open files (ulimit -n)")
        default: return DeployError(.taskFailed, text)
        }
    }
}
