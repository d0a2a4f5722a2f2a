// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Core

/// Texts and the rule that refuses them; an empty rule for those that nothing objects to.
private typealias Case = (text: String, rule: String)

@Suite struct StatementGuardTests {
    private func check(_ type: StatementLanguage, _ cases: [Case]) {
        for (text, rule) in cases {
            let verdict = StatementGuard.judge(text, type: type, mode: .noInjection)
            #expect(
                verdict.rule == (rule.isEmpty ? "none" : rule),
                "\(type.rawValue): \(text): \(verdict.rule) \(verdict.message)")
        }
    }

    @Test func `every rule is named once and said in one line`() {
        let ids = StatementRule.table.map(\.id)
        #expect(Set(ids).count == ids.count)
        for rule in StatementRule.table {
            #expect(!rule.meaning.isEmpty && !rule.meaning.contains("\n") && !rule.languages.isEmpty)
            #expect(rule.liftable == !rule.id.hasSuffix(".syntax"))
            for language in rule.languages { #expect(rule.id.hasPrefix(language.family + ".")) }
            #expect(StatementRule.named(rule.id) == rule)
        }
    }

    @Test func `commands of MongoDB`() {
        check(
            .mongo,
            [
                (#"{"find": "users", "filter": {"name": "drop"}}"#, ""), (#"{"drop": "users"}"#, "mongo.drop"),
                (#"{"\u0064rop": "users"}"#, "mongo.drop"), (#" {  "drop" : "users" } "#, "mongo.drop"),
                (#"{"find": "drop", "filter": {"drop": 1}}"#, ""), (#"{"dropDatabase": 1}"#, "mongo.drop-database"),
                (#"{"dropIndexes": "t", "index": "*"}"#, "mongo.drop"), (#"{"find": "a"} {"drop": "a"}"#, "mongo.drop"),
                (#"{"delete": "t", "deletes": [{"q": {}, "limit": 0}]}"#, "mongo.delete-unfiltered"),
                (#"{"delete": "t", "deletes": [{"q": {"a": 1}, "limit": 0}]}"#, ""),
                (
                    #"{"delete": "t", "deletes": [{"q": {"a": 1}, "limit": 1}, {"q": {}, "limit": 1}]}"#,
                    "mongo.delete-unfiltered"
                ),
                (
                    #"{"delete": "t", "deletes": [{"q": {"$or": [{"a": 1}, {}]}, "limit": 0}]}"#,
                    "mongo.delete-unfiltered"
                ), (#"{"delete": "t", "deletes": [{"q": {"$and": [{}]}, "limit": 0}]}"#, "mongo.delete-unfiltered"),
                (#"{"delete": "t", "deletes": [{"q": {"$and": [{}, {"a": 1}]}, "limit": 0}]}"#, ""),
                (
                    #"{"delete": "t", "deletes": [{"q": {"_id": {"$exists": true}}, "limit": 0}]}"#,
                    "mongo.delete-unfiltered"
                ),
                (
                    #"{"delete": "t", "deletes": [{"q": {"_id": {"$ne": null}}, "limit": 0}]}"#,
                    "mongo.delete-unfiltered"
                ), (#"{"delete": "t", "deletes": [{"q": {"$comment": "x"}, "limit": 0}]}"#, "mongo.delete-unfiltered"),
                (#"{"delete": "t", "deletes": [{"q": {"$expr": true}, "limit": 0}]}"#, "mongo.delete-unfiltered"),
                (#"{"delete": "t", "deletes": [{"q": {"$expr": {"$eq": ["$a", 1]}}, "limit": 0}]}"#, ""),
                (
                    #"{"delete": "t", "deletes": [{"q": {"$expr": {"$eq": ["$a", "$a"]}}, "limit": 0}]}"#,
                    "mongo.delete-unfiltered"
                ),
                (#"{"delete": "t", "deletes": [{"q": {"a": {"$nin": []}}, "limit": 0}]}"#, "mongo.delete-unfiltered"),
                (
                    #"{"delete": "t", "deletes": [{"q": {"_id": {"$gte": {"$minKey": 1}}}, "limit": 0}]}"#,
                    "mongo.delete-unfiltered"
                ), (#"{"delete": "t", "deletes": [{"q": {"a": {}}, "limit": 0}]}"#, ""),
                (#"{"delete": "t", "deletes": [{"limit": 0}]}"#, "mongo.syntax"), (#"{"delete": "t"}"#, "mongo.syntax"),
                (
                    #"{"update": "t", "updates": [{"q": {}, "u": {"$set": {"a": 1}}, "multi": true}]}"#,
                    "mongo.update-unfiltered"
                ), (#"{"update": "t", "updates": [{"q": {}, "u": {"$set": {"a": 1}}}]}"#, ""),
                (
                    #"{"update": "t", "updates": [{"q": {}, "u": {}, "multi": {"$numberInt": "1"}}]}"#,
                    "mongo.update-unfiltered"
                ), (#"{"update": "t", "updates": [{"q": {"a": 1}, "u": {"$set": {"b": 1}}, "multi": true}]}"#, ""),
                (
                    #"{"bulkWrite": 1, "ops": [{"delete": 0, "filter": {}}], "nsInfo": [{"ns": "a.b"}]}"#,
                    "mongo.delete-unfiltered"
                ),
                (#"{"bulkWrite": 1, "ops": [{"insert": 0, "document": {}}], "nsInfo": [{"ns": "a.b"}]}"#, ""),
                (
                    #"{"bulkWrite": 1, "ops": [{"insert": 0, "document": {}}], "nsInfo": [{"ns": "admin.system.users"}]}"#,
                    "mongo.system"
                ), (#"{"findAndModify": "t", "remove": true}"#, "mongo.delete-unfiltered"),
                (#"{"findAndModify": "t", "query": {"a": 1}, "remove": true}"#, ""),
                (#"{"find": "t", "filter": {"$where": "1"}}"#, "mongo.javascript"),
                (#"{"find": "t", "filter": {"a": [{"$and": [{"$where": "1"}]}]}}"#, "mongo.javascript"),
                (#"{"find": "t", "filter": {"a": "$where"}}"#, ""),
                (
                    #"{"aggregate": "t", "pipeline": [{"$project": {"a": {"$function": {"body": "x"}}}}], "cursor": {}}"#,
                    "mongo.javascript"
                ),
                (
                    #"{"aggregate": "t", "pipeline": [{"$group": {"_id": 1, "a": {"$accumulator": {}}}}], "cursor": {}}"#,
                    "mongo.javascript"
                ), (#"{"mapReduce": "t"}"#, "mongo.javascript"), (#"{"eval": "x"}"#, "mongo.javascript"),
                (#"{"$eval": "x"}"#, "mongo.javascript"),
                (#"{"aggregate": "t", "pipeline": [{"$out": "u"}], "cursor": {}}"#, "mongo.out"),
                (#"{"aggregate": "t", "pipeline": [{"$merge": {"into": "u"}}], "cursor": {}}"#, "mongo.out"),
                (#"{"aggregate": "t", "pipeline": [{"$project": {"a": {"$mergeObjects": []}}}], "cursor": {}}"#, ""),
                (#"{"insert": "t", "documents": [{"$out": 1, "x": {"$where": "y"}, "drop": 1}]}"#, ""),
                (#"{"insert": "system.users", "documents": [{}]}"#, "mongo.system"),
                (#"{"insert": "t", "documents": [{}], "$db": "admin"}"#, "mongo.system"),
                (#"{"find": "system.users", "$db": "admin"}"#, ""),
                (#"{"shutdown": 1}"#, "mongo.server"), (#"{"fsync": 1, "lock": true}"#, "mongo.server"),
                (#"{"replSetStepDown": 60}"#, "mongo.server"), (#"{"replSetReconfig": {}}"#, "mongo.server"),
                (#"{"replSetGetStatus": 1}"#, ""), (#"{"createUser": "x"}"#, "mongo.account"),
                (#"{"grantRolesToUser": "x"}"#, "mongo.account"),
                (#"{"renameCollection": "a.b", "to": "a.c"}"#, "mongo.rename"),
                (#"{"setParameter": 1}"#, "mongo.settings"), (#"{"getParameter": "*"}"#, ""),
                (#"{"killOp": 1, "op": 2}"#, "mongo.kill"), (#"{"profile": 2}"#, "mongo.settings"),
                (#"{"profile": -1}"#, ""), (#"{"applyOps": []}"#, "mongo.server"),
                (#"{"createIndexes": "t", "indexes": [{"key": {"a": 1}, "name": "a"}]}"#, ""),
                (#"{"createIndexes": "t", "indexes": [{"key": {"a": 1}, "expireAfterSeconds": 0}]}"#, "mongo.expire"),
                (#"{"collMod": "t", "index": {"name": "a", "expireAfterSeconds": 1}}"#, "mongo.expire"),
                (#"{"explain": {"delete": "t", "deletes": [{"q": {}, "limit": 0}]}}"#, ""),
                (#"{"explain": {"drop": "t"}}"#, "mongo.drop"), (#"{"Drop": "t"}"#, "mongo.unknown"),
                (#"{"foo": 1}"#, "mongo.unknown"), (#"{"$query": {"drop": "t"}}"#, "mongo.unknown"),
                (#"{}"#, "mongo.syntax"), (#"[]"#, "mongo.syntax"), (#"["drop"]"#, "mongo.syntax"),
                ("", "mongo.syntax"), (#"{"find": "a""#, "mongo.syntax"),
                (#"{"ping": 1, "ping": 2}"#, "mongo.syntax"),
                (#"{"find": "t", "filter": {"a": 1, "\u0061": 2}}"#, "mongo.syntax"),
                (#"{"ping\u0000x": 1}"#, "mongo.syntax"), (#"{drop: "t"}"#, "mongo.syntax"),
                (#"db.t.drop()"#, "mongo.syntax"), (#"{"ping": 1} // x"#, "mongo.syntax"),
                (#"{"ping": 01}"#, "mongo.syntax"), (#"{"ping": "\ud800"}"#, "mongo.syntax"),
            ])
    }

    @Test func `requests to Elasticsearch`() {
        check(
            .elasticsearch,
            [
                ("GET /_cat/indices", ""), ("GET _search", ""),
                ("get /a/_search\n{\"query\": {\"match\": {\"a\": \"DELETE /b\"}}}", ""),
                ("DELETE /logs", "es.delete-index"), ("delete logs", "es.delete-index"),
                ("DELETE /logs-*", "es.delete-index"), ("DELETE /_all", "es.delete-index"),
                ("DELETE /*", "es.delete-index"),
                ("DELETE /%2A", "es.delete-index"), ("DELETE /%5Fall", "es.delete-index"),
                ("DELETE //logs", "es.delete-index"), ("DELETE /logs/", "es.delete-index"),
                ("DELETE /a,b", "es.delete-index"), ("DELETE /", "es.delete-index"), ("DELETE /%252A", "es.syntax"),
                ("DELETE /a/../b", "es.syntax"), ("DELETE /a/%2e%2e/b", "es.syntax"), ("DELETE /a%0ab", "es.syntax"),
                ("DELETE /logs?pretty", "es.delete-index"), ("DELETE /logs/_doc/1", ""),
                ("DELETE /logs/_doc", "es.unknown"), ("DELETE /_data_stream/x", "es.delete-index"),
                ("DELETE /_search/scroll", ""), ("DELETE /logs/_mapping", "es.unknown"),
                ("DELETE http://x/logs", "es.syntax"), ("DELETE /logs HTTP/1.1", "es.syntax"), ("BREW /x", "es.syntax"),
                ("", "es.syntax"),
                ("POST /logs/_delete_by_query\n{\"query\": {\"match_all\": {}}}", "es.delete-by-query"),
                ("POST /logs/_delete_by_query", "es.delete-by-query"),
                ("POST /logs/%5Fdelete_by_query\n{\"query\":{}}", "es.delete-by-query"),
                ("POST /logs/_delete_by_query\n{\"query\": {\"term\": {\"a\": 1}}}", ""),
                ("POST //logs//_delete_by_query?q=*:*", "es.delete-by-query"),
                ("POST /logs/_delete_by_query?q=a:1", ""), ("POST /logs/_delete_by_query?q=%2A", "es.delete-by-query"),
                (
                    "POST /logs/_delete_by_query?source=%7B%22query%22:%7B%22match_all%22:%7B%7D%7D%7D",
                    "es.delete-by-query"
                ),
                (
                    "POST /logs/_delete_by_query\n{\"query\": {\"bool\": {\"filter\": [{\"match_all\": {}}]}}}",
                    "es.delete-by-query"
                ),
                (
                    "POST /logs/_delete_by_query\n{\"query\": {\"bool\": {\"must\": [{\"match_all\": {}}, {\"term\": {\"a\": 1}}]}}}",
                    ""
                ),
                (
                    "POST /logs/_delete_by_query\n{\"query\": {\"bool\": {\"should\": [{\"term\": {\"a\": 1}}, {\"match_all\": {}}]}}}",
                    "es.delete-by-query"
                ), ("POST /logs/_delete_by_query\n{\"query\": {\"bool\": {}}}", "es.delete-by-query"),
                (
                    "POST /logs/_delete_by_query\n{\"query\": {\"query_string\": {\"query\": \"*\"}}}",
                    "es.delete-by-query"
                ),
                ("POST /logs/_delete_by_query\n{\"query\": {\"exists\": {\"field\": \"_id\"}}}", "es.delete-by-query"),
                (
                    "POST /logs/_delete_by_query\n{\"query\": {\"constant_score\": {\"filter\": {\"match_all\": {}}}}}",
                    "es.delete-by-query"
                ),
                ("POST /_all/_delete_by_query\n{\"query\": {\"term\": {\"a\": 1}}}", "es.delete-by-query"),
                ("POST /*/_update_by_query\n{\"query\": {\"term\": {\"a\": 1}}}", "es.update-by-query"),
                ("POST /logs/_update_by_query", "es.update-by-query"),
                (
                    "POST /logs/_delete_by_query\n{\"query\": {\"wrapper\": {\"query\": \"e30=\"}}}",
                    "es.delete-by-query"
                ),
                (
                    "POST /logs/_update_by_query\n{\"query\": {\"term\": {\"a\": 1}}, \"script\": {\"source\": \"x\"}}",
                    ""
                ),
                (
                    "POST /logs/_delete_by_query\n{\"query\": {\"term\": {\"a\": 1}}, \"query\": {\"match_all\": {}}}",
                    "es.syntax"
                ), ("POST /_bulk\n{\"index\": {\"_index\": \"a\"}}\n{\"delete\": {}}\n", ""),
                ("POST /_bulk\n{\"index\": {}}\n{\"a\": 1}\n{\"delete\": {\"_id\": 1}}\n", "es.bulk-delete"),
                ("POST /a/_bulk\n{\"delete\": {\"_id\": 1}}", "es.bulk-delete"),
                ("POST /_bulk\n{\"index\": {}, \"delete\": {}}\n{}", "es.syntax"),
                ("POST /_bulk\n{\"index\": {}}\n", "es.syntax"), ("POST /_bulk\n{\"foo\": {}}\n{}", "es.syntax"),
                ("POST /_bulk\n{\"index\": {\"_index\": \".security\"}}\n{}", "es.system"),
                ("PUT /_cluster/settings\n{}", "es.cluster"), ("GET /_cluster/health", ""),
                ("POST /_cluster/reroute", "es.cluster"),
                ("POST /_nodes/x/_shutdown", "es.cluster"), ("DELETE /_snapshot/r/s", "es.snapshot"),
                ("POST /_snapshot/r/s/_restore", "es.snapshot"), ("PUT /_scripts/x\n{}", "es.script"),
                ("POST /_security/user/x\n{}", "es.security"), ("GET /_security/user", "es.security"),
                ("PUT /logs/_settings\n{}", "es.settings"), ("POST /logs/_close", "es.settings"),
                ("PUT /_index_template/x\n{}", "es.template"),
                ("DELETE /_ingest/pipeline/x", "es.template"),
                ("POST /_aliases\n{\"actions\": [{\"add\": {\"index\": \"a\", \"alias\": \"b\"}}]}", ""),
                ("POST /_aliases\n{\"actions\": [{\"remove_index\": {\"index\": \"a\"}}]}", "es.delete-index"),
                ("POST /_reindex\n{\"source\": {\"index\": \"a\"}, \"dest\": {\"index\": \"b\"}}", ""),
                (
                    "POST /_reindex\n{\"source\": {\"remote\": {\"host\": \"x\"}}, \"dest\": {\"index\": \"b\"}}",
                    "es.remote"
                ), ("POST /_tasks/a:1/_cancel", "es.kill"), ("PUT /logs\n{}", ""), ("PUT /logs/_doc/1\n{\"a\": 1}", ""),
                ("POST /logs/_doc\n{\"a\": 1}", ""), ("POST /.kibana/_doc\n{}", "es.system"),
                ("POST /logs/_foo", "es.unknown"), ("POST /logs", "es.unknown"),
                (
                    "POST /logs/_search\n{\"script_fields\": {\"a\": {\"script\": {\"lang\": \"groovy\", \"source\": \"x\"}}}}",
                    "es.script"
                ), ("POST /logs/_search\n{\"a\": ", "es.syntax"), ("POST /logs/_search\n{} {}", "es.syntax"),
                ("GET /logs/_search?source={}\n{}", "es.syntax"),
            ])
    }

    @Test func `statements for Kubernetes`() {
        let pod = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\nspec:\n  containers:\n  - name: c\n    image: x\n"
        check(
            .k8s,
            [
                ("get pods -n web", ""), ("kubectl get pods -A -o wide", ""), ("list pods", ""),
                ("delete pod web-1 -n web", ""), ("delete pod/web-1", ""), ("delete pods -l app=web", ""),
                ("delete namespace web", "k8s.delete-namespace"), ("delete ns web", "k8s.delete-namespace"),
                ("delete NS/web", "k8s.delete-namespace"), ("delete -n x namespaces web", "k8s.delete-namespace"),
                ("delete pod,ns web", "k8s.delete-namespace"), ("delete 'ns' web", "k8s.delete-namespace"),
                ("delete n\"s\" web", "k8s.delete-namespace"), ("delete namespaces.v1. web", "k8s.delete-namespace"),
                ("delete pod namespace", ""), ("delete pv x", "k8s.delete-cluster-resource"),
                ("delete crd x", "k8s.delete-cluster-resource"),
                ("delete customresourcedefinitions.apiextensions.k8s.io x", "k8s.delete-cluster-resource"),
                ("delete node n1", "k8s.delete-cluster-resource"),
                ("delete clusterrole x", "k8s.delete-cluster-resource"),
                ("delete storageclasses x", "k8s.delete-cluster-resource"), ("delete pvc data", "k8s.delete-volume"),
                ("delete pods --all", "k8s.all"), ("delete --all=true pods", "k8s.all"),
                ("delete pods x --all=false", ""), ("delete pods", "k8s.all"), ("delete all -l a=b", "k8s.all"),
                ("delete pods -Al a=b", "k8s.all"),
                ("deletecollection pods", "k8s.all"), ("apply --prune -l a=b", "k8s.all"), ("delete", "k8s.syntax"),
                ("cordon n1", "k8s.node"), ("drain n1 --force", "k8s.node"),
                ("taint nodes n1 a=b:NoSchedule", "k8s.node"), ("exec web -- ls", "k8s.exec"),
                ("-n web exec pod -- rm -rf /", "k8s.exec"), ("cp a:/x /y", "k8s.exec"), ("debug node/n1", "k8s.exec"),
                ("port-forward a 1", "k8s.exec"),
                ("get secrets", "k8s.secrets"), ("get secret/x -o yaml", "k8s.secrets"),
                ("get pods,secrets", "k8s.secrets"), ("describe secret x", "k8s.secrets"),
                ("create token sa", "k8s.secrets"), ("get configmap secret", ""),
                ("get --raw /api/v1/secrets", "k8s.raw"), ("get pods --as system:admin", "k8s.identity"),
                ("get pods --token=x", "k8s.identity"), ("get pods --kubeconfig /x", "k8s.identity"),
                ("-s http://x get pods", "k8s.identity"), ("config view", "k8s.identity"),
                ("apply -f /x.yaml", "k8s.file"), ("apply -f http://x", "k8s.file"), ("apply -k .", "k8s.file"),
                ("apply -f -\n" + pod, ""), ("apply\n" + pod, ""),
                ("delete -f -\napiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n", "k8s.delete-namespace"),
                ("apply\n{\"kind\": \"Pod\", \"spec\": {\"hostPID\": true}}", "k8s.privileged"),
                ("apply\n" + pod + "  hostNetwork: true\n", "k8s.privileged"),
                ("apply\n" + pod + "  hostNetwork: yes\n", "k8s.privileged"),
                ("apply\n" + pod + "  hostNetwork: false\n", ""),
                ("apply\n" + pod + "    securityContext: {privileged: true}\n", "k8s.privileged"),
                ("apply\n" + pod + "    securityContext:\n      \"privil\\u0065ged\": true\n", "k8s.privileged"),
                ("apply\n" + pod + "  volumes:\n  - hostPath: {path: /}\n    name: a\n", "k8s.privileged"),
                ("apply\n" + pod + "    securityContext: {capabilities: {add: [SYS_ADMIN]}}\n", "k8s.privileged"),
                ("apply\n" + pod + "    securityContext: {capabilities: {drop: [ALL]}}\n", ""),
                (
                    "apply\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  x: |\n    privileged: true\n    hostPath: /\n",
                    ""
                ), ("apply\nkind: List\nitems:\n- kind: ClusterRoleBinding\n  metadata: {name: a}\n", "k8s.rbac"),
                (
                    "apply\n---\n" + pod + "---\nkind: CustomResourceDefinition\nmetadata: {name: a}\n",
                    "k8s.cluster-resource"
                ), ("apply\nkind: Namespace\nmetadata: {name: a}\n", ""),
                (
                    "apply\n" + pod + "\n---\nkind: Pod\nmetadata: {name: b, namespace: kube-system}\n",
                    "k8s.system-namespace"
                ),
                ("delete pod x -n kube-system", "k8s.system-namespace"), ("get pods -n kube-system", ""),
                ("patch deployment web -p '{\"spec\":{\"replicas\":3}}'", ""),
                ("patch deployment web -p '{\"spec\":{\"template\":{\"spec\":{\"hostPID\":true}}}}'", "k8s.privileged"),
                (
                    "patch deployment web --type=json -p '[{\"op\":\"add\",\"path\":\"/spec/template/spec/hostPID\",\"value\":true}]'",
                    "k8s.privileged"
                ),
                ("patch deployment web --patch=spec:", ""), ("patch node n1 -p '{}'", "k8s.cluster-resource"),
                ("create clusterrolebinding x --clusterrole=cluster-admin --user=u", "k8s.identity"),
                ("create clusterrolebinding x --clusterrole=cluster-admin --group=u", "k8s.rbac"),
                ("create rolebinding x --role=y --group=z", "k8s.rbac"),
                ("label nodes n1 a.b/c=d", "k8s.cluster-resource"), ("label pods web a.b/c=d", ""),
                ("label pods --all a=b", "k8s.all"), ("auth can-i get pods", ""), ("auth reconcile", "k8s.rbac"),
                ("run x --image=y --privileged", "k8s.privileged"),
                ("run x --image=y --overrides='{\"spec\":{\"hostNetwork\":true}}'", "k8s.privileged"),
                ("rollout restart deployment/web -n prod", ""), ("rollout undo deployment web", ""),
                ("scale deployment/web --replicas=3", ""), ("set image deployment/web c=repo/img:1", ""),
                ("set subject rolebinding x --group=g", "k8s.rbac"), ("logs -f web -c c --tail=10", ""),
                ("logs -p web", ""), ("wait --for=condition=Ready pod/web", ""),
                ("edit pod web", "k8s.syntax"), ("foo pods", "k8s.syntax"), ("delete pods --foo ns x", "k8s.syntax"),
                ("get pods; delete ns x", "k8s.syntax"), ("get pods $(x)", "k8s.syntax"),
                ("get pods | sh", "k8s.syntax"), ("get 'pods", "k8s.syntax"), ("", "k8s.syntax"),
                ("apply\na: &x [1]\nb: *x\n", "k8s.syntax"),
                ("apply\n{\"kind\": \"Pod\", \"kind\": \"Node\"}", "k8s.syntax"), ("apply\n[\n", "k8s.syntax"),
                ("get pods --", ""), ("certificate approve x", "k8s.rbac"),
                ("exec -i web -- sh\n{ no: [manifest", "k8s.exec"), ("update\n" + pod, ""),
                ("apply\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  x: |\n    [ a != b ] && c *d &e\n", ""),
                ("apply\n" + pod + "    securityContext: {privileged: 0x1}\n", "k8s.privileged"),
            ])
    }

    @Test func `entering containers lifts no other rule`() {
        func rule(_ text: String) -> String? {
            let verdict = StatementGuard.judge(text, type: .k8s, lifted: ["k8s.exec"], mode: .blacklistDefault)
            return verdict.verdict == .deny ? verdict.rule : nil
        }
        #expect(rule("exec web -- ls") == nil && rule("exec -i web -- sh\nls\n") == nil)
        #expect(rule("exec web -n kube-system -- ls") == "k8s.system-namespace")
        #expect(
            rule("exec web --token=x -- ls") == "k8s.identity"
                && rule("exec web --kubeconfig x -- ls") == "k8s.identity")
        #expect(rule("attach web") == nil && rule("exec web --frob -- ls") == "k8s.syntax")
    }

    @Test func `no bytes crash the guard`() {
        var state: UInt64 = 3
        func next(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        let pieces = [
            "DELETE", "FROM", "WHERE", "UPDATE", "SET", "(", ")", ";", "'", "\"", "`", "$$", "$a$", "/*", "*/", "/*!",
            "/*!50000", "--", "#", "\n", " ", "a", "1", "=", "OR", "NOT", "AND", "BETWEEN",
            "CASE", "END", "WITH", "AS", "EXPLAIN", "ANALYZE", "CREATE", "FUNCTION", "BEGIN", "PREPARE", "ALTER",
            "DROP", "COPY", "TO", "ENGINE", "SOURCE", "@", ".", ",", "\\", "é", "\u{200B}", "{", "}", "[", "]", ":",
            "\"drop\"",
            "\"q\"", "\"$or\"", "true", "null", "_bulk", "GET", "POST", "/", "?", "%2A", "delete", "ns", "-n", "--all",
            "-p", "apply", "kind: Pod", "- ", "&x", "*x", "\u{0}", "E'", "U&\"", "0x", "1e", ".5", "IN", "LIKE", "~",
            "::", "<=>",
        ]
        for round in 0..<6_000 {
            let text = (0...next(24)).map { _ in pieces[next(pieces.count)] + (next(2) == 0 ? " " : "") }.joined()
            for type in StatementLanguage.allCases {
                let verdict = StatementGuard.judge(text, type: type, mode: round % 2 == 0 ? .noInjection : .whitelist)
                if let position = verdict.position { #expect(position >= 0 && position <= text.utf8.count) }
            }
        }
        for _ in 0..<2_000 {
            let text = String(decoding: (0...next(60)).map { _ in UInt8(next(256)) }, as: UTF8.self)
            for type in StatementLanguage.allCases { _ = StatementGuard.judge(text, type: type, mode: .noInjection) }
        }
    }

    @Test func `large and deep texts are answered`() {
        let size = 8_192
        for piece in [
            "(", "DELETE ", "DELETE FROM t ", "(SELECT ", "NOT ", "a OR ", "a=1 OR ", "'x' ", "/* */", "/*!50000 1 */ ",
            "$a$", "CASE ", "BEGIN ", ";", "-", "[", "{", "{\"a\":", "- ", "\\", "WITH a AS (", "UPDATE t SET ",
            "ELSE DELETE FROM t WHERE a ", "SET STATEMENT a=1 FOR ", "PREPARE a AS ", "EXPLAIN ANALYZE DO ",
        ] {
            for prefix in ["", "DELETE FROM t WHERE ", "apply\n", "POST /_bulk\n"] {
                let text = String((prefix + String(repeating: piece, count: size / piece.utf8.count)).prefix(size))
                for type in StatementLanguage.allCases {
                    _ = StatementGuard.judge(text, type: type, mode: .noInjection)
                }
            }
        }
        let deep =
            "DELETE FROM t WHERE " + String(repeating: "(NOT ", count: 2_000) + "a"
            + String(repeating: ")", count: 2_000)
        #expect(StatementGuard.judge(deep, type: .postgres, mode: .noInjection).rule == "sql.delete-unfiltered")
        let limit = StatementGuard.maximumBytes
        let full = "SELECT '" + String(repeating: "x", count: limit - 9) + "'"
        #expect(StatementGuard.judge(full, type: .mysql, mode: .noInjection).rule == "none")
        #expect(StatementGuard.judge(full + " ", type: .mysql, mode: .noInjection).rule == "sql.syntax")
    }
}
