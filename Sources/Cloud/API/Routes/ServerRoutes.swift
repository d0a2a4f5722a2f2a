// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import HTTPTypes

extension RouteTable {
    static let server: [Route] = [
        .json(
            .get, "/server", .serverInfo, "Say who the server is, and who you are to it.",
            answer: .reference("ServerInfo")
        ) { _ in .serverInfo },
        Route(
            method: .get, path: "/openapi.json", summary: "Describe this API and the messages of the WebSockets.",
            action: .serverInfo, answer: [("application/json", .any)], work: .description),
        Route(
            method: .post, path: "/session", summary: "Open the session of a browser: a cookie in place of the token.",
            action: .serverInfo, status: .created, answer: [("application/json", .reference("Session"))],
            work: .openSession),
        Route(
            method: .delete, path: "/session", summary: "End the session of a browser.", action: .serverInfo,
            status: .noContent, work: .endSession),
    ]

    static let agents: [Route] = [
        .json(
            .get, "/agents", .agentList, "List agents.",
            parameters: [
                .init("labels", .text(1...1024), "Only agents with these labels: `key=value`, separated by `,`."),
                .cursor,
                .limit,
            ], answer: .page(.reference("Agent"))
        ) { input throws(DeployError) in
            var query = try input.value(AgentListQuery.self, leavingOut: ["labels"])
            if let labels = input.query["labels"]?.stringValue {
                let pairs = labels.split(separator: ",", omittingEmptySubsequences: false).map { String($0) }
                query.selector = TargetSelector(labels: try KeyValue.dictionary(pairs))
            }
            return .agentList(query)
        },
        .json(.get, "/agents/{agent_id}", .agentShow, "Show an agent.", answer: .reference("Agent")) {
            input throws(DeployError) in
            .agentShow(try input.object("agent_id"))
        },
        .json(
            .patch, "/agents/{agent_id}", .agentUpdate, "Say where an agent belongs.", body: .required("AgentUpdate"),
            answer: .reference("Agent")
        ) { input throws(DeployError) in .agentUpdate(try input.value(renaming: ["agent_id": "id"])) },
        .removal("/agents/{agent_id}", .agentRemove, "Remove an agent and end its credentials.") {
            input throws(DeployError) in
            .agentRemove(try input.object("agent_id"))
        },
        .json(
            .get, "/executors", .executorList, "List task types that agents run, and what their tasks take.",
            parameters: [.init("type", .typeName, "Only this type."), .cursor, .limit],
            answer: .page(.reference("Executor"))
        ) { input throws(DeployError) in .executorList(try input.value()) },
    ]
}
