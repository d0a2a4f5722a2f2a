// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

public import NIOCore
import NIOHTTP1
import Synchronization

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Content to and from a Cloud over HTTPS: as fast as the network and no more than a few pieces in memory.
///
/// Believes and shows exactly what a link does. Each request has a connection of its own while it lasts; those that are done
/// are used again. Nothing is tried again and no redirect is followed: that is for who asks to decide.
public final class TransferClient: Sendable {
    /// Where requests go.
    public let endpoint: ServerEndpoint
    private let headers: HTTPHeaders
    private let tls: ClientTLS
    private let connectTimeout: TimeAmount
    private let idleTimeout: TimeAmount
    private let idle = Mutex(Idle())

    private struct Idle {
        var connections: [(connection: TransferConnection, since: ContinuousClock.Instant)] = []
        var isClosed = false
    }

    /// Connections kept for the next request.
    private static let keptConnections = 4
    /// How long: the Cloud closes those that are idle for 30 s.
    private static let keptFor: Duration = .seconds(15)
    /// The largest answer that is no content.
    private static let answerLimit = 1 << 20

    /// - Parameters:
    ///   - endpoint: Where, and whom to believe.
    ///   - token: The bearer token.
    ///   - identity: The client certificate to show, if the server asks for one.
    ///   - connectTimeout: For TCP, and again for TLS.
    ///   - idleTimeout: How long the server may take in or give out nothing when it is its turn.
    /// - Throws: `unauthenticated` for what cannot be a token, `invalid_argument` for a CA file that cannot be read.
    public init(
        _ endpoint: ServerEndpoint, token: String, identity: ClientIdentity? = nil,
        connectTimeout: Duration = .seconds(10), idleTimeout: Duration = .seconds(30)
    ) throws(DeployError) {
        self.endpoint = endpoint
        headers = try endpoint.headers(token: token)
        tls = try ClientTLS(endpoint, identity: identity)
        self.connectTimeout = TimeAmount(connectTimeout)
        self.idleTimeout = TimeAmount(idleTimeout)
    }

    // MARK: Requests

    /// Asks for content.
    ///
    /// - Parameters:
    ///   - path: Such as `/api/v1/files/ID/content`.
    ///   - query: Parameters by name.
    ///   - offset: The first byte wanted; the answer is 206 when the server takes it, or 200 and the whole content.
    ///   - ifRange: The `ETag` of what the first bytes belong to: the whole content comes when it is another.
    /// - Throws: The server's own error, or `unreachable`.
    public func get(
        _ path: String, query: [(String, String)] = [], from offset: Int64? = nil, ifRange: String? = nil
    ) async throws(DeployError) -> TransferResponse {
        var headers: [(String, String)] = []
        if let offset { headers.append(("Range", "bytes=\(offset)-")) }
        if let ifRange { headers.append(("If-Range", ifRange)) }
        let exchange = TransferExchange()
        let head = head(.GET, Self.target(path, query), headers)
        try await connection().begin(exchange, head, body: ByteBuffer(), patience: idleTimeout)
        return try await accepted(exchange, path)
    }

    /// Sends content.
    ///
    /// - Parameters:
    ///   - path: Such as `/api/v1/uploads/ID/content`.
    ///   - headers: Such as `Content-Range`.
    ///   - length: Bytes in all.
    ///   - body: Gives the next piece, of 64 KiB to 1 MiB; called until all bytes are there, or the server has said that
    ///     it takes no more. Nil before that fails the request.
    /// - Returns: The body of the answer.
    /// - Throws: The server's own error, `unreachable`, or what `body` throws.
    public func put(
        _ path: String, headers: [(String, String)] = [], length: Int64,
        body: () async throws(DeployError) -> ByteBuffer?
    ) async throws(DeployError) -> ByteBuffer {
        let exchange = TransferExchange()
        let connection = try await connection()
        let fields = headers + [("Content-Type", "application/octet-stream"), ("Content-Length", "\(length)")]
        connection.begin(exchange, head(.PUT, path, fields), body: nil, patience: idleTimeout)
        do throws(DeployError) {
            try await send(length, body, over: connection, exchange)
        } catch {
            exchange.cancel()
            throw error
        }
        return try await accepted(exchange, path).collect(atMost: Self.answerLimit)
    }

    /// The next piece is made while the one before it leaves; no more than two are in memory.
    private func send(
        _ length: Int64, _ body: () async throws(DeployError) -> ByteBuffer?, over connection: TransferConnection,
        _ exchange: TransferExchange
    ) async throws(DeployError) {
        var left = length
        var leaving: EventLoopFuture<Void>?
        while left > 0, !exchange.isAnswered {
            guard let piece = try await body() else {
                throw DeployError(.internal, "a body is \(left) bytes shorter than it was said to be")
            }
            guard piece.readableBytes <= left else {
                throw DeployError(.internal, "a body is longer than it was said to be")
            }
            left -= Int64(piece.readableBytes)
            guard await hasLeft(leaving, exchange) else { return }
            leaving = connection.send(piece)
        }
        guard await hasLeft(leaving, exchange), left == 0 else { return }
        connection.finish()
    }

    /// False when the connection is gone; why, the answer says.
    private func hasLeft(_ written: EventLoopFuture<Void>?, _ exchange: TransferExchange) async -> Bool {
        guard let written else { return true }
        return await withTaskCancellationHandler {
            (try? await written.get()) != nil
        } onCancel: {
            exchange.cancel()
        }
    }

    /// Sends a value as JSON and returns the answer's body.
    ///
    /// - Parameters:
    ///   - path: Such as `/api/v1/uploads`.
    ///   - value: What is sent.
    ///   - patience: How long the server may work on it; nil for five minutes, since a commit waits for a disk.
    /// - Throws: The server's own error, or `unreachable`.
    public func post(
        _ path: String, json value: some Encodable, patience: Duration? = nil
    ) async throws(DeployError) -> ByteBuffer {
        guard let json = try? JSONEncoder().encode(value) else {
            throw DeployError(.internal, "a request cannot be written as JSON")
        }
        let exchange = TransferExchange()
        let body = ByteBuffer(bytes: json)
        let head = head(
            .POST, path, [("Content-Type", "application/json"), ("Content-Length", "\(body.readableBytes)")])
        try await connection().begin(
            exchange, head, body: body, patience: TimeAmount(patience ?? .seconds(300)))
        return try await accepted(exchange, path).collect(atMost: Self.answerLimit)
    }

    /// Sends a value as JSON and reads the answer as another.
    public func post<Answer: Decodable>(
        _ path: String, json value: some Encodable, for answer: Answer.Type
    ) async throws(DeployError) -> Answer {
        let bytes = try await post(path, json: value)
        try JSONLimits.check(bytes.readableBytesView)
        do {
            return try JSONDecoder().decode(answer, from: Data(bytes.readableBytesView))
        } catch {
            throw DeployError(.protocolError, "\(endpoint.url) answered: \(DeployError(wrapping: error).message)")
        }
    }

    /// Closes connections that are kept; those in use end with their requests.
    public func close() {
        let connections = idle.withLock { idle in
            idle.isClosed = true
            defer { idle.connections = [] }
            return idle.connections
        }
        for (connection, _) in connections { connection.close() }
    }

    // MARK: Answers

    private func accepted(_ exchange: TransferExchange, _ path: String) async throws(DeployError) -> TransferResponse {
        let head = try await exchange.head()
        let response = TransferResponse(head, exchange)
        guard !(200..<300).contains(response.status) else { return response }
        let body = (try? await response.collect(atMost: 65_536)) ?? ByteBuffer()
        if Task.isCancelled { throw DeployError(.canceled, "the transfer was given up") }
        throw DeployError(refusal: body, head.headers)
            ?? DeployError(
                Self.code(response.status),
                "\(endpoint.url)\(path) answered \(head.status.code) \(head.status.reasonPhrase)")
    }

    /// What a refusal means that says nothing else, such as one of a server in between.
    private static func code(_ status: Int) -> ErrorCode {
        switch status {
        case 401: .unauthenticated
        case 403: .forbidden
        case 404: .notFound
        case 409: .conflict
        case 413: .tooLarge
        case 429: .rateLimited
        case 507: .insufficientStorage
        case 502...504: .unavailable
        default: .protocolError
        }
    }

    // MARK: Connections

    private func connection() async throws(DeployError) -> TransferConnection {
        let oldest = ContinuousClock.now - Self.keptFor
        let kept = idle.withLock { idle -> TransferConnection? in
            idle.connections.removeAll { $0.since < oldest || !$0.connection.isActive }
            return idle.connections.popLast()?.connection
        }
        if let kept { return kept }
        return try await TransferConnection.open(endpoint, tls: tls, timeout: connectTimeout) { [weak self] in
            self?.keep($0)
        }
    }

    private func keep(_ connection: TransferConnection) {
        let isKept = idle.withLock { idle in
            guard !idle.isClosed, idle.connections.count < Self.keptConnections else { return false }
            idle.connections.append((connection, .now))
            return true
        }
        if !isKept { connection.close() }
    }

    private func head(_ method: HTTPMethod, _ target: String, _ fields: [(String, String)]) -> HTTPRequestHead {
        var headers = headers
        headers.add(contentsOf: fields)
        return HTTPRequestHead(version: .http1_1, method: method, uri: target, headers: headers)
    }

    private static func target(_ path: String, _ query: [(String, String)]) -> String {
        guard !query.isEmpty else { return path }
        return path + "?" + query.map { "\(encoded($0.0))=\(encoded($0.1))" }.joined(separator: "&")
    }

    private static func encoded(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF")
        return text.utf8.reduce(into: "") { text, byte in
            let isPlain =
                (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
                || "-._~".utf8.contains(byte)
            text += isPlain ? String(UnicodeScalar(byte)) : "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
        }
    }
}
