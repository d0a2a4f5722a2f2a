// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import Core
import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// Why an attempt came to nothing.
struct APIFailure: Error {
    /// For the operator.
    var failure: TaskFailure
    /// Whether the server may have acted on the request.
    var wasSent = false
    /// Whether another attempt could end otherwise.
    var mayPass = false

    /// A failure of our own that no other attempt changes.
    init(_ error: DeployError) {
        failure = TaskFailure(error.code, error.sentence)
        mayPass = error.code == .unreachable
    }

    /// A failure that another attempt may not have.
    init(_ code: ErrorCode, _ message: String, wasSent: Bool, mayPass: Bool = true) {
        failure = TaskFailure(code, message)
        self.wasSent = wasSent
        self.mayPass = mayPass
    }
}

/// What went wrong on a connection, in words.
struct ConnectionProblem {
    /// What happened.
    let text: String
    /// Whether it is about the server's certificate, which does not get better.
    let isCertificate: Bool

    private static let closedEarly = "the server closed the connection before its answer was complete"

    /// - Parameters:
    ///   - error: What the library says.
    ///   - settings: The limits that may have been reached.
    ///   - idle: Seconds the server might say nothing.
    init(_ error: any Error, _ settings: APISettings, idle: Double) {
        let description = "\(error)"
        var isCertificate = false
        switch error {
        case let error as HTTPClientError where error == .connectTimeout || error == .getConnectionFromPoolTimeout:
            text = "no connection within \(settings.connectTimeout) s"
        case let error as HTTPClientError where error == .readTimeout || error == .writeTimeout:
            text = "the server said nothing for \(idle) s"
        case let error as HTTPClientError where error == .remoteConnectionClosed: text = Self.closedEarly
        case let error as HTTPParserError where error == .invalidEOFState: text = Self.closedEarly
        case let error as HTTPClientError where error == .tlsHandshakeTimeout:
            text = "TLS was not established within \(settings.connectTimeout) s"
        case let error as IOError: text = String(cString: strerror(error.errnoCode))
        case is HTTPParserError: text = "what the server said is not HTTP (\(description.prefix(100)))"
        case is NIOSSLError, is NIOSSLExtraError, is BoringSSLError:
            isCertificate = true
            if description.contains("CERTIFICATE_VERIFY_FAILED") {
                text = "no authority that this agent believes has signed the server's certificate"
            } else if let error = error as? NIOSSLExtraError, error == .failedToValidateHostname {
                text = "the server's certificate is for another host"
            } else {
                isCertificate = false
                text = "TLS failed (\(description.prefix(200)))"
            }
        default: text = String(description.prefix(200))
        }
        self.isCertificate = isCertificate
    }
}
