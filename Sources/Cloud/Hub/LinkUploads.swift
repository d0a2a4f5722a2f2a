// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore
import Synchronization

/// The uploads that one operator's link is writing to.
final class LinkUploads: Sendable {
    private struct Open {
        let upload: Upload
        let writer: Int
        var told: Int64
    }

    private let files: FileService
    private let owner: FileService.Owner
    private let open = Mutex<[UploadID: Open]>([:])
    /// What is completed beside later requests: so much at once, and the link is not read beyond it.
    let slots = WorkSlots(64)

    /// The most uploads one link writes to at once.
    private static let limit = 64
    /// Bytes after which the uploader is told how far it is.
    private static let credit: Int64 = 1 << 20

    init(_ files: FileService, principal: Principal) {
        self.files = files
        owner = FileService.Owner(principal)
    }

    /// Begins an upload, or goes on with one; this link writes it from now on.
    func begin(_ request: FileBegin) async throws -> UploadInfo {
        let count = open.withLock { open in
            // Those that were removed, or completed elsewhere, are nobody's any more.
            open = open.filter { $0.value.upload.isOpen }
            return open.count
        }
        guard count < Self.limit else {
            throw DeployError(
                .rateLimited, "this link has \(Self.limit) uploads under way", hint: "complete some first")
        }
        let (upload, info) = try await files.begin(request, by: owner)
        if let upload {
            open.withLock { $0[info.id] = Open(upload: upload, writer: upload.take(), told: info.offset) }
        }
        return info
    }

    /// Writes a chunk; what the uploader is to be told of it, if it is time.
    func take(_ head: FileChunkHead, _ bytes: ByteBuffer) async throws -> FileCredit? {
        guard let target = open.withLock({ $0[head.uploadID] }) else {
            throw DeployError(.conflict, "upload \(head.uploadID) was not begun on this link", hint: "send file_begin")
        }
        let offset = try await files.append(bytes, at: head.offset, to: target.upload, as: target.writer)
        let isDue = open.withLock { open in
            guard let told = open[head.uploadID]?.told, offset - told >= Self.credit else { return false }
            open[head.uploadID]?.told = offset
            return true
        }
        return isDue ? FileCredit(uploadID: head.uploadID, offset: offset) : nil
    }

    func commit(_ request: FileCommit) async throws -> FileInfo {
        let file = try await files.commit(request, by: owner)
        open.withLock { _ = $0.removeValue(forKey: request.uploadID) }
        return file
    }

    func put(_ request: FileBegin, _ bytes: ByteBuffer) async throws -> FileInfo {
        try await files.put(request, bytes, by: owner)
    }
}
