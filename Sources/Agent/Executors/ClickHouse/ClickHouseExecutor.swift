// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Runs SQL on ClickHouse over HTTP: the statements that the guard has judged, one after the other.
struct ClickHouseExecutor: Executor {
    var schema: ExecutorSchema { TaskType.clickhouse.schema }

    private let sources: Datasources<ClickHouseDatasource>

    /// Reads the executor's settings; throws `invalid_argument` naming the setting.
    init(_ node: SettingsNode) throws(DeployError) {
        var node = node
        sources = try Datasources(&node) { node throws(DeployError) in try ClickHouseDatasource(&node) }
        try node.finish()
    }

    var datasources: [String] { sources.names }

    func secrets(for spec: TaskSpec) throws(DeployError) -> Set<SecretReference> {
        try sources.chosen(by: spec).server.secrets
    }

    func run(_ context: ExecutionContext) async throws(DeployError) -> ExecutionOutcome {
        let source = try sources.chosen(by: context.spec)
        let statements = try SQLStatement.read(context.spec.command, .clickhouse)
        try Self.check(context.parameters)
        do throws(DeployError) {
            try await source.reach(context.secrets)
        } catch { throw error.code == .canceled ? error : error.asStartFailure }
        await context.onStart(nil)
        let work = ClickHouseWork(statements, source, context)
        return try await OrderlyStop.run(grace: context.grace, ask: { await work.stop() }) {
            () async throws(DeployError) -> ExecutionOutcome in
            async let _ = work.tellProgress()
            return try await work.run()
        }
    }

    func shutDown() async {
        for source in sources.all { await source.server.shutDown() }
    }

    /// Refuses what is no setting of a query: it would change which text is run, or as whom.
    static func check(_ parameters: TaskParameters) throws(DeployError) {
        for (name, value) in parameters.pairs("settings").sorted(by: { $0.key < $1.key }) {
            let isName = name.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5F }
            guard isName, !reserved.contains(name), !name.hasPrefix("param_") else {
                throw DeployError(.invalidArgument, "params.settings.\(name.prefix(64)) is not a setting of a query")
            }
            guard case .text = value else {
                throw DeployError(.invalidArgument, "params.settings.\(name) is a secret, which a setting cannot be")
            }
        }
    }

    /// Parameters of the interface itself.
    private static let reserved: Set<String> = [
        "query", "query_id", "user", "password", "database", "default_format", "quota_key", "session_id",
        "session_timeout", "session_check", "role", "roles", "compress", "decompress", "stacktrace", "buffer_size",
        "wait_end_of_query", "client_protocol_version", "close_session",
    ]
}
