// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import Core
import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization

/// A server that is spoken to over HTTP: where it is, whom to believe, who we are, and one client whose connections all its
/// tasks share. Connections are made when they are needed and closed when they have been idle for a while.
///
/// It reads `url`, `user`, `password`, `ca-file` and `connect-timeout` of a datasource's settings; what else stands there is
/// the caller's to read.
final class HTTPDatasource: Sendable {
    /// Where it is, without a slash at the end.
    let url: String
    /// Who we are there; nil for nobody.
    let user: String?
    /// Our password.
    let password: SecretReference?

    /// Seconds that connecting may take.
    let connectTimeout: Double

    private let authorityFile: String?
    private let idle: TimeAmount
    private let client = Mutex(Client.none)

    private enum Client {
        case none
        case open(HTTPClient)
        case shut
    }

    /// Connections to one server; more than tasks that run at once and what they ask beside.
    private static let connections = 8192

    /// - Parameters:
    ///   - node: The settings of this datasource.
    ///   - url: Where it is, when that is not the setting `url` alone.
    ///   - idle: After how long an idle connection is closed; less than the server's own time.
    /// - Throws: `invalid_argument` naming the setting.
    init(_ node: inout SettingsNode, url other: String? = nil, idle: TimeAmount = .seconds(60)) throws(DeployError) {
        let text = if let other { other } else { try node.requiredText("url") }
        guard let address = HTTPAddress(text) else {
            throw DeployError(
                .invalidArgument, "\(node.path).url is not http://HOST[:PORT][/PATH] or https://...",
                hint: "the account belongs in user and password")
        }
        url = address.text
        user = try node.text("user")
        password = try node.secret("password")
        if password != nil, user == nil {
            throw DeployError(.invalidArgument, "\(node.path).user is missing beside password")
        }
        if user?.contains(":") == true {
            throw DeployError(.invalidArgument, "\(node.path).user contains ':', which HTTP cannot carry")
        }
        authorityFile = try node.path("ca-file")
        if authorityFile != nil, !address.isSecure {
            throw DeployError(.invalidArgument, "\(node.path).ca-file is of no use without https")
        }
        connectTimeout = try node.seconds("connect-timeout") ?? 10
        guard connectTimeout > 0, connectTimeout <= 3600 else {
            throw DeployError(.invalidArgument, "\(node.path).connect-timeout is not between 0 and 1h")
        }
        self.idle = idle
    }

    /// The secrets that its requests need.
    var secrets: Set<SecretReference> { password.map { [$0] } ?? [] }

    /// Sends one request and gives the answer once its head is there; the body is read as it comes, at the reader's pace.
    ///
    /// A task that is canceled closes the connection. Time limits are the caller's, but for that of connecting.
    ///
    /// - Parameters:
    ///   - method: The method.
    ///   - path: As it is sent, starting with `/`; it may have a query.
    ///   - query: More of the query, as it is meant; encoded here.
    ///   - headers: What else is sent.
    ///   - body: The body.
    ///   - limit: Within which the head of the answer must be there; nil for as long as it takes.
    ///   - secrets: The task's, for our password.
    /// - Throws: `unreachable` when there is no connection, `unavailable` when it broke, `canceled`.
    func request(
        _ method: HTTPMethod, _ path: String, query: [(name: String, value: String)] = [],
        headers: HTTPHeaders = [:], body: HTTPClientRequest.Body? = nil, within limit: TimeAmount? = nil,
        secrets: TaskSecrets
    ) async throws(DeployError) -> HTTPClientResponse {
        var request = HTTPClientRequest(url: url + path + HTTPAddress.query(query, after: path))
        request.method = method
        request.headers = headers
        request.headers.replaceOrAdd(name: "User-Agent", value: "tiangong/\(ProtocolVersion.product)")
        if let authorization = try authorization(secrets) {
            request.headers.replaceOrAdd(name: "Authorization", value: authorization)
        }
        request.body = body
        let client = try open()
        do {
            return try await client.execute(request, deadline: limit.map { .now() + $0 } ?? .distantFuture)
        } catch {
            if let limit, (error as? HTTPClientError) == .deadlineExceeded { throw silent(limit) }
            throw failure(error)
        }
    }

    /// The time within which a server must answer what it can answer at once.
    var patience: TimeAmount { .nanoseconds(Int64(connectTimeout * 1e9)) }

    /// The next part of an answer's body; nil at its end. Throws as ``request(_:_:query:headers:body:within:secrets:)``.
    func next(_ iterator: inout HTTPClientResponse.Body.AsyncIterator) async throws(DeployError) -> ByteBuffer? {
        do {
            return try await iterator.next()
        } catch {
            throw failure(error)
        }
    }

    /// The start of an answer's body, at most so many bytes; the rest is not read.
    func start(of body: HTTPClientResponse.Body, upTo limit: Int = 65_536) async throws(DeployError) -> ByteBuffer {
        var iterator = body.makeAsyncIterator()
        var start = ByteBuffer()
        while start.readableBytes < limit, let part = try await next(&iterator) { start.writeImmutableBuffer(part) }
        return start.readSlice(length: min(limit, start.readableBytes)) ?? start
    }

    /// Closes all connections; what is asked afterwards fails.
    func shutDown() async {
        let open = client.withLock { state -> HTTPClient? in
            defer { state = .shut }
            if case .open(let client) = state { return client }
            return nil
        }
        try? await open?.shutdown()
    }

    /// Basic authentication, from the user and the password; nil without a user.
    private func authorization(_ secrets: TaskSecrets) throws(DeployError) -> String? {
        guard let user else { return nil }
        let password = try password.map { reference throws(DeployError) in try secrets.secret(reference).reveal() }
        return "Basic " + Base64.encode(Array("\(user):".utf8) + (password ?? []))
    }

    // MARK: The client

    private func open() throws(DeployError) -> HTTPClient {
        try client.withLock { state throws(DeployError) -> HTTPClient in
            switch state {
            case .open(let client): return client
            case .shut: throw DeployError(.unavailable, "the agent is stopping")
            case .none:
                let client = HTTPClient(
                    eventLoopGroup: MultiThreadedEventLoopGroup.singleton, configuration: try configuration())
                state = .open(client)
                return client
            }
        }
    }

    private func configuration() throws(DeployError) -> HTTPClient.Configuration {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        if let authorityFile {
            do {
                tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(authorityFile))
            } catch {
                throw DeployError(
                    .unreachable, "ca-file \(authorityFile) cannot be used: \(error)",
                    hint: "it holds the certificates of the server's authority in PEM")
            }
        }
        var pool = HTTPClient.Configuration.ConnectionPool(
            idleTimeout: idle, concurrentHTTP1ConnectionsPerHostSoftLimit: Self.connections)
        pool.retryConnectionEstablishment = false
        var configuration = HTTPClient.Configuration(
            tlsConfiguration: tls, redirectConfiguration: .disallow, timeout: .init(connect: patience),
            connectionPool: pool, decompression: .disabled)
        configuration.httpVersion = .http1Only
        configuration.http1_1ConnectionDebugInitializer = { channel in KeepAlive.set(on: channel) }
        return configuration
    }

    // MARK: Errors

    /// What an error of the client means, in a sentence.
    func failure(_ error: any Error) -> DeployError {
        let text = String(describing: error)
        switch error {
        case let error as DeployError: return error
        case is CancellationError: return DeployError(.canceled, "canceled on request")
        case let error as NIOConnectionError:
            let cause = (error.connectionErrors.first?.error as? IOError).map {
                String(cString: strerror($0.errnoCode))
            }
            let isUnknown = error.connectionErrors.isEmpty
            return DeployError(
                .unreachable,
                "\(url) cannot be reached: \(cause ?? (isUnknown ? "its name is not known" : "no address answers"))")
        case is NIOSSLError where text.lowercased().contains("certificate"), is NIOSSLExtraError:
            return DeployError(
                .unreachable, "\(url): the server's certificate is not trusted (\(text))",
                hint: "ca-file names the certificate of its authority")
        case is NIOSSLError, is BoringSSLError:
            return DeployError(.unreachable, "\(url): no TLS with the server (\(text))")
        case let error as HTTPClientError: return failure(error)
        case ChannelError.connectTimeout: return silent(patience)
        case let error as IOError where Self.refusals.contains(error.errnoCode):
            return DeployError(
                .unreachable, "\(url) cannot be reached: \(String(cString: strerror(error.errnoCode)))")
        case HTTPParserError.invalidEOFState, is ChannelError, is IOError: return broken
        default: return DeployError(.unavailable, "\(url): \(text)")
        }
    }

    private func failure(_ error: HTTPClientError) -> DeployError {
        switch error {
        case .cancelled: return DeployError(.canceled, "canceled on request")
        case .connectTimeout, .tlsHandshakeTimeout: return silent(patience)
        case .remoteConnectionClosed: return broken
        default: return DeployError(.unavailable, "\(url): \(error)")
        }
    }

    /// What the system says when there is no way to a server.
    private static let refusals: Set<CInt> = [
        ECONNREFUSED, EHOSTUNREACH, EHOSTDOWN, ENETUNREACH, ENETDOWN, ETIMEDOUT, EADDRNOTAVAIL,
    ]

    private func silent(_ limit: TimeAmount) -> DeployError {
        let seconds = Double(limit.nanoseconds) / 1e9
        let text = seconds == seconds.rounded() ? "\(Int64(seconds))" : "\(seconds)"
        return DeployError(.unreachable, "\(url) did not answer within \(text) s")
    }

    private var broken: DeployError {
        DeployError(.unavailable, "\(url) closed the connection before its answer was complete")
    }
}

extension DeployError {
    /// The same as the reason why work could not begin.
    var asStartFailure: DeployError { DeployError(.startFailed, message, hint: hint) }
}
