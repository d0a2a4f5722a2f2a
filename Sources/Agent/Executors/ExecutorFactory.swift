// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Logging
import NIOCore

/// Makes the executors that the settings switch on: the one place that knows them all.
struct ExecutorFactory {
    /// Where tasks go that ask for the host's namespaces.
    var hostNamespaces: HostNamespaces
    /// Where stored files are.
    var cloud: CloudContent
    /// Files and directories of the agent's own.
    var own: [String]
    /// The secrets of this host.
    var vault: SecretVault
    /// Where executors tell what they do.
    var logger: Logger

    /// Makes them all; throws `invalid_argument` naming the setting that is wrong.
    func registry(_ settings: ExecutorSettings) async throws(DeployError) -> ExecutorRegistry {
        var executors: [any Executor] = []
        var limits: [String: ExecutorRegistry.Limits] = [:]
        for entry in settings.executors {
            guard let type = TaskType(rawValue: entry.type) else { continue }
            executors.append(try executor(type, entry.node))
            limits[entry.type] = .init(maxConcurrency: entry.maxConcurrency, timeout: entry.timeout)
        }
        for entry in settings.plugins {
            executors.append(try await plugin(entry))
            limits[entry.type] = .init(maxConcurrency: entry.maxConcurrency, timeout: entry.timeout)
        }
        return ExecutorRegistry(executors, limits: limits)
    }

    private func executor(_ type: TaskType, _ node: SettingsNode) throws(DeployError) -> any Executor {
        switch type {
        case .shell:
            try node.finish()
            return ShellExecutor(hostNamespaces: hostNamespaces)
        case .file: return try FileExecutor(node, own: own, cloud: cloud)
        case .postgres: return try PostgresExecutor(node)
        case .clickhouse: return try ClickHouseExecutor(node)
        case .mysql: return try MySQLExecutor(node)
        case .elasticsearch: return try ElasticsearchExecutor(node, logger: logger)
        case .mongo: return try MongoExecutor(node, logger: logger)
        case .k8s: return try KubernetesExecutor(node)
        default: throw DeployError(.unsupported, "\(node.path): not built yet")
        }
    }

    private func plugin(_ entry: ExecutorSettings.Entry) async throws(DeployError) -> any Executor {
        throw DeployError(.unsupported, "\(entry.node.path): not built yet")
    }
}
