// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Files of one JSON text a line, read a block at a time.
public enum AuditFile {
    private static let block = 1 << 18
    /// The longest line that is still read as one; no record comes near it.
    private static let longestLine = 4 << 20

    /// Calls `body` with each line without its end, in order; an unfinished last line too.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - limit: How many bytes of it to read; nil for all.
    /// - Throws: `not_found` when there is no such file, `internal` with what the system says.
    public static func lines(
        _ path: String, limit: Int64? = nil, _ body: (ArraySlice<UInt8>) -> Void
    ) throws(DeployError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(path) }
        defer { close(descriptor) }
        var left = limit ?? .max
        var pending: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: block)
        while left > 0 {
            let wanted = Int(min(left, Int64(block)))
            let count = buffer.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, wanted) }
            if count < 0 {
                if errno == EINTR { continue }
                throw failure(path)
            }
            if count == 0 { break }
            left -= Int64(count)
            pending.append(contentsOf: buffer[..<count])
            var start = pending.startIndex
            while let end = pending[start...].firstIndex(of: UInt8(ascii: "\n")) {
                body(pending[start..<end])
                start = end + 1
            }
            pending.removeFirst(start)
            if pending.count > longestLine {
                body([])
                pending = []
            }
        }
        if !pending.isEmpty { body(pending[...]) }
    }

    private static func failure(_ path: String) -> DeployError {
        let code = errno
        return DeployError(
            code == ENOENT ? .notFound : .internal, "\(path) cannot be read: \(String(cString: strerror(code)))")
    }
}
