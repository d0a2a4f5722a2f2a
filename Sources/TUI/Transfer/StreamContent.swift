// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import Dispatch
import NIOCore
import Synchronization

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// What can be read once only: standard input, or a pipe. What the server may not have yet is kept.
final class StreamContent: UploadContent {
    private struct State {
        var hasher = SHA256()
        /// Bytes read.
        var end: Int64 = 0
        /// Blocks that may be asked for again, one behind the other up to the end.
        var kept: [(start: Int64, bytes: ByteBuffer)] = []
    }

    /// Ends one wait for more to read.
    private final class Stop: Sendable {
        let isSet = Mutex(false)
    }

    private let descriptor: Int32
    private let name: String
    /// Keeps the descriptor open.
    private let file: LocalFile?
    private let queue = DispatchQueue(label: "tiangong.read")
    private let state = Mutex(State())

    /// How long the end of reading is not noticed at most, in milliseconds.
    private static let patience: Int32 = 100

    /// Standard input.
    init() {
        descriptor = 0
        name = "standard input"
        file = nil
    }

    /// Something that is no regular file.
    init(_ file: LocalFile) {
        descriptor = file.descriptor
        name = file.path
        self.file = file
    }

    var size: Int64? { nil }

    var hashed: Int64 { state.withLock { $0.end } }

    func next(at offset: Int64) async throws(DeployError) -> ByteBuffer {
        let again = state.withLock { state -> Result<ByteBuffer?, DeployError> in
            guard offset < state.end else { return .success(nil) }
            guard let block = state.kept.last(where: { $0.start <= offset }) else {
                return .failure(
                    DeployError(
                        .conflict, "the server has only \(offset) bytes of \(name), and it cannot be read again",
                        hint: "upload it anew"))
            }
            return .success(
                block.bytes.getSlice(
                    at: block.bytes.readerIndex + Int(offset - block.start),
                    length: block.bytes.readableBytes - Int(offset - block.start)))
        }
        if let block = try again.get() { return block }
        let bytes = try await read()
        state.withLock { state in
            guard bytes.readableBytes > 0 else { return }
            bytes.withUnsafeReadableBytes { state.hasher.update(bufferPointer: $0) }
            state.kept.append((state.end, bytes))
            state.end += Int64(bytes.readableBytes)
        }
        return bytes
    }

    private func read() async throws(DeployError) -> ByteBuffer {
        let stop = Stop()
        let result: Result<ByteBuffer, DeployError> = await withTaskCancellationHandler {
            do throws(DeployError) {
                return .success(try await queue.run { () throws(DeployError) in try self.fill(stop) })
            } catch {
                return .failure(error)
            }
        } onCancel: {
            stop.isSet.withLock { $0 = true }
        }
        return try result.get()
    }

    /// A whole block, or less at the end and where the writer pauses. What was taken from the pipe is never lost.
    private func fill(_ stop: Stop) throws(DeployError) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: UploadBlock.bytes)
        while buffer.readableBytes < UploadBlock.bytes {
            if stop.isSet.withLock({ $0 }) {
                if buffer.readableBytes > 0 { break }
                throw DeployError(.unavailable, "given up")
            }
            var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&wait, 1, Self.patience) > 0 else {
                if buffer.readableBytes > 0 { break }
                continue
            }
            let room = UploadBlock.bytes - buffer.readableBytes
            var code: Int32 = 0
            let count = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: room) { space in
                let count = Glibc.read(descriptor, space.baseAddress, room)
                if count < 0 { code = errno }
                return max(0, count)
            }
            if code == EINTR || code == EAGAIN { continue }
            guard code == 0 else { throw LocalFile.failure(name, code) }
            if count == 0 { break }
        }
        return buffer
    }

    func release(before offset: Int64) {
        state.withLock { state in
            state.kept.removeAll { $0.start + Int64($0.bytes.readableBytes) <= offset }
        }
    }

    func finish() -> (size: Int64, sha256: ContentHash) {
        state.withLock { ($0.end, ContentHash(digest: $0.hasher.finalize())) }
    }
}
