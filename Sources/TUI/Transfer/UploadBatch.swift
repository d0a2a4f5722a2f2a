// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import Dispatch
import NIOCore
import Synchronization

/// Something that is to be uploaded.
struct UploadSource: Sendable, Equatable {
    /// Where it is on this host; nil for standard input.
    var path: String?
    /// What the stored file is called.
    var name: String
    /// Bytes as they were when it was looked at; nil for what can be read once only.
    var size: Int64?
}

/// How a batch of uploads stands.
struct BatchProgress: Sendable, Equatable {
    /// Files that are stored, and all there are.
    var stored = 0
    var count: Int
    /// Bytes the server has of all files, and all there are; nil when one cannot be counted beforehand.
    var done: Int64 = 0
    var total: Int64?
    /// What the file that is under way is called, and how it stands.
    var name = ""
    var stage = UploadProgress.Stage.sending
    /// Its upload, and the file it reads: what is needed to go on with it later.
    var upload: UploadID?
    var path: String?
}

/// Uploads some files: the small ones many at once, each in one message, then the others one after the other.
struct UploadBatch: Sendable {
    /// What is said of every file.
    struct Options: Sendable {
        /// Where they belong.
        var environment: String?
        /// Seconds they are kept after their last use.
        var keep: Double?
        /// Whether content that the server has is not sent again, at the price of reading it twice where it has not.
        var skipsKnown = false
        /// How long to wait before a full server is asked again.
        var retry: Duration = .seconds(3)
        /// The upload to go on with, for a batch of one.
        var resumes: UploadID?
    }

    /// What came of it: the stored files by their places in the list, and why not all are there.
    struct Outcome: Sendable {
        var files: [FileInfo?]
        var failure: DeployError?
    }

    let link: any UploadConversation
    let options: Options
    let report: @Sendable (BatchProgress) -> Void

    /// Small files under way at once: enough to share the server's syncs, few enough for its patience.
    private static let width = 64
    private static let queue = DispatchQueue(label: "tiangong.read.small")

    private final class State: Sendable {
        let value: Mutex<(progress: BatchProgress, files: [FileInfo?])>
        init(_ sources: [UploadSource]) {
            var total: Int64? = 0
            for source in sources { total = source.size.flatMap { size in total.map { $0 &+ size } } }
            value = Mutex((BatchProgress(count: sources.count, total: total), sources.map { _ in nil }))
        }
    }

    /// - Parameter report: Called whenever something has changed, from any thread.
    init(
        link: any UploadConversation, options: Options, report: @escaping @Sendable (BatchProgress) -> Void = { _ in }
    ) {
        self.link = link
        self.options = options
        self.report = report
    }

    /// Uploads all of them; the first that cannot be ends it.
    func run(_ sources: [UploadSource]) async -> Outcome {
        let state = State(sources)
        let isSmall: (UploadSource) -> Bool = { source in
            options.resumes == nil && source.size.map { $0 <= Int64(FileTransfer.smallFile) } ?? false
        }
        var failure = await withTaskGroup(of: DeployError?.self) { group in
            var failure: DeployError?
            var waiting = sources.indices.filter { isSmall(sources[$0]) }.makeIterator()
            var running = 0
            while true {
                while failure == nil, running < Self.width, let index = waiting.next() {
                    running += 1
                    group.addTask { await self.putSmall(sources[index], index, state) }
                }
                guard running > 0, let ended = await group.next() else { return failure }
                running -= 1
                if failure == nil, let error = ended {
                    failure = error
                    group.cancelAll()
                }
            }
        }
        for index in sources.indices where failure == nil && !isSmall(sources[index]) {
            failure = await upload(sources[index], index, state)
        }
        return Outcome(files: state.value.withLock { $0.files }, failure: failure)
    }

    private func change(_ state: State, _ change: (inout BatchProgress) -> Void) {
        let now = state.value.withLock { value in
            change(&value.progress)
            return value.progress
        }
        report(now)
    }

    private func stored(_ file: FileInfo, _ index: Int, _ state: State, after done: Int64? = nil) {
        let now = state.value.withLock { value in
            value.files[index] = file
            value.progress.stored += 1
            value.progress.done = done.map { $0 + file.size } ?? value.progress.done + file.size
            value.progress.stage = .sending
            value.progress.upload = nil
            return value.progress
        }
        report(now)
    }

    // MARK: in pieces

    private func upload(_ source: UploadSource, _ index: Int, _ state: State) async -> DeployError? {
        do throws(DeployError) {
            let content: any UploadContent
            var hashesFirst = false
            if let path = source.path {
                let file = try await Self.queue.run { () throws(DeployError) in try LocalFile(path) }
                hashesFirst = options.skipsKnown && file.opened.isRegular
                content = file.opened.isRegular ? FileContent(file) : StreamContent(file)
            } else {
                content = StreamContent()
            }
            let begin =
                options.resumes.map { FileBegin(resuming: $0) }
                ?? FileBegin(
                    name: source.name, size: content.size, environment: options.environment, keep: options.keep)
            let before = state.value.withLock { $0.progress.done }
            change(state) {
                $0.name = source.name
                $0.path = source.path
            }
            let uploader = FileUploader(
                link: link, content: content, order: .init(begin: begin, hashesFirst: hashesFirst),
                retry: options.retry
            ) { progress in
                self.change(state) {
                    $0.upload = progress.upload
                    $0.stage = progress.stage
                    if progress.stage != .reading { $0.done = before + progress.done }
                }
            }
            stored(try await uploader.run(), index, state, after: before)
            return nil
        } catch {
            return error
        }
    }

    // MARK: in one message

    private func putSmall(_ source: UploadSource, _ index: Int, _ state: State) async -> DeployError? {
        do throws(DeployError) {
            let bytes = try await Self.queue.run { () throws(DeployError) in try Self.whole(source) }
            let digest = bytes.withUnsafeReadableBytes { SHA256.hash(data: $0) }
            let begin = FileBegin(
                name: source.name, size: Int64(bytes.readableBytes), sha256: ContentHash(digest: digest),
                environment: options.environment, keep: options.keep)
            stored(try await put(begin, bytes, state), index, state)
            return nil
        } catch {
            return error
        }
    }

    private func put(_ begin: FileBegin, _ bytes: ByteBuffer, _ state: State) async throws(DeployError) -> FileInfo {
        var mayBeThere = false
        while true {
            do throws(DeployError) {
                if mayBeThere, let file = try await earlier(begin) { return file }
                return try await link.request(.filePut(begin, bytes), timeout: FileUploader.patience)
                    .data(as: FileInfo.self)
            } catch {
                let remedy = UploadRemedy(error)
                guard remedy != .none, !Task.isCancelled else { throw error }
                change(state) {
                    $0.name = begin.name ?? ""
                    $0.stage = .waiting(error.message)
                }
                if remedy == .link {
                    mayBeThere = true
                    try await link.linked()
                }
                try? await Task.sleep(for: remedy == .link ? .milliseconds(200) : options.retry)
            }
        }
    }

    /// The file, when it was stored and only the answer was lost.
    private func earlier(_ begin: FileBegin) async throws(DeployError) -> FileInfo? {
        let query = FileListQuery(name: begin.name, sha256: begin.sha256, limit: 10)
        let found = try await link.request(.fileList(query), timeout: .seconds(60)).data(as: Page<FileInfo>.self).items
        return found.first { $0.size == begin.size && (begin.environment ?? $0.environment) == $0.environment }
    }

    private static func whole(_ source: UploadSource) throws(DeployError) -> ByteBuffer {
        let file = try LocalFile(source.path ?? "")
        let bytes = try file.read(at: 0, upTo: FileTransfer.smallFile + 1)
        guard Int64(bytes.readableBytes) == file.opened.size, bytes.readableBytes <= FileTransfer.smallFile else {
            throw DeployError(.conflict, "\(file.path) changed while it was read", hint: "upload it again")
        }
        try file.checkUnchanged()
        return bytes
    }
}
