// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Reads files and standard input whole, never more than a limit.
enum BoundedFile {
    /// A file's bytes. Throws `not_found` naming the path, or `too_large`.
    static func bytes(_ path: String, limit: Int) throws(DeployError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw DeployError(.invalidArgument, "\(path) cannot be read: \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        return try bytes(descriptor, name: path, limit: limit)
    }

    /// A file's text. Throws `not_found`, `too_large`, or `invalid_argument` when it is not UTF-8.
    static func text(_ path: String, limit: Int) throws(DeployError) -> String {
        guard let text = String(validating: try bytes(path, limit: limit), as: UTF8.self) else {
            throw DeployError(.invalidArgument, "\(path) is not text")
        }
        return text
    }

    /// What an open descriptor still has, read to its end.
    static func bytes(_ descriptor: Int32, name: String, limit: Int) throws(DeployError) -> [UInt8] {
        var result: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = block.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else {
                throw DeployError(.invalidArgument, "\(name) cannot be read: \(String(cString: strerror(errno)))")
            }
            if count == 0 { return result }
            result.append(contentsOf: block[..<count])
            if result.count > limit { throw DeployError(.tooLarge, "\(name) is over \(limit) bytes") }
        }
    }
}
