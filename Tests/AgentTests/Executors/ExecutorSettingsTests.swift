// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Testing

@testable import Agent

@Suite struct `The settings of executors` {
    @Test func `without any leave shell alone`() throws {
        let settings = try ExecutorSettings(yaml: "server:\n  url: https://x\n")
        #expect(settings.executors.map(\.type) == ["shell"] && settings.plugins.isEmpty)
        #expect(try ExecutorSettings(yaml: "executors: {shell: {enabled: false}}").executors.isEmpty)
    }

    @Test func `are read with limits, and leave the rest to the executor`() throws {
        let settings = try ExecutorSettings(
            yaml: """
                executors:
                  postgres:
                    max-concurrency: 3
                    timeout: 90s
                    datasources:
                      main: {host: db, password: {secret_ref: pg-main}}
                plugins:
                  redis:
                    command: [/bin/true]
                """)
        let postgres = try #require(settings.executors.first { $0.type == "postgres" })
        #expect(postgres.maxConcurrency == 3 && postgres.timeout == 90)
        var node = postgres.node
        var (name, source) = try #require(try node.nodes("datasources").first)
        try node.finish()
        #expect(name == "main" && source.path == "executors.postgres.datasources.main")
        #expect(try source.text("host") == "db" && source.secret("password")?.name == "pg-main")
        try source.finish()
        name = try #require(settings.plugins.first?.type)
        #expect(name == "redis")
    }

    @Test(arguments: [
        ("executors: []", "executors is not a mapping"), ("executors: {mysq: {}}", "executors.mysq is not an executor"),
        ("executors: {shell: 3}", "executors.shell is not a mapping"),
        ("executors: {shell: {max-concurrency: 0}}", "executors.shell.max-concurrency is not a number"),
        ("plugins: {Redis: {}}", "plugins.Redis is not the name of a plugin"),
        ("plugins: {mysql: {}}", "plugins.mysql is not the name of a plugin"),
        ("executors: {shell: {enabled: perhaps}}", "executors.shell.enabled is not true or false"),
    ])
    func `that are wrong are named`(yaml: String, message: String) throws {
        let error = #expect(throws: DeployError.self) { try ExecutorSettings(yaml: yaml) }
        #expect(error?.message.hasPrefix(message) == true, "\(error?.message ?? "")")
    }

    @Test func `refuse unknown keys and passwords in the open`() throws {
        var node = try SettingsNode(.object(["host": .string("x"), "pasword": .string("y")]), path: "here")
        _ = try node.text("host")
        #expect(throws: DeployError.self) { try node.finish() }
        var open = try SettingsNode(.object(["password": .string("hunter2")]), path: "here")
        let error = #expect(throws: DeployError.self) { try open.secret("password") }
        #expect(error?.message.contains("hunter2") == false && error?.hint != nil)
    }
}

@Suite struct `The queue of tasks` {
    private func create(_ type: String, _ id: String) -> (TaskReference, TaskCreate) {
        let reference = TaskReference(taskID: TaskID(id) ?? .random(), attempt: 1)
        return (
            reference,
            TaskCreate(
                taskID: reference.taskID, runID: .random(), attempt: 1, epoch: 1,
                spec: TaskSpec(type: type, command: "x"), actor: "olga")
        )
    }

    @Test func `keeps the order, and lets others by when a type has no slot free`() throws {
        var queue = TaskQueue()
        for (type, id) in [("a", "a1"), ("a", "a2"), ("b", "b1"), ("a", "a3"), ("b", "b2")] {
            let (reference, create) = create(type, id)
            try queue.append(reference, create)
        }
        func next() -> String? { queue.next(limit: { $0 == "a" ? 1 : nil })?.taskID.rawValue }
        #expect(next() == "a1" && next() == "b1" && next() == "b2" && next() == nil && queue.count == 2)
        queue.ended("a")
        #expect(next() == "a2" && next() == nil)
        queue.remove(create("a", "a3").0, type: "a")
        queue.ended("a")
        #expect(next() == nil && queue.count == 0)
    }
}
