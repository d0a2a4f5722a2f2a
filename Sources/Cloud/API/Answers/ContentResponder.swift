// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import HTTPTypes
import Hummingbird
import NIOCore

/// Bodies that are content: each as slow as its peer, and no more than a few pieces of it in memory.
struct ContentResponder: Sendable {
    let service: OperatorService
    let hub: Hub
    /// Where the connection lives.
    let loop: any EventLoop

    /// Bytes read and written at once.
    private static let piece = 524_288

    private var files: FileService { service.files }

    // MARK: Giving out

    /// The content of a file, or a range of it.
    func download(_ request: Request, _ input: RouteInput, as principal: Principal) async throws -> Response {
        let id = try input.object("file_id", whole: "file").id
        let (file, content) = try await service.openFile(id, as: principal)
        var headers: HTTPFields = [
            .contentType: "application/octet-stream", .acceptRanges: "bytes", .eTag: "\"\(file.sha256)\"",
        ]
        headers.set("Content-Disposition", "attachment; filename*=UTF-8''\(Self.encoded(file.name))")
        var wanted = request.headers[.range]
        // A range of what the reader had is a range of this only while it is the same.
        if let name = HTTPField.Name("If-Range"), let tag = request.headers[name], tag != headers[.eTag] {
            wanted = nil
        }
        guard let (range, isPartial) = ByteRange.asked(wanted, of: file.size) else {
            throw HTTPFailure(
                DeployError(.invalidArgument, "the range is outside of the \(file.size) bytes"),
                status: .rangeNotSatisfiable, headers: [.contentRange: "bytes */\(file.size)"])
        }
        if isPartial {
            headers[.contentRange] = "bytes \(range.start)-\(range.start + range.length - 1)/\(file.size)"
        }
        let status: HTTPResponse.Status = isPartial ? .partialContent : .ok
        guard request.method != .head else {
            headers[.contentLength] = "\(range.length)"
            return Response(status: status, headers: headers)
        }
        let session = StreamSession(principal: principal)
        if let reason = hub.attach(session) {
            throw DeployError(.rateLimited, reason.reason, hint: "close some", retryAfter: 5)
        }
        return body(status, headers, [(content, range)], limiter: nil, isCut: { session.wasCut }) { [hub] in
            hub.detach(session)
        }
    }

    /// The contents that a task brings to its agent, one after the other, from a place in one of them on.
    func bundle(_ input: RouteInput, for agent: AgentID) async throws -> Response {
        let (task, parameters) = try await task(input, of: agent)
        let ids = parameters.items.map(\.fileID)
        let first = input.query["file"]?.integerValue ?? 0
        let offset = input.query["offset"]?.integerValue ?? 0
        guard parameters.act == .put, first < Int64(ids.count) else {
            throw DeployError(.notFound, "task \(task.id) brings no such file")
        }
        let contents = try await service.store.read {
            try FileTable.contents(of: Array(ids[Int(first)...]), $0)
        }
        guard offset <= contents[0].size else {
            throw HTTPFailure(
                DeployError(.invalidArgument, "the offset is beyond the file's \(contents[0].size) bytes"),
                status: .rangeNotSatisfiable)
        }
        var parts: [(ContentFile, ByteRange)] = []
        for (index, content) in contents.enumerated() {
            let start = index == 0 ? offset : 0
            parts.append(
                (try await files.open(content), ByteRange(start: start, length: content.size - start)))
        }
        return body(
            .ok, [.contentType: "application/octet-stream"], parts, limiter: files.bandwidth, isCut: { false }, done: {}
        )
    }

    private func body(
        _ status: HTTPResponse.Status, _ headers: HTTPFields, _ parts: [(file: ContentFile, range: ByteRange)],
        limiter: RateLimiter?, isCut: @escaping @Sendable () -> Bool, done: @escaping @Sendable () -> Void
    ) -> Response {
        let (files, loop) = (files, loop)
        let length = parts.reduce(0) { $0 + $1.range.length }
        return Response(
            status: status, headers: headers,
            body: ResponseBody(contentLength: Int(clamping: length)) { writer in
                defer { done() }
                for part in parts {
                    // The next piece is read while this one is sent.
                    var pieces = Pieces(part.range, of: limiter?.piece(of: Self.piece) ?? Self.piece)
                    guard let first = pieces.next() else { continue }
                    var bytes = try await files.read(part.file, at: first.start, length: Int(first.length))
                    while true {
                        guard bytes.readableBytes > 0 else {
                            throw DeployError(.internal, "a content is shorter than its row says")
                        }
                        if isCut() { throw DeployError(.canceled, "the stream was ended") }
                        await limiter?.spend(bytes.readableBytes)
                        guard let next = pieces.next() else {
                            try await writer.write(bytes)
                            break
                        }
                        async let following = files.read(part.file, at: next.start, length: Int(next.length))
                        try await writer.write(bytes)
                        // Only once the connection has seen it does the next write know whether there is room.
                        try await loop.submit {}.get()
                        bytes = try await following
                    }
                }
                try await writer.finish(nil)
            })
    }

    /// The pieces of a range.
    private struct Pieces {
        var rest: ByteRange
        let length: Int
        init(_ range: ByteRange, of length: Int) { (rest, self.length) = (range, length) }

        mutating func next() -> ByteRange? {
            guard rest.length > 0 else { return nil }
            let piece = ByteRange(start: rest.start, length: min(rest.length, Int64(length)))
            rest = ByteRange(start: piece.start + piece.length, length: rest.length - piece.length)
            return piece
        }
    }

    private static func encoded(_ name: String) -> String {
        let digits = Array("0123456789ABCDEF")
        return name.utf8.reduce(into: "") { text, byte in
            let isPlain =
                (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
                || "-._~".utf8.contains(byte)
            text += isPlain ? String(UnicodeScalar(byte)) : "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
        }
    }

    // MARK: Taking in

    /// The next bytes of an operator's upload.
    func upload(_ request: Request, _ input: RouteInput, as principal: Principal) async throws -> Response {
        let owner = FileService.Owner(principal)
        return try await receive(request, try uploadID(input), by: owner)
    }

    /// The next bytes of a file that an agent brings.
    func agentUpload(_ request: Request, _ input: RouteInput, from agent: AgentID) async throws -> Response {
        try await receive(request, try uploadID(input), by: try await owner(input, agent))
    }

    /// Begins, or goes on with, a file that an agent brings.
    func agentBegin(_ input: RouteInput, from agent: AgentID) async throws -> Response {
        let begin: FileBegin = try input.value(leavingOut: ["task_id"])
        let (_, info) = try await files.begin(begin, by: try await owner(input, agent))
        return Answer.json(.ok, StoredJSON.text(info))
    }

    /// Completes a file that an agent brings.
    func agentCommit(_ input: RouteInput, from agent: AgentID) async throws -> Response {
        let commit: FileCommit = try input.value(leavingOut: ["task_id"])
        return Answer.json(.ok, StoredJSON.text(try await files.commit(commit, by: try await owner(input, agent))))
    }

    private func uploadID(_ input: RouteInput) throws(DeployError) -> UploadID {
        let text = try input.object("upload_id", whole: "upload").id
        guard let id = UploadID(text) else { throw DeployError(.notFound, "there is no upload '\(text.prefix(64))'") }
        return id
    }

    private func receive(_ request: Request, _ id: UploadID, by owner: FileService.Owner) async throws -> Response {
        let (found, _) = try await files.begin(FileBegin(resuming: id), by: owner)
        guard let upload = found else { throw DeployError(.notFound, "there is no upload \(id)") }
        var offset: Int64 = 0
        var length: Int64?
        if let header = request.headers[.contentRange] {
            let (range, size) = try ByteRange.sent(header)
            if let size, let announced = upload.record.size, size != announced {
                throw DeployError(.invalidArgument, "Content-Range says \(size) bytes, \(announced) were announced")
            }
            (offset, length) = (range.start, range.length)
        }
        let end = length.map { offset + $0 }
        let writer = upload.take()
        var gathered = ByteBuffer()
        for try await part in request.body {
            if gathered.readableBytes == 0 { gathered = part } else { gathered.writeImmutableBuffer(part) }
            guard gathered.readableBytes >= Self.piece / 2 else { continue }
            try Self.check(offset + Int64(gathered.readableBytes), within: end)
            let written = Int64(gathered.readableBytes)
            _ = try await files.append(gathered, at: offset, to: upload, as: writer)
            offset += written
            gathered = ByteBuffer()
        }
        try Self.check(offset + Int64(gathered.readableBytes), within: end)
        if gathered.readableBytes > 0 { _ = try await files.append(gathered, at: offset, to: upload, as: writer) }
        return Answer.json(.ok, StoredJSON.text(upload.info))
    }

    private static func check(_ end: Int64, within limit: Int64?) throws {
        guard let limit, end > limit else { return }
        throw HTTPFailure(
            DeployError(.invalidArgument, "the body has more bytes than Content-Range says"), closes: true)
    }

    // MARK: Tasks

    /// The file task that an agent works on now; whatever else there may be is not found.
    private func task(
        _ input: RouteInput, of agent: AgentID
    ) async throws -> (task: TaskRecord, parameters: FileParameters) {
        let text = try input.object("task_id", whole: "task").id
        let missing = DeployError(.notFound, "there is no task '\(text.prefix(64))' of this agent")
        guard let id = TaskID(text) else { throw missing }
        let found = try await service.store.read { transaction -> (TaskRecord, RunRecord)? in
            guard let task = try TaskTable.find(id: id, transaction), task.agentID == agent,
                let run = try RunTable.find(id: task.runID, transaction)
            else { return nil }
            return (task, run)
        }
        guard let (task, run) = found, [.dispatched, .running, .canceling].contains(task.state),
            task.type == TaskType.file.rawValue
        else { throw missing }
        return (task, try FileParameters(run.spec))
    }

    private func owner(_ input: RouteInput, _ agent: AgentID) async throws -> FileService.Owner {
        let (task, parameters) = try await task(input, of: agent)
        guard parameters.act == .fetch,
            let info = try await service.store.read({ try AgentTable.find(id: agent, $0) })
        else { throw DeployError(.notFound, "task \(task.id) brings no file from this agent") }
        return FileService.Owner(
            actor: "agent \(info.name)", principal: nil, task: (task.id, info.environment))
    }
}
