// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Writing to a file at an offset, whatever else is written to it meanwhile.
public enum PositionedWrite {
    /// Writes all bytes at an offset, unless the system refuses: how many were written, and the `errno` of `pwrite(2)`
    /// that ended it early, or 0.
    public static func bytes(
        _ bytes: UnsafeRawBufferPointer, to descriptor: Int32, at offset: Int64
    ) -> (count: Int, code: Int32) {
        var done = 0
        while done < bytes.count {
            let count = pwrite(
                descriptor, bytes.baseAddress?.advanced(by: done), bytes.count - done, off_t(offset) + off_t(done))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return (done, count < 0 ? errno : EIO) }
            done += count
        }
        return (done, 0)
    }
}
