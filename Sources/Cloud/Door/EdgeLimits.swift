// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// How much the server takes from those it does not know yet, and from each of those it knows.
struct EdgeLimits: Sendable, Equatable {
    /// Connections that have not signed in, in all.
    var unauthenticated = 256
    /// Connections that have not signed in, of one address.
    var unauthenticatedPerAddress = 16
    /// Links open at once with one token.
    var sessionsPerToken = 32
    /// Failed sign-ins a minute that are answered and audited one by one, of one address.
    var failedSignIns = 10
    /// The same for all addresses together.
    var failedSignInsTotal = 1000
    /// Requests and new links a second, of one address; four times as many at once.
    var requestsPerAddress = 100
    /// Requests and new links a second, with one token; four times as many at once.
    var requestsPerToken = 50

    /// How long the TLS handshake may take.
    static let handshakeSeconds: Int64 = 5
    /// How long a request's head may take from its first byte, and a connection's first request from the handshake.
    static let headSeconds: Int64 = 10
    /// How long a body may bring nothing, and how long a response may not be read.
    static let idleSeconds: Int64 = 30
    /// Bytes a second a body must bring on average, after the first `idleSeconds`.
    static let bodyRate: Double = 500
    /// The largest head, line and field.
    static let headBytes = 16 << 10
    static let fieldBytes = 8 << 10
    static let fieldCount = 100
}

extension EdgeLimits {
    /// Reads `limits.*`; throws `invalid_argument` naming the key.
    init(_ settings: Settings<CloudConfiguration.Key>) throws(DeployError) {
        self.init()
        let range = 1...1_000_000
        unauthenticated = try settings.number(.unauthenticated, in: range) ?? unauthenticated
        unauthenticatedPerAddress =
            try settings.number(.unauthenticatedPerAddress, in: range) ?? unauthenticatedPerAddress
        sessionsPerToken = try settings.number(.sessionsPerToken, in: range) ?? sessionsPerToken
        failedSignIns = try settings.number(.failedSignIns, in: range) ?? failedSignIns
        failedSignInsTotal = try settings.number(.failedSignInsTotal, in: range) ?? failedSignInsTotal
        requestsPerAddress = try settings.number(.requestsPerAddress, in: range) ?? requestsPerAddress
        requestsPerToken = try settings.number(.requestsPerToken, in: range) ?? requestsPerToken
    }
}
