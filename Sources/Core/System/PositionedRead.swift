// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import NIOCore

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Reading a file at an offset, whatever else is read of it meanwhile.
public enum PositionedRead {
    /// Up to `length` bytes from an offset; fewer at the file's end only.
    ///
    /// - Parameter failure: Makes an error of an `errno` of `pread(2)`; it is thrown in place of what was read.
    public static func bytes(
        of descriptor: Int32, at offset: Int64, length: Int, failure: (Int32) -> DeployError
    ) throws(DeployError) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: length)
        var code: Int32 = 0
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: length) { space in
            var done = 0
            while done < length {
                let count = pread(
                    descriptor, space.baseAddress?.advanced(by: done), length - done, off_t(offset) + off_t(done))
                if count < 0, errno == EINTR { continue }
                if count < 0 { code = errno }
                if count <= 0 { break }
                done += count
            }
            return done
        }
        guard code == 0 else { throw failure(code) }
        return buffer
    }
}
