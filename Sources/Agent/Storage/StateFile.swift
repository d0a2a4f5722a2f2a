// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc
import NIOCore

/// One open file of the agent's state; closed when the last reference goes.
final class StateFile: Sendable {
    /// Where it is, for messages.
    let path: String
    /// The descriptor; valid as long as this object.
    let descriptor: Int32

    /// Opens a file for reading and writing; throws `insufficient_storage` or `internal` naming the path.
    init(_ path: String, create: Bool = false) throws(DeployError) {
        self.path = path
        descriptor = open(path, O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0), 0o600)
        if descriptor < 0 { throw Self.failure("open", path) }
    }

    /// Opens an existing file for reading only; throws `internal` naming the path.
    init(reading path: String) throws(DeployError) {
        self.path = path
        descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        if descriptor < 0 { throw Self.failure("open", path) }
    }

    deinit { close(descriptor) }

    /// The size in bytes.
    func size() throws(DeployError) -> Int {
        let end = lseek(descriptor, 0, SEEK_END)
        guard end >= 0 else { throw Self.failure("read", path) }
        return Int(end)
    }

    /// Writes all of `bytes` at `offset`. After a failure the file may hold a part of them there.
    func write(_ bytes: ByteBuffer, at offset: Int) throws(DeployError) {
        let code = bytes.withUnsafeReadableBytes {
            PositionedWrite.bytes($0, to: descriptor, at: Int64(offset)).code
        }
        guard code == 0 else { throw Self.failure("write", path, code: code) }
    }

    /// Up to `length` bytes from `offset`; fewer at the end of the file. Throws what the system says.
    func read(at offset: Int, length: Int) throws(DeployError) -> ByteBuffer {
        try PositionedRead.bytes(of: descriptor, at: Int64(offset), length: length) {
            Self.failure("read", path, code: $0)
        }
    }

    /// Cuts the file to `size` bytes.
    func truncate(to size: Int) throws(DeployError) {
        if ftruncate(descriptor, off_t(size)) != 0 { throw Self.failure("truncate", path) }
    }

    /// Waits until what was written is on the disk.
    func synchronize() throws(DeployError) {
        while fdatasync(descriptor) != 0 {
            if errno != EINTR { throw Self.failure("synchronize", path) }
        }
    }

    /// An error that says what failed on which path, from `errno`.
    static func failure(_ action: String, _ path: String, code: Int32 = errno) -> DeployError {
        let text = "cannot \(action) \(path): \(String(cString: strerror(code)))"
        switch code {
        case ENOSPC, EDQUOT: return DeployError(.insufficientStorage, text, hint: "free some space on that file system")
        case EMFILE, ENFILE: return DeployError(.unavailable, text, hint: "raise the limit of open files (ulimit -n)")
        default: return DeployError(.internal, text)
        }
    }
}
