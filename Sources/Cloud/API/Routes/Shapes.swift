// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Every named shape of the API: what the messages of Core look like as JSON.
enum Shapes {
    static let all: [String: Shape] = Dictionary(uniqueKeysWithValues: work + files + rules + identities + plain)

    static let labels = Shape.map(.text(0...128))
    static let count = Shape.integer(0...Int64.max)
    private static let command = Shape.text(0...StatementGuard.maximumBytes)
    private static let seconds = Shape.number(0.001...31_536_000)

    // MARK: Agents, runs, tasks, logs

    private static let work: [(String, Shape)] = [
        (
            "Agent",
            .object([
                .init("id", .id, required: true), .init("name", .text(), required: true),
                .init("status", .word(AgentStatus.self), required: true),
                .init("labels", .map(.text()), required: true, "What selectors match."),
                .init("assigned_labels", .map(.text()), "The labels it was assigned."),
                .init("environment", .text(), required: true, "Where it belongs."),
                .init("reported_environment", .text(), "Where it says it belongs; only shown."),
                .init("hostname", .text(), required: true), .init("ip", .text(), required: true),
                .init("os", .text(), required: true), .init("arch", .text(), required: true),
                .init("version", .text(), required: true),
                .init("executors", .array(.text()), required: true),
                .init("max_concurrency", .integer(), required: true), .init("running", .integer(), required: true),
                .init("queued", .integer(), required: true), .init("load", .number(0...1e9)),
                .init("last_seen", .time), .init("connected_at", .time), .init("epoch", count, required: true),
                .init("created_at", .time, required: true), .init("policy_mode", .word(GuardMode.self)),
                .init("host_namespaces", .boolean),
                .init(
                    "executor_details",
                    .array(
                        .object([
                            .init("type", .typeName, required: true),
                            .init("datasources", .array(.text()), required: true, "Names of its connections."),
                        ])), "What it told of its executors."),
            ])
        ),
        (
            "Executor",
            .object([
                .init("type", .text(), required: true), .init("summary", .text(), required: true),
                .init("command", .reference("ExecutorCommand"), required: true),
                .init("parameters", .array(.reference("ExecutorParameter"), 0...64), required: true),
                .init("agents", count, required: true, "How many agents within your reach run it."),
                .init("datasources", .array(.text()), required: true, "Names of their connections."),
                .init("datasource_count", count, required: true, "How many names there are."),
                .init("conflicting", .boolean, required: true, "Whether agents describe it differently."),
            ])
        ),
        (
            "ExecutorCommand",
            .object([
                .init("label", .text(), required: true), .init("help", .text(), required: true),
                .init("required", .boolean, required: true), .init("maximum", count, required: true, "Bytes."),
            ])
        ),
        (
            "ExecutorParameter",
            .object([
                .init("name", .text(), required: true),
                .init("kind", .word(ExecutorParameter.Kind.self), required: true),
                .init("help", .text(), required: true), .init("required", .boolean, required: true),
                .init("default", .any), .init("words", .array(.text())),
                .init("minimum", .number(-9e15...9e15)), .init("maximum", .number(-9e15...9e15)),
            ])
        ),
        (
            "AgentUpdate",
            .object([
                .init("environment", .text(1...64), "Where it belongs from now on."),
                .init("labels", labels, "All its assigned labels from now on."),
            ])
        ),
        (
            "Selector",
            .object([
                .init("agents", .array(.text(1...128), 0...5000), "Names or ids, compared whole."),
                .init("labels", labels, "Labels that must all be present."),
                .init("all", .boolean, "Every agent."),
            ])
        ),
        ("TaskSpec", .object([.init("command", command, required: true)] + common)),
        (
            "RunCreate",
            .object([
                .init("selector", .reference("Selector"), required: true),
                .init("spec", .reference("TaskSpec"), required: true), .init("rollout", .reference("Rollout")),
            ])
        ),
        (
            "Rollout",
            .object([
                .init("batch", .text(1...16), "Tasks at once: a number, or a share of all such as 25%."),
                .init("stop_after", .integer(1...1_000_000), "Failures after which no further task begins."),
            ])
        ),
        (
            "TaskCreate",
            .object(
                [
                    .init("agent_id", .text(1...128), required: true, "The agent's id or name."),
                    .init("command", command, required: true),
                ] + common.map { Shape.Member($0.name, $0.schema, required: $0.name == "type", $0.summary) })
        ),
        ("Cancel", .object([.init("grace", .number(0...3600), "Seconds between TERM and KILL.")])),
        (
            "Run",
            .object([
                .init("id", .id, required: true), .init("spec", .reference("TaskSpec"), required: true),
                .init("target", .text(), required: true, "The selector as it was typed."),
                .init("actor", .text(), required: true), .init("created_at", .time, required: true),
                .init("counts", .map(count), required: true, "How many tasks are in each state."),
                .init("rollout", .reference("Rollout")),
            ])
        ),
        (
            "Task",
            .object([
                .init("id", .id, required: true), .init("run_id", .id, required: true),
                .init("agent_id", .id, required: true), .init("agent_name", .text(), required: true),
                .init("attempt", .integer(1...Int64(Int32.max)), required: true),
                .init("state", .word(TaskState.self), required: true), .init("type", .text(), required: true),
                .init("command", .text(), required: true), .init("actor", .text(), required: true),
                .init("exit_code", .integer()), .init("signal", .integer()),
                .init(
                    "error",
                    .object([.init("code", .text(), required: true), .init("message", .text(), required: true)])),
                .init("result", .map(.any)), .init("created_at", .time, required: true),
                .init("dispatched_at", .time), .init("started_at", .time), .init("finished_at", .time),
                .init("expires_at", .time), .init("log_seq", count), .init("agent_online", .boolean, required: true),
                .init(
                    "progress",
                    .object([
                        .init("done", count, required: true), .init("total", count),
                        .init("note", .text(), "What it waits for."),
                    ]),
                    "How far it has come, where its executor tells."),
                .init("held", .boolean, "Whether it waits for its batch."),
            ])
        ),
        (
            "RunDetail",
            .object([
                .init("run", .reference("Run"), required: true),
                .init("tasks", .array(.reference("Task"), 0...20_000), required: true),
            ])
        ),
        (
            "TaskDetail",
            .object([
                .init("task", .reference("Task"), required: true), .init("run", .reference("Run"), required: true),
            ])
        ),
        ("Tasks", .object([.init("tasks", .array(.reference("Task"), 0...20_000), required: true)])),
        (
            "LogChunk",
            .object([
                .init("seq", count, required: true), .init("stream", .word(LogStream.self), required: true),
                .init("offset", count, required: true), .init("at", .time, required: true),
                .init("length", count, required: true), .init("text", .text(), "The bytes, when they are UTF-8."),
                .init("base64", .text(), "The bytes, when they are not."),
            ])
        ),
    ]

    /// The members that a specification and a request for one task share.
    private static let common: [Shape.Member] = [
        .init("type", .typeName, "Which executor: a built-in type, or a plugin of the agents."),
        .init("params", .map(.any), "The executor's own parameters."),
        .init("file_id", .id, "A stored file the task works on."),
        .init("timeout", seconds, "Seconds until it is ended as timed out."),
        .init("grace", .number(0...3600), "Seconds between TERM and KILL."),
        .init("expires_in", seconds, "Seconds it may wait for its agent."),
        .init("log_limit", .integer(1...Int64.max), "Bytes of output kept."),
    ]

    // MARK: Files

    private static let files: [(String, Shape)] = [
        (
            "File",
            .object([
                .init("id", .id, required: true), .init("name", .text(), required: true),
                .init("size", count, required: true), .init("sha256", .text(64...64), required: true),
                .init("environment", .text(), "Where it belongs."), .init("actor", .text(), required: true),
                .init("created_at", .time, required: true),
                .init("expires_at", .time, "When it is removed, unless it is used before."),
                .init("task_id", .id, "The task that brought it from an agent."),
            ])
        ),
        (
            "Upload",
            .object([
                .init("id", .id, required: true), .init("name", .text(), required: true),
                .init("offset", count, required: true, "Bytes the server has."), .init("size", count),
                .init("sha256", .text(64...64)), .init("environment", .text()), .init("actor", .text(), required: true),
                .init("created_at", .time, required: true),
                .init("file", .reference("File"), "The file, when its content was there already."),
            ])
        ),
        (
            "FileBegin",
            .object([
                .init("name", .text(1...255), "What it is called; left out with upload_id."),
                .init("size", count, "Bytes, if known."), .init("sha256", .text(64...64), "Its content, if known."),
                .init("environment", .text(1...64), "Where it belongs."),
                .init("keep", .number(1...315_360_000), "Seconds it is kept after its last use."),
                .init("upload_id", .id, "The upload to go on with."),
            ])
        ),
        (
            "FileCommit",
            .object([
                .init("size", count, "Bytes that were sent in all."),
                .init("sha256", .text(64...64), "What was sent."),
            ])
        ),
    ]

    // MARK: Policies and audit

    private static let rules: [(String, Shape)] = [
        (
            "Scope",
            .object([
                .init("environments", .array(.text(1...64), 0...100), "Whole names; left out for every environment."),
                .init("labels", labels, "Labels an agent must have been assigned."),
            ])
        ),
        (
            "GuardPolicy",
            .object([
                .init("mode", .word(GuardMode.self), required: true),
                .init("allow", .array(.text(1...512), 0...500)), .init("deny", .array(.text(1...512), 0...500)),
                .init("statements", .array(.text(1...128), 0...500)), .init("host_namespaces", .boolean),
            ])
        ),
        (
            "PolicyPut",
            .object([
                .init("scope", .reference("Scope"), "Agents it holds for; left out for all that you reach."),
                .init("policy", .reference("GuardPolicy"), required: true),
            ])
        ),
        (
            "Policy",
            .object([
                .init("name", .text(), required: true), .init("scope", .reference("Scope"), required: true),
                .init("policy", .reference("GuardPolicy"), required: true), .init("hash", .text(), required: true),
                .init("warnings", .array(.text()), required: true), .init("actor", .text(), required: true),
                .init("updated_at", .time, required: true),
            ])
        ),
        (
            "PolicyTest",
            .object([
                .init("selector", .reference("Selector"), required: true),
                .init("spec", .reference("TaskSpec"), required: true),
            ])
        ),
        (
            "PolicyTestReply",
            .object([
                .init(
                    "agents",
                    .array(
                        .object([
                            .init("agent", .text(), required: true), .init("environment", .text(), required: true),
                            .init("decided_by", .text(), required: true),
                            .init("verdict", .reference("Verdict"), required: true),
                            .init("knows_agent_file", .boolean, required: true), .init("agent_file_error", .text()),
                        ]), 0...20_000), required: true)
            ])
        ),
        (
            "Verdict",
            .object([
                .init("verdict", .word(["allow", "deny"]), required: true), .init("rule", .text(), required: true),
                .init("message", .text(), required: true), .init("position", count),
                .init("commands", .array(.text()), required: true),
                .init("mode", .word(GuardMode.self), required: true),
                .init("policy", .text(), required: true),
            ])
        ),
        (
            "AuditRecord",
            .object([
                .init("v", .integer(1...1), required: true), .init("seq", count, required: true),
                .init("ts", .time, required: true), .init("action", .text(), required: true),
                .init("actor", .text(), required: true), .init("source", .text()), .init("agent", .text()),
                .init("env", .text()), .init("run", .text()), .init("task", .text()), .init("attempt", .integer()),
                .init("command", .text()), .init("verdict", .text()), .init("rule", .text()),
                .init("result", .text()), .init("detail", .map(.any)), .init("prev", .text(), required: true),
                .init("hash", .text(), required: true),
            ])
        ),
        (
            "AuditVerify",
            .object([
                .init("agents", .array(.text(1...128)), "Whose own audit is verified too; left out for all online.")
            ])
        ),
        (
            "AuditVerification",
            .object([
                .init(
                    "chains",
                    .array(
                        .object([
                            .init("chain", .text(), required: true), .init("records", count, required: true),
                            .init("head", .text()), .init("checkpoints", count, required: true),
                            .init(
                                "findings",
                                .array(
                                    .object([
                                        .init("kind", .text(), required: true),
                                        .init("seq", .integer(), required: true), .init("through", .integer()),
                                        .init("message", .text(), required: true),
                                    ]), 0...1_000_000), required: true), .init("error", .reference("Failure")),
                        ]), 0...20_000), required: true)
            ])
        ),
    ]

    // MARK: The rest

    private static let plain: [(String, Shape)] = [
        (
            "ServerInfo",
            .object([
                .init("version", .text(), required: true), .init("protocol", .integer(), required: true),
                .init("server", .text(), required: true), .init("actor", .text(), required: true),
                .init("role", .word(Role.self), required: true), .init("scope", .reference("Scope"), required: true),
                .init("clock", .time, required: true),
            ])
        ),
        (
            "Session",
            .object([
                .init("expires_at", .time, required: true), .init("actor", .text(), required: true),
                .init("role", .word(Role.self), required: true), .init("scope", .reference("Scope"), required: true),
            ])
        ),
        (
            "Failure",
            .object([
                .init("code", .word(ErrorCode.self), required: true), .init("message", .text(), required: true),
                .init("hint", .text()), .init("retry_after", .integer(), "Seconds until another try may help."),
                .init("rule", .text(), "The rule of the guard that refused."),
            ])
        ),
        ("Error", .object([.init("error", .reference("Failure"), required: true)])),
    ]
}
