// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc

/// A file that only grows, one whole line at a time; closed when the last reference goes.
final class AppendFile: Sendable {
    /// Where it is.
    let path: String
    private let descriptor: Int32
    private let identity: (device: dev_t, inode: ino_t)

    /// Opens the file, making it for its owner only; throws what the system says.
    init(_ path: String) throws(DeployError) {
        self.path = path
        descriptor = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw StateFile.failure("open", path) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            let code = errno
            close(descriptor)
            throw StateFile.failure("use", path, code: code)
        }
        identity = (status.st_dev, status.st_ino)
    }

    deinit { close(descriptor) }

    /// The bytes in it, if the path still names this file and it may be written; throws what is wrong otherwise.
    func checkedSize() throws(DeployError) -> Int64 {
        var status = stat()
        guard lstat(path, &status) == 0, access(path, W_OK) == 0 else { throw StateFile.failure("write", path) }
        guard status.st_dev == identity.device, status.st_ino == identity.inode else {
            throw DeployError(.conflict, "\(path) was replaced")
        }
        let directory = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        guard access(directory, W_OK | X_OK) == 0 else { throw StateFile.failure("write in", directory) }
        return Int64(status.st_size)
    }

    /// Appends bytes: all of them or, unless the disk fails twice, none.
    func append(_ text: String, at size: Int64) throws(DeployError) {
        var text = text
        var failure: DeployError?
        text.withUTF8 { bytes in
            var done = 0
            while done < bytes.count, failure == nil {
                let count = Glibc.write(descriptor, bytes.baseAddress?.advanced(by: done), bytes.count - done)
                if count < 0, errno == EINTR { continue }
                if count <= 0 { failure = StateFile.failure("write", path) }
                done += max(0, count)
            }
            if failure != nil, done > 0 { ftruncate(descriptor, off_t(size)) }
        }
        if let failure { throw failure }
    }

    /// Cuts the file.
    func truncate(to size: Int64) throws(DeployError) {
        if ftruncate(descriptor, off_t(size)) != 0 { throw StateFile.failure("truncate", path) }
    }

    /// Waits until what was written is on the disk.
    func synchronize() throws(DeployError) {
        while fdatasync(descriptor) != 0 {
            if errno != EINTR { throw StateFile.failure("synchronize", path) }
        }
    }

    /// The last bytes, up to a number of them.
    func tail(_ count: Int64) throws(DeployError) -> [UInt8] {
        let size = try checkedSize()
        let wanted = Int(min(size, count))
        var bytes = [UInt8](repeating: 0, count: wanted)
        var done = 0
        while done < wanted {
            let read = bytes.withUnsafeMutableBytes {
                pread(descriptor, $0.baseAddress?.advanced(by: done), wanted - done, off_t(size) - off_t(wanted - done))
            }
            if read < 0, errno == EINTR { continue }
            if read <= 0 { throw StateFile.failure("read", path) }
            done += read
        }
        return bytes
    }
}
