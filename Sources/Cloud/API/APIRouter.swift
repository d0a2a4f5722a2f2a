// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import HTTPTypes
import Hummingbird
import NIOCore

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Plain HTTP beside the WebSockets: health, and a clear answer for upgrades that were refused.
struct APIRouter {
    let store: Store
    let policy: UpgradePolicy

    func build() -> Router<BasicRequestContext> {
        let router = Router(context: BasicRequestContext.self)
        router.get("/healthz") { _, _ in Self.text("ok\n") }
        router.get("/readyz") { _, _ in
            do {
                _ = try await store.read { try $0.rows("SELECT 1", []) }
                return Self.text("ok\n")
            } catch {
                return Self.failure(DeployError(.unavailable, "the database does not answer"))
            }
        }
        for (path, kind) in UpgradePolicy.endpoints {
            router.on(RouterPath(path), method: .get) { request, _ in
                await refusal(request, kind)
            }
        }
        return router
    }

    /// Why a request for a WebSocket was not upgraded.
    private func refusal(_ request: Request, _ kind: TokenKind) async -> Response {
        guard request.uri.query == nil else {
            return Self.failure(DeployError(.invalidArgument, "tokens and options are not taken from the URL"))
        }
        do {
            _ = try await policy.identity(authorization: request.headers[values: .authorization], kind: kind)
        } catch {
            return Self.failure(DeployError(wrapping: error))
        }
        var response = Self.text("this path is a WebSocket; it must be the first request of its connection\n")
        response.status = .upgradeRequired
        response.headers[.upgrade] = "websocket"
        response.headers[.connection] = "close"
        return response
    }

    private static func text(_ text: String) -> Response {
        Response(
            status: .ok, headers: [.contentType: "text/plain; charset=utf-8", .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }

    private static func failure(_ error: DeployError) -> Response {
        let body = StoredJSON.text(["error": error])
        var response = Response(
            status: HTTPResponse.Status(code: error.code.httpStatus),
            headers: [.contentType: "application/json", .cacheControl: "no-store", .connection: "close"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: body)))
        if error.code == .unauthenticated { response.headers[.wwwAuthenticate] = "Bearer" }
        return response
    }
}
