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
    /// What the agent's own policy says about work that a task leads to.
    var judge: @Sendable (TaskSpec) -> GuardVerdict

    /// Makes them all; throws `invalid_argument` naming the setting that is wrong. A plugin that does not say what its tasks
    /// take is left out, with an error in the log.
    func registry(_ settings: ExecutorSettings) async throws(DeployError) -> ExecutorRegistry {
        var executors: [any Executor] = []
        var limits: [String: ExecutorRegistry.Limits] = [:]
        for entry in settings.executors {
            guard let type = TaskType(rawValue: entry.type) else { continue }
            executors.append(try executor(type, entry.node))
            limits[entry.type] = .init(maxConcurrency: entry.maxConcurrency, timeout: entry.timeout)
        }
        var plugins: [PluginSettings] = []
        for entry in settings.plugins {
            plugins.append(try PluginSettings(entry.type, entry.node))
            limits[entry.type] = .init(maxConcurrency: entry.maxConcurrency, timeout: entry.timeout)
        }
        for (plugin, answer) in await Self.ask(plugins) {
            switch answer {
            case .success(let schema):
                executors.append(PluginExecutor(schema: schema, settings: plugin))
                logger.info("plugin ready", metadata: ["plugin": "\(plugin.name)", "program": "\(plugin.program)"])
            case .failure(let error):
                logger.error("plugin left out", metadata: ["plugin": "\(plugin.name)", "error": "\(error.sentence)"])
            }
        }
        return ExecutorRegistry(executors, limits: limits)
    }

    /// Everything that is wrong with the settings, each with its place; plugins are asked, nothing is connected to.
    func problems(_ settings: ExecutorSettings) async -> [String] {
        var problems: [String] = []
        for entry in settings.executors {
            guard let type = TaskType(rawValue: entry.type) else { continue }
            do throws(DeployError) {
                await (try executor(type, entry.node)).shutDown()
            } catch { problems.append(error.sentence) }
        }
        var plugins: [PluginSettings] = []
        for entry in settings.plugins {
            do throws(DeployError) {
                plugins.append(try PluginSettings(entry.type, entry.node))
            } catch { problems.append(error.sentence) }
        }
        for case (let plugin, .failure(let error)) in await Self.ask(plugins) {
            problems.append("plugins.\(plugin.name): \(error.sentence)")
        }
        return problems
    }

    /// Asks all at once, so that slow ones do not add up; the answers are in the order of the names.
    private static func ask(_ plugins: [PluginSettings]) async -> [(
        PluginSettings, Result<ExecutorSchema, DeployError>
    )] {
        await withTaskGroup(of: (PluginSettings, Result<ExecutorSchema, DeployError>).self) { group in
            for plugin in plugins {
                group.addTask {
                    do throws(DeployError) {
                        return (plugin, .success(try await PluginDescription(settings: plugin).ask()))
                    } catch { return (plugin, .failure(error)) }
                }
            }
            var answers: [(PluginSettings, Result<ExecutorSchema, DeployError>)] = []
            for await answer in group { answers.append(answer) }
            return answers.sorted { $0.0.name < $1.0.name }
        }
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
        case .api: return APIExecutor(settings: try APISettings(node), judge: judge)
        }
    }
}
