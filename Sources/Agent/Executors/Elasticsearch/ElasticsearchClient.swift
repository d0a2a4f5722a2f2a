// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import Core
import NIOCore
import NIOHTTP1
import Synchronization

/// The requests of one task to the server that was chosen for it.
final class ElasticsearchClient: Sendable {
    /// The server.
    let server: HTTPDatasource
    private let headers: HTTPHeaders
    private let secrets: TaskSecrets
    private let retries: Int64
    private let repeated = Mutex<Int64>(0)

    /// The longest pause between two tries.
    private static let longestPause = 30.0
    /// The largest answer that is read as a whole.
    static let largestAnswer = 16 << 20

    /// - Parameters:
    ///   - server: The server.
    ///   - headers: What every request carries.
    ///   - secrets: The task's, for our password.
    ///   - retries: How often a request that the server was too busy for is sent again.
    init(_ server: HTTPDatasource, headers: HTTPHeaders, secrets: TaskSecrets, retries: Int64) {
        self.server = server
        self.headers = headers
        self.secrets = secrets
        self.retries = retries
    }

    /// How often requests were sent again.
    var repetitions: Int64 { repeated.withLock { $0 } }

    /// Sends a request; one that is refused with 429, since the server is too busy, is sent again after a while.
    func send(
        _ method: HTTPMethod, _ path: String, query: [(name: String, value: String)] = [], body: [UInt8] = [],
        isLines: Bool = false
    ) async throws(DeployError) -> HTTPClientResponse {
        var headers = headers
        if !body.isEmpty {
            headers.add(name: "Content-Type", value: isLines ? "application/x-ndjson" : "application/json")
        }
        var tries: Int64 = 0
        while true {
            let response = try await server.request(
                method, path, query: query, headers: headers,
                body: body.isEmpty ? nil : .bytes(ByteBuffer(bytes: body)),
                secrets: secrets)
            guard response.status == .tooManyRequests, tries < retries else { return response }
            _ = try await server.start(of: response.body)
            let asked = response.headers.first(name: "Retry-After").flatMap { Double($0) }
            try await pause(tries, asked: asked)
            tries += 1
        }
    }

    /// Waits before another try: longer each time, and not in step with others.
    func pause(_ tries: Int64, asked: Double? = nil) async throws(DeployError) {
        repeated.withLock { $0 += 1 }
        let growing = 0.2 * Double(1 << min(tries, 8)) * Double.random(in: 0.75...1.25)
        let seconds = min(max(asked ?? growing, 0.05), Self.longestPause)
        guard (try? await Task.sleep(for: .seconds(seconds))) != nil else { throw DeployError(.canceled) }
    }

    /// Whether something may be tried once more.
    func mayRetry(_ tries: Int64) -> Bool { tries < retries }

    /// Sends a request whose answer is small JSON, and gives that; throws `task_failed` with the server's reason.
    func ask(
        _ method: HTTPMethod, _ path: String, query: [(name: String, value: String)] = [], body: String = ""
    ) async throws(DeployError) -> JSONNode {
        let response = try await send(method, path, query: query, body: Array(body.utf8))
        let answer = try await whole(response)
        guard response.status.code < 300 else {
            throw DeployError(.taskFailed, ElasticsearchFailure.sentence(status: response.status.code, answer))
        }
        do {
            return try JSONText.parse(ArraySlice(answer.readableBytesView))
        } catch {
            throw DeployError(.taskFailed, "the answer to \(method) \(path) is no JSON: \(error.message)")
        }
    }

    /// The body of an answer, as a whole; throws `task_failed` when it is too large.
    func whole(_ response: HTTPClientResponse) async throws(DeployError) -> ByteBuffer {
        var iterator = response.body.makeAsyncIterator()
        var body = ByteBuffer()
        while let part = try await server.next(&iterator) {
            guard body.readableBytes + part.readableBytes <= Self.largestAnswer else {
                throw DeployError(.taskFailed, "the answer is over \(Self.largestAnswer >> 20) MiB")
            }
            body.writeImmutableBuffer(part)
        }
        return body
    }
}

extension ElasticsearchRequest {
    /// The path as it is sent.
    var path: String { "/" + segments.map { HTTPAddress.encoded($0) }.joined(separator: "/") }

    /// The method as it is sent.
    var httpMethod: HTTPMethod { HTTPMethod(rawValue: method) }
}
