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

/// Where downloaded content goes, and what it hashes to so far.
protocol DownloadSink: Sendable {
    /// Bytes that are there.
    var count: Int64 { get async }
    /// Adds bytes; throws what the system says.
    func write(_ bytes: ByteBuffer) async throws(DeployError)
    /// Begins anew; throws `conflict` where what was written cannot be taken back.
    func restart() async throws(DeployError)
    /// What is there hashes to this.
    var sha256: ContentHash { get async }
}

/// A file that is `PATH.part` until it is whole: then it takes its name. For its owner only.
final class DownloadFile: DownloadSink {
    private struct State {
        var hasher = SHA256()
        var count: Int64 = 0
    }

    let path: String
    private let partPath: String
    private let descriptor: Int32
    private let replaces: Bool
    private let queue = DispatchQueue(label: "tiangong.write")
    private let state = Mutex(State())

    /// Opens what an earlier download left, or begins. Blocking.
    ///
    /// - Parameter replaces: Whether a file of that name is replaced.
    /// - Throws: `conflict` when there is a file of that name, or another process downloads to it; what the system says.
    init(_ path: String, replaces: Bool) throws(DeployError) {
        self.path = path
        self.replaces = replaces
        partPath = path + ".part"
        try Self.check(path, replaces: replaces)
        descriptor = open(partPath, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw Self.failure(partPath) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw DeployError(.conflict, "another process downloads to \(path)")
        }
    }

    deinit { close(descriptor) }

    private static func check(_ path: String, replaces: Bool) throws(DeployError) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT != S_IFDIR else {
            throw DeployError(.conflict, "\(path) is a directory", hint: "--to \(path)/NAME")
        }
        guard replaces else { throw DeployError(.conflict, "\(path) is there already", hint: "--force replaces it") }
    }

    var count: Int64 { state.withLock { $0.count } }
    var sha256: ContentHash { state.withLock { ContentHash(digest: $0.hasher.finalize()) } }

    /// Takes what an earlier download left, unless it is more than `limit`; `report` is told how far that was read.
    func resume(upTo limit: Int64, _ report: @escaping @Sendable (Int64) -> Void) async throws(DeployError) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw Self.failure(partPath) }
        guard Int64(status.st_size) <= limit, status.st_mode & S_IFMT == S_IFREG else { return try await restart() }
        while try await queue.run({ () throws(DeployError) in try self.hashNext() }) {
            report(count)
            if Task.isCancelled { throw DeployError(.canceled, "given up") }
        }
    }

    private func hashNext() throws(DeployError) -> Bool {
        var block = [UInt8](repeating: 0, count: 1 << 20)
        let place = off_t(count)
        let done = block.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, place) }
        if done < 0, errno == EINTR { return true }
        guard done >= 0 else { throw Self.failure(partPath) }
        state.withLock { state in
            block.withUnsafeBytes { state.hasher.update(bufferPointer: UnsafeRawBufferPointer(rebasing: $0[..<done])) }
            state.count += Int64(done)
        }
        return done > 0
    }

    func write(_ bytes: ByteBuffer) async throws(DeployError) {
        try await queue.run { () throws(DeployError) in try self.append(bytes) }
    }

    private func append(_ bytes: ByteBuffer) throws(DeployError) {
        let start = count
        let code = bytes.withUnsafeReadableBytes {
            PositionedWrite.bytes($0, to: descriptor, at: start).code
        }
        guard code == 0 else { throw Self.failure(partPath, code) }
        state.withLock { state in
            bytes.withUnsafeReadableBytes { state.hasher.update(bufferPointer: $0) }
            state.count += Int64(bytes.readableBytes)
        }
    }

    func restart() async throws(DeployError) {
        guard ftruncate(descriptor, 0) == 0 else { throw Self.failure(partPath) }
        state.withLock { $0 = State() }
    }

    /// Puts the file in its place. Throws `conflict` when one has come there meanwhile.
    func finish() async throws(DeployError) {
        try await queue.run { () throws(DeployError) in try self.place() }
    }

    private func place() throws(DeployError) {
        guard fsync(descriptor) == 0 else { throw Self.failure(partPath) }
        if !replaces {
            // A link is made only where nothing is, unlike a new name.
            if link(partPath, path) == 0 {
                unlink(partPath)
                return
            }
            guard errno != EEXIST else { return try Self.check(path, replaces: false) }
            try Self.check(path, replaces: false)
        }
        guard rename(partPath, path) == 0 else { throw Self.failure(path) }
    }

    private static func failure(_ path: String, _ code: Int32 = errno) -> DeployError {
        let isFull = code == ENOSPC || code == EDQUOT || code == EFBIG
        return DeployError(
            isFull ? .insufficientStorage : .invalidArgument,
            "\(path) cannot be written: \(String(cString: strerror(code)))")
    }
}

/// Standard output as it is downloaded to.
final class DownloadStream: DownloadSink {
    private let output: RawOutput
    private let state = Mutex<(hasher: SHA256, count: Int64)>((SHA256(), 0))

    init(_ output: RawOutput) { self.output = output }

    var count: Int64 { state.withLock { $0.count } }
    var sha256: ContentHash { state.withLock { ContentHash(digest: $0.hasher.finalize()) } }

    func write(_ bytes: ByteBuffer) async throws(DeployError) {
        try await output.write(bytes, to: .output)
        state.withLock { state in
            bytes.withUnsafeReadableBytes { state.hasher.update(bufferPointer: $0) }
            state.count += Int64(bytes.readableBytes)
        }
    }

    func restart() throws(DeployError) {
        throw DeployError(.conflict, "the content changed while it was written to standard output")
    }
}
