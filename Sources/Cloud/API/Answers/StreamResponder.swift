// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import HTTPTypes
import Hummingbird
import NIOCore

/// Responses that go on: each is as slow as its reader, and holds no more than a piece of what it sends.
struct StreamResponder: Sendable {
    let service: OperatorService
    let hub: Hub

    /// How often a silent stream says that it is alive.
    private static let pulse: Duration = .seconds(15)

    // MARK: Logs

    func log(_ request: Request, _ input: RouteInput, as principal: Principal) async throws -> Response {
        let form = try Self.form(request.headers[values: .accept])
        let from: Int64 = if case .integer(let seq)? = input.query["from_seq"] { seq } else { 0 }
        let limit: Int64? = if case .integer(let bytes)? = input.query["limit"] { bytes } else { nil }
        let stream = input.query["stream"]?.stringValue.flatMap { LogStream(rawValue: $0) }
        let follow = input.query["follow"] == .bool(true)
        let open = LogOpen(taskID: try input.object("task_id", whole: "task").id, fromSeq: from, follow: follow)
        let reply = try await service.answer(.logOpen(open), as: principal)
        guard let state = reply.value as? LogState else { throw DeployError(.internal, "no state of the log") }

        let viewer = service.viewer(state.task.id, from: from, follow: follow)
        let session = try attach(StreamSession(principal: principal, viewer: viewer, agent: state.task.agentID))
        return streaming(form.rawValue, session, trailer: "X-Next-Seq") { writer in
            var response = LogResponse(writer, form, stream: stream, from: from, limit: limit)
            do {
                try await viewer.run(attempt: state.task.attempt, to: &response)
            } catch is LogResponse.IsFull {
                // The rest is for the next request.
            }
            return "\(response.nextSeq)"
        }
    }

    private static func form(_ accept: [String]) throws -> LogResponse.Form {
        let types = accept.flatMap { $0.split(separator: ",") }.map {
            $0.split(separator: ";")[0].filter { $0 != " " && $0 != "\t" }.lowercased()
        }
        if types.contains(LogResponse.Form.lines.rawValue) { return .lines }
        if types.isEmpty || types.contains(where: { ["text/plain", "text/*", "*/*"].contains($0) }) { return .text }
        throw HTTPFailure(
            DeployError(.unsupported, "a log is text/plain or application/x-ndjson"), status: .notAcceptable)
    }

    // MARK: Events

    func events(as principal: Principal) async throws -> Response {
        _ = try await service.answer(.eventsOpen, as: principal)
        let session = try attach(StreamSession(principal: principal))
        _ = session.changes.open()
        return streaming("text/event-stream", session) { writer in
            try await writer.write(ByteBuffer(string: ": changes from now on\n\n"))
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    while !Task.isCancelled {
                        try await Task.sleep(for: Self.pulse)
                        session.changes.nudge()
                    }
                }
                defer { group.cancelAll() }
                while let changes = await session.changes.next() {
                    // A reader that slow has lost track: it lists everything again and comes back.
                    if changes.isTooMany { break }
                    let text = try await text(changes, for: principal)
                    try await writer.write(ByteBuffer(string: text.isEmpty ? ": still here\n\n" : text))
                }
            }
            return nil
        }
    }

    private func text(_ changes: ChangeFeed.Changes, for principal: Principal) async throws -> String {
        let reached = try await service.reached(changes, by: principal)
        var text = ""
        func add(_ type: OperatorMessageType, _ value: some Encodable) {
            text += "event: \(type.rawValue)\ndata: \(StoredJSON.text(value))\n\n"
        }
        for agent in changes.agents where reached(agent.id) { add(.agentChanged, agent) }
        for task in changes.tasks where reached(task.agentID) { add(.taskChanged, task) }
        for agent in changes.gone { add(.agentRemoved, ObjectQuery(id: agent.rawValue)) }
        return text
    }

    // MARK: The audit

    func audit(_ input: RouteInput, as principal: Principal) async throws -> Response {
        var query = try input.value(AuditQuery.self)
        // What is written from now on is not part of it: the export itself is audited.
        query.until = min(query.until ?? .now(), .now())
        query.limit = 200
        let first = try await page(query, as: principal)
        let session = try attach(StreamSession(principal: principal))
        let start = query
        return streaming("application/x-ndjson", session) { writer in
            var query = start
            var page = first
            while true {
                let lines = page.items.map { StoredJSON.text($0) + "\n" }.joined()
                if !lines.isEmpty { try await writer.write(ByteBuffer(string: lines)) }
                guard let next = page.next, !session.wasCut else { return nil }
                query.cursor = next
                page = try await self.page(query, as: principal)
            }
        }
    }

    private func page(_ query: AuditQuery, as principal: Principal) async throws -> Page<AuditRecord> {
        let reply = try await service.answer(.auditExport(query), as: principal)
        guard let page = reply.value as? Page<AuditRecord> else { throw DeployError(.internal, "no page of the audit") }
        return page
    }

    // MARK: The frame of all of them

    private func attach(_ session: StreamSession) throws -> StreamSession {
        if let reason = hub.attach(session) {
            throw reason == .goingAway
                ? DeployError(.unavailable, "the server is stopping")
                : DeployError(.rateLimited, reason.reason, hint: "close some", retryAfter: 5)
        }
        return session
    }

    /// A response that `body` writes; what `body` returns goes into the trailer. Ends when the reader goes; broken off
    /// when the session is, so that nobody takes a part for the whole.
    private func streaming(
        _ type: String, _ session: StreamSession, trailer: String? = nil,
        _ body: @escaping @Sendable (inout any ResponseBodyWriter) async throws -> String?
    ) -> Response {
        let hub = hub
        let peer = PeerConnection.current
        var response = Response(
            status: .ok, headers: [.contentType: type],
            body: ResponseBody { writer in
                defer { hub.detach(session) }
                peer?.whenGone { session.close(.goingAway) }
                defer { peer?.whenGone(nil) }
                let end = try await body(&writer)
                guard !session.wasCut else { throw DeployError(.canceled, "the stream was ended") }
                var trailers: HTTPFields?
                if let trailer, let end { trailers = [:]; trailers?.set(trailer, end) }
                try await writer.finish(trailers)
            })
        if let trailer { response.headers.set("Trailer", trailer) }
        return response
    }
}
