// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import HTTPTypes

/// Runs, tasks, their logs, and what changes.
extension RouteTable {
    static let work: [Route] =
        runs + tasks + [
            Route(
                method: .get, path: "/events", summary: "Tell every change of agents and tasks, as server-sent events.",
                action: .eventsRead, answer: [("text/event-stream", .text())], work: .stream(.events))
        ]

    private static let runs: [Route] = [
        .json(
            .get, "/runs", .runList, "List runs, newest first.", parameters: [.cursor, .limit],
            answer: .page(.reference("Run"))
        ) { input throws(DeployError) in .runList(try input.value()) },
        .json(
            .post, "/runs", .runCreate, "Run something on every agent that is selected.", body: .required("RunCreate"),
            status: .created, answer: .reference("RunDetail"), location: "/runs/", isIdempotent: true
        ) { input throws(DeployError) in
            .runCreate(try input.value(adding: input.idempotencyKey.map { ["idempotency_key": .string($0)] } ?? [:]))
        },
        .json(.get, "/runs/{run_id}", .runShow, "Show a run and its tasks.", answer: .reference("RunDetail")) {
            input throws(DeployError) in .runShow(try input.object("run_id", whole: "run"))
        },
        .json(
            .post, "/runs/{run_id}/cancel", .taskCancel, "Cancel every unfinished task of a run.",
            body: .optional("Cancel"), answer: .reference("Tasks")
        ) { input throws(DeployError) in
            _ = try input.object("run_id", whole: "run")
            return .taskCancel(try input.value())
        },
    ]

    private static let tasks: [Route] = [
        .json(
            .get, "/tasks", .taskList, "List tasks, newest first.",
            parameters: [
                .init("state", .word(TaskState.self), "Only tasks in this state."),
                .init("agent_id", .id, "Only tasks of this agent."), .init("run_id", .id, "Only tasks of this run."),
                .cursor, .limit,
            ], answer: .page(.reference("Task"))
        ) { input throws(DeployError) in .taskList(try input.value(renaming: ["agent_id": "agent"])) },
        .json(
            .post, "/tasks", .runCreate, "Run something on one agent.", body: .required("TaskCreate"), status: .created,
            answer: .reference("Task"), location: "/tasks/", isIdempotent: true, show: .task
        ) { input throws(DeployError) in
            let spec = try input.value(TaskSpec.self, leavingOut: ["agent_id"])
            return .runCreate(
                RunCreate(
                    selector: TargetSelector(agents: [input.body["agent_id"]?.stringValue ?? ""]), spec: spec,
                    idempotencyKey: input.idempotencyKey))
        },
        .json(.get, "/tasks/{task_id}", .taskShow, "Show a task and its run.", answer: .reference("TaskDetail")) {
            input throws(DeployError) in .taskShow(try input.object("task_id", whole: "task"))
        },
        .json(
            .post, "/tasks/{task_id}/cancel", .taskCancel, "Cancel a task.", body: .optional("Cancel"),
            answer: .reference("Tasks")
        ) { input throws(DeployError) in
            _ = try input.object("task_id", whole: "task")
            return .taskCancel(try input.value())
        },
        Route(
            method: .get, path: "/tasks/{task_id}/logs", summary: "Read the log of a task.", action: .logRead,
            parameters: [
                .init("from_seq", .integer(0...Int64.max), "The first chunk wanted; 0 when left out."),
                .init("limit", .integer(1...Int64.max), "Bytes wanted; whole chunks up to it are sent."),
                .init("stream", .word(LogStream.self), "Only this output; all of them when left out."),
                .init("follow", .boolean, "Go on until the task ends."),
            ], answer: [("text/plain", .text()), ("application/x-ndjson", .reference("LogChunk"))],
            work: .stream(.log)),
    ]
}
