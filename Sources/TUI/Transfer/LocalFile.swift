// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A file of this host that is open for reading; closed with the last reference. Blocking.
final class LocalFile: Sendable {
    /// What tells a file from what it was before.
    struct State: Sendable, Equatable {
        /// Bytes.
        var size: Int64
        /// When it was written last, in nanoseconds.
        var writtenAt: Int64
        /// Its permissions.
        var mode: UInt32
        /// Whether it can be read again, from anywhere.
        var isRegular: Bool
    }

    /// As it was given.
    let path: String
    let descriptor: Int32
    /// As it was when it was opened.
    let opened: State

    /// Opens a file, or something that can be read like one. Throws `not_found`, or what the system says.
    init(_ path: String) throws(DeployError) {
        // Of a pipe that nobody writes to yet, reading waits and not opening it.
        descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        self.path = path
        guard descriptor >= 0 else { throw Self.failure(path) }
        do throws(DeployError) {
            opened = try Self.state(descriptor, path)
        } catch {
            close(descriptor)
            throw error
        }
    }

    deinit { close(descriptor) }

    /// What a path is, without opening it: that would already mean something to who writes to a pipe.
    ///
    /// Throws as opening it would, as far as that can be known.
    static func look(_ path: String) throws(DeployError) -> State {
        var status = stat()
        guard stat(path, &status) == 0, access(path, R_OK) == 0 else { throw failure(path) }
        return try state(status, path)
    }

    /// The name without what is before the last slash.
    static func name(_ path: String) -> String {
        var text = Substring(path)
        while text.utf8.count > 1, text.utf8.last == UInt8(ascii: "/") { text = text.dropLast() }
        guard text != "/" else { return "/" }
        return text.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(text[text.utf8.index(after: $0)...]) }
            ?? String(text)
    }

    /// Throws `conflict` when it was written since it was opened.
    func checkUnchanged() throws(DeployError) {
        let now = try Self.state(descriptor, path)
        guard now.size == opened.size, now.writtenAt == opened.writtenAt else {
            throw DeployError(
                .conflict, "\(path) changed while it was read", hint: "upload it again once nobody writes it")
        }
    }

    /// Up to so many bytes at an offset; fewer at the end only.
    func read(at offset: Int64, upTo limit: Int) throws(DeployError) -> ByteBuffer {
        try PositionedRead.bytes(of: descriptor, at: offset, length: limit) { Self.failure(path, $0) }
    }

    private static func state(_ descriptor: Int32, _ path: String) throws(DeployError) -> State {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure(path) }
        return try state(status, path)
    }

    private static func state(_ status: stat, _ path: String) throws(DeployError) -> State {
        let kind = status.st_mode & S_IFMT
        guard kind != S_IFDIR else {
            throw DeployError(
                .invalidArgument, "\(path) is a directory", hint: "tiangong file push brings directories to agents")
        }
        return State(
            size: Int64(status.st_size),
            writtenAt: Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec),
            mode: UInt32(status.st_mode & 0o7777), isRegular: kind == S_IFREG)
    }

    /// What the system said of a path.
    static func failure(_ path: String, _ code: Int32 = errno) -> DeployError {
        let reason = String(cString: strerror(code))
        return DeployError(code == ENOENT ? .notFound : .invalidArgument, "\(path) cannot be read: \(reason)")
    }
}
