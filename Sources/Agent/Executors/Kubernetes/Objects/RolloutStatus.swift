// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core

/// How far a rollout is, from the object alone; the rules are those of kubectl.
enum RolloutStatus: Sendable, Equatable {
    /// It goes on; the text says what is waited for.
    case progressing(String)
    /// It is done.
    case complete(String)
    /// It will not be done by waiting.
    case failed(String)

    /// The kinds that roll out.
    static let kinds: Set = ["Deployment", "DaemonSet", "StatefulSet"]

    /// - Parameter object: A Deployment, DaemonSet or StatefulSet.
    init(_ object: KubernetesObject) {
        let status = object.node["status"] ?? .object([])
        let spec = object.node["spec"] ?? .object([])
        func count(_ name: String) -> Int64 { status[name]?.integer ?? 0 }
        guard object.generation <= count("observedGeneration") else {
            self = .progressing("the change has not been seen by the controller yet")
            return
        }
        switch object.kind {
        case "Deployment": self = Self.deployment(object, wanted: spec["replicas"]?.integer ?? 1, count)
        case "DaemonSet": self = Self.daemonSet(object, spec, count)
        case "StatefulSet":
            self = Self.statefulSet(object, spec, wanted: spec["replicas"]?.integer ?? 1, status, count)
        default: self = .failed("a \(object.kind) does not roll out")
        }
    }

    private static func deployment(
        _ object: KubernetesObject, wanted: Int64, _ count: (String) -> Int64
    ) -> RolloutStatus {
        if let condition = object.condition("Progressing"), condition["reason"]?.text == "ProgressDeadlineExceeded" {
            return .failed("it exceeded its progress deadline: \(condition["message"]?.text ?? "no reason given")")
        }
        let updated = count("updatedReplicas")
        if updated < wanted { return .progressing("\(updated) out of \(wanted) new replicas have been updated") }
        let total = count("replicas")
        if total > updated { return .progressing("\(total - updated) old replicas are pending termination") }
        let available = count("availableReplicas")
        if available < updated { return .progressing("\(available) of \(updated) updated replicas are available") }
        return .complete("successfully rolled out")
    }

    private static func daemonSet(
        _ object: KubernetesObject, _ spec: JSONNode, _ count: (String) -> Int64
    ) -> RolloutStatus {
        guard spec.at("updateStrategy", "type")?.text ?? "RollingUpdate" == "RollingUpdate" else {
            return .failed("its update strategy is not RollingUpdate, so that nothing can be said")
        }
        let wanted = count("desiredNumberScheduled")
        let updated = count("updatedNumberScheduled")
        if updated < wanted { return .progressing("\(updated) out of \(wanted) new pods have been updated") }
        let available = count("numberAvailable")
        if available < wanted { return .progressing("\(available) of \(wanted) updated pods are available") }
        return .complete("successfully rolled out")
    }

    private static func statefulSet(
        _ object: KubernetesObject, _ spec: JSONNode, wanted: Int64, _ status: JSONNode, _ count: (String) -> Int64
    ) -> RolloutStatus {
        guard spec.at("updateStrategy", "type")?.text ?? "RollingUpdate" == "RollingUpdate" else {
            return .failed("its update strategy is not RollingUpdate, so that nothing can be said")
        }
        if count("observedGeneration") == 0 {
            return .progressing("the change has not been seen by the controller yet")
        }
        let ready = count("readyReplicas")
        if ready < wanted { return .progressing("\(ready) of \(wanted) pods are ready") }
        if let partition = spec.at("updateStrategy", "rollingUpdate", "partition")?.integer, partition > 0 {
            let updated = count("updatedReplicas")
            if updated < wanted - partition {
                return .progressing("\(updated) out of \(wanted - partition) new pods have been updated")
            }
            return .complete("partitioned roll out complete: \(updated) new pods have been updated")
        }
        let new = status["updateRevision"]?.text
        if new != status["currentRevision"]?.text {
            return .progressing("\(count("updatedReplicas")) pods are at revision \(new ?? "")")
        }
        return .complete("successfully rolled out: \(count("currentReplicas")) pods at revision \(new ?? "")")
    }
}
