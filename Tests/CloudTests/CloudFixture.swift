// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Foundation
import Logging

@testable import Cloud

/// A store in a scratch directory and the rooms above it, without sockets. The directory goes with the fixture.
final class CloudFixture: Sendable {
    let directory: String
    let store: Store
    let hub = Hub()
    let feed = LogFeed()
    let files: FileService

    init(_ settings: FileSettings = FileSettings()) async throws {
        directory = NSTemporaryDirectory() + "/tiangong-\(UUID().uuidString)"
        store = try await Store.open(directory: directory)
        files = FileService(
            store: store, storage: try DirectoryStorage(directory + "/files"), threads: Self.threads,
            settings: settings, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    private static let threads = FileThreads(count: 2)

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    var tasks: TaskManager {
        TaskManager(store: store, hub: hub, feed: feed, logger: Logger(label: "test"), defaultExpiry: 3600)
    }

    var service: OperatorService {
        OperatorService(store: store, tasks: tasks, feed: feed, files: files, replica: "test")
    }

    func agent(
        _ name: String, labels: [String: String] = [:], environment: String = "default"
    ) async throws -> AgentInfo {
        var agent = AgentInfo(id: .random(), name: name, createdAt: .now())
        agent.labels = labels
        agent.assignedLabels = labels
        agent.environment = environment
        let new = agent
        try await store.write { try AgentTable.insert(new, $0) }
        return agent
    }

    /// As if the agent had registered with these executors.
    func tell(_ agent: AgentInfo, _ reports: [ExecutorReport]) async throws {
        var register = AgentRegister()
        register.executorDetails = reports
        let final = register
        try await store.write { transaction in
            _ = try AgentTable.connect(agent.id, final, replica: "test", address: "", transaction)
            try AgentExecutorTable.set(final, of: agent.id, transaction)
        }
    }

    /// A task of its own run, brought to a state by the events that lead there.
    func task(on agent: AgentInfo, after events: [TaskEvent] = []) async throws -> TaskRecord {
        let run = try await tasks.create(
            RunCreate(selector: TargetSelector(agents: [agent.name]), spec: TaskSpec(command: "true")), as: .test("ops")
        )
        let first = run.tasks[0]
        return try await store.write { transaction in
            var task = first
            for event in events {
                task =
                    try TaskTable.apply(event, to: task, transaction) { changed in
                        if event == .started { changed.startedAt = .now() }
                    } ?? task
            }
            return task
        }
    }

    func state(of task: TaskRecord) async throws -> TaskState? {
        try await store.read { try TaskTable.find(id: task.id, $0)?.state }
    }

    func settle(_ agent: AgentInfo, journal: [AgentRegister.JournalEntry]?, of id: String? = nil) async throws
        -> TaskRecovery.Settlement
    {
        var register = AgentRegister()
        register.journalID = id
        register.journal = journal
        let final = register
        return try await store.write { try TaskRecovery.settle(final, agent: agent.id, $0) }
    }
}

extension Principal {
    /// An administrator who reaches everything.
    static func test(_ name: String, role: Role = .admin, scope: Scope = Scope()) -> Principal {
        Principal(name: name, token: .random(), role: role, scope: scope, source: "127.0.0.1")
    }
}

extension ExecutorSchema {
    /// A plugin that takes one required and one other parameter.
    static func plugin(
        _ type: String, summary: String = "Ships.", parameters: [ExecutorParameter]? = nil
    ) -> ExecutorSchema {
        ExecutorSchema(
            type: type, summary: summary, command: Command("release", "What is shipped."),
            parameters: parameters ?? [
                ExecutorParameter("target", .word, "Where to.", required: true, words: ["blue", "green"]),
                ExecutorParameter("canary", .integer, "How many first.", minimum: 0, maximum: 100),
            ])
    }
}
