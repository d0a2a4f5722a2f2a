// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import HTTPTypes
import Hummingbird
import NIOCore

/// Reads what comes with a request, as strictly as its route says.
struct RequestReader {
    let route: Route

    /// The largest body.
    static let maximumBody = 1 << 20

    /// Throws ``HTTPFailure`` or `DeployError` for whatever the route does not take.
    func input(
        _ request: Request, _ target: RequestTarget, _ values: [String: String]
    ) async throws -> RouteInput {
        var input = RouteInput()
        for (name, encoded) in values {
            guard let parameter = Route.Parameter.path[name],
                let text = RequestTarget.decode(encoded[...], plusIsBlank: false)
            else { throw DeployError(.invalidArgument, "the path is not valid") }
            input.path[name] = try value(text, parameter)
        }
        for (name, text) in try target.parameters().sorted(by: { $0.key < $1.key }) {
            guard let parameter = route.parameters.first(where: { $0.name == name }) else {
                throw DeployError(
                    .invalidArgument, "'\(name.prefix(64))' is not a parameter of this request",
                    hint: route.parameters.isEmpty
                        ? "it takes none" : "it takes \(route.parameters.map(\.name).joined(separator: ", "))")
            }
            input.query[name] = try value(text, parameter)
        }
        input.idempotencyKey = try idempotencyKey(request.headers)
        input.body = try await body(request)
        return input
    }

    private func value(_ text: String, _ parameter: Route.Parameter) throws(DeployError) -> JSONValue {
        let value: JSONValue =
            switch parameter.schema {
            case .integer: Self.integer(text).map { .integer($0) } ?? .string(text)
            case .boolean: Bool(text).map { .bool($0) } ?? .string(text)
            default: .string(text)
            }
        try parameter.schema.check(value, parameter.name)
        return value
    }

    /// Digits, perhaps behind a `-`, and nothing else.
    private static func integer(_ text: String) -> Int64? {
        text.utf8.allSatisfy { (48...57).contains($0) || $0 == UInt8(ascii: "-") } ? Int64(text) : nil
    }

    private func idempotencyKey(_ headers: HTTPFields) throws(DeployError) -> String? {
        guard route.isIdempotent, let name = HTTPField.Name("Idempotency-Key") else { return nil }
        let keys = headers[values: name]
        guard keys.count <= 1,
            keys.allSatisfy({ (1...128).contains($0.utf8.count) && $0.utf8.allSatisfy { (0x21...0x7E).contains($0) } })
        else { throw DeployError(.invalidArgument, "Idempotency-Key is not one text of 1 to 128 printable characters") }
        return keys.first
    }

    private func body(_ request: Request) async throws -> [String: JSONValue] {
        let schema: String
        var mayBeEmpty = false
        switch route.body {
        case .required(let name): schema = name
        case .optional(let name): (schema, mayBeEmpty) = (name, true)
        case .bytes:
            // Read where it goes; a compressed one would not be what was meant.
            guard request.headers[values: .contentEncoding].allSatisfy({ $0.lowercased() == "identity" }) else {
                throw HTTPFailure(
                    DeployError(.unsupported, "an encoded body is not taken"), status: .unsupportedMediaType,
                    closes: true)
            }
            return [:]
        case .none:
            for try await part in request.body where part.readableBytes > 0 {
                throw HTTPFailure(DeployError(.invalidArgument, "this request takes no body"), closes: true)
            }
            return [:]
        }
        guard request.headers[values: .contentEncoding].allSatisfy({ $0.lowercased() == "identity" }) else {
            throw HTTPFailure(
                DeployError(.unsupported, "an encoded body is not taken"), status: .unsupportedMediaType, closes: true)
        }
        let types = request.headers[values: .contentType]
        let isEmpty = types.isEmpty && mayBeEmpty
        guard isEmpty || types.count == 1 && Self.isJSON(types[0]) else {
            throw HTTPFailure(
                DeployError(.unsupported, "the body must be application/json"), status: .unsupportedMediaType,
                closes: true)
        }
        let bytes = try await collect(request)
        if isEmpty {
            guard bytes.isEmpty else {
                throw HTTPFailure(
                    DeployError(.unsupported, "the body must be application/json"), status: .unsupportedMediaType)
            }
            return [:]
        }
        let value = try StrictJSON.value(bytes)
        guard case .object(let members) = value else {
            throw DeployError(.invalidArgument, "the body is not a JSON object")
        }
        try Shape.reference(schema).check(value)
        return members
    }

    private static func isJSON(_ type: String) -> Bool {
        let parts = type.lowercased().split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" } }
        return parts.first == "application/json" && parts.dropFirst().allSatisfy { $0 == "charset=utf-8" }
    }

    private func collect(_ request: Request) async throws -> [UInt8] {
        let tooLarge = HTTPFailure(DeployError(.tooLarge, "the body is over \(Self.maximumBody) bytes"), closes: true)
        if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > Self.maximumBody {
            throw tooLarge
        }
        var bytes: [UInt8] = []
        for try await part in request.body {
            guard bytes.count + part.readableBytes <= Self.maximumBody else { throw tooLarge }
            bytes += part.readableBytesView
        }
        return bytes
    }
}
