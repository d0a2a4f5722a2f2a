// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// The revisions a cluster keeps of a workload: replica sets of a Deployment, controller revisions of the others.
struct RevisionHistory: Sendable {
    /// One revision.
    struct Revision: Sendable {
        var number: Int64
        /// What the annotation `kubernetes.io/change-cause` says.
        var cause: String?
        /// The pod template.
        var template: JSONNode
        /// How the workload is patched to become it again.
        var patch: JSONNode
        var patchType: PatchType
    }

    /// The oldest first.
    let revisions: [Revision]

    private static let revisionAnnotation = "deployment.kubernetes.io/revision"
    private static let causeAnnotation = "kubernetes.io/change-cause"

    /// - Parameters:
    ///   - owner: The workload.
    ///   - objects: Replica sets or controller revisions beside it; those of others are left out.
    init(of owner: KubernetesObject, from objects: [KubernetesObject]) {
        let own = objects.filter { $0.controllerUID == owner.uid && !owner.uid.isEmpty }
        revisions = own.compactMap(Self.revision).sorted { $0.number < $1.number }
    }

    private static func revision(_ object: KubernetesObject) -> Revision? {
        let cause = object.annotation(causeAnnotation)
        guard object.kind == "ReplicaSet" else {
            guard let number = object.node["revision"]?.integer, let data = object.node["data"] else { return nil }
            let template = data.at("spec", "template") ?? .null
            return Revision(
                number: number, cause: cause, template: template.removing(["$patch"]), patch: data,
                patchType: .strategic)
        }
        guard let number = object.annotation(revisionAnnotation).flatMap(Int64.init),
            var template = object.node.at("spec", "template")
        else { return nil }
        // The replica set's own mark is not part of the Deployment's template.
        if let metadata = template["metadata"], let labels = metadata["labels"] {
            template = template.setting(
                "metadata", to: metadata.setting("labels", to: labels.removing(["pod-template-hash"])))
        }
        let patch = JSONNode.array([
            .members(["op": .string("replace"), "path": .string("/spec/template"), "value": template])
        ])
        return Revision(number: number, cause: cause, template: template, patch: patch, patchType: .json)
    }

    /// The revision to go back to: the one of that number, or for 0 the last but one. Throws `not_found`.
    func target(_ number: Int64) throws(KubernetesFailure) -> Revision {
        guard number == 0 else {
            guard let found = revisions.first(where: { $0.number == number }) else {
                throw KubernetesFailure(.notFound, "there is no revision \(number)", hint: "rollout history lists them")
            }
            return found
        }
        guard revisions.count > 1 else { throw KubernetesFailure(.notFound, "there is no revision before this one") }
        return revisions[revisions.count - 2]
    }
}
