// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Crypto
import Glibc
import NIOCore

/// Brings one file of this host into the Cloud's store. It is read once; after a cut it goes on where the Cloud stands.
struct FetchTask {
    private let context: ExecutionContext
    private let parameters: FileParameters
    private let executor: FileExecutor
    private var patience: CloudPatience
    private var client: TransferClient?
    private var upload: UploadID?
    /// Bytes that were read for the Cloud, and bytes it has said that it has.
    private var offset: Int64 = 0
    private var confirmed: Int64 = 0
    private var cuts = 0
    private var source: Source

    init(
        _ context: ExecutionContext, _ parameters: FileParameters, _ executor: FileExecutor
    ) throws(DeployError) {
        self.context = context
        self.parameters = parameters
        self.executor = executor
        patience = CloudPatience(context)
        let location = try executor.policy.locate(parameters.path, for: .read)
        source = try Source(location)
        guard source.size <= executor.settings.maximumSize else {
            throw DeployError(
                .tooLarge, "\(location.path.prefix(200)) has \(source.size) bytes, more than this agent sends",
                hint: "executors.file.max-size is \(executor.settings.maximumSize)")
        }
    }

    /// Brings it.
    func run() async throws(DeployError) -> ExecutionOutcome {
        var task = self
        return try await task.perform()
    }

    private mutating func perform() async throws(DeployError) -> ExecutionOutcome {
        let begin = ContinuousClock.now
        await context.onStart(nil)
        context.progress.set(0, of: source.size)
        let file = try await bring()
        let grown = try source.growth()
        var result: [String: JSONValue] = [
            "file_id": .string(file.id.rawValue), "name": .string(file.name), "size": .integer(file.size),
            "sha256": .string(file.sha256.hex), "cuts": .integer(Int64(cuts)),
            "duration_ms": .integer(begin.duration(to: .now).wholeMilliseconds),
        ]
        var line = "\(source.path): \(file.size) bytes, sha256 \(file.sha256.hex), stored as \(file.id)"
        if grown > 0 {
            result["grown_bytes"] = .integer(grown)
            line += "; it grew by \(grown) bytes meanwhile, which are not in it"
        }
        await LogOutput(context.log).line(line)
        return ExecutionOutcome(result: result)
    }

    /// Begins, sends, and completes, each again after a cut.
    private mutating func bring() async throws(DeployError) -> FileInfo {
        while true {
            do throws(DeployError) {
                let client = try connect()
                if let file = try await begin(client) { return file }
                if offset < source.size { try await send(client) }
                let file = try await commit(client)
                patience.succeeded()
                return file
            } catch {
                client = nil
                cuts += 1
                try await patience.wait(after: error)
            }
        }
    }

    private mutating func connect() throws(DeployError) -> TransferClient {
        if let client { return client }
        let new = try executor.cloud.client(for: executor.bandwidth)
        client = new
        return new
    }

    private func path(_ rest: String = "") -> String {
        CloudContent.path(context.reference.taskID, "uploads" + rest)
    }

    /// Learns where the Cloud stands; the file, when all of it is there already.
    private mutating func begin(_ client: TransferClient) async throws(DeployError) -> FileInfo? {
        var info: UploadInfo?
        if let upload {
            do throws(DeployError) {
                info = try await client.post(path(), json: FileBegin(resuming: upload), for: UploadInfo.self)
            } catch {
                // Completed by a request whose answer was cut, or given up by the Cloud.
                guard error.code == .notFound else { throw error }
            }
        }
        let found: UploadInfo
        if let info {
            found = info
        } else {
            let begin = FileBegin(name: source.name, size: source.size, sha256: source.knownHash)
            found = try await client.post(path(), json: begin, for: UploadInfo.self)
        }
        if let file = found.file { return file }
        guard (0...source.size).contains(found.offset) else {
            throw DeployError(.protocolError, "the Cloud has \(found.offset) bytes of \(source.size)")
        }
        upload = found.id
        offset = found.offset
        if offset > confirmed { patience.succeeded() }
        confirmed = offset
        return nil
    }

    private mutating func send(_ client: TransferClient) async throws(DeployError) {
        guard let upload else { return }
        let (size, limiter) = (source.size, executor.bandwidth)
        let piece = limiter.piece(of: 512 << 10)
        let range = "bytes \(offset)-\(size - 1)/\(size)"
        _ = try await client.put(
            path("/\(upload)/content"), headers: [("Content-Range", range)], length: size - offset
        ) { () async throws(DeployError) -> ByteBuffer? in
            let bytes = try source.read(at: offset, length: Int(min(Int64(piece), size - offset)))
            await limiter.spend(bytes.readableBytes)
            offset += Int64(bytes.readableBytes)
            context.progress.set(offset)
            return bytes
        }
    }

    private func commit(_ client: TransferClient) async throws(DeployError) -> FileInfo {
        guard let upload else { throw DeployError(.internal, "there is no upload to complete") }
        try source.checkUnchanged()
        var commit: [String: JSONValue] = ["size": .integer(source.size)]
        commit["sha256"] = source.knownHash.map { .string($0.hex) }
        do throws(DeployError) {
            return try await client.post(path("/\(upload)/commit"), json: commit, for: FileInfo.self)
        } catch {
            // Perhaps it was completed before: what begins anew learns that.
            if error.code == .notFound { throw DeployError(.unavailable, error.message) }
            if error.code == .invalidArgument { throw DeployError(.taskFailed, error.message, hint: error.hint) }
            throw error
        }
    }
}

/// The file that is read: its bytes are hashed as they are read for the first time.
private struct Source {
    let path: String
    let name: String
    /// Bytes it had when it was opened: so many are brought.
    let size: Int64
    private let file: ContentDescriptor
    private let before: FileStatus
    private var hasher = SHA256()
    private var hashed: Int64 = 0

    /// Opens it; throws `forbidden` when it is not a regular file any more.
    init(_ location: PathPolicy.Location) throws(DeployError) {
        path = location.path
        name = location.name
        file = ContentDescriptor(owning: try location.directory.open(location.name, O_RDONLY))
        before = try FileStatus(of: file.descriptor, path)
        guard before.kind == .file, before.names == 1 else {
            throw DeployError(.forbidden, "\(path.prefix(200)) is not a regular file of its own")
        }
        size = before.size
    }

    /// Bytes from an offset. Throws `task_failed` when it has become shorter.
    mutating func read(at offset: Int64, length: Int) throws(DeployError) -> ByteBuffer {
        // The Cloud has nothing that was not read here; should it say so, that is read for its hash.
        while hashed < offset { try hash(at: hashed, length: Int(min(1 << 20, offset - hashed))) }
        let bytes = try take(at: offset, length: length)
        let isNew = Int(hashed - offset)
        if isNew < bytes.readableBytes {
            bytes.withUnsafeReadableBytes {
                hasher.update(bufferPointer: UnsafeRawBufferPointer(rebasing: $0[isNew...]))
            }
            hashed = offset + Int64(bytes.readableBytes)
        }
        return bytes
    }

    private mutating func hash(at offset: Int64, length: Int) throws(DeployError) {
        let bytes = try take(at: offset, length: length)
        bytes.withUnsafeReadableBytes { hasher.update(bufferPointer: $0) }
        hashed += Int64(bytes.readableBytes)
    }

    private func take(at offset: Int64, length: Int) throws(DeployError) -> ByteBuffer {
        let bytes = try HostFile.read(file.descriptor, at: offset, length: length, path)
        guard bytes.readableBytes == length else {
            throw DeployError(.taskFailed, "\(path.prefix(200)) became shorter while it was read")
        }
        return bytes
    }

    /// What all of it hashes to, once all of it was read.
    var knownHash: ContentHash? { hashed == size ? ContentHash(digest: hasher.finalize()) : nil }

    /// Throws `task_failed` when what was read may be a mixture of two contents: written to, other than at its end.
    func checkUnchanged() throws(DeployError) {
        let now = try FileStatus(of: file.descriptor, path)
        guard now.size > size || now.size == size && now.modified == before.modified else {
            throw DeployError(
                .taskFailed, "\(path.prefix(200)) was changed while it was read",
                hint: "fetch it again when it is quiet")
        }
    }

    /// Bytes that were added meanwhile.
    func growth() throws(DeployError) -> Int64 { max(0, try FileStatus(of: file.descriptor, path).size - size) }
}

/// A file that is read; closed with the last reference.
private final class ContentDescriptor: Sendable {
    let descriptor: Int32
    init(owning descriptor: Int32) { self.descriptor = descriptor }
    deinit { close(descriptor) }
}
