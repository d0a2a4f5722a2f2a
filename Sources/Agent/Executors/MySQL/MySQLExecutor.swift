// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Runs SQL on MySQL and MariaDB: directly, or through goInception, which looks at changes before it executes them and stores
/// what takes them back.
struct MySQLExecutor: Executor {
    var schema: ExecutorSchema { TaskType.mysql.schema }
    var datasources: [String] { sources.names }

    private let sources: Datasources<MySQLDatasource>
    private let pool = MySQLPool()

    /// Reads the settings; throws `invalid_argument` naming what is wrong.
    init(_ node: SettingsNode) throws(DeployError) {
        var node = node
        let place = "\(node.path).datasources."
        sources = try Datasources(&node) { below throws(DeployError) in
            try MySQLDatasource(String(below.path.dropFirst(place.count)), &below)
        }
        try node.finish()
    }

    func secrets(for spec: TaskSpec) throws(DeployError) -> Set<SecretReference> {
        try plan(spec, TaskParameters(spec, schema)).secrets
    }

    func run(_ context: ExecutionContext) async throws(DeployError) -> ExecutionOutcome {
        let plan = try plan(context.spec, context.parameters)
        switch plan.mode {
        case .query: return try await DirectWork(plan: plan, context: context, pool: pool).run()
        case .check, .execute:
            guard let goInception = plan.datasource.goInception else {
                throw DeployError(.internal, "mode \(plan.mode.rawValue) was planned without goInception")
            }
            return try await GoInceptionWork(plan: plan, settings: goInception, context: context).run()
        }
    }

    func shutDown() async { await pool.shutDown() }

    private func plan(_ spec: TaskSpec, _ parameters: TaskParameters) throws(DeployError) -> MySQLPlan {
        try MySQLPlan(spec, parameters, try sources.chosen(parameters.text("datasource")))
    }
}

extension ExecutionContext {
    /// The password of an endpoint; nil when it has none.
    func password(_ endpoint: MySQLEndpoint) throws(DeployError) -> [UInt8]? {
        guard let reference = endpoint.password else { return nil }
        let bytes = try secrets.secret(reference).reveal()
        guard !bytes.contains(0) else {
            throw DeployError(.startFailed, "the secret '\(reference.name)' holds a NUL byte, which no password can")
        }
        return bytes
    }
}
