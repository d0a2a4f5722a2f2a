// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CTerminal
import Core
import Dispatch
import NIOCore

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Standard output and standard error, byte for byte. A blocked reader blocks only this object's own thread.
final class RawOutput: Sendable {
    /// Where bytes go.
    enum Destination: Int32, Sendable {
        case output = 1
        case error = 2
    }

    private let queue = DispatchQueue(label: "tiangong.output")

    /// Writes everything before it returns. Throws `insufficient_storage` or `internal` with the system's error.
    ///
    /// When nobody reads any more the process ends by SIGPIPE, as other filters do.
    func write(_ buffer: ByteBuffer, to destination: Destination) async throws(DeployError) {
        guard buffer.readableBytes > 0 else { return }
        let failure: DeployError? = await withCheckedContinuation { continuation in
            queue.async {
                do throws(DeployError) {
                    try Self.writeNow(buffer, to: destination.rawValue)
                    continuation.resume(returning: nil)
                } catch {
                    continuation.resume(returning: error)
                }
            }
        }
        if let failure { throw failure }
    }

    /// Writes a text; see ``write(_:to:)``.
    func write(_ text: String, to destination: Destination) async throws(DeployError) {
        try await write(ByteBuffer(string: text), to: destination)
    }

    /// Writes on this thread: for the last words of a process, and for any descriptor.
    static func writeNow(_ buffer: ByteBuffer, to descriptor: Int32) throws(DeployError) {
        var left = buffer
        while left.readableBytes > 0 {
            let (count, code) = left.withUnsafeReadableBytes { bytes in
                let count = Glibc.write(descriptor, bytes.baseAddress, bytes.count)
                return (count, count < 0 ? errno : 0)
            }
            if count > 0 {
                left.moveReaderIndex(forwardBy: count)
                continue
            }
            switch code {
            case EINTR: continue
            case EAGAIN:
                var wait = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&wait, 1, -1)
            case EPIPE: ct_raise_default(SIGPIPE)
            case ENOSPC, EDQUOT: throw DeployError(.insufficientStorage, message(descriptor, code))
            default: throw DeployError(.internal, message(descriptor, code))
            }
        }
    }

    private static func message(_ descriptor: Int32, _ code: Int32) -> String {
        let name = descriptor == 1 ? "standard output" : descriptor == 2 ? "standard error" : "the file"
        return "\(name) cannot be written: \(String(cString: strerror(code)))"
    }
}
