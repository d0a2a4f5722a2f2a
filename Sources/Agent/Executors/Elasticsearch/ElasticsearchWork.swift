// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import Core
import NIOCore
import NIOHTTP1
import Synchronization

/// The work of one task at the server that was chosen for it.
struct ElasticsearchWork: Sendable {
    let request: ElasticsearchRequest
    let plan: ElasticsearchPlan
    let client: ElasticsearchClient
    let context: ExecutionContext
    /// What is to be let go of at the server when the task is stopped.
    let leftovers = ElasticsearchLeftovers()

    /// Items of an answer that is looked into for errors; larger ones hold none.
    static let largestItem = 65_536
    /// Errors of single items that are shown.
    private static let shownErrors = 100

    init(
        _ request: ElasticsearchRequest, _ plan: ElasticsearchPlan, _ client: ElasticsearchClient,
        _ context: ExecutionContext
    ) {
        self.request = request
        self.plan = plan
        self.client = client
        self.context = context
    }

    /// Does it, and says how it ended.
    func perform() async -> ExecutionOutcome {
        let began = ContinuousClock.now
        var facts: [String: JSONValue] = [:]
        var failure: TaskFailure?
        do throws(DeployError) {
            let problem =
                switch plan.kind {
                case .plain: try await plain(&facts)
                case .bulk: try await bulk(&facts)
                case .export: try await export(&facts)
                case .background: try await background(&facts)
                }
            failure = problem.map { TaskFailure(.taskFailed, $0) }
        } catch {
            failure = TaskFailure(error.code == .unreachable ? .unavailable : error.code, error.sentence)
        }
        if client.repetitions > 0 { facts["retries"] = .integer(client.repetitions) }
        facts["duration_ms"] = .integer(Int64((ContinuousClock.now - began) / .milliseconds(1)))
        return ExecutionOutcome(error: failure, result: facts)
    }

    // MARK: One request

    private func plain(_ facts: inout [String: JSONValue]) async throws(DeployError) -> String? {
        let response = try await client.send(
            request.httpMethod, request.path, query: request.query, body: sentBody, isLines: request.isLines)
        facts["status"] = .integer(Int64(response.status.code))
        if request.method == "HEAD" {
            await output.line(
                plan.isForPeople ? "HTTP \(response.status.code)" : "{\"status\":\(response.status.code)}")
        }
        if let problem = try await refusal(response) { return problem }
        guard Self.isJSON(response) else { return try await passOn(response, &facts) }
        return try await show(response, &facts)
    }

    /// The body as it is sent: one of lines ends with a line end.
    private var sentBody: [UInt8] {
        guard !request.bodyIsEmpty else { return [] }
        return request.isLines && request.body.last != 0x0A ? Array(request.body) + [0x0A] : Array(request.body)
    }

    /// Why the server refused a request, after its answer was shown; nil when it did not.
    func refusal(_ response: HTTPClientResponse) async throws(DeployError) -> String? {
        guard response.status.code >= 300 else { return nil }
        let body = try await client.server.start(of: response.body)
        if Self.isJSON(response), body.readableBytes > 0 {
            var text = ByteBuffer()
            var layout = JSONLayout(plan.isForPeople ? .indented : .line)
            layout.take(body, into: &text)
            text.writeString("\n")
            await output.send(text, to: .stderr)
        }
        return ElasticsearchFailure.sentence(status: response.status.code, body)
    }

    /// Streams an answer that is JSON to the log, and looks meanwhile for what went wrong in it.
    private func show(
        _ response: HTTPClientResponse, _ facts: inout [String: JSONValue]
    ) async throws(DeployError) -> String? {
        let items = ["_msearch": ["responses"], "_mget": ["docs"]][request.call]
        var splitter = JSONSplitter(items ?? ["hits", "hits"], elementLimit: items == nil ? 0 : Self.largestItem)
        var layout = JSONLayout(plan.isForPeople ? .indented : .line)
        var errors: [String] = []
        var iterator = response.body.makeAsyncIterator()
        var bytes: Int64 = 0
        while let part = try await client.server.next(&iterator) {
            bytes += Int64(part.readableBytes)
            var text = ByteBuffer()
            layout.take(part, into: &text)
            await output.send(text)
            let first = splitter.count
            let elements = splitter.take(part)
            guard items != nil else { continue }
            for (index, element) in elements.enumerated() {
                guard let element, let node = try? JSONText.parse(ArraySlice(element.readableBytesView)),
                    let error = node["error"]
                else { continue }
                errors.append("item \(first + index + 1): \(ElasticsearchFailure.reason(error))")
            }
        }
        if bytes > 0 { await output.line("") }
        facts["bytes"] = .integer(bytes)
        await list(errors)
        if let first = errors.first { return "\(errors.count) of \(splitter.count) items failed, first \(first)" }
        guard let frame = splitter.frameNode else {
            if bytes > 0 {
                await output.line("the answer is too large or too deep to look for failures in", to: .stderr)
            }
            return nil
        }
        if let total = frame["hits"]?["total"] { facts["hits"] = (total["value"] ?? total).whole.map { .integer($0) } }
        for name in ["total", "created", "updated", "deleted", "count"] {
            if let number = frame[name]?.whole { facts[name] = .integer(number) }
        }
        return ElasticsearchFailure.sentence(of: frame)
    }

    /// Streams an answer that is text as it is.
    private func passOn(
        _ response: HTTPClientResponse, _ facts: inout [String: JSONValue]
    ) async throws(DeployError) -> String? {
        var iterator = response.body.makeAsyncIterator()
        var bytes: Int64 = 0
        while let part = try await client.server.next(&iterator) {
            bytes += Int64(part.readableBytes)
            await output.send(part)
        }
        facts["bytes"] = .integer(bytes)
        return nil
    }

    // MARK: Output

    var output: LogOutput { LogOutput(context.log) }

    /// Errors of single items, a line each.
    func list(_ errors: [String]) async {
        guard !errors.isEmpty else { return }
        var text = errors.prefix(Self.shownErrors).joined(separator: "\n") + "\n"
        if errors.count > Self.shownErrors { text += "... and \(errors.count - Self.shownErrors) more errors\n" }
        await output.send(ByteBuffer(string: text), to: .stderr)
    }

    private static func isJSON(_ response: HTTPClientResponse) -> Bool {
        response.headers.first(name: "Content-Type")?.lowercased().contains("json") ?? false
    }
}

/// What a task has open at the server, known to whoever stops it.
final class ElasticsearchLeftovers: Sendable {
    /// Something that is let go of with a request.
    enum Item: Sendable, Hashable {
        /// A scroll, by its id.
        case scroll(String)
        /// A point in time, by its id.
        case pointInTime(String)
        /// A task of the server, by its id.
        case task(String)
    }

    private let state = Mutex<Set<Item>>([])

    var items: Set<Item> { state.withLock { $0 } }

    func add(_ item: Item) { state.withLock { _ = $0.insert(item) } }

    func remove(_ item: Item) { state.withLock { _ = $0.remove(item) } }
}
