// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Which certificates a client believes.
public enum ServerTrust: Sendable, Hashable {
    /// The system's certificate authorities.
    case system
    /// The authorities in a PEM file.
    case caFile(String)
    /// SHA-256 of the server's own authority or leaf certificate, 64 hex digits.
    case fingerprint(String)

    /// Picks the trust that options ask for; a fingerprint may have colons and a `sha256:` prefix.
    ///
    /// Throws `invalid_argument` when both are given or the fingerprint is not 32 bytes of hex.
    public init(caFile: String?, fingerprint: String?) throws(DeployError) {
        switch (caFile, fingerprint) {
        case (nil, nil): self = .system
        case (let file?, nil): self = .caFile(file)
        case (nil, let text?):
            var digits = text.lowercased()
            if digits.hasPrefix("sha256:") { digits.removeFirst(7) }
            digits.removeAll { $0 == ":" || $0 == " " }
            guard digits.utf8.count == 64, digits.allSatisfy(\.isHexDigit) else {
                throw DeployError(
                    .invalidArgument, "fingerprint is not 64 hex digits", hint: "tiangong-cloud fingerprint prints it")
            }
            self = .fingerprint(digits)
        case (_?, _?): throw DeployError(.invalidArgument, "give a CA file or a fingerprint, not both")
        }
    }
}

/// Where a Cloud is, and whom to believe there.
public struct ServerEndpoint: Sendable, Hashable {
    /// A host name or an address.
    public let host: String
    /// A TCP port.
    public let port: Int
    /// Whom to believe.
    public let trust: ServerTrust

    /// Reads `https://host:8443`, `wss://host:8443` or `host:8443`; the port is 8443 when left out.
    ///
    /// Throws `invalid_argument` for anything else, plain `http` included.
    public init(url: String, trust: ServerTrust) throws(DeployError) {
        var rest = Substring(url)
        if let range = url.firstRange(of: "://") {
            let scheme = url[..<range.lowerBound].lowercased()
            guard scheme == "https" || scheme == "wss" else {
                throw DeployError(
                    .invalidArgument, "server '\(url)' is not https",
                    hint: "the Cloud speaks TLS only: https://host:8443")
            }
            rest = url[range.upperBound...]
        }
        if rest.hasSuffix("/") { rest.removeLast() }
        guard let (host, port) = Self.split(rest), !host.isEmpty, host.utf8.count <= 253 else {
            throw DeployError(.invalidArgument, "server '\(url)' is not a URL like https://host:8443")
        }
        self.host = String(host)
        self.port = port
        self.trust = trust
    }

    private static func split(_ text: Substring) -> (Substring, Int)? {
        guard !text.contains("/"), !text.contains("@"), !text.contains("?") else { return nil }
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { return nil }
            let host = text[text.index(after: text.startIndex)..<end]
            let after = text[text.index(after: end)...]
            if after.isEmpty { return (host, 8443) }
            guard after.hasPrefix(":"), let port = UInt16(after.dropFirst()), port > 0 else { return nil }
            return (host, Int(port))
        }
        guard let colon = text.lastIndex(of: ":") else { return (text, 8443) }
        guard let port = UInt16(text[text.index(after: colon)...]), port > 0 else { return nil }
        return (text[..<colon], Int(port))
    }

    /// `https://host:port`.
    public var url: String { host.contains(":") ? "https://[\(host)]:\(port)" : "https://\(host):\(port)" }
}
