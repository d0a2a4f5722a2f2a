// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Logging

/// Runs database commands on MongoDB.
struct MongoExecutor: Executor {
    var schema: ExecutorSchema { TaskType.mongo.schema }
    var datasources: [String] { sources.names }

    private let sources: Datasources<MongoDatasource>
    private let logger: Logger

    /// Reads its settings; throws `invalid_argument` naming the one that is wrong.
    init(_ node: SettingsNode, logger: Logger) throws(DeployError) {
        MongoLibrary.start(logger)
        var node = node
        sources = try Datasources(&node) { node throws(DeployError) in try MongoDatasource(&node) }
        try node.finish()
        self.logger = logger
    }

    func secrets(for spec: TaskSpec) throws(DeployError) -> Set<SecretReference> {
        try sources.chosen(by: spec).password.map { [$0] } ?? []
    }

    func shutDown() async {
        for source in sources.all { source.idle.shutDown() }
    }

    func run(_ context: ExecutionContext) async throws(DeployError) -> ExecutionOutcome {
        let source = try sources.chosen(context.parameters.text("datasource"))
        let work = MongoWork(
            steps: try MongoWork.steps(
                context.spec.command, database: context.parameters.text("database") ?? source.database),
            context: context, comment: "tiangong \(context.reference.taskID)",
            deadline: context.spec.timeout.map { ContinuousClock.now + .seconds($0) })
        guard let connection = try await connect(source, context) else { return ExecutionOutcome() }
        await context.onStart(nil)
        // Taken now: the connection forgets its session on the thread of the work.
        let session = connection.sessionID
        let report = try await OrderlyStop.run(grace: context.grace) {
            work.stop.set()
            await kill(work.comment, session, source, context)
        } work: { () async throws(DeployError) -> MongoWork.Report in
            try await WorkThread.run {
                let report = work.perform(connection)
                release(connection, to: source, isSound: report.failure == nil && !work.stop.isSet)
                return report
            } onCancel: {
                connection.abort()
            }
        }
        return ExecutionOutcome(error: report.failure, result: report.facts)
    }

    // MARK: Connections

    /// A connection that works: one that waited, if it still does, else a new one. Nil when the task is stopped meanwhile.
    private func connect(
        _ source: MongoDatasource, _ context: ExecutionContext
    ) async throws(DeployError) -> MongoConnection? {
        while let waiting = source.idle.take() {
            if (try? await open(waiting)) != nil { return waiting }
        }
        let new = try source.connection(context.secrets)
        do throws(DeployError) {
            try await open(new)
            return new
        } catch {
            if Task.isCancelled { return nil }
            throw error
        }
    }

    private func open(_ connection: MongoConnection) async throws(DeployError) {
        try await WorkThread.run { () throws(DeployError) in
            do throws(DeployError) {
                try connection.open()
            } catch {
                connection.close()
                throw error
            }
        } onCancel: {
            connection.abort()
        }
    }

    private func release(_ connection: MongoConnection, to source: MongoDatasource, isSound: Bool) {
        guard isSound, !connection.isAborted else { return connection.close() }
        connection.endSession()
        source.idle.put(connection)
    }

    // MARK: Stopping

    /// Asks the server to end what it does for this task, until told that the task has ended.
    private func kill(
        _ comment: String, _ session: BSONDocument?, _ source: MongoDatasource, _ context: ExecutionContext
    ) async {
        do throws(DeployError) {
            let grace = max(context.grace() / .seconds(1), 0.5)
            let other = try source.connection(context.secrets, within: grace)
            let killer = MongoKiller(comment: comment, session: session)
            try await WorkThread.run { () throws(DeployError) in
                defer { other.close() }
                try other.open()
                while !other.isAborted { killer.pass(other, logger) }
            } onCancel: {
                other.abort()
            }
        } catch {
            logger.info(
                "operations at a server cannot be ended",
                metadata: ["task": "\(context.reference.taskID)", "reason": "\(error.message)"])
        }
    }
}
