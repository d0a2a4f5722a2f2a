// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

/// Uploads one content in pieces, over as many links as it takes. A lost link and a full server are waited out; nothing
/// is sent twice that the server has written.
actor FileUploader {
    /// What to do.
    struct Order: Sendable {
        /// What is said of a new upload; with `upload_id`, the one to go on with.
        var begin: FileBegin
        /// Whether the content is read once before anything is sent: the server may have it already.
        var hashesFirst = false
    }

    private let link: any UploadConversation
    private let content: any UploadContent
    private let report: @Sendable (UploadProgress) -> Void
    private let retry: Duration
    private var begin: FileBegin
    private var hashesFirst: Bool
    private var upload: UploadID?
    /// What was to be completed, once all was sent.
    private var sent: (size: Int64, sha256: ContentHash)?
    /// Bytes sent ahead before the first credit: a server that was full gets no more than it takes to find out.
    private var width = FileTransfer.window
    private var progress: UploadProgress

    /// Enough to be told whether bytes are written.
    private static let probe = Int64(6 * FileTransfer.chunk)
    /// How long an answer may take that comes after much reading or syncing; a link that is dead is noticed earlier.
    static let patience: Duration = .seconds(86_400)

    /// - Parameters:
    ///   - link: Where to.
    ///   - content: What; nobody else reads it.
    ///   - retry: How long to wait before a full server is asked again.
    ///   - report: Called whenever something has changed.
    init(
        link: any UploadConversation, content: any UploadContent, order: Order, retry: Duration = .seconds(3),
        report: @escaping @Sendable (UploadProgress) -> Void
    ) {
        self.link = link
        self.content = content
        self.retry = retry
        self.report = report
        begin = order.begin
        hashesFirst = order.hashesFirst
        upload = order.begin.uploadID
        progress = UploadProgress(upload: upload, done: 0, total: content.size, stage: .sending)
    }

    /// Uploads it and gives the stored file.
    ///
    /// Throws what the server says, what reading the content throws, `unavailable` when cancelled.
    func run() async throws(DeployError) -> FileInfo {
        if hashesFirst { try await hash() }
        while true {
            do throws(DeployError) {
                return try await attempt()
            } catch {
                if Task.isCancelled { throw DeployError(.unavailable, "given up") }
                try await recover(from: error)
            }
        }
    }

    private func recover(from error: DeployError) async throws(DeployError) {
        switch UploadRemedy(error) {
        case .none: throw error
        case .link:
            note(.waiting(error.message))
            try await link.linked()
        case .patience:
            width = Self.probe
            note(.waiting(error.message))
        }
        // A server that takes links and breaks every upload is not asked without a pause.
        let pause: Duration = UploadRemedy(error) == .link ? min(retry, .milliseconds(200)) : retry
        try? await Task.sleep(for: pause)
        if Task.isCancelled { throw DeployError(.unavailable, "given up") }
    }

    /// One try over one link.
    private func attempt() async throws(DeployError) -> FileInfo {
        let open: any OpenUpload
        do throws(DeployError) {
            open = try await link.open(upload.map { FileBegin(resuming: $0) } ?? begin, ahead: width)
        } catch {
            if let file = try await completed(instead: error) { return file }
            throw error
        }
        defer { open.close() }
        if let file = open.info.file { return file }
        upload = open.info.id
        if progress.upload != upload {
            progress.upload = upload
            report(progress)
        }
        try check(open.info)
        try await catchUp(to: open.info.offset)
        try await send(over: open)
        let whole = try await content.finish()
        sent = whole
        note(.completing, done: whole.size)
        do throws(DeployError) {
            return try await open.commit(size: whole.size, sha256: whole.sha256)
        } catch {
            if let file = try await completed(instead: error) { return file }
            throw error
        }
    }

    /// Whether an upload fits what is to be uploaded. Throws `conflict`.
    private func check(_ info: UploadInfo) throws(DeployError) {
        if let size = content.size, info.offset > size || (info.size ?? size) != size {
            throw DeployError(
                .conflict, "upload \(info.id) is of another content: it has \(info.size ?? info.offset) bytes",
                hint: "give the file it was begun with")
        }
        guard (0...FileUploader.most).contains(info.offset) else {
            throw DeployError(.protocolError, "the server says it has \(info.offset) bytes")
        }
    }

    private static let most = Int64.max >> 1

    /// Reads what the server has and this process has not seen, to know what the whole content hashes to.
    private func catchUp(to offset: Int64) async throws(DeployError) {
        while true {
            let hashed = await content.hashed
            guard hashed < offset else { break }
            note(.reading, done: hashed)
            let block = try await content.next(at: hashed)
            guard block.readableBytes > 0 else {
                throw DeployError(.conflict, "the server has more bytes than there are", hint: "upload it anew")
            }
            await content.release(before: hashed + Int64(block.readableBytes))
            if Task.isCancelled { throw DeployError(.unavailable, "given up") }
        }
    }

    /// Sends everything from the upload's offset on, reading ahead.
    private func send(over open: any OpenUpload) async throws(DeployError) {
        var offset = open.info.offset
        note(.sending, done: offset)
        var block = try await content.next(at: offset)
        while block.readableBytes > 0 {
            let end = offset + Int64(block.readableBytes)
            async let following = read(at: end)
            while let chunk = block.readSlice(length: min(FileTransfer.chunk, block.readableBytes)),
                chunk.readableBytes > 0
            {
                try await open.send(chunk, at: offset)
                offset += Int64(chunk.readableBytes)
                note(.sending, done: open.written)
            }
            await content.release(before: open.written)
            if open.written > open.info.offset { width = FileTransfer.window }
            block = try await following.get()
        }
        // What is under way is not there yet. Of the last bytes the server tells nothing but that all is complete.
        while open.written < offset - Self.untold {
            try await open.progress(beyond: open.written)
            note(.sending, done: open.written)
        }
    }

    /// Bytes at the end of an upload that may have no credit of their own: credit comes after every MiB.
    private static let untold: Int64 = 2 << 20

    private func read(at offset: Int64) async -> Result<ByteBuffer, DeployError> {
        do throws(DeployError) {
            return .success(try await content.next(at: offset))
        } catch {
            return .failure(error)
        }
    }

    /// Reads the whole content before anything is sent.
    private func hash() async throws(DeployError) {
        while true {
            let hashed = await content.hashed
            note(.reading, done: hashed)
            if Task.isCancelled { throw DeployError(.unavailable, "given up") }
            if try await content.next(at: hashed).readableBytes == 0 { break }
        }
        let whole = try await content.finish()
        begin.size = whole.size
        begin.sha256 = whole.sha256
    }

    /// The file, when the upload was completed and only the answer was lost: whoever completes it a second time is told
    /// that it is gone.
    private func completed(instead error: DeployError) async throws(DeployError) -> FileInfo? {
        guard let sent, [.notFound, .conflict, .internal].contains(error.code) else { return nil }
        let query = FileListQuery(sha256: sent.sha256, limit: 50)
        let files = try await link.request(.fileList(query), timeout: .seconds(60)).data(as: Page<FileInfo>.self).items
        return files.first { file in
            file.size == sent.size && (begin.name == nil || file.name == begin.name)
        }
    }

    private func note(_ stage: UploadProgress.Stage, done: Int64? = nil) {
        var next = progress
        next.stage = stage
        if let done { next.done = min(max(done, 0), next.total ?? .max) }
        guard next != progress else { return }
        progress = next
        report(next)
    }
}
