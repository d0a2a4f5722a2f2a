// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// Finds the pods and containers that `logs` and `exec` are about.
struct PodFinder: Sendable {
    let session: KubernetesSession

    /// A pod by its name, by `pod/NAME`, or one of a workload such as `deploy/web`: a ready one if there is, the oldest of them.
    func pod(_ word: String) async throws(KubernetesFailure) -> KubernetesObject {
        guard word.contains("/") else { return try await pod(named: word) }
        let target = KubernetesStatement.targets([word])
        guard let first = target.first, first.name != nil else {
            throw KubernetesFailure(.invalidArgument, "'\(word.prefix(64))' is no TYPE/NAME")
        }
        let reference = try await session.reference(first)
        if reference.resource.kind == "Pod" { return try await pod(named: reference.name) }
        let found = try await pods(of: reference)
        guard let chosen = found.first else {
            throw KubernetesFailure(.notFound, "\(reference.title) has no pods in the namespace \(session.namespace)")
        }
        if found.count > 1 { session.note("\(reference.title) has \(found.count) pods, this is of pod/\(chosen.name)") }
        return chosen
    }

    /// The pods that a label selector means, in the order in which they are shown.
    func pods(labels: String) async throws(KubernetesFailure) -> [KubernetesObject] {
        let query = ObjectQuery(resource: Self.pods, namespace: session.namespace, labels: labels)
        return try await session.client.objects(query).sorted { $0.name < $1.name }
    }

    /// The core resource, which every cluster has.
    static let pods = APIResource(
        group: "", version: "v1", name: "pods", singular: "pod", kind: "Pod", isNamespaced: true)

    private func pod(named name: String) async throws(KubernetesFailure) -> KubernetesObject {
        guard let pod = try await session.client.object(Self.pods, namespace: session.namespace, name: name) else {
            throw KubernetesFailure(.notFound, "there is no pod '\(name)' in the namespace \(session.namespace)")
        }
        return pod
    }

    private func pods(of reference: KubernetesSession.Reference) async throws(KubernetesFailure) -> [KubernetesObject] {
        guard
            let object = try await session.client.object(
                reference.resource, namespace: reference.namespace, name: reference.name)
        else {
            throw KubernetesFailure(
                .notFound, "\(reference.title) does not exist in the namespace \(reference.namespace)")
        }
        let selector = LabelSelector(object.node.at("spec", "selector") ?? .null)
        guard !selector.text.isEmpty else {
            throw KubernetesFailure(.invalidArgument, "a \(reference.resource.kind) has no pods of its own")
        }
        func rank(_ pod: KubernetesObject) -> (Int, String, String) {
            (pod.condition("Ready")?["status"]?.text == "True" ? 0 : 1, pod.createdAt, pod.name)
        }
        let query = ObjectQuery(resource: Self.pods, namespace: reference.namespace, labels: selector.text)
        return try await session.client.objects(query).sorted { rank($0) < rank($1) }
    }

    /// Its containers by name, those for its start last.
    static func containers(of pod: KubernetesObject) -> [String] {
        (pod.node.at("spec", "containers")?.elements ?? []).compactMap { $0["name"]?.text }
            + (pod.node.at("spec", "initContainers")?.elements ?? []).compactMap { $0["name"]?.text }
    }

    /// The container that is meant: the one named, the pod's own default, or the first.
    func container(_ wanted: String?, of pod: KubernetesObject) throws(KubernetesFailure) -> String {
        let all = Self.containers(of: pod)
        if let wanted {
            guard all.contains(wanted) else {
                throw KubernetesFailure(
                    .notFound, "pod/\(pod.name) has no container '\(wanted.prefix(64))'",
                    hint: "it has \(all.joined(separator: ", "))")
            }
            return wanted
        }
        if let standard = pod.annotation("kubectl.kubernetes.io/default-container"), all.contains(standard) {
            return standard
        }
        guard let first = all.first else { throw KubernetesFailure(.notFound, "pod/\(pod.name) has no container") }
        if (pod.node.at("spec", "containers")?.elements ?? []).count > 1 {
            session.note("pod/\(pod.name) has the containers \(all.joined(separator: ", ")), this is \(first)")
        }
        return first
    }
}
