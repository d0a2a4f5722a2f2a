// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Where a PostgreSQL server is, who we are there, and how much of its identity is checked.
struct PostgresTarget: Sendable, Hashable {
    /// How a connection is protected; the words are libpq's own.
    enum TLSMode: String, Sendable, CaseIterable {
        /// In the open.
        case disable
        /// TLS when the server offers it, without looking at its certificate.
        case prefer
        /// TLS; its certificate must be of the authority when a file names one.
        case require
        /// TLS with a certificate of a known authority for this host.
        case verifyFull = "verify-full"

        /// What holds where nothing is said: everything is checked, but on this host nobody is in between.
        static func standard(for host: String) -> TLSMode {
            let isHere = host.hasPrefix("/") || host == "localhost" || host == "::1" || host.hasPrefix("127.")
            return isHere ? .prefer : .verifyFull
        }
    }

    /// A name, an address, or the directory of the server's socket.
    var host: String
    /// The port; also part of a socket's name.
    var port: Int
    /// The account.
    var user: String
    /// The database.
    var database: String
    /// How the connection is protected.
    var tls: TLSMode
    /// The authority's certificates in PEM.
    var authorityFile: String?
    /// Seconds for the whole of connecting.
    var connectTimeout: Double
    /// What the server's lists of sessions show.
    var applicationName: String

    /// Whether the host is a directory.
    var isSocket: Bool { host.hasPrefix("/") }

    /// Where that is, for people.
    var place: String { isSocket ? "\(host)/.s.PGSQL.\(port)" : "\(host.contains(":") ? "[\(host)]" : host):\(port)" }

    /// A file that is nowhere: it keeps libpq from files of the account that it would look for by itself.
    private static let nowhere = "/dev/null/none"

    /// What libpq is told; everything that it would otherwise take from elsewhere is said.
    ///
    /// - Parameters:
    ///   - address: The address of the host, so that its name is not looked up again.
    ///   - systemAuthorities: The file with the authorities of this host, for when none is named.
    func parameters(address: String?, systemAuthorities: String?) -> [(name: String, value: String)] {
        var parameters = [
            ("host", host), ("port", String(port)), ("user", user), ("dbname", database),
            ("application_name", applicationName), ("client_encoding", "UTF8"), ("passfile", Self.nowhere),
            ("sslmode", tls.rawValue), ("sslrootcert", authorityFile ?? Self.nowhere), ("sslcert", Self.nowhere),
            ("gssencmode", "disable"), ("target_session_attrs", "any"),
            // A server that is gone without a word is noticed within a minute.
            ("keepalives", "1"), ("keepalives_idle", "30"), ("keepalives_interval", "10"), ("keepalives_count", "3"),
            ("tcp_user_timeout", "60000"),
        ]
        if authorityFile == nil, tls == .verifyFull, let systemAuthorities {
            parameters.append(("sslrootcert", systemAuthorities))
        }
        if let address { parameters.append(("hostaddr", address)) }
        return parameters
    }
}
