// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Every way a request can fail, named once: the wire, HTTP, the shell and the manual all read this table.
public enum ErrorCode: String, Sendable, Codable, CaseIterable {
    /// The request is malformed: a field is missing, of the wrong type or out of range.
    case invalidArgument = "invalid_argument"
    /// No credential, or one that is unknown, expired or revoked.
    case unauthenticated
    /// The credential is valid but may not do this.
    case forbidden
    /// The command guard refused the command.
    case policyDenied = "policy_denied"
    /// Nothing has that name or id.
    case notFound = "not_found"
    /// Several things start with that id.
    case ambiguous
    /// The object is not in a state that allows this, or changed meanwhile.
    case conflict
    /// The message, command or value is over its limit.
    case tooLarge = "too_large"
    /// Too many requests from this address or credential.
    case rateLimited = "rate_limited"
    /// The message type is not known or not allowed here.
    case unsupported
    /// The peer broke the protocol.
    case protocolError = "protocol_error"
    /// The wait ended before the work did; the work goes on.
    case stillRunning = "still_running"
    /// A program could not be started: no such file, user or directory.
    case startFailed = "start_failed"
    /// The work was done or begun, and what did it said that it failed: a database, a service, a cluster.
    case taskFailed = "task_failed"
    /// The task's time limit ended it.
    case timedOut = "timed_out"
    /// Somebody canceled the task.
    case canceled
    /// The agent did not come online before the task's expiry.
    case expired
    /// The agent stopped while the task was running; whether it finished is unknown.
    case interrupted
    /// The server cannot be reached, or TLS could not be established.
    case unreachable
    /// The server or agent is shutting down or overloaded.
    case unavailable
    /// No disk space, or a quota is used up.
    case insufficientStorage = "insufficient_storage"
    /// A defect or an unexpected system error.
    case `internal`

    /// The HTTP status of a response that carries this code.
    public var httpStatus: Int {
        switch self {
        case .invalidArgument, .unsupported, .protocolError: 400
        case .unauthenticated: 401
        case .forbidden, .policyDenied: 403
        case .notFound: 404
        case .ambiguous, .conflict, .canceled: 409
        case .expired: 410
        case .tooLarge: 413
        case .startFailed, .taskFailed, .interrupted: 422
        case .rateLimited: 429
        case .internal: 500
        case .unreachable: 502
        case .unavailable: 503
        case .stillRunning, .timedOut: 504
        case .insufficientStorage: 507
        }
    }

    /// The exit status of a command that ends with this code; see EXIT STATUS in tiangong(1).
    public var exitStatus: Int32 {
        switch self {
        case .invalidArgument, .tooLarge: 2
        case .startFailed, .taskFailed, .timedOut, .canceled, .expired, .interrupted: 3
        case .unauthenticated: 4
        case .forbidden, .policyDenied: 5
        case .notFound, .ambiguous: 6
        case .unreachable, .unavailable: 7
        case .stillRunning: 8
        case .conflict: 9
        case .rateLimited, .unsupported, .protocolError, .insufficientStorage, .internal: 1
        }
    }

    /// One line for people, used where no more specific message exists.
    public var summary: String {
        switch self {
        case .invalidArgument: "the request is not valid"
        case .unauthenticated: "login needed"
        case .forbidden: "not allowed"
        case .policyDenied: "refused by policy"
        case .notFound: "not found"
        case .ambiguous: "the id is ambiguous"
        case .conflict: "the object is not in a state that allows this"
        case .tooLarge: "too large"
        case .rateLimited: "too many requests"
        case .unsupported: "not supported"
        case .protocolError: "protocol error"
        case .stillRunning: "still running"
        case .startFailed: "could not be started"
        case .taskFailed: "the work failed"
        case .timedOut: "timed out"
        case .canceled: "canceled"
        case .expired: "expired before delivery"
        case .interrupted: "interrupted"
        case .unreachable: "server unreachable"
        case .unavailable: "unavailable, try again"
        case .insufficientStorage: "no space left"
        case .internal: "internal error"
        }
    }
}
