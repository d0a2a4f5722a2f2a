// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Makes the request of a task: puts secrets where they are named, and decides what goes along with a redirect.
struct APIRequestBuilder: Sendable {
    let parameters: APIParameters
    let secrets: TaskSecrets

    /// The first request. Throws `start_failed` when a secret cannot stand where it is named.
    func first() throws(DeployError) -> APIExchange.Request {
        let url = try parameters.sentURL { reference throws(DeployError) in try secrets.secret(reference).reveal() }
        var headers = Self.standardHeaders
        func set(_ name: String, _ value: String) {
            headers.removeAll { $0.name.lowercased() == name.lowercased() }
            headers.append((name, value))
        }
        let body = try body()
        switch parameters.body {
        case .json: set("Content-Type", "application/json")
        case .text: set("Content-Type", "text/plain; charset=utf-8")
        case nil: break
        }
        for (name, value) in parameters.headers { set(name, try fieldText(value, of: "headers.\(name)")) }
        if let credential = parameters.credential { set("Authorization", try authorization(credential)) }
        return APIExchange.Request(
            method: parameters.method, url: url, shownURL: parameters.shownURL, headers: headers, body: body)
    }

    /// The request that a redirect leads to. Throws `forbidden` where it would carry what was meant for another server, or
    /// would lose TLS, and `invalid_argument` for what is no URL.
    func next(
        after request: APIExchange.Request, status: Int, location: String
    ) throws(DeployError) -> APIExchange.Request {
        let url = try request.url.resolving(location)
        guard url.isSecure || !request.url.isSecure else {
            throw DeployError(.forbidden, "the redirect leads from https to http, to \(url)")
        }
        var next = request
        next.url = url
        next.shownURL = url.description
        let keepsMethod = status == 307 || status == 308 || ["GET", "HEAD"].contains(request.method)
        if !keepsMethod, status == 303 || request.method == "POST" {
            next.method = "GET"
            next.body = nil
            next.headers.removeAll { $0.name.lowercased() == "content-type" }
        }
        if url.origin != request.url.origin {
            guard next.body == nil else {
                throw DeployError(.forbidden, "the redirect would send the body to another server, \(url.origin)")
            }
            next.headers.removeAll { !Self.harmless.contains($0.name.lowercased()) }
        }
        return next
    }

    /// What every request has unless the task says otherwise.
    private static let standardHeaders: [(name: String, value: String)] = [
        ("User-Agent", "tiangong-agent/\(ProtocolVersion.product)"), ("Accept", "*/*"),
    ]

    /// Fields that may go along to another server.
    private static let harmless: Set = ["user-agent", "accept", "accept-language", "accept-encoding"]

    private func authorization(_ credential: APIParameters.Credential) throws(DeployError) -> String {
        switch credential {
        case .bearer(let reference): return "Bearer " + (try fieldText(.secret(reference), of: "bearer"))
        case .basic(let user, let password):
            let secret = try password.map { reference throws(DeployError) in try secrets.secret(reference).reveal() }
            return "Basic " + Base64.encode(Array("\(user):".utf8) + (secret ?? []))
        }
    }

    private func fieldText(_ value: TaskValue, of place: String) throws(DeployError) -> String {
        switch value {
        case .text(let text): return text
        case .secret(let reference):
            let text = try secrets.text(reference)
            guard APIParameters.isFieldValue(text.utf8) else {
                throw DeployError(
                    .startFailed, "secret '\(reference.name)' holds a line break, so it cannot be in params.\(place)")
            }
            return text
        }
    }

    private func body() throws(DeployError) -> [UInt8]? {
        switch parameters.body {
        case nil: return nil
        case .text(let text): return Array(text.utf8)
        case .json(let value): return Array(try filled(value).text.utf8)
        }
    }

    /// JSON with every `{"secret_ref": NAME}` replaced by that secret.
    private func filled(_ value: JSONValue) throws(DeployError) -> JSONValue {
        switch value {
        case .array(let items):
            var filledItems: [JSONValue] = []
            for item in items { filledItems.append(try filled(item)) }
            return .array(filledItems)
        case .object(let members):
            if members.count == 1, let name = members["secret_ref"]?.stringValue, let reference = SecretReference(name)
            {
                return .string(try secrets.text(reference))
            }
            var filledMembers: [String: JSONValue] = [:]
            for (key, member) in members { filledMembers[key] = try filled(member) }
            return .object(filledMembers)
        case .null, .bool, .integer, .number, .string: return value
        }
    }
}
