// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import Core
import Logging
import NIOCore
import NIOHTTP1

extension ElasticsearchWork {
    /// Sends a request that goes on at the server after its answer, and follows that to its end.
    func background(_ facts: inout [String: JSONValue]) async throws(DeployError) -> String? {
        let response = try await client.send(
            request.httpMethod, request.path, query: request.query, body: Array(request.body))
        facts["status"] = .integer(Int64(response.status.code))
        if let problem = try await refusal(response) { return problem }
        let started = try await client.whole(response)
        guard let node = try? JSONText.parse(ArraySlice(started.readableBytesView)), let task = node["task"]?.text
        else {
            return "the server names no task that could be followed"
        }
        facts["task"] = .string(task)
        leftovers.add(.task(task))
        let end = try await follow(task)
        leftovers.remove(.task(task))
        let answer = end["response"] ?? .object([])
        await output.line(plan.isForPeople ? JSONLayout.text(answer.compact, .indented) : answer.compact)
        for name in ["total", "created", "updated", "deleted", "version_conflicts"] {
            if let number = answer[name]?.whole { facts[name] = .integer(number) }
        }
        if let error = end["error"] { return ElasticsearchFailure.reason(error) }
        if let reason = answer["canceled"]?.text { return "it was canceled: \(reason)" }
        return ElasticsearchFailure.sentence(of: answer)
    }

    /// Asks for a task again and again until it is done; tells of its progress now and then.
    private func follow(_ task: String) async throws(DeployError) -> JSONNode {
        var pause = 0.1
        var told = ContinuousClock.now
        while true {
            let state = try await client.ask(.GET, "/_tasks/\(HTTPAddress.encoded(task))")
            if state["completed"]?.isTrue == true { return state }
            if ContinuousClock.now - told > .seconds(5), let status = state["task"]?["status"] {
                told = .now
                let done = ["created", "updated", "deleted"].compactMap { status[$0]?.whole }.reduce(0, &+)
                await output.line("\(done) of \(status["total"]?.whole ?? 0) documents", to: .stderr)
            }
            guard (try? await Task.sleep(for: .seconds(pause))) != nil else { throw DeployError(.canceled) }
            pause = min(pause * 1.5, 2)
        }
    }
}

extension ElasticsearchClient {
    /// Tells the server that something is not needed any more; whether it heard does not matter, it forgets by itself.
    func letGo(of item: ElasticsearchLeftovers.Item) async {
        switch item {
        case .scroll(let id):
            _ = try? await ask(.DELETE, "/_search/scroll", body: "{\"scroll_id\":[\(JSONNode.string(id).compact)]}")
        case .pointInTime(let id): _ = try? await ask(.DELETE, "/_pit", body: "{\"id\":\(JSONNode.string(id).compact)}")
        case .task(let id): _ = try? await ask(.POST, "/_tasks/\(HTTPAddress.encoded(id))/_cancel")
        }
    }
}

/// Ends what a server does for one task.
struct ElasticsearchStopper: Sendable {
    private let client: ElasticsearchClient
    private let marker: String
    private let logger: Logger

    /// - Parameters:
    ///   - client: Requests of its own.
    ///   - marker: The `X-Opaque-Id` of the task's requests.
    ///   - logger: Where it tells what does not work.
    init(_ client: ElasticsearchClient, marker: String, logger: Logger) {
        self.client = client
        self.marker = marker
        self.logger = logger
    }

    /// How often the server's list is looked through: a request that had just been sent is in it a little later.
    private static let looks = 3

    /// Cancels the server's tasks that carry the marker, and lets go of what the task has open there.
    func stop(_ leftovers: ElasticsearchLeftovers) async {
        for item in leftovers.items { await client.letGo(of: item) }
        for look in 0..<Self.looks where !Task.isCancelled {
            if look > 0 { try? await Task.sleep(for: .milliseconds(50)) }
            do throws(DeployError) {
                let ids = try await tasks()
                for id in ids { await client.letGo(of: .task(id)) }
                if ids.isEmpty, look > 0 { break }
            } catch {
                logger.info("tasks of a server cannot be ended", metadata: ["reason": "\(error.message)"])
                break
            }
        }
        // What was opened while we looked.
        for item in leftovers.items { await client.letGo(of: item) }
    }

    private func tasks() async throws(DeployError) -> [String] {
        let list = try await client.ask(.GET, "/_tasks", query: [("actions", "*"), ("group_by", "none")])
        return Self.ids(list, marker: marker)
    }

    /// The tasks of a list that carry the marker and are not part of another.
    static func ids(_ list: JSONNode, marker: String) -> [String] {
        let tasks = list["tasks"]?.elements ?? list["tasks"]?.members?.map(\.value) ?? []
        return tasks.compactMap { task in
            guard task["headers"]?["X-Opaque-Id"]?.text == marker, task["parent_task_id"] == nil,
                task["cancellable"]?.isTrue == true, let node = task["node"]?.text, let id = task["id"]?.whole
            else { return nil }
            return "\(node):\(id)"
        }
    }
}
