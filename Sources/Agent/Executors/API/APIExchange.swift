// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import Core
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// One request and its answer: the host's name is looked up once, all its addresses are judged, and exactly these are
/// connected to. TLS still checks the certificate against the name.
struct APIExchange: Sendable {
    /// The limits of this agent.
    let settings: APISettings
    /// Seconds the server may say nothing.
    let idleTimeout: Double

    /// What is sent.
    struct Request: Sendable {
        var method: String
        /// As it is sent, with secrets.
        var url: WebURL
        /// As it is shown.
        var shownURL: String
        var headers: [(name: String, value: String)]
        var body: [UInt8]?
    }

    /// The head of an answer.
    struct Head: Sendable {
        var status: Int
        var reason: String
        var headers: [(name: String, value: String)]
        /// Where it came from.
        var address: IPAddress

        /// The first field of a name.
        func field(_ name: String) -> String? { headers.first { $0.name.lowercased() == name }?.value }
    }

    /// Addresses of a host that are tried, one after the other.
    private static let mostTried = 8

    /// Sends a request; `take` gets the body, part by part, and says whether it wants more.
    ///
    /// Being canceled closes the connection and throws `canceled`.
    func perform(
        _ request: Request, take: (Head, ByteBuffer) async -> Bool
    ) async throws(APIFailure) -> Head {
        let addresses: [IPAddress]
        do throws(DeployError) {
            addresses = try await settings.resolver.addresses(
                of: request.url.host, within: .seconds(settings.connectTimeout))
            try settings.addresses.check(addresses, of: request.url.host)
        } catch {
            throw APIFailure(error)
        }
        var problems: [String] = []
        for address in addresses.prefix(Self.mostTried) {
            let isConnected = Flag()
            do {
                return try await send(request, to: address, isConnected, take)
            } catch {
                if Task.isCancelled { throw APIFailure(DeployError(.canceled)) }
                let problem = ConnectionProblem(error, settings, idle: idleTimeout)
                let host = "\(request.url.origin)\(request.url.hostText == "\(address)" ? "" : " (\(address))")"
                problems.append("\(host): \(problem.text)")
                guard !isConnected.isSet, !problem.isCertificate else {
                    throw APIFailure(
                        .unreachable, problems.joined(separator: "; "), wasSent: isConnected.isSet,
                        mayPass: !problem.isCertificate)
                }
            }
        }
        throw APIFailure(.unreachable, problems.joined(separator: "; "), wasSent: false)
    }

    /// Whether the connection stood, TLS included: before that nothing of the request is on its way.
    private final class Flag: Sendable {
        private let value = Mutex(false)
        var isSet: Bool { value.withLock { $0 } }
        func set() { value.withLock { $0 = true } }
    }

    private func send(
        _ request: Request, to address: IPAddress, _ isConnected: Flag, _ take: (Head, ByteBuffer) async -> Bool
    ) async throws -> Head {
        var message = HTTPClientRequest(url: request.url.description)
        message.method = HTTPMethod(rawValue: request.method)
        message.headers = HTTPHeaders(request.headers.map { ($0.name, $0.value) })
        if let body = request.body { message.body = .bytes(body) }
        let client = HTTPClient(
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            configuration: configuration(request.url, address, isConnected))
        do {
            let response = try await client.execute(message, deadline: .now() + .hours(24 * 366))
            let head = Head(
                status: Int(response.status.code), reason: response.status.reasonPhrase,
                headers: response.headers.map { (name: $0.name, value: $0.value) }, address: address)
            for try await part in response.body {
                guard await take(head, part) else { break }
            }
            try Task.checkCancellation()
            try? await client.shutdown()
            return head
        } catch {
            try? await client.shutdown()
            throw error
        }
    }

    private func configuration(
        _ url: WebURL, _ address: IPAddress, _ isConnected: Flag
    ) -> HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration(
            tlsConfiguration: settings.tls, redirectConfiguration: .disallow,
            timeout: .init(
                connect: .nanoseconds(Int64(settings.connectTimeout * 1e9)),
                read: .nanoseconds(Int64(idleTimeout * 1e9))),
            decompression: .disabled)
        configuration.httpVersion = .http1Only
        configuration.connectionPool.retryConnectionEstablishment = false
        if case .name(let name) = url.host { configuration.dnsOverride = [name: "\(address)"] }
        configuration.http1_1ConnectionDebugInitializer = { channel in
            // What was judged is what we are connected to, or nothing is sent.
            guard channel.remoteAddress?.ipAddress.flatMap({ IPAddress($0) }) == address else {
                return channel.eventLoop.makeFailedFuture(DeployError(.internal, "connected to another address"))
            }
            isConnected.set()
            return channel.eventLoop.makeSucceededVoidFuture()
        }
        return configuration
    }
}
