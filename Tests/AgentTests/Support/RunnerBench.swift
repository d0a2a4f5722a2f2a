// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Logging
import NIOCore
import NIOPosix
import Synchronization

@testable import Agent

/// A real runner with real files and processes; the connection's other end is this object, which takes what is sent.
final class RunnerBench: Sendable {
    let directory: String
    let runner: TaskRunner
    let uplink: Uplink
    let spools: SpoolStore
    let journal: TaskJournal
    let policy: AgentPolicy
    let audit: AuditLog
    private let received = Mutex(Received())
    private let acknowledges: Bool

    struct Received {
        var statuses: [TaskStatusReport] = []
        var output: [TaskReference: [LogStream: [UInt8]]] = [:]
        var chunks: [TaskReference: [LogChunk]] = [:]
        var completions: [TaskReference: TaskCompletion] = [:]
        var completionCount = 0
        let decompressor = ChunkDecompressor()
    }

    private init(
        _ directory: String, maxConcurrency: Int, grace: Duration, logLimit: Int64, spoolLimit: Int, acknowledges: Bool
    ) throws {
        self.directory = directory
        self.acknowledges = acknowledges
        try StateDirectory.create(directory + "/spool")
        try StateDirectory.create(directory + "/secrets")
        if !StateDirectory.names(in: directory).contains("policy.yaml") {
            try write("mode: blacklist-default\n", to: directory + "/policy.yaml")
        }
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        policy = AgentPolicy(directory + "/policy.yaml", logger: logger)
        audit = AuditLog(directory + "/audit", logger: logger)
        uplink = Uplink()
        journal = try TaskJournal(directory + "/journal")
        spools = SpoolStore(directory + "/spool", limit: spoolLimit)
        let parts = TaskRunner.Parts(
            executors: ExecutorRegistry([ShellExecutor()]),
            admission: TaskAdmission(policy: policy, vault: SecretVault(directory: directory + "/secrets")),
            journal: journal, audit: audit, spools: spools, uplink: uplink,
            loops: MultiThreadedEventLoopGroup.singleton, logger: logger)
        runner = TaskRunner(
            .init(
                maxConcurrency: maxConcurrency, grace: grace, logLimit: logLimit),
            parts: parts)
    }

    /// Runs a body with a running runner whose messages are taken (and acknowledged, unless told otherwise).
    static func with(
        directory: String? = nil, maxConcurrency: Int = 100, grace: Duration = .milliseconds(300),
        logLimit: Int64 = 64 << 20, spoolLimit: Int = 256 << 20, acknowledges: Bool = true, isConnected: Bool = true,
        _ body: @Sendable (RunnerBench) async throws -> Void
    ) async throws {
        func run(in path: String) async throws {
            let bench = try RunnerBench(
                path, maxConcurrency: maxConcurrency, grace: grace, logLimit: logLimit, spoolLimit: spoolLimit,
                acknowledges: acknowledges)
            await bench.runner.recover()
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await bench.runner.run() }
                if isConnected { group.addTask { try await bench.connect() } }
                try await body(bench)
                await bench.runner.stop()
                bench.disconnect()
                try await group.waitForAll()
            }
        }
        if let directory { return try await run(in: directory) }
        try await withTemporaryDirectory { try await run(in: $0) }
    }

    /// Takes messages until ``disconnect()``.
    func connect(expecting: [TaskReference: Int64] = [:]) async throws {
        let generation = uplink.open(expecting: expecting)
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                while let frames = await self.uplink.nextStates(generation) {
                    for frame in frames { await self.take(frame) }
                }
            }
            group.addTask {
                while let frames = try? await self.uplink.nextTurn(generation) {
                    for frame in frames { await self.take(frame) }
                }
            }
        }
    }

    /// Ends the connection.
    func disconnect() { uplink.closeCurrent() }

    private func take(_ frame: WireFrame) async {
        guard let message = try? AgentMessage.decode(frame).message else { return }
        switch message {
        case .status(let status): received.withLock { $0.statuses.append(status) }
        case .log(let header, let payload):
            let reference = TaskReference(taskID: header.taskID, attempt: header.attempt ?? 1)
            let chunk = LogChunk(
                seq: header.seq ?? -1, stream: header.stream ?? .stdout, offset: header.offset ?? -1,
                at: header.at ?? .now(),
                codec: header.codec ?? .identity, rawLength: header.rawLength ?? -1, payload: payload)
            received.withLock { received in
                received.chunks[reference, default: []].append(chunk)
                if let raw = try? received.decompressor.decompress(chunk) {
                    received.output[reference, default: [:]][chunk.stream, default: []].append(
                        contentsOf: raw.readableBytesView)
                }
            }
            if acknowledges { uplink.acknowledge(reference, through: chunk.seq) }
        case .complete(let completion):
            let reference = TaskReference(taskID: completion.taskID, attempt: completion.attempt ?? 1)
            if acknowledges { await runner.acknowledgeEnd(reference) }
            received.withLock { received in
                received.completions[reference] = completion
                received.completionCount += 1
            }
        default: break
        }
    }

    /// Puts a secret where tasks find it.
    func secret(_ name: String, _ text: String) throws {
        try write(text, to: directory + "/secrets/" + name)
    }

    /// Hands the runner a task.
    @discardableResult
    func submit(
        _ command: String, params: [String: JSONValue] = [:], timeout: Double? = nil, grace: Double? = nil,
        logLimit: Int64? = nil, id: TaskID = .random()
    ) async throws -> TaskReference {
        let spec = TaskSpec(command: command, params: params, timeout: timeout, grace: grace, logLimit: logLimit)
        try await runner.submit(
            TaskCreate(taskID: id, runID: .random(), attempt: 1, epoch: 1, spec: spec, actor: "test"))
        return TaskReference(taskID: id, attempt: 1)
    }

    /// The task's end, waited for.
    func end(of reference: TaskReference) async -> TaskCompletion? {
        _ = await eventually { self.received.withLock { $0.completions[reference] != nil } }
        return received.withLock { $0.completions[reference] }
    }

    /// Runs a command to its end.
    func run(_ command: String, params: [String: JSONValue] = [:], timeout: Double? = nil) async throws -> (
        end: TaskCompletion?, output: String, errors: String, notes: String
    ) {
        let reference = try await submit(command, params: params, timeout: timeout)
        let end = await end(of: reference)
        return (end, text(reference, .stdout), text(reference, .stderr), text(reference, .system))
    }

    /// What was received of one output.
    func bytes(_ reference: TaskReference, _ stream: LogStream) -> [UInt8] {
        received.withLock { $0.output[reference]?[stream] ?? [] }
    }

    /// What was received of one output, as text.
    func text(_ reference: TaskReference, _ stream: LogStream) -> String {
        String(decoding: bytes(reference, stream), as: UTF8.self)
    }

    /// The chunks received.
    func chunks(_ reference: TaskReference) -> [LogChunk] { received.withLock { $0.chunks[reference] ?? [] } }

    /// The states received of one task.
    func states(_ reference: TaskReference) -> [String] {
        received.withLock { $0.statuses.filter { $0.taskID == reference.taskID }.map(\.state) }
    }

    /// The process id reported for a task, waited for.
    func pid(of reference: TaskReference) async -> pid_t? {
        _ = await eventually { self.status(of: reference)?.pid != nil }
        return status(of: reference)?.pid.map { pid_t($0) }
    }

    private func status(of reference: TaskReference) -> TaskStatusReport? {
        received.withLock { $0.statuses.last { $0.taskID == reference.taskID && $0.pid != nil } }
    }

    /// How many ends were received.
    var completionCount: Int { received.withLock { $0.completionCount } }
}

extension Uplink {
    /// Ends the present connection, whichever it is.
    func closeCurrent() { close(currentGeneration) }
}
