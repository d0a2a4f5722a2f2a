// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

/// What a verb works with: a cluster, a namespace, and the task's output.
struct KubernetesSession: Sendable {
    let client: KubernetesClient
    let discovery: ResourceDiscovery
    /// Where objects are whose namespace nobody says.
    let namespace: String
    /// Whether the command itself named it.
    let isNamespaceGiven: Bool
    /// The task's standard output; its other stream is for errors of single objects.
    let output: LogOutput
    let context: ExecutionContext

    func line(_ text: String) async { await output.line(text) }
    func write(_ text: String) async { await output.send(ByteBuffer(string: text)) }
    func complain(_ text: String) async { await output.line(text, to: .stderr) }
    func note(_ text: String) { context.log.note("tiangong: \(text)") }

    // MARK: Objects

    /// An object that a command or a manifest names.
    struct Reference: Sendable {
        var resource: APIResource
        var namespace: String
        var name: String

        var title: String { resource.title(name) }

        func path(_ part: String? = nil) throws(KubernetesFailure) -> String {
            try ResourcePath.object(resource, namespace: namespace, name: name, part: part)
        }
    }

    func resource(_ word: String) async throws(KubernetesFailure) -> APIResource {
        try await discovery.resource(word, client)
    }

    func reference(_ target: KubernetesStatement.Target) async throws(KubernetesFailure) -> Reference {
        guard let name = target.name else { throw KubernetesFailure(.invalidArgument, "\(target.word) needs a name") }
        return Reference(resource: try await resource(target.word), namespace: namespace, name: name)
    }

    /// The objects that targets name, or that a selector finds.
    func references(
        _ targets: [KubernetesStatement.Target], labels: String?, fields: String? = nil
    ) async throws(KubernetesFailure) -> [Reference] {
        var result: [Reference] = []
        for target in targets {
            let resource = try await resource(target.word)
            if let name = target.name {
                result.append(Reference(resource: resource, namespace: namespace, name: name))
                continue
            }
            let query = ObjectQuery(
                resource: resource, namespace: resource.isNamespaced ? namespace : nil, labels: labels, fields: fields)
            for object in try await client.objects(query) {
                result.append(
                    Reference(resource: resource, namespace: object.namespace ?? namespace, name: object.name))
            }
        }
        return result
    }

    /// Where a manifest belongs. Throws `invalid_argument` when it does not say what it is, or names another namespace than the
    /// command does.
    func reference(_ manifest: JSONNode) async throws(KubernetesFailure) -> Reference {
        let object = KubernetesObject(manifest)
        guard !object.apiVersion.isEmpty, !object.kind.isEmpty else {
            throw KubernetesFailure(.invalidArgument, "a manifest without apiVersion or kind")
        }
        let resource = try await discovery.resource(apiVersion: object.apiVersion, kind: object.kind, client)
        if let own = object.namespace, isNamespaceGiven, own != namespace, resource.isNamespaced {
            throw KubernetesFailure(
                .invalidArgument,
                "\(object.kind) \(object.name) is of the namespace \(own), but the command says \(namespace)")
        }
        return Reference(resource: resource, namespace: object.namespace ?? namespace, name: object.name)
    }

    // MARK: Time

    /// Runs a body for so many seconds at most; nil when the time was up first.
    func within<Value: Sendable>(
        _ seconds: Double?, _ body: @escaping @Sendable () async throws(KubernetesFailure) -> Value
    ) async throws(KubernetesFailure) -> Value? {
        guard let seconds else { return try await body() }
        let first = await withTaskGroup(of: Result<Value?, KubernetesFailure>.self) { group in
            group.addTask {
                do throws(KubernetesFailure) {
                    return .success(try await body())
                } catch { return .failure(error) }
            }
            group.addTask {
                try? await Task.sleep(for: .seconds(min(seconds, 1e9)))
                return .success(nil)
            }
            let first = await group.next()
            group.cancelAll()
            return first
        }
        if Task.isCancelled { throw KubernetesFailure(.canceled, "canceled") }
        return try first?.get() ?? nil
    }
}

extension Duration {
    /// In seconds.
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
