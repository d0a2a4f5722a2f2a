// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import Dispatch
import NIOCore
import Synchronization

/// A regular file, read on a queue of its own.
final class FileContent: UploadContent {
    private struct State {
        var hasher = SHA256()
        var hashed: Int64 = 0
    }

    let file: LocalFile
    private let queue = DispatchQueue(label: "tiangong.read")
    private let state = Mutex(State())

    /// - Parameter file: A regular file.
    init(_ file: LocalFile) { self.file = file }

    var size: Int64? { file.opened.size }

    var hashed: Int64 { state.withLock { $0.hashed } }

    func next(at offset: Int64) async throws(DeployError) -> ByteBuffer {
        try await queue.run { () throws(DeployError) in try self.read(at: offset) }
    }

    private func read(at offset: Int64) throws(DeployError) -> ByteBuffer {
        let size = file.opened.size
        let length = Int(min(Int64(UploadBlock.bytes), size - offset))
        guard length > 0 else { return ByteBuffer() }
        let bytes = try file.read(at: offset, upTo: length)
        guard bytes.readableBytes == length else {
            throw DeployError(.conflict, "\(file.path) became shorter while it was read", hint: "upload it again")
        }
        state.withLock { state in
            let known = state.hashed - offset
            guard known >= 0, known < Int64(length) else { return }
            bytes.readableBytesView.dropFirst(Int(known)).withUnsafeBytes { state.hasher.update(bufferPointer: $0) }
            state.hashed = offset + Int64(length)
        }
        return bytes
    }

    func release(before offset: Int64) {}

    func finish() async throws(DeployError) -> (size: Int64, sha256: ContentHash) {
        try await queue.run { () throws(DeployError) in try self.file.checkUnchanged() }
        return state.withLock { ($0.hashed, ContentHash(digest: $0.hasher.finalize())) }
    }
}
