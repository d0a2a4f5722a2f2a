// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Glibc

/// Works on objects of Kubernetes clusters, over their API; no program is started.
///
/// What is performed is the statement that the guard has judged, read by the same parser.
struct KubernetesExecutor: Executor {
    var schema: ExecutorSchema { TaskType.k8s.schema }

    private let clusters: [String: KubernetesCluster]

    /// Reads the settings; throws `invalid_argument` naming the one that is wrong.
    init(_ node: SettingsNode, environment: [String: String] = KubernetesExecutor.environment) throws(DeployError) {
        var node = node
        var clusters: [String: KubernetesCluster] = [:]
        for (name, source) in try node.nodes("datasources") {
            clusters[name] = KubernetesCluster(try KubernetesSettings(name, source), environment: environment)
        }
        try node.finish()
        guard !clusters.isEmpty else {
            throw DeployError(
                .invalidArgument, "\(node.path).datasources is missing",
                hint: "name a cluster: datasources: {main: {kubeconfig: /etc/tiangong/kubeconfig}}")
        }
        self.clusters = clusters
    }

    /// What a pod is told of its cluster.
    private static var environment: [String: String] {
        var result: [String: String] = [:]
        for name in ["KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"] {
            if let value = getenv(name) { result[name] = String(cString: value) }
        }
        return result
    }

    var datasources: [String] { Array(clusters.keys) }

    func secrets(for spec: TaskSpec) throws(DeployError) -> Set<SecretReference> {
        let cluster = try cluster(spec.params["datasource"]?.stringValue)
        return cluster.settings.secret.map { [$0] } ?? []
    }

    private func cluster(_ name: String?) throws(DeployError) -> KubernetesCluster {
        let known = clusters.keys.sorted().joined(separator: ", ")
        guard let name else {
            guard let only = clusters.values.first, clusters.count == 1 else {
                throw DeployError(
                    .invalidArgument, "params.datasource is missing: this agent has several clusters",
                    hint: "it has \(known)")
            }
            return only
        }
        guard let cluster = clusters[name] else {
            throw DeployError(
                .notFound, "this agent has no cluster '\(name.prefix(64))'", hint: "it has \(known)")
        }
        return cluster
    }

    func run(_ context: ExecutionContext) async throws(DeployError) -> ExecutionOutcome {
        let statement = try KubernetesStatement(context.spec.command)
        let verb = try VerbTable.verb(of: statement)
        let (client, discovery, namespace) = try cluster(context.parameters.text("datasource")).open(context.secrets)
        let own = statement.command.option("namespace")
        let session = KubernetesSession(
            client: client, discovery: discovery, namespace: own ?? namespace, isNamespaceGiven: own != nil,
            output: LogOutput(context.log), context: context)
        try await connect(client)
        await context.onStart(nil)
        do throws(KubernetesFailure) {
            return try await verb.run(session)
        } catch {
            let hint = error.error.hint.map { "; \($0)" } ?? ""
            return ExecutionOutcome(
                error: TaskFailure(error.error.code, error.error.message + hint), result: error.result)
        }
    }

    /// Asks something that everybody may ask, so that a wrong address, certificate or token is told as such.
    private func connect(_ client: KubernetesClient) async throws(DeployError) {
        do throws(KubernetesFailure) {
            _ = try await client.send(KubernetesRequest("/version"))
        } catch {
            guard !error.isForbidden, error.error.code != .canceled else { return }
            throw DeployError(.startFailed, error.error.message, hint: error.error.hint)
        }
    }

    func shutDown() async {
        for cluster in clusters.values { await cluster.shutDown() }
    }
}
