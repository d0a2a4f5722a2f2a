// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Logging
import NIOCore
import Synchronization

/// Takes files in and gives them out, for operators and agents, over WebSocket and HTTP alike.
final class FileService: Sendable {
    /// Who brings a file, and what it is for.
    struct Owner: Sendable {
        /// The operator, or `agent NAME`.
        var actor: String
        /// Who asks, if it is an operator.
        var principal: Principal?
        /// The agent's environment, and the task it works on.
        var task: (id: TaskID, environment: String)?
    }

    let store: Store
    let storage: any FileStorage
    let threads: FileThreads
    let settings: FileSettings
    /// Bytes a second to agents, shared by all of them.
    let bandwidth: RateLimiter
    let logger: Logger
    private let state = Mutex(State())

    private struct State {
        var uploads: [UploadID: Upload] = [:]
        /// Bytes announced by uploads under way, so that two do not take the same space.
        var promised: [UploadID: Int64] = [:]
    }

    /// Uploads under way at once.
    private static let uploadLimit = 4096
    /// How long an upload stays open without anything written.
    private static let patience: Duration = .seconds(60)

    init(store: Store, storage: any FileStorage, threads: FileThreads, settings: FileSettings, logger: Logger) {
        self.store = store
        self.storage = storage
        self.threads = threads
        self.settings = settings
        bandwidth = RateLimiter(bytesPerSecond: settings.bandwidth)
        self.logger = logger
    }

    // MARK: Taking in

    /// Begins an upload, or goes on with one.
    ///
    /// Throws `invalid_argument`, `not_found`, `too_large`, or `insufficient_storage` when there is no room.
    func begin(_ request: FileBegin, by owner: Owner) async throws -> (upload: Upload?, info: UploadInfo) {
        if let id = request.uploadID { return try await resume(id, by: owner) }
        guard let name = request.name else { throw DeployError(.invalidArgument, "data.name is missing") }
        try FileNames.checkUpload(name)
        let size = request.size
        if let size {
            guard size >= 0 else { throw DeployError(.invalidArgument, "data.size is negative") }
            guard size <= settings.maximumSize else {
                throw DeployError(.tooLarge, "the file is over \(settings.maximumSize) bytes (files.maximum-size)")
            }
        }
        let standard = owner.task == nil ? settings.retention : settings.fetchedRetention
        if let keep = request.keep, !(1...315_360_000).contains(keep) {
            throw DeployError(.invalidArgument, "data.keep is not between 1 and 315360000 s")
        }
        let record = PartRecord(
            id: .random(), name: name, size: size, sha256: request.sha256,
            environment: try environment(request, owner), keep: request.keep ?? standard, actor: owner.actor,
            createdAt: .now(), taskID: owner.task?.id)
        if let known = try await knownContent(record, owner) { return (nil, known) }
        try await checkRoom(for: record)
        let storage = storage
        let part = try await threads.run { () throws(DeployError) in try storage.createPart(record) }
        let upload = Upload(record, part)
        try register(upload)
        return (upload, upload.info)
    }

    private func resume(_ id: UploadID, by owner: Owner) async throws -> (upload: Upload?, info: UploadInfo) {
        let missing = DeployError(.notFound, "there is no upload \(id)", hint: "tiangong file list --uploads")
        if let upload = state.withLock({ $0.uploads[id] }) {
            guard Self.owns(owner, upload.record) else { throw missing }
            return (upload, upload.info)
        }
        let storage = storage
        let upload = try await threads.run { () throws(DeployError) -> Upload in
            let (record, part) = try storage.openPart(id)
            guard Self.owns(owner, record) else { throw missing }
            return try Upload(resuming: record, part)
        }
        try register(upload)
        // Of two who came at once, the first one's counts.
        let registered = state.withLock { $0.uploads[id] } ?? upload
        return (registered, registered.info)
    }

    private static func owns(_ owner: Owner, _ record: PartRecord) -> Bool {
        record.actor == owner.actor && record.taskID == owner.task?.id
    }

    private func register(_ upload: Upload) throws(DeployError) {
        let fits = state.withLock { state in
            guard state.uploads[upload.record.id] == nil else { return true }
            guard state.uploads.count < Self.uploadLimit else { return false }
            state.uploads[upload.record.id] = upload
            state.promised[upload.record.id] = upload.record.size
            return true
        }
        guard fits else {
            throw DeployError(.rateLimited, "\(Self.uploadLimit) uploads are under way", hint: "try again later")
        }
    }

    /// Where a file belongs. An operator says so when it reaches several environments; an agent's goes where it is.
    private func environment(_ request: FileBegin, _ owner: Owner) throws(DeployError) -> String? {
        guard let principal = owner.principal else { return owner.task?.environment }
        let reached = principal.scope.environments
        if let wanted = request.environment {
            try CredentialName.check(environment: wanted)
            guard reached?.contains(wanted) ?? true else {
                throw DeployError(.notFound, "there is no environment '\(wanted.prefix(64))' within your reach")
            }
            return wanted
        }
        guard let reached else {
            // Who is narrowed by labels alone sees its own files only, wherever they belong.
            return nil
        }
        guard reached.count == 1 else {
            throw DeployError(
                .invalidArgument, "the file's environment is not said",
                hint: "-e with one of \(reached.sorted().joined(separator: ", "))")
        }
        return reached[0]
    }

    /// The upload as complete, when a file that the operator sees has the announced content; or when it is what the task
    /// has brought before, and only did not hear of it.
    private func knownContent(_ record: PartRecord, _ owner: Owner) async throws -> UploadInfo? {
        guard let sha256 = record.sha256, let size = record.size else { return nil }
        let found = try await store.write { transaction -> FileInfo? in
            if let task = owner.task {
                return try FileTable.find(task: task.id, name: record.name, sha256: sha256, transaction)
            }
            guard let principal = owner.principal,
                try FileTable.find(sha256: sha256, size: size, as: principal, transaction) != nil,
                let content = try FileTable.content(sha256, transaction)
            else { return nil }
            let (file, _) = try Self.insert(record, content, by: owner, transaction)
            return file
        }
        guard let found else { return nil }
        var info = UploadInfo(
            id: record.id, name: record.name, offset: size, size: size, sha256: sha256,
            environment: record.environment, actor: record.actor, createdAt: record.createdAt)
        info.file = found
        return info
    }

    /// Throws `insufficient_storage` when the quota or the disk does not hold what was announced.
    private func checkRoom(for record: PartRecord) async throws {
        let wanted = record.size ?? 0
        let promised = state.withLock { $0.promised.values.reduce(0, +) }
        if let quota = settings.quota {
            let total = try await store.read { try FileTable.total($0) }
            guard total + promised + wanted <= quota else {
                throw DeployError(
                    .insufficientStorage, "the files' quota of \(quota) bytes is used up",
                    hint: "remove files: tiangong file remove")
            }
        }
        try await checkDisk(adding: wanted)
    }

    private func checkDisk(adding bytes: Int64) async throws(DeployError) {
        let (storage, reserve) = (storage, settings.reserve)
        let free = try await threads.run { () throws(DeployError) in storage.free() }
        guard free - bytes >= reserve else {
            throw DeployError(
                .insufficientStorage,
                "the server's disk for files has \(free) bytes left, \(reserve) of them in reserve",
                hint: "free some space on the server, then go on")
        }
    }

    /// Writes what follows of an upload; see ``Upload/append(_:at:as:)``.
    func append(
        _ bytes: ByteBuffer, at offset: Int64, to upload: Upload, as writer: Int
    ) async throws(DeployError) -> Int64 {
        let (storage, reserve, most) = (storage, settings.reserve, settings.maximumSize)
        return try await threads.run { () throws(DeployError) in
            let end = offset + Int64(bytes.readableBytes)
            guard end <= most else {
                throw DeployError(.tooLarge, "the file is over \(most) bytes (files.maximum-size)")
            }
            // Every few megabytes: the reserve is for everybody else.
            if offset >> 23 != end >> 23 || offset == 0, storage.free() < reserve {
                throw DeployError(
                    .insufficientStorage, "the server's disk for files is full up to its reserve",
                    hint: "free some space on the server, then go on")
            }
            return try upload.append(bytes, at: offset, as: writer)
        }
    }

    /// Completes an upload: the file is on disk, with its row and its audit, when this returns.
    ///
    /// Throws `conflict` when bytes are missing, and `invalid_argument` when the content is another than was announced.
    func commit(_ request: FileCommit, by owner: Owner) async throws -> FileInfo {
        let (found, _) = try await resume(request.uploadID, by: owner)
        guard let upload = found else { throw DeployError(.notFound, "there is no upload \(request.uploadID)") }
        if let size = request.size ?? upload.record.size, size != upload.offset {
            throw DeployError(
                .conflict, "upload \(upload.record.id) has \(upload.offset) bytes, \(size) were announced",
                hint: "go on from there")
        }
        return try await complete(upload, sha256: request.sha256 ?? upload.record.sha256, by: owner)
    }

    private func complete(_ upload: Upload, sha256: ContentHash?, by owner: Owner) async throws -> FileInfo {
        let (storage, record) = (storage, upload.record)
        let (part, size, actual) = try upload.close()
        forget(record.id)
        guard sha256 == nil || sha256 == actual else {
            _ = try? await threads.run { () throws(DeployError) in storage.removePart(record.id) }
            throw DeployError(
                .invalidArgument, "the content's SHA-256 is \(actual), \(sha256?.hex ?? "") was announced",
                hint: "the file changed while it was read, or was damaged on the way; upload it again")
        }
        let location = "\(actual.hex.prefix(16))-\(record.id.rawValue)"
        do {
            try await threads.run { () throws(DeployError) in try storage.place(part, at: location) }
        } catch {
            // The part is still there: the upload can be committed again.
            throw error
        }
        let content = FileTable.Content(sha256: actual, size: size, location: location)
        let (file, place) = try await store.write { try Self.insert(record, content, by: owner, $0) }
        if place != location { _ = try? await threads.run { () throws(DeployError) in storage.remove(location) } }
        logger.debug("file stored", metadata: ["file": "\(file.id)", "bytes": "\(size)", "sha256": "\(actual)"])
        return file
    }

    /// A small file in one message.
    func put(_ request: FileBegin, _ bytes: ByteBuffer, by owner: Owner) async throws -> FileInfo {
        var request = request
        request.uploadID = nil
        request.size = Int64(bytes.readableBytes)
        let (upload, info) = try await begin(request, by: owner)
        if let file = info.file { return file }
        guard let upload else { throw DeployError(.internal, "an upload without a part") }
        do {
            if bytes.readableBytes > 0 { _ = try await append(bytes, at: 0, to: upload, as: upload.take()) }
            return try await complete(upload, sha256: request.sha256, by: owner)
        } catch {
            await remove(upload.record.id)
            throw error
        }
    }

    private static func insert(
        _ record: PartRecord, _ content: FileTable.Content, by owner: Owner, _ transaction: any SQLTransaction
    ) throws -> (FileInfo, location: String) {
        let now = Timestamp.now()
        let file = FileInfo(
            id: .random(), name: record.name, size: content.size, sha256: content.sha256,
            environment: record.environment, actor: record.actor, createdAt: now,
            expiresAt: record.keep.map { now.adding(milliseconds: Int64($0 * 1000)) }, taskID: record.taskID)
        let place = try FileTable.insert(file, keep: record.keep, content: content, transaction)
        var audit =
            owner.principal.map { AuditRecord(.fileWrite, as: $0) }
            ?? AuditRecord(action: Action.fileWrite.rawValue, actor: owner.actor)
        audit.env = file.environment
        audit.task = file.taskID?.rawValue
        audit.result = "ok"
        try AuditTrail.append(audit.with(file.auditDetail), transaction)
        return (file, place)
    }

    // MARK: Uploads

    /// Uploads that are not complete, of everybody the principal sees files of.
    func uploads(as principal: Principal) async throws -> [UploadInfo] {
        let storage = storage
        let parts = try await threads.run { () throws(DeployError) in storage.parts() }
        let live = state.withLock { $0.uploads }
        return parts.filter { part in
            let scope = principal.scope
            if scope.isEverything || part.record.actor == principal.name { return true }
            guard scope.labels.isEmpty, let environment = part.record.environment else { return false }
            return scope.environments?.contains(environment) ?? true
        }.map { part in
            if let upload = live[part.record.id] { return upload.info }
            return UploadInfo(
                id: part.record.id, name: part.record.name, offset: part.size, size: part.record.size,
                sha256: part.record.sha256, environment: part.record.environment, actor: part.record.actor,
                createdAt: part.record.createdAt)
        }.sorted { $0.createdAt > $1.createdAt }
    }

    /// Gives an upload up.
    func remove(_ id: UploadID) async {
        let upload = forget(id)
        _ = try? upload?.close()
        let storage = storage
        _ = try? await threads.run { () throws(DeployError) in storage.removePart(id) }
    }

    /// Lets go of uploads that nobody has written to for a while; they can be gone on with.
    ///
    /// - Returns: Those that are written to.
    func closeIdle() -> Set<UploadID> {
        state.withLock { state in
            for (id, upload) in state.uploads where upload.idle > Self.patience {
                state.uploads[id] = nil
                state.promised[id] = nil
            }
            return Set(state.uploads.keys)
        }
    }

    @discardableResult
    private func forget(_ id: UploadID) -> Upload? {
        state.withLock { state in
            state.promised[id] = nil
            return state.uploads.removeValue(forKey: id)
        }
    }

    // MARK: Giving out

    /// Opens the content of a file that the principal sees.
    func open(_ file: FileInfo) async throws -> ContentFile {
        let content = try await store.read { try FileTable.contents(of: [file.id], $0) }
        return try await open(content[0])
    }

    /// Opens a content.
    func open(_ content: FileTable.Content) async throws(DeployError) -> ContentFile {
        let storage = storage
        return try await threads.run { () throws(DeployError) in try storage.open(content.location) }
    }

    /// Reads a piece of a content.
    func read(_ file: ContentFile, at offset: Int64, length: Int) async throws(DeployError) -> ByteBuffer {
        try await threads.run { () throws(DeployError) in try file.read(at: offset, length: length) }
    }
}

extension FileInfo {
    /// What the audit says of a file.
    var auditDetail: [String: JSONValue] {
        [
            "file": .string(id.rawValue), "name": .string(name), "bytes": .integer(size), "sha256": .string(sha256.hex),
        ]
    }
}
