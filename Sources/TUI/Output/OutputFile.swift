// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A file that is written piece by piece and takes its name when it is whole; for its owner only.
final class OutputFile: Sendable {
    private let path: String
    private let temporary: String
    private let descriptor: Int32

    /// Begins the file beside its place; throws what the system says.
    init(_ path: String) throws(DeployError) {
        self.path = path
        temporary = "\(path).\(getpid()).tmp"
        descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Self.failure(path) }
    }

    deinit {
        close(descriptor)
        unlink(temporary)
    }

    /// Adds a text; throws what the system says.
    func write(_ text: String) throws(DeployError) { try RawOutput.writeNow(ByteBuffer(string: text), to: descriptor) }

    /// Puts the file in its place.
    func finish() throws(DeployError) {
        guard fsync(descriptor) == 0, rename(temporary, path) == 0 else { throw Self.failure(path) }
    }

    private static func failure(_ path: String) -> DeployError {
        DeployError(.internal, "\(path) cannot be written: \(String(cString: strerror(errno)))")
    }
}
