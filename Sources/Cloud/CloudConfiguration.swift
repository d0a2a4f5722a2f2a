// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Configuration
import Core

/// The server's settings, with their defaults. It does not know where they come from.
struct CloudConfiguration: Sendable {
    /// Address to listen on.
    var host = "0.0.0.0"
    /// Port to listen on; 0 picks a free one.
    var port = 8443
    /// Where the database, the keys and the address file are.
    var dataDirectory = StandardPaths.stateDirectory(for: "tiangong-cloud")
    /// Names and addresses of the server's certificate, beside this host's own.
    var names: [String] = []
    /// A certificate that others made, with its chain, and its key; nil for one of our own authority.
    var certificateFiles: (certificate: String, key: String)?
    /// Seconds a certificate of our own authority for this server is valid.
    var leafLifetime = 7_776_000.0
    /// Whether agents show client certificates.
    var clientCertificates = ClientCertificates.Mode.optional
    /// Seconds an agent's client certificate is valid.
    var clientLifetime = 7_776_000.0
    /// How much is taken from those who come in.
    var limits = EdgeLimits()
    /// How many files are taken, and how long they are kept.
    var files = FileSettings()
    /// Where the pages are served that may use a browser's session: `https://HOST:PORT`; nil for the certificate's
    /// names at the port.
    var origins: [String]?
    /// Seconds between the heartbeats of an agent.
    var heartbeatInterval = 30.0
    /// Seconds after which the tasks of an agent that is gone count as lost.
    var lostAfter = 86_400.0
    /// Seconds a task waits for its agent when the request does not say.
    var defaultExpiry = 86_400.0
    /// The least severe log level shown.
    var logLevel = "info"
}

extension CloudConfiguration {
    /// Every setting there is.
    enum Key: String, CaseIterable {
        case listen
        case dataDirectory = "data-dir"
        case names
        case origins
        case certificate = "tls.certificate"
        case certificateKey = "tls.key"
        case leafLifetime = "tls.lifetime"
        case clientCertificates = "agents.client-certificates"
        case clientLifetime = "agents.certificate-lifetime"
        case unauthenticated = "limits.unauthenticated"
        case unauthenticatedPerAddress = "limits.unauthenticated-per-address"
        case sessionsPerToken = "limits.sessions-per-token"
        case failedSignIns = "limits.failed-sign-ins"
        case failedSignInsTotal = "limits.failed-sign-ins-total"
        case requestsPerAddress = "limits.requests-per-address"
        case requestsPerToken = "limits.requests-per-token"
        case filesDirectory = "files.directory"
        case filesQuota = "files.quota"
        case filesReserve = "files.reserve"
        case filesMaximumSize = "files.maximum-size"
        case filesRetention = "files.retention"
        case filesFetchedRetention = "files.fetched-retention"
        case filesUploadRetention = "files.upload-retention"
        case filesBandwidth = "files.bandwidth"
        case heartbeatInterval = "heartbeat-interval"
        case lostAfter = "lost-after"
        case defaultExpiry = "expires-default"
        case logLevel = "log.level"
    }

    /// Reads the settings; throws `invalid_argument` naming the key.
    init(reader: ConfigReader) throws(DeployError) {
        self.init()
        let settings = Settings<Key>(reader)
        let year = 31_536_000.0
        // What every program accepts of a server at most.
        let lifetimes = 10.0...34_300_800.0
        if let listen = settings.text(.listen) { (host, port) = try Self.address(listen) }
        dataDirectory = try settings.path(.dataDirectory) ?? dataDirectory
        names = settings.list(.names) ?? []
        origins = settings.list(.origins)
        for origin in origins ?? [] { try AllowedOrigins.check(origin) }
        switch (try settings.path(.certificate), try settings.path(.certificateKey)) {
        case (nil, nil): break
        case (let certificate?, let key?): certificateFiles = (certificate, key)
        case (_, _): throw DeployError(.invalidArgument, "tls.certificate and tls.key are given together")
        }
        leafLifetime = try settings.seconds(.leafLifetime, in: lifetimes) ?? leafLifetime
        clientLifetime = try settings.seconds(.clientLifetime, in: lifetimes) ?? clientLifetime
        clientCertificates =
            try settings.word(.clientCertificates, ClientCertificates.Mode.self) ?? clientCertificates
        limits = try EdgeLimits(settings)
        files = try FileSettings(settings)
        heartbeatInterval = try settings.seconds(.heartbeatInterval, in: 0.1...60) ?? heartbeatInterval
        lostAfter = try settings.seconds(.lostAfter, in: 1...year) ?? lostAfter
        defaultExpiry = try settings.seconds(.defaultExpiry, in: 1...year) ?? defaultExpiry
        logLevel = settings.text(.logLevel) ?? logLevel
    }

    /// What the server shows in the TLS handshake.
    func certificateSource(names: [String]) -> ServerTLS.Source {
        certificateFiles.map { .files(certificate: $0.certificate, key: $0.key) } ?? .own(names)
    }

    private static func address(_ text: String) throws(DeployError) -> (String, Int) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            throw DeployError(.invalidArgument, "listen '\(text)' is not HOST:PORT", hint: "listen: 0.0.0.0:8443")
        }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        return (host.isEmpty ? "0.0.0.0" : String(host), Int(port))
    }
}
