// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import Core
import Logging
import NIOCore
import NIOHTTP1

/// Sends a request to Elasticsearch.
struct ElasticsearchExecutor: Executor {
    var schema: ExecutorSchema { TaskType.elasticsearch.schema }
    var datasources: [String] { sources.names }

    private let sources: Datasources<ElasticsearchDatasource>
    private let logger: Logger

    /// Reads its settings; throws `invalid_argument` naming the one that is wrong.
    init(_ node: SettingsNode, logger: Logger) throws(DeployError) {
        var node = node
        sources = try Datasources(&node) { node throws(DeployError) in try ElasticsearchDatasource(&node) }
        try node.finish()
        self.logger = logger
    }

    func secrets(for spec: TaskSpec) throws(DeployError) -> Set<SecretReference> {
        try sources.chosen(by: spec).secrets
    }

    func shutDown() async {
        for source in sources.all { await source.shutDown() }
    }

    func run(_ context: ExecutionContext) async throws(DeployError) -> ExecutionOutcome {
        let source = try sources.chosen(context.parameters.text("datasource"))
        let request = try ElasticsearchRequest.parse(context.spec.command)
        let plan = try ElasticsearchPlan(request, context.parameters)
        let headers = try source.headers(context.reference, context.secrets)
        let server: HTTPDatasource
        do throws(DeployError) {
            server = try await reach(source, headers, context.secrets)
        } catch {
            if Task.isCancelled { return ExecutionOutcome() }
            throw error
        }
        await context.onStart(nil)
        let client = ElasticsearchClient(
            server, headers: headers, secrets: context.secrets, retries: context.parameters.integer("retries") ?? 5)
        let work = ElasticsearchWork(request, plan, client, context)
        let stopper = ElasticsearchStopper(
            ElasticsearchClient(server, headers: headers, secrets: context.secrets, retries: 0),
            marker: "\(context.reference.taskID)", logger: logger)
        let cut = OneShot<Bool>()
        return try await OrderlyStop.run(grace: context.grace) {
            await stopper.stop(work.leftovers)
            // What goes on there now ends with its connection.
            cut.fulfil(true)
        } work: { () async throws(DeployError) -> ExecutionOutcome in
            await perform(work, unless: cut)
        }
    }

    private func perform(_ work: ElasticsearchWork, unless cut: OneShot<Bool>) async -> ExecutionOutcome {
        await withTaskGroup(of: ExecutionOutcome?.self) { group in
            group.addTask { await work.perform() }
            group.addTask {
                _ = await cut.valueUnlessCanceled()
                return nil
            }
            var outcome = ExecutionOutcome()
            for await end in group {
                if let end { outcome = end }
                group.cancelAll()
            }
            return outcome
        }
    }

    // MARK: Reaching a server

    /// The first server that answers; throws `start_failed` saying what each of them said.
    private func reach(
        _ source: ElasticsearchDatasource, _ headers: HTTPHeaders, _ secrets: TaskSecrets
    ) async throws(DeployError) -> HTTPDatasource {
        var troubles: [String] = []
        var hint: String?
        for server in source.servers {
            do throws(DeployError) {
                let (status, body) = try await greet(server, headers, secrets)
                if status == 401 {
                    throw DeployError(
                        .startFailed,
                        "\(server.url) refuses the account: \(ElasticsearchFailure.sentence(status: status, body))",
                        hint:
                            "check \(source.apiKey == nil ? "user and the secret of password" : "the secret of api-key")"
                    )
                }
                // Who may search need not be allowed to ask for the version.
                if status < 500 { return server }
                troubles.append("\(server.url): \(ElasticsearchFailure.sentence(status: status, body))")
            } catch {
                guard error.code != .startFailed, error.code != .canceled else { throw error }
                troubles.append(error.message)
                hint = error.hint
            }
        }
        throw DeployError(.startFailed, troubles.joined(separator: "; "), hint: hint)
    }

    private func greet(
        _ server: HTTPDatasource, _ headers: HTTPHeaders, _ secrets: TaskSecrets
    ) async throws(DeployError) -> (UInt, ByteBuffer) {
        let limit = server.connectTimeout
        let result = await withTaskGroup(of: Result<(UInt, ByteBuffer), DeployError>.self) { group in
            group.addTask {
                do throws(DeployError) {
                    let response = try await server.request(.GET, "/", headers: headers, secrets: secrets)
                    return .success((response.status.code, try await server.start(of: response.body)))
                } catch { return .failure(error) }
            }
            group.addTask {
                try? await Task.sleep(for: .seconds(limit))
                return .failure(DeployError(.unreachable, "\(server.url) did not answer within \(limit) s"))
            }
            let first = await group.next()
            group.cancelAll()
            return first ?? .failure(DeployError(.internal))
        }
        return try result.get()
    }
}
