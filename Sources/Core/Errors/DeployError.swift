// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// The one error type on every wire and in every exit: a code from the table, a sentence, and what to try.
public struct DeployError: Error, Sendable, Hashable, Codable, CustomStringConvertible {
    /// Which row of the table.
    public var code: ErrorCode
    /// What went wrong, for people; never holds a secret.
    public var message: String
    /// A command or setting that may help, if one is known.
    public var hint: String?
    /// Seconds after which trying again may help; with `rate_limited`.
    public var retryAfter: Int?
    /// The rule of the guard that refused; with `policy_denied`.
    public var rule: String?

    enum CodingKeys: String, CodingKey {
        case code, message, hint, rule
        case retryAfter = "retry_after"
    }

    /// - Parameters:
    ///   - code: Which row of the table.
    ///   - message: What went wrong; the table's own line when omitted.
    ///   - hint: What to try.
    ///   - retryAfter: Seconds after which trying again may help.
    public init(_ code: ErrorCode, _ message: String? = nil, hint: String? = nil, retryAfter: Int? = nil) {
        self.code = code
        self.message = message ?? code.summary
        self.hint = hint
        self.retryAfter = retryAfter
    }

    /// `code: message`.
    public var description: String { "\(code.rawValue): \(message)" }

    /// Wraps any error: a `DeployError` is kept, a decoding failure names its field, all else is `internal`.
    public init(wrapping error: any Error) {
        switch error {
        case let error as DeployError:
            self = error
        case let error as DecodingError:
            self.init(.invalidArgument, Self.sentence(for: error))
        default:
            self.init(.internal, String(describing: error))
        }
    }

    private static func sentence(for error: DecodingError) -> String {
        func path(_ context: DecodingError.Context, _ last: (any CodingKey)? = nil) -> String {
            let keys = context.codingPath + (last.map { [$0] } ?? [])
            return keys.isEmpty ? "message" : keys.map(\.stringValue).joined(separator: ".")
        }
        switch error {
        case .keyNotFound(let key, let context): return "\(path(context, key)) is missing"
        case .valueNotFound(_, let context): return "\(path(context)) is null"
        case .typeMismatch(_, let context): return "\(path(context)) has the wrong type"
        case .dataCorrupted(let context):
            return context.codingPath.isEmpty
                ? "not valid JSON" : "\(path(context)) is not valid: \(context.debugDescription)"
        @unknown default: return "not valid"
        }
    }
}
