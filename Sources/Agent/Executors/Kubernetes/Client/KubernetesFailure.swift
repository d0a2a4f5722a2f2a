// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Why something could not be done in a cluster, and what the cluster itself said about it.
struct KubernetesFailure: Error, Sendable {
    /// The sentence for people.
    var error: DeployError
    /// What the cluster said; nil when it did not get that far.
    var status: KubernetesStatus?

    /// A failure on this side.
    init(_ code: ErrorCode, _ message: String, hint: String? = nil) {
        error = DeployError(code, message, hint: hint)
    }

    /// The same from an error.
    init(_ error: DeployError) { self.error = error }

    /// A refusal of the cluster.
    init(_ status: KubernetesStatus) {
        error = status.error
        self.status = status
    }

    var isNotFound: Bool { status?.code == 404 }
    var isConflict: Bool { status?.code == 409 }
    /// The point in time from which to go on is too long ago.
    var isGone: Bool { status?.code == 410 }
    var isForbidden: Bool { status?.code == 403 }
    /// Whether the connection failed, so that trying again may help.
    var isTransport: Bool { status == nil && error.code == .unreachable }

    /// What a task reports of it.
    var result: [String: JSONValue] { status?.result ?? [:] }
}

/// The `Status` object with which a cluster refuses.
struct KubernetesStatus: Sendable, Equatable {
    /// What is wrong with one field, or who else owns it.
    struct Cause: Sendable, Equatable {
        var reason: String
        var message: String
        var field: String
    }

    /// The HTTP status.
    var code: Int
    /// A word such as `NotFound`.
    var reason: String
    /// The cluster's own sentence.
    var message: String
    /// What is wrong in detail.
    var causes: [Cause] = []
    /// Seconds after which to try again.
    var retryAfter: Int?
    /// With 410 of a list: where to go on all the same.
    var continuation: String?

    /// - Parameters:
    ///   - node: The body of the answer, if it was JSON.
    ///   - httpStatus: Its status.
    ///   - text: The body's beginning, for what is no `Status`.
    init(_ node: JSONNode?, httpStatus: Int, text: String = "") {
        guard let node, node["kind"]?.text == "Status" else {
            code = httpStatus
            reason = ""
            let shown = text.split(whereSeparator: \.isNewline).first.map { String($0.prefix(300)) } ?? ""
            message = shown.isEmpty ? "the server answered with HTTP status \(httpStatus)" : shown
            return
        }
        code = node["code"]?.integer.flatMap { Int(exactly: $0) } ?? httpStatus
        reason = node["reason"]?.text ?? ""
        message = node["message"]?.text ?? "the server answered with HTTP status \(httpStatus)"
        causes = (node["details"]?["causes"]?.elements ?? []).prefix(200).map {
            Cause(
                reason: $0["reason"]?.text ?? "", message: $0["message"]?.text ?? "", field: $0["field"]?.text ?? "")
        }
        retryAfter = node["details"]?["retryAfterSeconds"]?.integer.flatMap { Int(exactly: $0) }
        continuation = node["metadata"]?["continue"]?.text
    }

    /// Fields that another manager owns.
    var conflicts: [(field: String, manager: String)] {
        causes.filter { $0.reason == "FieldManagerConflict" }.map { cause in
            // conflict with "kubectl" using apps/v1 at 2026-...
            let parts = cause.message.split(separator: "\"", omittingEmptySubsequences: false)
            return (cause.field, parts.count >= 3 ? String(parts[1]) : cause.message)
        }
    }

    /// The sentence for people.
    var error: DeployError {
        switch code {
        case 401:
            return DeployError(
                .unauthenticated, "the cluster does not accept the credentials (401 \(message))",
                hint: "the token or client certificate is wrong or has expired")
        case 403: return DeployError(.forbidden, denial?.sentence ?? message)
        case 404: return DeployError(.notFound, message)
        case 409 where !conflicts.isEmpty:
            let list = conflicts.prefix(8).map { "\($0.field) is owned by \($0.manager)" }.joined(separator: ", ")
            let more = conflicts.count > 8 ? " and \(conflicts.count - 8) more" : ""
            return DeployError(
                .conflict, "conflict: \(list)\(more)", hint: "--force-conflicts takes the fields over")
        case 409: return DeployError(.conflict, message)
        case 410: return DeployError(.expired, message)
        case 413: return DeployError(.tooLarge, message)
        case 429: return DeployError(.rateLimited, "the cluster asks to come later: \(message)", retryAfter: retryAfter)
        case 400..<500: return DeployError(.invalidArgument, message)
        // What older servers say of a field that they do not know.
        case 500 where message.hasPrefix("failed to create typed patch object"):
            return DeployError(.invalidArgument, message)
        default: return DeployError(.unavailable, message)
        }
    }

    /// Facts for the task's result.
    var result: [String: JSONValue] {
        var result: [String: JSONValue] = ["status_code": .integer(Int64(code))]
        if !reason.isEmpty { result["reason"] = .string(reason) }
        if !conflicts.isEmpty {
            result["conflicts"] = .array(
                conflicts.map { .object(["field": .string($0.field), "manager": .string($0.manager)]) })
        } else if !causes.isEmpty {
            result["causes"] = .array(
                causes.map { .object(["field": .string($0.field), "message": .string($0.message)]) })
        }
        if let denial { result["denied"] = .object(denial.facts) }
        return result
    }
}
