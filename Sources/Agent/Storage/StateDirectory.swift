// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CKernel
import Core
import Crypto
import Glibc
import NIOCore

/// The agent's data directory, held by one agent at a time.
final class StateDirectory: Sendable {
    /// Absolute path.
    let path: String
    /// Tells this directory from a copy of it, from one made anew and from one brought back from a backup: what its
    /// journal does not hold proves something only where the same directory was asked before.
    let id: String
    private let lock: StateFile

    /// Makes the directory if need be and locks it; throws `conflict` when another agent holds it.
    init(_ path: String) throws(DeployError) {
        self.path = path
        try Self.create(path)
        try Self.create(path + "/spool")
        lock = try StateFile(path + "/lock", create: true)
        if flock(lock.descriptor, LOCK_EX | LOCK_NB) != 0 {
            throw DeployError(
                .conflict, "another agent uses \(path)", hint: "stop it, or give this one its own --data-dir")
        }
        id = try Self.identity(lock)
    }

    /// 32 hexadecimal digits made of what only this directory has: a random name kept in its lock file, which is never
    /// replaced, and that file's inode, which a copy does not share.
    private static func identity(_ lock: StateFile) throws(DeployError) -> String {
        let length = 32
        var name = try lock.read(at: 0, length: length)
        if name.readableBytes < length {
            name = ByteBuffer(bytes: (0..<length).map { _ in UInt8.random(in: 0x21...0x7E) })
            try lock.write(name, at: 0)
            try lock.synchronize()
        }
        var status = stat()
        guard fstat(lock.descriptor, &status) == 0 else { throw StateFile.failure("read", lock.path) }
        var hash = SHA256()
        name.withUnsafeReadableBytes { hash.update(bufferPointer: $0) }
        withUnsafeBytes(of: status.st_ino.littleEndian) { hash.update(bufferPointer: $0) }
        return String(ContentHash(digest: hash.finalize()).hex.prefix(32))
    }

    /// Makes a directory and its parents, for this account only.
    static func create(_ path: String) throws(DeployError) {
        if mkdir(path, 0o700) == 0 || errno == EEXIST { return }
        let code = errno
        if code == ENOENT, let slash = path.lastIndex(of: "/"), slash > path.startIndex {
            try create(String(path[..<slash]))
            if mkdir(path, 0o700) == 0 || errno == EEXIST { return }
        }
        throw StateFile.failure("make directory", path)
    }

    /// Whether a path is a directory, or one we may not look into.
    static func exists(_ path: String) -> Bool {
        let descriptor = open(path, ck_o_path() | O_DIRECTORY | O_CLOEXEC)
        if descriptor < 0 { return false }
        close(descriptor)
        return true
    }

    /// The names in a directory, without `.` and `..`; empty when it cannot be read.
    static func names(in path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }

    /// Makes a renamed or created entry of a directory durable.
    static func synchronize(_ path: String) {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if descriptor >= 0 {
            fsync(descriptor)
            close(descriptor)
        }
    }
}
