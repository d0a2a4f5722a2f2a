// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import Core
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

extension KubernetesClient {
    /// What a failed connection means, in a sentence that says what to look at.
    func failure(_ error: any Error) -> KubernetesFailure {
        if let error = error as? KubernetesFailure { return error }
        if error is CancellationError || (error as? HTTPClientError) == .cancelled {
            return KubernetesFailure(.canceled, "canceled")
        }
        return KubernetesFailure(.unreachable, "\(address.url) \(Self.reason(error))", hint: Self.hint(error))
    }

    private static func reason(_ error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError:
            let cause = error.connectionErrors.first.map { words($0.error) } ?? "its name cannot be resolved"
            return "cannot be reached: \(cause)"
        case let error as HTTPClientError:
            switch error {
            case .connectTimeout: return "cannot be reached: no connection within connect-timeout"
            case .tlsHandshakeTimeout: return "does not answer the TLS handshake"
            case .deadlineExceeded, .readTimeout: return "does not answer"
            case .remoteConnectionClosed: return "closed the connection"
            default: return "cannot be asked: \(error)"
            }
        case is HTTPParserError: return "closed the connection in the middle of an answer"
        case _ where isTrust(error):
            return "shows a certificate that is not trusted: \(words(error))"
        case is NIOSSLError, is BoringSSLError, is NIOSSLExtraError:
            return "cannot be reached over TLS: \(words(error))"
        case is ChannelError, is IOError: return "cannot be reached: \(words(error))"
        default: return "cannot be asked: \(words(error))"
        }
    }

    private static func hint(_ error: any Error) -> String? {
        isTrust(error) ? "is the cluster's CA right? certificate-authority of the kubeconfig, or ca-file" : nil
    }

    private static func isTrust(_ error: any Error) -> Bool {
        if error is NIOSSLExtraError { return true }
        let text = String(describing: error)
        return (error is NIOSSLError || error is BoringSSLError)
            && (text.contains("CERTIFICATE_VERIFY_FAILED") || text.contains("unableToValidateCertificate"))
    }

    private static func words(_ error: any Error) -> String {
        if let error = error as? IOError {
            return String(cString: strerror(error.errnoCode))
        }
        if case ChannelError.connectTimeout? = error as? ChannelError { return "no connection within connect-timeout" }
        if error is ChannelError { return "the connection was closed" }
        return String(String(describing: error).prefix(300))
    }

    /// The two clients of a datasource, which share nothing but their settings.
    static func httpClients(connectTimeout: TimeAmount) -> (whole: HTTPClient, streams: HTTPClient) {
        func client(read: TimeAmount?) -> HTTPClient {
            var configuration = HTTPClient.Configuration(
                redirectConfiguration: .disallow, timeout: .init(connect: connectTimeout, read: read))
            configuration.httpVersion = .http1Only
            configuration.connectionPool.idleTimeout = .seconds(60)
            configuration.connectionPool.retryConnectionEstablishment = false
            // The agent limits its tasks; none waits for another's connection.
            configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 4096
            configuration.http1_1ConnectionDebugInitializer = KeepAlive.set(on:)
            return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        }
        return (client(read: .seconds(75)), client(read: nil))
    }
}
