// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import HTTPTypes

/// The API's description, made of the route table: OpenAPI 3.1, with the messages of the WebSockets as `x-messages`.
enum OpenAPI {
    static let text = StoredJSON.text(document)

    private static let document: JSONValue = .object([
        "openapi": "3.1.0",
        "info": .object([
            "title": "Tiangong Deploy", "version": .string(ProtocolVersion.product),
            "description": "Everything an operator can do, over plain HTTP.",
            "license": .object(["name": "Apache-2.0", "identifier": "Apache-2.0"]),
        ]),
        "servers": .array([.object(["url": .string(Route.root)])]),
        "security": .array([.object(["bearer": .array([])]), .object(["cookie": .array([])])]),
        "paths": .object(paths),
        "components": .object([
            "schemas": .object(Shapes.all.mapValues(\.described)),
            "securitySchemes": .object([
                "bearer": .object(["type": "http", "scheme": "bearer", "description": "An operator's token."]),
                "cookie": .object([
                    "type": "apiKey", "in": "cookie", "name": .string(ShownCredentials.cookie),
                    "description": "A browser's session, with an Origin header that is one of the server's own.",
                ]),
            ]),
            "responses": .object([
                "Error": .object([
                    "description": "What went wrong, and what may help.",
                    "headers": .object([
                        "X-Request-Id": .object(["schema": .object(["type": "string"])])
                    ]), "content": content("application/json", .reference("Error")),
                ])
            ]),
        ]),
        "x-messages": .array(messages),
    ])

    // MARK: Routes

    private static var paths: [String: JSONValue] {
        var paths: [String: JSONValue] = [:]
        for route in RouteTable.all {
            var methods = paths[route.path]?.objectValue ?? [:]
            methods[route.method.rawValue.lowercased()] = operation(route)
            paths[route.path] = .object(methods)
        }
        return paths
    }

    private static func operation(_ route: Route) -> JSONValue {
        var operation: [String: JSONValue] = [
            "operationId": .string(name(route)), "summary": .string(route.summary),
            "description": .string(
                route.audience == .agent
                    ? "For agents alone." : "Needs the role `\(route.action.minimumRole.rawValue)`."),
            "tags": .array([.string(String(route.pieces.first ?? ""))]), "responses": .object(responses(route)),
            "x-action": .string(route.action.rawValue), "x-minimum-role": .string(route.action.minimumRole.rawValue),
            "x-audience": .string(route.audience.rawValue),
        ]
        let parameters = parameters(route)
        if !parameters.isEmpty { operation["parameters"] = .array(parameters) }
        switch route.body {
        case .none: break
        case .required(let name):
            operation["requestBody"] = .object([
                "required": .bool(true), "content": content("application/json", .reference(name)),
            ])
        case .optional(let name):
            operation["requestBody"] = .object(["content": content("application/json", .reference(name))])
        case .bytes:
            operation["requestBody"] = .object([
                "required": .bool(true), "content": content("application/octet-stream", .text()),
            ])
        }
        return .object(operation)
    }

    /// `get_tasks_task_id_logs`.
    private static func name(_ route: Route) -> String {
        let path = route.path.map { $0.isLetter || $0.isNumber ? String($0) : "_" }.joined()
        return "\(route.method.rawValue.lowercased())\(path)".split(separator: "_").joined(separator: "_")
    }

    private static func parameters(_ route: Route) -> [JSONValue] {
        let path = route.pieces.filter { $0.hasPrefix("{") }.compactMap {
            Route.Parameter.path[String($0.dropFirst().dropLast())]
        }
        var parameters = path.map { parameter($0, in: "path") } + route.parameters.map { parameter($0, in: "query") }
        if route.isIdempotent {
            parameters.append(
                .object([
                    "name": "Idempotency-Key", "in": "header",
                    "description": "The same key within 24 hours gives the same run again instead of a second one.",
                    "schema": .object(["type": "string", "pattern": "^[!-~]{1,128}$"]),
                ]))
        }
        return parameters
    }

    private static func parameter(_ parameter: Route.Parameter, in place: String) -> JSONValue {
        var object: [String: JSONValue] = [
            "name": .string(parameter.name), "in": .string(place), "schema": parameter.schema.described,
        ]
        if place == "path" { object["required"] = .bool(true) }
        if !parameter.summary.isEmpty { object["description"] = .string(parameter.summary) }
        return .object(object)
    }

    private static func responses(_ route: Route) -> [String: JSONValue] {
        var success: [String: JSONValue] = ["description": .string(route.status.reasonPhrase)]
        if !route.answer.isEmpty {
            let types = route.answer.map { ($0.type, JSONValue.object(["schema": $0.schema.described])) }
            success["content"] = .object(Dictionary(types) { first, _ in first })
        }
        if route.location != nil {
            success["headers"] = .object([
                "Location": .object(["description": "Where it is.", "schema": .object(["type": "string"])])
            ])
        }
        return [
            "\(route.status.code)": .object(success),
            "default": .object(["$ref": "#/components/responses/Error"]),
        ]
    }

    private static func content(_ type: String, _ schema: Shape) -> JSONValue {
        .object([type: .object(["schema": schema.described])])
    }

    // MARK: WebSockets

    private static var messages: [JSONValue] {
        OperatorRequestType.allCases.map {
            message("/ws/operator", $0.rawValue, toCloud: true, action: $0.action)
        } + OperatorMessageType.allCases.map { message("/ws/operator", $0.rawValue, toCloud: false) }
            + AgentMessageType.allCases.map { message("/ws/agent", $0.rawValue, toCloud: true) }
            + CloudMessageType.allCases.map { message("/ws/agent", $0.rawValue, toCloud: false) }
    }

    private static func message(
        _ endpoint: String, _ type: String, toCloud: Bool, action: Action? = nil
    ) -> JSONValue {
        var object: [String: JSONValue] = [
            "endpoint": .string(endpoint), "type": .string(type),
            "direction": .string(toCloud ? "to_cloud" : "from_cloud"),
        ]
        if let action {
            object["action"] = .string(action.rawValue)
            object["minimum_role"] = .string(action.minimumRole.rawValue)
        }
        return .object(object)
    }
}
