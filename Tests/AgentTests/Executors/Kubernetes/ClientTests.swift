// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore
import Testing

@testable import Agent

@Suite struct `What a cluster refuses with` {
    private func status(_ json: String, _ code: Int = 500) throws -> KubernetesStatus {
        KubernetesStatus(try kubernetesObject(json).node, httpStatus: code)
    }

    @Test func `is told by its own sentence`() throws {
        let missing = try status(
            #"{"kind": "Status", "code": 404, "reason": "NotFound", "message": "pods \"x\" not found"}"#)
        #expect(missing.error.code == .notFound && missing.error.message == #"pods "x" not found"#)
        #expect(missing.result["reason"] == .string("NotFound"))
        let text = KubernetesStatus(nil, httpStatus: 404, text: "404 page not found\nmore")
        #expect(text.error.code == .notFound && text.error.message == "404 page not found")
        #expect(KubernetesStatus(nil, httpStatus: 502).error.code == .unavailable)
        let other = try status(#"{"kind": "Pod"}"#, 418)
        #expect(other.code == 418 && other.error.code == .invalidArgument)
    }

    @Test func `names fields and their owners`() throws {
        let conflict = try status(
            #"""
            {"kind": "Status", "code": 409, "details": {"causes": [
              {"reason": "FieldManagerConflict", "message": "conflict with \"kubectl\" using apps/v1", "field": ".spec.replicas"},
              {"reason": "FieldManagerConflict", "message": "conflict with \"hpa\"", "field": ".spec.x"}]}}
            """#)
        #expect(
            conflict.error.message == "conflict: .spec.replicas is owned by kubectl, .spec.x is owned by hpa"
                && conflict.error.hint == "--force-conflicts takes the fields over")
        #expect(conflict.result["conflicts"]?.arrayValue?.count == 2)
    }

    @Test func `says whose rights do not suffice`() throws {
        let denial = try #require(
            AccessDenial(
                #"deployments.apps "web" is forbidden: User "system:serviceaccount:a:b" cannot patch resource "deployments/scale" in API group "apps" in the namespace "prod": because"#
            ))
        #expect(
            denial.sentence
                == "system:serviceaccount:a:b may not patch deployments.apps/scale in the namespace prod: the cluster's RBAC does not allow it"
        )
        let cluster = AccessDenial(
            #"nodes is forbidden: User "x" cannot list resource "nodes" in API group "" at the cluster scope"#)
        #expect(cluster?.sentence.contains("at the cluster scope") == true && cluster?.namespace == nil)
        let others = [
            "", "\"", "User \"", #"pods "x" is forbidden: exceeded quota: q"#, #"User "x" cannot get path "/metrics""#,
        ]
        for message in others { #expect(AccessDenial(message) == nil) }
        let quota = try status(#"{"kind": "Status", "code": 403, "message": "pods is forbidden: exceeded quota"}"#)
        #expect(quota.error.code == .forbidden && quota.error.message == "pods is forbidden: exceeded quota")
    }

    @Test func `is waited for only where that may help`() {
        var patience = WatchPatience()
        let start = ContinuousClock.now
        let cut = KubernetesFailure(.unreachable, "closed")
        #expect(patience.failed(cut, now: start) != nil && patience.failed(cut, now: start + .seconds(59)) != nil)
        // One that breaks every watch is not put up with for longer than one that is away.
        patience.opened(now: start + .seconds(60))
        #expect(patience.isBrief(now: start + .seconds(60)) && !patience.isBrief(now: start + .seconds(62)))
        #expect(patience.failed(cut, now: start + .seconds(61)) == nil)
        patience.opened(now: start + .seconds(70))
        #expect(patience.failed(cut, now: start + .seconds(90)) != nil)
        #expect(patience.failed(KubernetesFailure(.forbidden, "no")) == nil)
        #expect(patience.failed(KubernetesFailure(KubernetesStatus(nil, httpStatus: 503))) != nil)
        #expect(patience.failed(KubernetesFailure(KubernetesStatus(nil, httpStatus: 400))) == nil)
    }
}

@Suite struct `Paths of the API` {
    private let pods = APIResource(
        group: "", version: "v1", name: "pods", singular: "pod", kind: "Pod", isNamespaced: true)
    private let nodes = APIResource(
        group: "", version: "v1", name: "nodes", singular: "node", kind: "Node", isNamespaced: false)
    private let deployments = APIResource(
        group: "apps", version: "v1", name: "deployments", singular: "deployment", kind: "Deployment",
        isNamespaced: true, shortNames: ["deploy"])

    @Test func `are made of their parts`() throws {
        #expect(ResourcePath.collection(pods, namespace: nil) == "/api/v1/pods")
        #expect(ResourcePath.collection(nodes, namespace: "x") == "/api/v1/nodes")
        let path = try ResourcePath.object(deployments, namespace: "a", name: "web", part: "scale")
        #expect(path == "/apis/apps/v1/namespaces/a/deployments/web/scale")
        #expect(try ResourcePath.object(nodes, namespace: "", name: "system:n1") == "/api/v1/nodes/system%3An1")
        #expect(ResourcePath.uri("/x", [("a b", "1;2&3"), ("天", "=")]) == "/x?a%20b=1%3B2%263&%E5%A4%A9=%3D")
    }

    @Test(arguments: [
        "", ".", "..", "a/b", "../secrets", "a%2Fb", "a b", "a\n", "天", String(repeating: "a", count: 254),
    ])
    func `take no name that is more than a name`(name: String) {
        #expect(throws: KubernetesFailure.self) { try ResourcePath.object(pods, namespace: "a", name: name) }
        #expect(throws: KubernetesFailure.self) { try ResourcePath.object(pods, namespace: name, name: "a") }
    }

    @Test func `follow from discovery`() throws {
        let list = try kubernetesObject(
            #"{"resources": [{"name": "deployments", "singularName": "", "namespaced": true, "kind": "Deployment", "shortNames": ["deploy"], "verbs": ["get"]}, {"name": "deployments/scale", "kind": "Scale"}, {"name": 3}, {}]}"#
        )
        let resources = APIResource.list(list.node, group: "apps", version: "v1")
        #expect(
            resources.count == 1 && resources[0].singular == "deployment"
                && resources[0].qualified == "deployments.apps")
        for word in ["deploy", "Deployments", "deployment", "DEPLOY"] { #expect(resources[0].isNamed(word)) }
        #expect(!resources[0].isNamed("deploys") && resources[0].title("web") == "deployment.apps/web")
    }
}

@Suite struct `Lines of a stream` {
    @Test func `come out whole, whatever pieces they come in`() {
        let text = "a\n\nlong line\nlast"
        for size in 1...text.utf8.count {
            var splitter = LineSplitter()
            var lines: [String] = []
            var rest = Array(text.utf8)[...]
            while !rest.isEmpty {
                splitter.append(ByteBuffer(bytes: rest.prefix(size)))
                rest = rest.dropFirst(size)
                while let line = splitter.next() { lines.append(String(buffer: line)) }
            }
            #expect(lines == ["a", "", "long line"] && splitter.pending == 4)
            #expect(String(buffer: splitter.drain()) == "last" && splitter.pending == 0)
        }
    }
}

@Suite struct `Words and options of a verb` {
    private func verb(_ command: String) throws(DeployError) -> any KubernetesVerb {
        try VerbTable.verb(of: try KubernetesStatement(command))
    }

    @Test(arguments: [
        "get pods", "kubectl get deploy/web -n x -o yaml", "get pods,svc -A", "get po -w", "list cm --chunk-size=10",
        "delete pod a b --grace-period=0 --force", "delete pods -l a=b --wait=false --cascade=orphan",
        "delete -f -\nkind: Pod\napiVersion: v1\nmetadata: {name: a}",
        "logs -f web -c c --tail=3 --since=1h30m --prefix",
        "logs -l app=web --all-containers", "logs -p web", "exec web -- ls -l",
        "exec -i deploy/web -c a -- cat\ntext: [",
        "scale deploy web db --replicas=3", "rollout undo deploy/web --to-revision=2",
        "rollout status sts/a --timeout=5m",
        "wait --for=delete pod/a", "wait --for=condition=Ready pod --all", "label po a x=y z-",
        "annotate po/a x=y --overwrite",
        "patch svc a -p '{}'", "patch svc a --type=json -p '[]'", "patch svc a -p 'spec: {a: 1}'", "events --for pod/a",
        "auth can-i list pods", "auth can-i get pods/log", "api-resources -o name", "version",
        "diff\nkind: Pod\napiVersion: v1",
    ])
    func `that are right are taken`(command: String) throws {
        _ = try verb(command)
    }

    @Test(arguments: [
        ("describe pods", "agents do not perform 'describe'"), ("get", "get needs a resource"),
        ("get pods --follow", "get does not take --follow"),
        ("get pods\nkind: Pod", "takes nothing below its first line"),
        ("get pods x -A", "names do not go together with"), ("get pods/a b", "write every object as TYPE/NAME"),
        ("get pods -o jsonpath", "is none of table, wide, json, yaml, name"),
        ("delete pods", "needs names, or one of"), ("delete pods a -l b=c", "needs names, or one of"),
        ("delete pod a --grace-period=0", "--grace-period=0 needs --force"),
        ("delete pod a\nkind: Pod", "takes manifests or names, not both"), ("apply", "there is nothing to apply"),
        ("apply view-last-applied x", "apply takes manifests and options only"),
        ("apply --dry-run=client\nkind: Pod", "--dry-run is done by the server only"),
        ("apply -f x.yaml\nkind: Pod", "manifests are not read from files"),
        ("scale deploy web", "scale needs --replicas"),
        ("scale deploy web --replicas=-1", "is not a number from 0"), ("scale deploy --replicas=1", "needs the names"),
        ("patch svc a", "patch needs -p"), ("patch svc a -p 3", "the patch is not one JSON or YAML object"),
        ("patch svc a -p '[]'", "the patch is an array"),
        ("patch svc a -p '{}' --subresource=token", "is none of status, scale"),
        ("exec web ls", "a program after --"), ("exec web --", "a program after --"),
        ("exec -t web -- sh", "no terminal"),
        ("exec web -- cat\ntext", "needs -i"), ("logs", "needs one pod"), ("logs a -l b=c", "needs one pod"),
        ("logs a --since=soon", "is not a span of time"), ("rollout", "rollout needs one of"),
        ("rollout status deploy/a --to-revision=1", "does not take --to-revision"),
        ("wait pod/a", "wait needs --for"), ("wait --for=condition=Ready pod", "needs names"),
        ("label po a", "needs KEY=VALUE"), ("label po -l a=b c d=e", "needs names"),
        ("auth whoami", "of auth there is can-i"),
        ("get pods -n ../x", "is not the name of a namespace"), ("get pods a%2Fb", "cannot be the name of an object"),
        ("events pods", "events takes options only"),
        ("create deployment x", "create takes manifests, not 'deployment'"),
    ])
    func `that are wrong are refused with a sentence`(command: String, message: String) {
        let error = #expect(throws: DeployError.self) { try verb(command) }
        #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
    }

    @Test func `give spans of time as Go writes them`() {
        #expect(
            VerbArguments.span("1h30m") == 5400 && VerbArguments.span("90s") == 90 && VerbArguments.span("1.5s") == 1.5)
        #expect(VerbArguments.span("250ms") == 0.25 && VerbArguments.span("0") == 0 && VerbArguments.span("10") == 10)
        for text in ["", "h", "-1s", "1x", "1h m", "1e3s"] { #expect(VerbArguments.span(text) == nil) }
    }
}

@Suite struct `Tables of a server` {
    @Test func `are read with any cells, and made where a server makes none`() throws {
        let table = ServerTable(
            try kubernetesObject(
                #"{"kind": "Table", "columnDefinitions": [{"name": "Name", "type": "string"}, {"name": "N", "type": "integer", "priority": 1}], "rows": [{"cells": ["a", 3], "object": {"metadata": {"namespace": "x"}}}, {"cells": [null]}, {}]}"#
            ).node)
        #expect(
            table.columns.map(\.priority) == [0, 1] && table.rows.count == 3 && table.rows[0].object.namespace == "x")
        let list = ServerTable(
            try kubernetesObject(
                #"{"kind": "PodList", "items": [{"metadata": {"name": "a", "creationTimestamp": "2026-01-01T00:00:00Z"}}]}"#
            ).node)
        #expect(list.columns.map(\.name) == ["Name", "Created At"] && list.rows[0].cells[0] == .string("a"))
    }
}
