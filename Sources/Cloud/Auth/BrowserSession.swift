// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Where the pages come from that may use a cookie: scheme, host and port, compared whole.
struct AllowedOrigins: Sendable {
    /// As configured; nil for those of the certificate's names.
    let configured: [String]?
    let names: [String]

    /// Whether a request that came in on a port may come from a page of this origin.
    func allow(_ origin: String, port: Int?) -> Bool {
        if let configured { return configured.contains(origin) }
        return names.contains { name in
            let host = name.contains(":") ? "[\(name)]" : name.lowercased()
            return origin == (port == 443 || port == nil ? "https://\(host)" : "https://\(host):\(port ?? 443)")
        }
    }

    /// Throws `invalid_argument` unless a text is the origin of a page served over TLS, as a browser writes it.
    static func check(_ origin: String) throws(DeployError) {
        let host = origin.dropFirst("https://".count)
        guard origin.hasPrefix("https://"), !host.isEmpty, origin == origin.lowercased(),
            host.utf8.allSatisfy({ (0x21...0x7E).contains($0) && !"/?#@\\,".utf8.contains($0) })
        else {
            throw DeployError(
                .invalidArgument,
                "origin '\(origin.prefix(128))' is not https://HOST or https://HOST:PORT in small letters")
        }
    }
}

/// What a request shows to say who sends it, as it came.
struct ShownCredentials: Sendable {
    var authorization: [String]
    var cookies: [String]
    var origins: [String]
    /// The port it came in on.
    var port: Int?

    /// The cookie of a browser's session. Its prefix makes browsers take it over TLS from this host only.
    static let cookie = "__Host-tiangong"
    /// How long a browser's session lasts at most, in seconds.
    static let sessionSeconds = 43_200

    /// The token: of the header, else of the cookie, which counts only with the origin of one of our pages.
    ///
    /// Throws `unauthenticated`, or `forbidden` for a cookie sent by a page of somebody else.
    func token(_ allowed: AllowedOrigins) throws(DeployError) -> String {
        let sessions = cookies.flatMap { $0.split(separator: ";") }.compactMap { pair -> String? in
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, parts[0].filter({ $0 != " " }) == Self.cookie else { return nil }
            return String(parts[1])
        }
        if authorization.isEmpty, !cookies.isEmpty {
            let isForeign = !origins.allSatisfy { allowed.allow($0, port: port) } || origins.count > 1
            guard !isForeign, sessions.isEmpty || origins.count == 1 else {
                throw DeployError(
                    .forbidden, "a cookie is taken only from the server's own pages",
                    hint: "the setting `origins` lists where they are served")
            }
            guard sessions.count <= 1 else { throw DeployError(.unauthenticated, "there are several session cookies") }
            if let session = sessions.first { return session }
        }
        guard authorization.count == 1, let value = authorization.first, value.lowercased().hasPrefix("bearer ") else {
            throw DeployError(.unauthenticated, "an Authorization: Bearer header is needed")
        }
        return String(value.dropFirst("bearer ".count))
    }

    /// Whether it is the cookie that counts.
    var isCookie: Bool { authorization.isEmpty }
}

extension TokenVault {
    /// The most browser sessions that one token keeps open.
    private static let maximumSessions = 32

    /// Makes the token of a browser's session: good for half a day, and no longer than the token it was opened with;
    /// as strong as that, or weaker.
    func openSession(of principal: Principal) async throws -> (text: String, expiresAt: Timestamp) {
        try await store.write { transaction in
            guard let parent = try TokenTable.find(id: principal.token, transaction),
                let owner = try OperatorTable.find(principal.name, transaction)
            else { throw DeployError(.unauthenticated, "the token is not valid") }
            let latest = Timestamp.now().adding(milliseconds: Int64(ShownCredentials.sessionSeconds) * 1000)
            let expiry = min(parent.expiresAt ?? latest, latest)
            let token = try Self.issue(
                for: owner, role: parent.role, scope: parent.scope, expiresAt: expiry, transaction)
            let open = try TokenTable.adopt(
                token.id, by: parent.id, endedBefore: .now().adding(milliseconds: -60_000), transaction)
            guard open <= Self.maximumSessions else {
                throw DeployError(
                    .rateLimited, "\(Self.maximumSessions) sessions were opened with this token", hint: "end one",
                    retryAfter: 60)
            }
            try AuditTrail.append(
                AuditRecord("session.open", as: principal).with(["token": .string(token.id.rawValue)]), transaction)
            return (token.text, expiry)
        }
    }

    /// Ends a browser's session.
    func endSession(of principal: Principal) async throws {
        try await store.write { transaction in
            guard try TokenTable.revoke(principal.token, transaction) else { return }
            try AuditTrail.append(
                AuditRecord("session.end", as: principal).with(["token": .string(principal.token.rawValue)]),
                transaction)
        }
    }
}
