// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import Core
import NIOCore
import NIOHTTP1
import NIOSSL

/// One request to a cluster.
struct KubernetesRequest: Sendable {
    enum Method: Sendable {
        case get, post, put, patch, delete
    }

    var method = Method.get
    /// Below the address of the cluster; made by ``ResourcePath``.
    var path: String
    var query: [(String, String)] = []
    var body: JSONNode?
    var contentType = "application/json"
    var accept = "application/json"

    init(_ path: String, query: [(String, String)] = [], accept: String = "application/json") {
        self.path = path
        self.query = query
        self.accept = accept
    }

    /// One that changes something.
    init(_ method: Method, _ path: String, query: [(String, String)] = [], body: JSONNode?, as type: PatchType? = nil) {
        self.method = method
        self.path = path
        self.query = query
        self.body = body
        if let type { contentType = type.rawValue }
    }
}

/// What the body of a PATCH is.
enum PatchType: String, Sendable {
    case merge = "application/merge-patch+json"
    case strategic = "application/strategic-merge-patch+json"
    case json = "application/json-patch+json"
    /// JSON is YAML.
    case apply = "application/apply-patch+yaml"
}

/// Speaks with one cluster under one identity.
struct KubernetesClient: Sendable {
    /// Where.
    let address: ClusterAddress
    /// The client's side of TLS; nil without.
    let tls: TLSConfiguration?
    /// Who is told to the cluster.
    let token: BearerToken
    /// For requests that answer soon.
    let http: HTTPClient
    /// For answers that go on for as long as somebody listens.
    let streams: HTTPClient
    /// How long connecting may take.
    let connectTimeout: TimeAmount

    /// The largest answer that is read whole, in bytes.
    static let maximumAnswer = 8 << 20
    /// How long the beginning of an answer is waited for; the server gives up after a minute.
    private static let patience: TimeAmount = .seconds(75)
    /// How deep objects may nest: definitions of custom resources go far.
    static let depth = 200

    // MARK: Whole answers

    /// Sends a request and reads the object it answers with. A server that asks to come later is asked again a few times.
    func send(_ request: KubernetesRequest) async throws(KubernetesFailure) -> JSONNode {
        try await sendForStatus(request).node
    }

    /// The same, with the HTTP status.
    func sendForStatus(_ request: KubernetesRequest) async throws(KubernetesFailure) -> (node: JSONNode, code: Int) {
        var tries = 0
        while true {
            tries += 1
            do throws(KubernetesFailure) {
                let response = try await open(request, over: http)
                let bytes = try await collect(response)
                return (try parse(bytes, code: response.code), response.code)
            } catch {
                let isBusy = error.status?.code == 429 || error.status?.code == 503 && request.method == .get
                // A kept connection may have been closed while the request was on its way.
                let isCut = error.isTransport && request.method == .get && tries == 1
                guard isBusy && tries < 6 || isCut, !Task.isCancelled else { throw error }
                if isBusy {
                    try? await Task.sleep(for: .seconds(min(max(error.status?.retryAfter ?? 1, 1), 10)))
                }
            }
        }
    }

    private func parse(_ bytes: ByteBuffer, code: Int) throws(KubernetesFailure) -> JSONNode {
        let view = Array(bytes.readableBytesView)
        do throws(JSONTextError) {
            return try JSONText.parse(view[...], depth: Self.depth)
        } catch {
            throw KubernetesFailure(.protocolError, "the cluster's answer is not JSON: \(error.message)")
        }
    }

    // MARK: Streams

    /// Sends a request and passes on its answer as it comes. `body` may wait: then the server waits too.
    func stream(
        _ request: KubernetesRequest, _ body: (ByteBuffer) async throws(KubernetesFailure) -> Void
    ) async throws(KubernetesFailure) {
        let response = try await open(request, over: streams)
        var iterator = response.body.makeAsyncIterator()
        while true {
            let part: ByteBuffer?
            do {
                part = try await iterator.next()
            } catch { throw failure(error) }
            guard let part else { return }
            try await body(part)
        }
    }

    /// The same for an answer of JSON objects, one a line; `body` says whether to go on. `opened` is called once it has begun.
    func lines(
        _ request: KubernetesRequest, opened: () -> Void,
        _ body: (JSONNode) async throws(KubernetesFailure) -> Bool
    ) async throws(KubernetesFailure) {
        let response = try await open(request, over: streams)
        opened()
        var iterator = response.body.makeAsyncIterator()
        var lines = LineSplitter()
        while true {
            let part: ByteBuffer?
            do {
                part = try await iterator.next()
            } catch { throw failure(error) }
            guard let part else { return }
            lines.append(part)
            while let line = lines.next() {
                guard line.readableBytes > 0 else { continue }
                guard try await body(parse(line, code: 200)) else { return }
            }
            guard lines.pending <= Self.maximumAnswer else {
                throw KubernetesFailure(.tooLarge, "the cluster sends a line over \(Self.maximumAnswer >> 20) MiB")
            }
        }
    }

    // MARK: Requests

    private struct Response: Sendable {
        var code: Int
        var body: HTTPClientResponse.Body
    }

    /// Sends a request; throws what the cluster refuses with, so that a response is one of success.
    private func open(_ request: KubernetesRequest, over client: HTTPClient) async throws(KubernetesFailure) -> Response
    {
        var response = try await execute(request, over: client, token: try bearer())
        if response.code == 401, let fresh = try bearer(fresh: true) {
            // The token may have been renewed since it was read.
            response = try await execute(request, over: client, token: fresh)
        }
        guard !(200..<300).contains(response.code) else { return response }
        let bytes = (try? await collect(response, limit: 1 << 20)) ?? ByteBuffer()
        let view = Array(bytes.readableBytesView)
        throw KubernetesFailure(
            KubernetesStatus(
                try? JSONText.parse(view[...], depth: Self.depth), httpStatus: response.code,
                text: String(decoding: view.prefix(1000), as: UTF8.self)))
    }

    /// The `Authorization` to send; nil when there is no token, or no newer one.
    func bearer(fresh: Bool = false) throws(KubernetesFailure) -> String? {
        do throws(DeployError) {
            if fresh, try token.current() == token.current(fresh: true) { return nil }
            return try token.current().map { "Bearer \($0)" }
        } catch { throw KubernetesFailure(error) }
    }

    private func execute(
        _ request: KubernetesRequest, over client: HTTPClient, token: String?
    ) async throws(KubernetesFailure) -> Response {
        var message = HTTPClientRequest(url: address.url + ResourcePath.uri(request.path, request.query))
        message.method =
            switch request.method {
            case .get: .GET
            case .post: .POST
            case .put: .PUT
            case .patch: .PATCH
            case .delete: .DELETE
            }
        message.tlsConfiguration = tls
        message.headers.add(name: "User-Agent", value: "tiangong/\(ProtocolVersion.product)")
        message.headers.add(name: "Accept", value: request.accept)
        if let token { message.headers.add(name: "Authorization", value: token) }
        if let body = request.body {
            message.headers.add(name: "Content-Type", value: request.contentType)
            message.body = .bytes(ByteBuffer(string: body.compact))
        }
        do {
            let response = try await client.execute(message, deadline: .now() + Self.patience)
            return Response(code: Int(response.status.code), body: response.body)
        } catch { throw failure(error) }
    }

    private func collect(_ response: Response, limit: Int = maximumAnswer) async throws(KubernetesFailure) -> ByteBuffer
    {
        do {
            return try await response.body.collect(upTo: limit)
        } catch is NIOTooManyBytesError {
            throw KubernetesFailure(
                .tooLarge, "the cluster's answer is over \(limit >> 20) MiB",
                hint: "ask for less: --chunk-size, -l, -o name")
        } catch { throw failure(error) }
    }
}
