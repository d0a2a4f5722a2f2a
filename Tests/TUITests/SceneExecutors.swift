// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

@testable import TUI

/// Agents with databases and a plugin, and what the server tells of them.
enum SceneExecutors {
    static let agents: [AgentInfo] = Scene.agents.enumerated().map { index, agent in
        var agent = agent
        guard agent.labels["role"] == "db" else { return agent }
        agent.executors = ["mariadb", "release-train", "shell"]
        agent.executorDetails = [
            ExecutorReport(type: "mariadb", datasources: index == 2 ? ["archive", "orders"] : ["orders"]),
            ExecutorReport(type: "release-train"), ExecutorReport(type: "shell"),
        ]
        return agent
    }

    /// As a database's type is, whatever the built-in ones come to take.
    static let database = ExecutorSchema(
        type: "mariadb", summary: "Runs SQL on MariaDB.", command: .init("SQL", "One or more statements."),
        parameters: [
            ExecutorParameter(
                "datasource", .text, "Which of the agent's datasources; needed when it has several.", minimum: 1,
                maximum: 64),
            ExecutorParameter(
                "format", .word, "How rows are written.", standard: .string("table"), words: ["table", "jsonl"]),
            ExecutorParameter(
                "max_rows", .integer, "Rows written at most.", standard: .integer(10_000), minimum: 0, maximum: 1e12),
            ExecutorParameter("backup", .flag, "Keep what is needed to undo it.", standard: .bool(true)),
        ])

    static let plugin = ExecutorSchema(
        type: "release-train", summary: "Ships a release in waves.", command: .init("release", "The tag to ship."),
        parameters: [
            ExecutorParameter("version", .text, "Which version."),
            ExecutorParameter("track", .word, "Where to.", required: true, words: ["canary", "blue", "green"]),
            ExecutorParameter("waves", .list, "The order of zones.", required: true),
            ExecutorParameter("settings", .pairs, "What is set on the way."),
            ExecutorParameter("signing_key", .secret, "Signs the release."),
            ExecutorParameter("pause", .duration, "Between waves.", standard: .integer(60)),
            ExecutorParameter("bandwidth", .size, "A second, at most."),
            ExecutorParameter("ratio", .number, "Of hosts in the first wave.", standard: .number(0.1)),
            ExecutorParameter("force", .flag, "Also over open alarms."),
            ExecutorParameter("notes", .json, "Anything else."),
            ExecutorParameter("ticket", .text, "Who asked for it.", required: true),
        ])

    static let executors: [ExecutorInfo] = [
        ExecutorInfo(database, agents: 4, datasources: ["archive", "orders"]),
        ExecutorInfo(plugin, agents: 4, isConflicting: true), ExecutorInfo(TaskType.shell.schema, agents: 12),
    ]

    /// A run of the plugin with everything set.
    static let run: RunRecord = {
        var run = Scene.run
        run.spec = TaskSpec(
            type: "release-train", command: "v2.8.1",
            params: [
                "version": .string("2.8.1"), "track": .string("blue"),
                "waves": .array([.string("bj 1"), .string("sh")]),
                "settings": .object(["A": .string("it's"), "B": .object(["secret_ref": .string("token")])]),
                "signing_key": .object(["secret_ref": .string("key")]), "pause": .number(1.5),
                "bandwidth": .integer(1 << 20), "ratio": .number(0.25), "force": .bool(false),
                "notes": .object(["a": .array([.integer(1)])]), "ticket": .string("OPS-1"),
            ], timeout: 600, grace: 5, expiresIn: 60, logLimit: 1000)
        run.target = "role=db"
        return run
    }()
}
