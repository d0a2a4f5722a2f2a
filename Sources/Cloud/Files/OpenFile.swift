// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CKernel
import Core
import Glibc
import NIOCore

/// A part that is being written; closed with the last reference.
final class PartFile: Sendable {
    /// The upload.
    let id: UploadID
    let descriptor: Int32

    init(id: UploadID, owning descriptor: Int32) {
        self.id = id
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// Bytes it has.
    func size() throws(DeployError) -> Int64 {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw FileFailure.make("read", "a part") }
        return Int64(status.st_size)
    }

    /// Writes all bytes at an offset. Throws `insufficient_storage` when the disk is full.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(DeployError) {
        let code = PositionedWrite.bytes(bytes, to: descriptor, at: offset).code
        guard code == 0 else { throw FileFailure.make("write", "a file's content", code: code) }
    }

    /// Cuts it off behind an offset.
    func truncate(to size: Int64) throws(DeployError) {
        guard ftruncate(descriptor, off_t(size)) == 0 else { throw FileFailure.make("cut", "a part") }
    }

    /// Has the disk begin with what was written, without waiting.
    func startWriteback(from offset: Int64, _ length: Int64) {
        _ = ck_start_writeback(descriptor, offset, length)
    }
}

/// A content that is being read; closed with the last reference.
final class ContentFile: Sendable {
    let descriptor: Int32

    init(owning descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// Up to `length` bytes from an offset; fewer at the end only.
    func read(at offset: Int64, length: Int) throws(DeployError) -> ByteBuffer {
        try FileReading.read(descriptor, at: offset, length: length)
    }
}

/// Reading by offset, for whoever holds a descriptor.
enum FileReading {
    static func read(_ descriptor: Int32, at offset: Int64, length: Int) throws(DeployError) -> ByteBuffer {
        try PositionedRead.bytes(of: descriptor, at: offset, length: length) {
            FileFailure.make("read", "a file's content", code: $0)
        }
    }
}

/// Errors of system calls on stored files.
enum FileFailure {
    /// The error of the call that just failed.
    static func make(_ verb: String, _ what: String, code: Int32 = errno) -> DeployError {
        let reason = String(cString: strerror(code))
        if code == ENOSPC || code == EDQUOT || code == EFBIG {
            return DeployError(
                .insufficientStorage, "the server cannot \(verb) \(what): \(reason)",
                hint: "free some space on the server, then go on")
        }
        return DeployError(.internal, "the server cannot \(verb) \(what): \(reason)")
    }
}
