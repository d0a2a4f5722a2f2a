// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Testing

@testable import Agent

/// An object from its JSON.
func kubernetesObject(_ json: String) throws -> KubernetesObject {
    KubernetesObject(try JSONText.parse(Array(json.utf8)[...], depth: 50))
}

@Suite struct `The state of a rollout` {
    private func status(_ kind: String, _ spec: String, _ status: String, generation: Int = 2) throws -> RolloutStatus {
        RolloutStatus(
            try kubernetesObject(
                #"{"kind": "\#(kind)", "metadata": {"generation": \#(generation)}, "spec": {\#(spec)}, "status": {\#(status)}}"#
            ))
    }

    @Test(arguments: [
        (#""observedGeneration": 1"#, RolloutStatus.progressing("the change has not been seen by the controller yet")),
        (
            #""observedGeneration": 2, "updatedReplicas": 1"#,
            .progressing("1 out of 3 new replicas have been updated")
        ),
        (
            #""observedGeneration": 2, "updatedReplicas": 3, "replicas": 5"#,
            .progressing("2 old replicas are pending termination")
        ),
        (
            #""observedGeneration": 2, "updatedReplicas": 3, "replicas": 3, "availableReplicas": 2"#,
            .progressing("2 of 3 updated replicas are available")
        ),
        (
            #""observedGeneration": 2, "updatedReplicas": 3, "replicas": 3, "availableReplicas": 3"#,
            .complete("successfully rolled out")
        ),
        (
            #""observedGeneration": 2, "conditions": [{"type": "Progressing", "reason": "ProgressDeadlineExceeded", "message": "late"}]"#,
            .failed("it exceeded its progress deadline: late")
        ),
    ])
    func `of a deployment`(text: String, expected: RolloutStatus) throws {
        #expect(try status("Deployment", #""replicas": 3"#, text) == expected)
    }

    @Test func `of a deployment scaled to nothing is complete`() throws {
        #expect(
            try status("Deployment", #""replicas": 0"#, #""observedGeneration": 2"#)
                == .complete("successfully rolled out"))
    }

    @Test(arguments: [
        (
            "", #""observedGeneration": 2, "desiredNumberScheduled": 2, "updatedNumberScheduled": 1"#,
            RolloutStatus.progressing("1 out of 2 new pods have been updated")
        ),
        (
            "",
            #""observedGeneration": 2, "desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 1"#,
            .progressing("1 of 2 updated pods are available")
        ),
        (
            "",
            #""observedGeneration": 2, "desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 2"#,
            .complete("successfully rolled out")
        ),
        (
            #""updateStrategy": {"type": "OnDelete"}"#, #""observedGeneration": 2"#,
            .failed("its update strategy is not RollingUpdate, so that nothing can be said")
        ),
    ])
    func `of a daemon set`(spec: String, text: String, expected: RolloutStatus) throws {
        #expect(try status("DaemonSet", spec, text) == expected)
    }

    @Test(arguments: [
        (
            #""replicas": 3"#, #""observedGeneration": 2, "readyReplicas": 2"#,
            RolloutStatus.progressing("2 of 3 pods are ready")
        ),
        (
            #""replicas": 3"#,
            #""observedGeneration": 2, "readyReplicas": 3, "updatedReplicas": 1, "updateRevision": "b", "currentRevision": "a""#,
            .progressing("1 pods are at revision b")
        ),
        (
            #""replicas": 3"#,
            #""observedGeneration": 2, "readyReplicas": 3, "currentReplicas": 3, "updateRevision": "b", "currentRevision": "b""#,
            .complete("successfully rolled out: 3 pods at revision b")
        ),
        (
            #""replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 2}}"#,
            #""observedGeneration": 2, "readyReplicas": 3, "updatedReplicas": 1, "updateRevision": "b", "currentRevision": "a""#,
            .complete("partitioned roll out complete: 1 new pods have been updated")
        ),
        (
            #""replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 1}}"#,
            #""observedGeneration": 2, "readyReplicas": 3, "updatedReplicas": 1"#,
            .progressing("1 out of 2 new pods have been updated")
        ),
    ])
    func `of a stateful set`(spec: String, text: String, expected: RolloutStatus) throws {
        #expect(try status("StatefulSet", spec, text) == expected)
    }

    @Test func `never traps on nonsense`() throws {
        for kind in ["Deployment", "DaemonSet", "StatefulSet", "Pod", ""] {
            _ = try status(kind, #""replicas": "x""#, #""observedGeneration": 1e99, "conditions": 3"#)
            _ = RolloutStatus(try kubernetesObject(#"{"kind": "\#(kind)", "status": [], "spec": null}"#))
        }
    }
}

@Suite struct `The history of a workload` {
    private let owner = #"{"kind": "Deployment", "metadata": {"name": "web", "uid": "u1"}}"#

    private func replicaSet(_ revision: Int, _ image: String, owner: String = "u1") throws -> KubernetesObject {
        try kubernetesObject(
            #"""
            {"kind": "ReplicaSet", "metadata": {"name": "web-\#(revision)", "annotations":
              {"deployment.kubernetes.io/revision": "\#(revision)", "kubernetes.io/change-cause": "to \#(image)"},
              "ownerReferences": [{"uid": "\#(owner)", "controller": true}]},
             "spec": {"template": {"metadata": {"labels": {"app": "web", "pod-template-hash": "h\#(revision)"}},
              "spec": {"containers": [{"name": "app", "image": "\#(image)"}]}}}}
            """#)
    }

    @Test func `holds its own revisions in order, and finds the one before`() throws {
        let history = RevisionHistory(
            of: try kubernetesObject(owner),
            from: [try replicaSet(10, "x:3"), try replicaSet(9, "x:2"), try replicaSet(12, "y:1", owner: "other")])
        #expect(history.revisions.map(\.number) == [9, 10])
        let target = try history.target(0)
        #expect(target.number == 9 && target.cause == "to x:2" && target.patchType == .json)
        #expect(target.template.at("metadata", "labels")?.compact == #"{"app":"web"}"#)
        #expect(target.patch.elements?.first?["path"]?.text == "/spec/template")
        #expect(try history.target(10).number == 10)
        #expect(throws: KubernetesFailure.self) { try history.target(3) }
    }

    @Test func `of one revision has none before`() throws {
        let history = RevisionHistory(of: try kubernetesObject(owner), from: [try replicaSet(1, "x")])
        #expect(throws: KubernetesFailure.self) { try history.target(0) }
    }

    @Test func `of a daemon set is patched as the cluster kept it`() throws {
        let revision = try kubernetesObject(
            #"""
            {"kind": "ControllerRevision", "revision": 4, "metadata": {"ownerReferences": [{"uid": "u1", "controller": true}]},
             "data": {"spec": {"template": {"$patch": "replace", "spec": {"containers": []}}}}}
            """#)
        let history = RevisionHistory(of: try kubernetesObject(owner), from: [revision])
        let target = try history.target(4)
        #expect(target.patchType == .strategic && target.patch.at("spec", "template", "$patch")?.text == "replace")
        #expect(target.template["$patch"] == nil)
    }
}
