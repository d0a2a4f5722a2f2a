// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// A task of type `api`, checked: the request, what is expected of the answer, and how often it is tried.
public struct APIParameters: Sendable {
    /// What the request's body is.
    public enum Body: Sendable, Hashable {
        /// As it is sent.
        case text(String)
        /// JSON; secrets in it are yet to be put in.
        case json(JSONValue)
    }

    /// Who signs in.
    public enum Credential: Sendable, Hashable {
        /// A user and, if there is one, a password.
        case basic(user: String, password: SecretReference?)
        /// A token.
        case bearer(SecretReference)
    }

    /// In upper case.
    public var method: String
    /// As it was written in the command, without ``query``.
    public var url: WebURL
    /// What is added to the URL's query, in the order of the names.
    public var query: [(name: String, value: TaskValue)]
    /// Fields of the head, in the order of the names.
    public var headers: [(name: String, value: TaskValue)]
    /// What is sent.
    public var body: Body?
    /// Who signs in.
    public var credential: Credential?
    /// What the answer should be.
    public var expectations: AnswerExpectations
    /// How often it is tried again.
    public var retries: Int
    /// Seconds before it is tried again.
    public var retryDelay: Double
    /// Seconds the server may say nothing.
    public var idleTimeout: Double
    /// Whether redirects are followed.
    public var followsRedirects: Bool
    /// Bytes of the body that are shown and checked.
    public var maximumBody: Int64
    /// Whether the body is written to the output.
    public var showsBody: Bool

    /// Reads a specification; throws `invalid_argument` or `too_large`, naming what is wrong.
    public init(_ spec: TaskSpec) throws(DeployError) {
        (method, url) = try Self.request(spec.command)
        let parameters = try TaskParameters(spec, .api)
        query = parameters.pairs("query").sorted { $0.key < $1.key }.map { (name: $0.key, value: $0.value) }
        headers = try Self.headers(parameters)
        body = try Self.body(parameters)
        credential = try Self.credential(parameters)
        if credential != nil, headers.contains(where: { $0.name.lowercased() == "authorization" }) {
            throw DeployError(
                .invalidArgument, "params.headers has Authorization beside bearer or basic_user",
                hint: "give one of them")
        }
        expectations = try AnswerExpectations(parameters)
        retries = Int(parameters.integer("retries") ?? 0)
        retryDelay = parameters.number("retry_delay") ?? 1
        idleTimeout = parameters.number("idle_timeout") ?? 60
        followsRedirects = parameters.flag("follow_redirects")
        maximumBody = parameters.integer("max_body") ?? 1 << 20
        showsBody = parameters.flag("show_body", default: true)
    }

    // MARK: What it is judged by

    /// `api METHOD URL`, and once more with `follow_redirects` behind it when redirects are followed; secrets stand as
    /// `{NAME}`, which no URL holds otherwise.
    public var canonicalLines: [String] {
        let line = "api \(method) \(shownURL)"
        return followsRedirects ? [line, line + " follow_redirects"] : [line]
    }

    /// The URL for people: with the added query, secrets as `{NAME}`.
    public var shownURL: String {
        url.adding(query: queryText { reference in "{\(reference.name)}" }).description
    }

    /// The URL as it is sent.
    public func sentURL(reveal: (SecretReference) throws(DeployError) -> [UInt8]) throws(DeployError) -> WebURL {
        var values: [SecretReference: String] = [:]
        for (_, value) in query {
            if let secret = value.secret { values[secret] = WebURL.encoded(try reveal(secret)) }
        }
        return url.adding(query: queryText { values[$0] ?? "" })
    }

    private func queryText(_ secret: (SecretReference) -> String) -> String {
        query.map { name, value in
            let text =
                switch value {
                case .text(let text): WebURL.encoded(text.utf8)
                case .secret(let reference): secret(reference)
                }
            return "\(WebURL.encoded(name.utf8))=\(text)"
        }.joined(separator: "&")
    }

    // MARK: Reading

    /// Methods that open tunnels or send back what was sent, secrets included.
    private static let refusedMethods: Set = ["CONNECT", "TRACE", "TRACK"]

    /// The command's parts; throws `invalid_argument`.
    private static func request(_ command: String) throws(DeployError) -> (String, WebURL) {
        guard command.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 9 }) else {
            throw DeployError(.invalidArgument, "the request has a line break or another control character")
        }
        let words = command.split(whereSeparator: { $0 == " " || $0 == "\t" })
        guard words.count == 2 else {
            throw DeployError(
                .invalidArgument, "the request is not a method and a URL",
                hint: "write it like GET https://app.example/health")
        }
        let method = words[0].uppercased()
        guard (1...20).contains(method.utf8.count), method.utf8.allSatisfy({ (65...90).contains($0) || $0 == 45 })
        else {
            throw DeployError(.invalidArgument, "'\(words[0].prefix(32))' is not a method")
        }
        guard !refusedMethods.contains(method) else {
            throw DeployError(.invalidArgument, "the method \(method) is not sent")
        }
        let url = try WebURL(String(words[1]))
        if let name = credentialName(in: url) {
            throw DeployError(
                .invalidArgument, "the URL has \(name) in its query, which is stored and shown as it is",
                hint: "give it as a secret: params.query {\"\(name)\": {\"secret_ref\": NAME}}")
        }
        return (method, url)
    }

    /// Parameters of queries that are known to hold credentials.
    private static let credentialNames: Set = [
        "access_token", "api_key", "apikey", "auth_token", "client_secret", "id_token", "passwd", "password",
        "private_token", "refresh_token", "secret", "sig", "signature", "token", "x_amz_signature",
    ]

    private static func credentialName(in url: WebURL) -> String? {
        for part in (url.query ?? "").split(whereSeparator: { $0 == "&" || $0 == ";" }) {
            let name = part.prefix { $0 != "=" }
            if credentialNames.contains(name.lowercased().replacing("-", with: "_")), name.utf8.count < part.utf8.count
            {
                return String(name)
            }
        }
        return nil
    }

    /// Fields that decide where a message ends or goes to, and those that some servers take for the method or the path.
    private static let refusedFields: Set = [
        "host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade", "expect",
        "http2-settings", "x-http-method", "x-http-method-override", "x-method-override", "x-original-url",
        "x-rewrite-url", "x-original-host",
    ]

    private static func headers(_ parameters: TaskParameters) throws(DeployError) -> [(name: String, value: TaskValue)]
    {
        var seen: Set<String> = []
        var total = 0
        let headers = parameters.pairs("headers").sorted { $0.key < $1.key }
        for (name, value) in headers {
            guard (1...128).contains(name.utf8.count), name.utf8.allSatisfy(isToken) else {
                throw DeployError(
                    .invalidArgument, "params.headers has '\(name.prefix(64))', which is no name of a field")
            }
            let plain = name.lowercased()
            guard !refusedFields.contains(plain), !plain.hasPrefix("proxy-") else {
                throw DeployError(
                    .invalidArgument, "params.headers has \(name), which is not the task's to set",
                    hint: "it follows from the request itself")
            }
            guard seen.insert(plain).inserted else {
                throw DeployError(.invalidArgument, "params.headers has \(name) twice")
            }
            if case .text(let text) = value {
                guard isFieldValue(text.utf8) else {
                    throw DeployError(
                        .invalidArgument, "params.headers.\(name) holds a line break or another control character")
                }
                total += text.utf8.count
            }
            total += name.utf8.count
        }
        guard total <= 65_536, headers.count <= 100 else {
            throw DeployError(.tooLarge, "params.headers has over 100 fields or 65536 bytes")
        }
        return headers.map { (name: $0.key, value: $0.value) }
    }

    /// Whether some bytes may be the value of a field: no control characters but tabulators.
    public static func isFieldValue(_ bytes: some Sequence<UInt8>) -> Bool {
        bytes.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 9 }
    }

    private static func isToken(_ byte: UInt8) -> Bool {
        (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
            || "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }

    private static func body(_ parameters: TaskParameters) throws(DeployError) -> Body? {
        switch (parameters.text("body"), parameters.json("body_json")) {
        case (nil, nil): return nil
        case (let text?, nil): return .text(text)
        case (nil, let json?): return .json(json)
        default: throw DeployError(.invalidArgument, "params.body and params.body_json exclude each other")
        }
    }

    private static func credential(_ parameters: TaskParameters) throws(DeployError) -> Credential? {
        let bearer = parameters.secret("bearer")
        let password = parameters.secret("basic_password")
        guard let user = parameters.text("basic_user") else {
            guard password == nil else {
                throw DeployError(.invalidArgument, "params.basic_password is given without basic_user")
            }
            return bearer.map { .bearer($0) }
        }
        guard bearer == nil else {
            throw DeployError(.invalidArgument, "params.bearer and params.basic_user exclude each other")
        }
        guard !user.contains(":"), isFieldValue(user.utf8) else {
            throw DeployError(.invalidArgument, "params.basic_user holds a colon or a control character")
        }
        return .basic(user: user, password: password)
    }
}
