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
    /// Reads the settings.
    ///
    /// Keys: `listen` (HOST:PORT), `data-dir`, `names` (list), `heartbeat-interval`, `lost-after`, `expires-default`
    /// (seconds), `tls.certificate`, `tls.key` (paths), `tls.lifetime`, `agents.certificate-lifetime` (spans of time),
    /// `agents.client-certificates` (off, optional, required), `limits.*`, `log.level`. Throws `invalid_argument` naming the key.
    init(reader: ConfigReader) throws(DeployError) {
        self.init()
        if let listen = reader.string(forKey: "listen") { (host, port) = try Self.address(listen) }
        dataDirectory = reader.string(forKey: "data-dir", default: dataDirectory)
        guard dataDirectory.hasPrefix("/") else {
            throw DeployError(.invalidArgument, "data-dir '\(dataDirectory)' is not an absolute path")
        }
        names = reader.stringArray(forKey: "names", default: [])
        origins = reader.stringArray(forKey: "origins")
        for origin in origins ?? [] { try AllowedOrigins.check(origin) }
        certificateFiles = try Self.files(reader)
        leafLifetime = try Self.span(reader, "tls.lifetime", leafLifetime)
        clientLifetime = try Self.span(reader, "agents.certificate-lifetime", clientLifetime)
        if let text = reader.string(forKey: "agents.client-certificates") {
            guard let mode = ClientCertificates.Mode(rawValue: text) else {
                throw DeployError(
                    .invalidArgument, "agents.client-certificates '\(text)' is not off, optional or required")
            }
            clientCertificates = mode
        }
        limits = try EdgeLimits(reader: reader)
        heartbeatInterval = try Self.seconds(reader, "heartbeat-interval", heartbeatInterval, 0.1...60)
        lostAfter = try Self.seconds(reader, "lost-after", lostAfter, 1...31_536_000)
        defaultExpiry = try Self.seconds(reader, "expires-default", defaultExpiry, 1...31_536_000)
        logLevel = reader.string(forKey: "log.level", default: logLevel)
    }

    private static func seconds(
        _ reader: ConfigReader, _ key: String, _ standard: Double, _ range: ClosedRange<Double>
    ) throws(DeployError) -> Double {
        let value =
            reader.double(forKey: ConfigKey(key)) ?? reader.int(forKey: ConfigKey(key)).map(Double.init) ?? standard
        guard range.contains(value) else {
            throw DeployError(
                .invalidArgument, "\(key) is not between \(range.lowerBound) and \(range.upperBound) seconds")
        }
        return value
    }

    /// How long a certificate is valid: at most what every program accepts of a server.
    private static func span(
        _ reader: ConfigReader, _ key: String, _ standard: Double
    ) throws(DeployError) -> Double {
        guard let text = reader.string(forKey: ConfigKey(key)) ?? reader.int(forKey: ConfigKey(key)).map(String.init)
        else { return standard }
        let seconds = try TimeSpan.seconds(text)
        guard (10...34_300_800).contains(seconds) else {
            throw DeployError(.invalidArgument, "\(key) is not between 10s and 397d")
        }
        return seconds
    }

    private static func files(
        _ reader: ConfigReader
    ) throws(DeployError) -> (certificate: String, key: String)? {
        switch (reader.string(forKey: "tls.certificate"), reader.string(forKey: "tls.key")) {
        case (nil, nil): return nil
        case (let certificate?, let key?):
            guard certificate.hasPrefix("/"), key.hasPrefix("/") else {
                throw DeployError(.invalidArgument, "tls.certificate and tls.key are absolute paths")
            }
            return (certificate, key)
        case (_, _): throw DeployError(.invalidArgument, "tls.certificate and tls.key are given together")
        }
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
