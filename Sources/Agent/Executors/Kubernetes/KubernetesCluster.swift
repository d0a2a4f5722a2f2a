// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import Core
import NIOSSL
import Synchronization

/// One of the agent's clusters between tasks: its connections, its credentials while they do not change, and what resources it
/// has.
final class KubernetesCluster: Sendable {
    let settings: KubernetesSettings
    private let environment: [String: String]
    private let http: HTTPClient
    private let streams: HTTPClient
    private let kept = Mutex<Kept?>(nil)

    private struct Kept: Sendable {
        var material: ClusterMaterial
        var tls: TLSConfiguration?
        var token: BearerToken
        var discovery: ResourceDiscovery
    }

    /// - Parameters:
    ///   - settings: Where it is.
    ///   - environment: The agent's own, in which a pod finds its cluster.
    init(_ settings: KubernetesSettings, environment: [String: String]) {
        self.settings = settings
        self.environment = environment
        (http, streams) = KubernetesClient.httpClients(connectTimeout: settings.connectTimeout)
    }

    /// What a task needs to speak with the cluster. Files are read each time; only when they have changed is all made anew.
    ///
    /// Throws `start_failed` when something cannot be read.
    func open(
        _ secrets: TaskSecrets
    ) throws(DeployError) -> (client: KubernetesClient, discovery: ResourceDiscovery, namespace: String) {
        let material = try ClusterMaterial.read(settings, secrets, environment: environment)
        var current = kept.withLock { $0 }
        if current?.material != material {
            let made: Kept
            do throws(DeployError) {
                made = Kept(
                    material: material, tls: try material.tlsConfiguration(), token: BearerToken(material.token),
                    discovery: ResourceDiscovery())
            } catch {
                throw DeployError(error.code, "datasource '\(settings.name)': \(error.message)", hint: error.hint)
            }
            kept.withLock { $0 = made }
            current = made
        }
        guard let current else { throw DeployError(.internal, "the cluster is not open") }
        let client = KubernetesClient(
            address: material.address, tls: current.tls, token: current.token, http: http, streams: streams,
            connectTimeout: settings.connectTimeout)
        return (client, current.discovery, material.namespace)
    }

    /// Closes its connections.
    func shutDown() async {
        try? await http.shutdown()
        try? await streams.shutdown()
    }
}
