// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import HTTPTypes

/// One operation of the API. The router, the API's description and the tests read nothing but these.
struct Route: Sendable {
    /// A parameter of the path or the query.
    struct Parameter: Sendable {
        let name: String
        let schema: Shape
        let summary: String

        init(_ name: String, _ schema: Shape, _ summary: String = "") {
            self.name = name
            self.schema = schema
            self.summary = summary
        }
    }

    /// What is sent with the request.
    enum Body: Sendable {
        case none
        /// An entry of ``Shapes/all`` as JSON.
        case required(String)
        /// The same, or no body at all.
        case optional(String)
        /// Content, as it is.
        case bytes
    }

    /// What answers it.
    enum Work: Sendable {
        /// One request to the service; its answer is the response. The second part picks what is shown of the answer.
        case ask(@Sendable (RouteInput) throws(DeployError) -> OperatorRequest, show: Show = .whole)
        /// A response that goes on for as long as there is something to send.
        case stream(Stream)
        /// Content is sent or taken.
        case content(Content)
        /// This description.
        case description
        /// Opens or ends the cookie session of a browser.
        case openSession, endSession
    }

    /// What is shown of the service's answer.
    enum Show: Sendable {
        case whole
        /// The only task of a new run.
        case task
        /// Nothing: the status says it.
        case nothing
    }

    enum Stream: Sendable { case log, events, audit }

    /// Content of files, in either direction; of operators, and of agents for their tasks.
    enum Content: Sendable { case download, upload, agentBundle, agentBegin, agentUpload, agentCommit }

    let method: HTTPRequest.Method
    /// The path below ``Route/root``, with `{name}` for parameters.
    let path: String
    let summary: String
    let action: Action
    /// Whose credential it takes.
    var audience = TokenKind.operator
    var parameters: [Parameter] = []
    var body = Body.none
    /// Whether the header `Idempotency-Key` is understood.
    var isIdempotent = false
    var status = HTTPResponse.Status.ok
    /// The media types it answers with, by its schema.
    var answer: [(type: String, schema: Shape)] = []
    /// Where a new object is found: the path of its kind, completed by its id.
    var location: String?
    let work: Work

    /// What the paths of all routes begin with.
    static let root = "/api/v1"

    /// The pieces of the path.
    var pieces: [Substring] { path.split(separator: "/") }
}

extension Route {
    /// A route that asks the service and answers with JSON.
    static func json(
        _ method: HTTPRequest.Method, _ path: String, _ type: OperatorRequestType, _ summary: String,
        parameters: [Parameter] = [], body: Body = .none, status: HTTPResponse.Status = .ok, answer: Shape? = nil,
        location: String? = nil, isIdempotent: Bool = false, show: Show = .whole,
        _ request: @escaping @Sendable (RouteInput) throws(DeployError) -> OperatorRequest
    ) -> Route {
        Route(
            method: method, path: path, summary: summary, action: type.action, parameters: parameters, body: body,
            isIdempotent: isIdempotent, status: status,
            answer: answer.map { [("application/json", $0)] } ?? [], location: location,
            work: .ask(request, show: show))
    }

    /// A route that removes something.
    static func removal(
        _ path: String, _ type: OperatorRequestType, _ summary: String,
        _ request: @escaping @Sendable (RouteInput) throws(DeployError) -> OperatorRequest
    ) -> Route {
        .json(.delete, path, type, summary, status: .noContent, show: .nothing, request)
    }
}

/// The parameters that several routes share.
extension Route.Parameter {
    static let cursor = Route.Parameter("cursor", .text(1...512), "`next` of the page before.")
    static let limit = Route.Parameter("limit", .integer(1...200), "Items wanted.")

    /// The parameters of paths, by name.
    static let path: [String: Route.Parameter] = Dictionary(
        uniqueKeysWithValues: [
            Route.Parameter("agent_id", .id, "An agent's id, or its name where that is one."),
            Route.Parameter("run_id", .id, "The whole id of a run."),
            Route.Parameter("task_id", .id, "The whole id of a task."),
            Route.Parameter("token_id", .id, "The whole id of a token."),
            Route.Parameter("enrolment_id", .id, "The whole id of an enrolment token."),
            Route.Parameter("file_id", .id, "The whole id of a file."),
            Route.Parameter("upload_id", .id, "The whole id of an upload."),
            Route.Parameter("policy_name", .id, "The name of a policy."),
            Route.Parameter("operator_name", .name, "The name of an operator."),
            Route.Parameter("seq", .integer(1...Int64.max), "The position of a record in the Cloud's audit."),
        ].map { ($0.name, $0) })
}
