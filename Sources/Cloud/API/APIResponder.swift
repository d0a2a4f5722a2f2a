// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import HTTPTypes
import Hummingbird
import Logging
import NIOCore

/// What a response needs to know of the connection its request came on.
struct APIContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    let channel: any Channel

    init(source: Source) {
        coreContext = CoreRequestContextStorage(source: source)
        channel = source.channel
    }
}

/// Marks an identifier of a request.
enum RequestKind {}

/// Plain HTTP beside the WebSockets: health, the API, and a clear answer for upgrades that were refused.
///
/// Below `/api/` nothing is looked up before the credential is found good.
struct APIResponder: HTTPResponder {
    let service: OperatorService
    let hub: Hub
    let policy: UpgradePolicy
    let logger: Logger

    /// Everything that answers without a credential. Nothing else does.
    static let publicRoutes: Set<String> = ["/healthz", "/readyz"]

    private static let methods: Set<HTTPRequest.Method> = [.get, .head, .post, .put, .patch, .delete, .options]

    func respond(to request: Request, context: APIContext) async throws -> Response {
        let id = Identifier<RequestKind>.random().rawValue
        var response: Response
        do {
            response = try await answer(request, context)
        } catch {
            response = refusal(HTTPFailure(wrapping: error), request, id)
        }
        Answer.protect(&response, id: id)
        return response
    }

    private func refusal(_ failure: HTTPFailure, _ request: Request, _ id: String) -> Response {
        var failure = failure
        if failure.error.code == .internal {
            logger.error("request failed", metadata: ["request": "\(id)", "error": "\(failure.error.message)"])
            failure = HTTPFailure(DeployError(.internal, hint: "the server's log says more; look for \(id)"))
        }
        var response = Answer.failure(failure)
        // What is left of a body is not read for somebody who was refused.
        if request.headers[.transferEncoding] != nil || request.headers[.contentLength].map({ $0 != "0" }) ?? false {
            response.headers[.connection] = "close"
        }
        return response
    }

    private func answer(_ request: Request, _ context: APIContext) async throws -> Response {
        guard Self.methods.contains(request.method) else {
            throw HTTPFailure.method(["DELETE", "GET", "PATCH", "POST", "PUT"])
        }
        let target = try RequestTarget(request.head.path)
        try target.refuseSecrets()
        if Self.publicRoutes.contains(target.path) { return try await health(target, request.method) }
        if let kind = UpgradePolicy.endpoints[target.path] {
            return try await webSocket(request, context, target, kind)
        }
        guard target.pieces.first == "api" else { throw DeployError(.notFound, "there is nothing here") }
        let credentials = shown(request, context)
        let audience: TokenKind = target.pieces.dropFirst(2).first == "agent" ? .agent : .operator
        let identity = try await policy.identity(
            credentials, kind: audience, from: Self.address(context), certificate: PeerConnection.current?.certificate)
        PeerConnection.current?.giveBackPlace()
        guard target.pieces.count >= 2, target.pieces[1] == "v1" else {
            throw DeployError(.notFound, "there is nothing here")
        }
        switch RouteTable.find(request.method, Array(target.pieces.dropFirst(2))) {
        case .unknown: throw DeployError(.notFound, "there is nothing here")
        case .otherMethod(let methods): throw HTTPFailure.method(methods)
        case .route(let route, let values):
            let contents = ContentResponder(service: service, hub: hub, loop: context.channel.eventLoop)
            switch (identity, route.audience) {
            case (.operator(let principal), .operator):
                return try await perform(route, request, target, values, contents, principal, credentials)
            case (.agent(let agent, _), .agent):
                return try await perform(route, request, target, values, contents, for: agent)
            default: throw DeployError(.forbidden, "this is for others")
            }
        }
    }

    /// What an agent asks for one of its tasks. Its acts are recorded with the task, and its files when they are complete.
    private func perform(
        _ route: Route, _ request: Request, _ target: RequestTarget, _ values: [String: String],
        _ contents: ContentResponder, for agent: AgentID
    ) async throws -> Response {
        let input = try await RequestReader(route: route).input(request, target, values)
        switch route.work {
        case .content(.agentBundle): return try await contents.bundle(input, for: agent)
        case .content(.agentBegin): return try await contents.agentBegin(input, from: agent)
        case .content(.agentUpload): return try await contents.agentUpload(request, input, from: agent)
        case .content(.agentCommit): return try await contents.agentCommit(input, from: agent)
        default: throw DeployError(.internal, "no work for agents")
        }
    }

    // MARK: Outside the API

    private func health(_ target: RequestTarget, _ method: HTTPRequest.Method) async throws -> Response {
        guard method == .get else { throw HTTPFailure.method(["GET"]) }
        guard target.path == "/readyz" else { return Answer.text("ok\n") }
        do {
            _ = try await service.store.read { try $0.rows("SELECT 1", []) }
        } catch {
            throw DeployError(.unavailable, "the database does not answer")
        }
        return Answer.text("ok\n")
    }

    /// Why a request for a WebSocket was not upgraded.
    private func webSocket(
        _ request: Request, _ context: APIContext, _ target: RequestTarget, _ kind: TokenKind
    ) async throws -> Response {
        guard target.query == nil else {
            throw DeployError(.invalidArgument, "tokens and options are not taken from the URL")
        }
        _ = try await policy.identity(shown(request, context), kind: kind, from: Self.address(context))
        guard request.method == .get else { throw HTTPFailure.method(["GET"]) }
        throw HTTPFailure(
            DeployError(.unsupported, "this path is a WebSocket; it must be the first request of its connection"),
            status: .upgradeRequired, headers: [.upgrade: "websocket"], closes: true)
    }

    // MARK: The API

    private func perform(
        _ route: Route, _ request: Request, _ target: RequestTarget, _ values: [String: String],
        _ contents: ContentResponder, _ principal: Principal, _ credentials: ShownCredentials
    ) async throws -> Response {
        // Who may not do it learns nothing of what is wrong with the request.
        do {
            try principal.require(route.action)
        } catch {
            var record = AuditRecord(route.action, as: principal).refused(error)
            if let environments = principal.scope.environments, environments.count == 1 { record.env = environments[0] }
            try await AuditTrail.append(record, to: service.store)
            throw error
        }
        let input = try await RequestReader(route: route).input(request, target, values)
        let streams = StreamResponder(service: service, hub: hub)
        switch route.work {
        case .ask(let make, let show): return try await ask(route, try make(input), show, principal)
        case .stream(.log): return try await streams.log(request, input, as: principal)
        case .stream(.events): return try await streams.events(as: principal)
        case .stream(.audit): return try await streams.audit(input, as: principal)
        case .content(let content):
            return content == .upload
                ? try await contents.upload(request, input, as: principal)
                : try await contents.download(request, input, as: principal)
        case .description: return Answer.json(.ok, OpenAPI.text)
        case .openSession: return try await openSession(principal, credentials)
        case .endSession: return try await endSession(principal, credentials)
        }
    }

    private func ask(
        _ route: Route, _ message: OperatorRequest, _ show: Route.Show, _ principal: Principal
    ) async throws -> Response {
        let reply = try await service.answer(message, as: principal)
        var response: Response
        switch show {
        case .whole: response = Answer.json(route.status, reply.json())
        case .nothing: response = Response(status: route.status)
        case .task:
            guard let task = (reply.value as? RunDetail)?.tasks.first else {
                throw DeployError(.internal, "a run without tasks")
            }
            response = Answer.json(route.status, StoredJSON.text(task))
        }
        if let location = route.location, let id = Self.newID(reply.value, show) {
            response.headers[.location] = "\(Route.root)\(location)\(id)"
        }
        return response
    }

    private static func newID(_ value: any Sendable, _ show: Route.Show) -> String? {
        guard let detail = value as? RunDetail else { return nil }
        return show == .task ? detail.tasks.first?.id.rawValue : detail.run.id.rawValue
    }

    // MARK: Browsers

    private struct OpenedSession: Encodable {
        var actor: String
        var role: Role
        var scope: Scope
        var expiresAt: Timestamp

        enum CodingKeys: String, CodingKey {
            case actor, role, scope
            case expiresAt = "expires_at"
        }
    }

    private func openSession(_ principal: Principal, _ credentials: ShownCredentials) async throws -> Response {
        guard !credentials.isCookie else {
            throw DeployError(.forbidden, "a session is opened with a token", hint: "send Authorization: Bearer TOKEN")
        }
        let session = try await policy.vault.openSession(of: principal)
        var response = Answer.json(
            .created,
            StoredJSON.text(
                OpenedSession(
                    actor: principal.name, role: principal.role, scope: principal.scope, expiresAt: session.expiresAt)))
        response.headers[.setCookie] = Self.cookie(
            session.text, seconds: (session.expiresAt.milliseconds - Timestamp.now().milliseconds) / 1000)
        return response
    }

    private func endSession(_ principal: Principal, _ credentials: ShownCredentials) async throws -> Response {
        guard credentials.isCookie else { throw DeployError(.invalidArgument, "there is no session cookie to end") }
        try await policy.vault.endSession(of: principal)
        hub.end(tokens: [principal.token], .policy("the session was ended"))
        var response = Response(status: .noContent)
        response.headers[.setCookie] = Self.cookie("", seconds: 0)
        return response
    }

    private static func cookie(_ value: String, seconds: Int64) -> String {
        "\(ShownCredentials.cookie)=\(value); Path=/; Max-Age=\(seconds); Secure; HttpOnly; SameSite=Strict"
    }

    // MARK: The connection

    private func shown(_ request: Request, _ context: APIContext) -> ShownCredentials {
        ShownCredentials(
            authorization: request.headers[values: .authorization], cookies: request.headers[values: .cookie],
            origins: request.headers[values: .origin], port: context.channel.localAddress?.port)
    }

    private static func address(_ context: APIContext) -> String {
        context.channel.remoteAddress?.ipAddress ?? "unknown"
    }
}
