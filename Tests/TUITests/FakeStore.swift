// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import NIOCore
import Synchronization

@testable import TUI

/// A server for uploads in memory, whose links break and whose disk is full when told so.
final class FakeStore: UploadConversation {
    struct State {
        var parts: [UploadID: (begin: FileBegin, bytes: [UInt8])] = [:]
        var files: [FileInfo] = []
        var contents: [FileID: [UInt8]] = [:]
        /// Which links were made; an upload is of one of them.
        var link = 0
        /// Breaks the link once a part has so many bytes.
        var breaksAt: Int?
        /// Errors for the next requests of each kind.
        var refusals: [Kind: [DeployError]] = [:]
        /// Bytes the disk takes; more are refused.
        var room = Int.max
        /// Completes, and breaks the link before the answer.
        var losesAnswer = false
        var opened: [(id: UploadID?, at: Int64)] = []
        /// Offsets and lengths of chunks, as they came.
        var chunks: [(offset: Int64, length: Int)] = []
        /// The most bytes that were sent ahead of a credit.
        var ahead: Int64 = 0
        var inFlight = 0
        var mostInFlight = 0
        /// Small files wait until so many have been under way at once.
        var gathers = 0
        var puts = 0
        var links = 0
    }

    enum Kind: Hashable { case open, chunk, commit, put }

    let state = Mutex(State())
    /// Credits as the Cloud gives them: after so many bytes.
    static let credit = 1 << 20

    static let cut = DeployError(.unreachable, "the connection to the server was lost")

    func with<Value>(_ body: (inout State) -> Value) -> Value { state.withLock { body(&$0) } }

    func refuse(_ kind: Kind, _ errors: DeployError...) { with { $0.refusals[kind, default: []] += errors } }

    private static func takeRefusal(_ kind: Kind, _ state: inout State) -> DeployError? {
        guard let first = state.refusals[kind]?.first else { return nil }
        state.refusals[kind]?.removeFirst()
        return first
    }

    // MARK: UploadConversation

    func linked() async throws(DeployError) {
        if Task.isCancelled { throw DeployError(.unavailable, "given up") }
        with { $0.links += 1 }
    }

    func open(_ begin: FileBegin, ahead width: Int64) async throws(DeployError) -> any OpenUpload {
        let result = with { state -> Result<FakeUpload, DeployError> in
            if let refusal = Self.takeRefusal(.open, &state) { return .failure(refusal) }
            let id = begin.uploadID ?? .random()
            if begin.uploadID == nil { state.parts[id] = (begin, []) }
            guard let part = state.parts[id] else {
                return .failure(DeployError(.notFound, "there is no upload \(id)"))
            }
            state.opened.append((begin.uploadID, Int64(part.bytes.count)))
            var info = UploadInfo(
                id: id, name: part.begin.name ?? "", offset: Int64(part.bytes.count), size: part.begin.size,
                sha256: part.begin.sha256, environment: nil, actor: "olga", createdAt: .now())
            if let hash = begin.sha256 { info.file = state.files.first { $0.sha256 == hash } }
            return .success(FakeUpload(store: self, info: info, link: state.link, width: width))
        }
        return try result.get()
    }

    func request(_ request: OperatorRequest, timeout: Duration) async throws(DeployError) -> OperatorMessage.Reply {
        switch request {
        case .fileList(let query):
            let found = with { $0.files.filter { query.sha256 == nil || $0.sha256 == query.sha256 } }
            return try Self.reply(Page(items: found, next: nil))
        case .filePut(let begin, let bytes):
            let refusal = with { state -> DeployError? in
                state.puts += 1
                state.inFlight += 1
                state.mostInFlight = max(state.mostInFlight, state.inFlight)
                return Self.takeRefusal(.put, &state)
            }
            await gather()
            let loses = with { state in
                state.inFlight -= 1
                return state.losesAnswer
            }
            if let refusal { throw refusal }
            let file = store(begin, Array(bytes.readableBytesView))
            if loses {
                with { $0.losesAnswer = false }
                throw Self.cut
            }
            return try Self.reply(file)
        default: throw DeployError(.unsupported, "not here")
        }
    }

    /// Lets others begin; only for a while, so that too few of them are a failure and not a hang.
    private func gather() async {
        await Task.yield()
        var rounds = 0
        while rounds < 10_000, with({ $0.mostInFlight < $0.gathers }) {
            rounds += 1
            try? await Task.sleep(for: .milliseconds(1))
        }
    }

    private static func reply(_ value: some Encodable) throws(DeployError) -> OperatorMessage.Reply {
        guard case .reply(let reply) = try OperatorMessage.decode(OperatorMessage.reply(id: "1", value)) else {
            throw DeployError(.internal, "not a reply")
        }
        return reply
    }

    func store(_ begin: FileBegin, _ bytes: [UInt8]) -> FileInfo {
        let file = FileInfo(
            id: .random(), name: begin.name ?? "", size: Int64(bytes.count),
            sha256: ContentHash(digest: SHA256.hash(data: bytes)), environment: begin.environment, actor: "olga",
            createdAt: .now())
        with { state in
            state.files.append(file)
            state.contents[file.id] = bytes
        }
        return file
    }

    // MARK: what an upload asks

    fileprivate func take(_ bytes: ByteBuffer, at offset: Int64, of upload: FakeUpload) -> DeployError? {
        with { state in
            guard upload.link == state.link else { return Self.cut }
            if let refusal = Self.takeRefusal(.chunk, &state) { return refusal }
            guard var part = state.parts[upload.info.id] else { return DeployError(.notFound, "no upload") }
            guard offset == Int64(part.bytes.count) else {
                return DeployError(.conflict, "byte \(part.bytes.count) is next")
            }
            if part.bytes.count + bytes.readableBytes > state.room {
                return DeployError(.insufficientStorage, "the disk is full")
            }
            state.chunks.append((offset, bytes.readableBytes))
            part.bytes += bytes.readableBytesView
            state.parts[upload.info.id] = part
            if let limit = state.breaksAt, part.bytes.count >= limit {
                state.breaksAt = nil
                state.link += 1
            }
            return nil
        }
    }

    fileprivate func complete(_ upload: FakeUpload, _ size: Int64, _ hash: ContentHash) -> Result<FileInfo, DeployError>
    {
        let part = with { state -> Result<(FileBegin, [UInt8]), DeployError> in
            guard upload.link == state.link else { return .failure(Self.cut) }
            if let refusal = Self.takeRefusal(.commit, &state) { return .failure(refusal) }
            guard let part = state.parts[upload.info.id] else { return .failure(DeployError(.notFound, "no upload")) }
            guard Int64(part.bytes.count) == size else { return .failure(DeployError(.conflict, "bytes are missing")) }
            return .success((part.begin, part.bytes))
        }
        switch part {
        case .failure(let error): return .failure(error)
        case .success(let (begin, bytes)):
            with { $0.parts[upload.info.id] = nil }
            guard ContentHash(digest: SHA256.hash(data: bytes)) == hash else {
                return .failure(DeployError(.invalidArgument, "the content's SHA-256 is another"))
            }
            let file = store(begin, bytes)
            let loses = with { state in
                defer { state.losesAnswer = false }
                return state.losesAnswer
            }
            return loses ? .failure(Self.cut) : .success(file)
        }
    }
}

/// An upload on one link of a ``FakeStore``.
final class FakeUpload: OpenUpload {
    let store: FakeStore
    let info: UploadInfo
    let link: Int
    private let window: CreditWindow
    private let told: Mutex<Int64>

    init(store: FakeStore, info: UploadInfo, link: Int, width: Int64) {
        self.store = store
        self.info = info
        self.link = link
        window = CreditWindow(written: info.offset, width: width)
        told = Mutex(info.offset)
    }

    var written: Int64 { window.written }

    func send(_ bytes: ByteBuffer, at offset: Int64) async throws(DeployError) {
        try await window.room(upTo: offset + Int64(bytes.readableBytes))
        let end = offset + Int64(bytes.readableBytes)
        store.with { $0.ahead = max($0.ahead, end - window.written) }
        if let error = store.take(bytes, at: offset, of: self) {
            window.fail(error)
            return
        }
        let isDue = told.withLock { told in
            guard end - told >= FakeStore.credit else { return false }
            told = end
            return true
        }
        if isDue { window.credit(end) }
    }

    func progress(beyond offset: Int64) async throws(DeployError) { try await window.progress(beyond: offset) }

    func commit(size: Int64, sha256: ContentHash) async throws(DeployError) -> FileInfo {
        if let failure = window.failure { throw failure }
        return try store.complete(self, size, sha256).get()
    }

    func close() {}
}
