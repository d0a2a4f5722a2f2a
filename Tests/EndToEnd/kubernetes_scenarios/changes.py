# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Tasks that change objects."""

import json

from harness.waiting import until

from .bench import config_map, deployment, manifests, pod

APPLY = {"type": "application/apply-patch+yaml"}


class Changes:
    # apply

    def test_apply_creates_configures_and_leaves_alone(self, bench):
        space = bench.namespace()
        text = f"apply -n {space}" + manifests(config_map("one", text="天工 1"), deployment(replicas=1))
        done = bench.done(text)
        assert done.out == "configmap/one created\ndeployment.apps/web created\n"
        assert done.result["changed"] is True and done.result["count"] == 2
        assert done.result["objects"][1] == {"object": "deployment.apps/web", "namespace": space, "action": "created"}
        assert bench.get("configmaps", "one", space)["data"] == {"text": "天工 1"}
        done = bench.done(f"apply -n {space}" + manifests(config_map("one", text="天工 1")))
        assert done.out == "configmap/one unchanged\n" and done.result["changed"] is False
        done = bench.done(f"apply -n {space}" + manifests(config_map("one", text="2")))
        assert done.out == "configmap/one configured\n" and done.result["changed"] is True
        # A field that is applied no more goes, as its owner wants it no more.
        bench.done(f"apply -n {space}" + manifests(config_map("one", other="3")))
        assert bench.get("configmaps", "one", space)["data"] == {"other": "3"}
        owners = bench.cluster.api(f"/api/v1/namespaces/{space}/configmaps/one")["metadata"]["managedFields"]
        assert {(owner["manager"], owner["operation"]) for owner in owners} == {("tiangong", "Apply")}

    def test_yaml_means_what_kubernetes_takes_it_for(self, bench):
        space = bench.namespace()
        script = "if [ \"$a\" != b ]; then\n  x *y &z\nfi\n# 天工\n"
        done = bench.done(f"""kubectl apply -n {space} -f -
# a comment
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: yaml
  labels: {{a: "yes", b: 'no'}}
data:
  number: "0644"
  "quoted": 'it''s'
  run.sh: |
    if [ "$a" != b ]; then
      x *y &z
    fi
    # 天工
  folded: >-
    one
    two
binaryData:
  raw: AP8=
immutable: no
---
---
apiVersion: v1
kind: Pod
metadata: {{name: modes}}
spec:
  containers:
  - name: app
    image: x:1
    args: ["-c", "a && b > *.txt"]
  volumes:
  - name: v
    configMap: {{name: yaml, defaultMode: 0640}}
""")
        assert done.out == "configmap/yaml created\npod/modes created\n"
        one = bench.get("configmaps", "yaml", space)
        assert one["data"] == {"number": "0644", "quoted": "it's", "run.sh": script, "folded": "one two"}
        assert one["binaryData"] == {"raw": "AP8="} and one["immutable"] is False
        assert one["metadata"]["labels"] == {"a": "yes", "b": "no"}
        spec = bench.get("pods", "modes", space)["spec"]
        assert spec["volumes"][0]["configMap"]["defaultMode"] == 0o640 and spec["containers"][0]["args"][1] == "a && b > *.txt"

    def test_a_failure_in_the_middle_stops_nothing_else(self, bench):
        space = bench.namespace()
        wrong = deployment("wrong")
        wrong["spec"]["selector"] = {"matchLabels": {"app": "other"}}
        numbers = config_map("numbers") | {"data": {"a": 1}}
        unknown = {"apiVersion": "none.example/v1", "kind": "Nothing", "metadata": {"name": "x"}}
        done = bench.run(f"apply -n {space}" + manifests(config_map("first", a="1"), wrong, unknown, numbers, config_map("last", a="1")))
        assert done.state == "failed" and done.out == "configmap/first created\nconfigmap/last created\n"
        assert "3 of 5 objects failed" in done.error["message"] and "`selector` does not match template `labels`" in done.error["message"]
        assert done.error["code"] == "invalid_argument" and done.result["failed"] == 3 and done.result["count"] == 2
        assert done.result["causes"][0]["field"] == "spec.template.metadata.labels"
        assert "Nothing x: the cluster has no Nothing in none.example/v1; is its definition (CRD) installed?" in done.err
        assert done.err.count("\n") >= 3 and bench.get("configmaps", "last", space)

    def test_conflicts_are_shown_by_field_and_owner_and_can_be_forced(self, bench):
        space = bench.namespace()
        bench.cluster.api(f"/apis/apps/v1/namespaces/{space}/deployments/web?fieldManager=autoscaler", "PATCH", deployment(replicas=4), **APPLY)
        done = bench.run(f"apply -n {space}" + manifests(deployment(replicas=2)))
        assert done.state == "failed" and done.error["code"] == "conflict"
        assert done.error["message"] == (
            "Deployment web: conflict: .spec.replicas is owned by autoscaler; --force-conflicts takes the fields over")
        assert done.result["conflicts"] == [{"field": ".spec.replicas", "manager": "autoscaler"}]
        assert bench.get("deployments", "web", space)["spec"]["replicas"] == 4
        assert bench.done(f"apply --force-conflicts -n {space}" + manifests(deployment(replicas=2))).out == "deployment.apps/web configured\n"
        assert bench.get("deployments", "web", space)["spec"]["replicas"] == 2

    def test_a_dry_run_changes_nothing(self, bench):
        space = bench.namespace()
        done = bench.done(f"apply --dry-run=server -n {space}" + manifests(config_map("one", a="1")))
        assert done.out == "configmap/one created (server dry run)\n" and done.result["changed"] is False
        assert bench.get("configmaps", "one", space) is None
        done = bench.run(f"apply --dry-run=client -n {space}" + manifests(config_map("one", a="1")))
        assert done.error["message"].startswith("--dry-run is done by the server only")

    def test_a_definition_and_an_object_of_it_in_one_task(self, bench):
        space = bench.namespace()
        group = f"{space}.example.org"
        definition = {
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": f"crons.{group}"},
            "spec": {"group": group, "scope": "Namespaced", "names": {"plural": "crons", "singular": "cron", "kind": "Cron", "shortNames": ["cr"]},
                     "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {
                         "type": "object", "x-kubernetes-preserve-unknown-fields": True}}}]}}
        one = {"apiVersion": f"{group}/v1", "kind": "Cron", "metadata": {"name": "nightly"}, "spec": {"at": "0 3 * * *"}}
        done = bench.done(f"apply -n {space}" + manifests(definition, one))
        assert done.out.splitlines()[-1] == f"cron.{group}/nightly created"
        assert bench.done(f"get cr.{group} nightly -n {space} -o name").out == f"cron.{group}/nightly\n"
        done = bench.run(f"patch crons.{group} nightly -n {space} -p 'spec: {{at: never}}'")
        assert done.state == "failed" and "--type=merge" in done.error["message"]
        assert bench.done(f"patch crons.{group} nightly -n {space} --type=merge -p 'spec: {{at: never}}'").out == f"cron.{group}/nightly patched\n"
        bench.done(f"delete crd crons.{group}")

    def test_create_and_replace(self, bench):
        space = bench.namespace()
        assert bench.done(f"create -n {space}" + manifests(config_map("one", a="1"))).out == "configmap/one created\n"
        done = bench.run(f"create -n {space}" + manifests(config_map("one", a="2")))
        assert done.error["code"] == "conflict" and "already exists" in done.error["message"]
        assert bench.done(f"replace -n {space}" + manifests(config_map("one", b="2"))).out == "configmap/one replaced\n"
        assert bench.get("configmaps", "one", space)["data"] == {"b": "2"}
        generated = config_map("")
        generated["metadata"] = {"generateName": "made-"}
        assert bench.done(f"create -n {space}" + manifests(generated)).out.startswith("configmap/made-")
        done = bench.run("create deployment x --image y")
        assert done.state == "failed" and "create does not take --image" in done.error["message"]

    # patch, label, annotate, scale

    def test_patches_of_all_kinds(self, bench):
        space = bench.namespace()
        bench.post("deployments", space, deployment(replicas=1))
        strategic = '{"spec":{"template":{"spec":{"containers":[{"name":"app","image":"x:2"}]}}}}'
        assert bench.done(f"patch deployment web -n {space} -p '{strategic}'").out == "deployment.apps/web patched\n"
        container, = bench.get("deployments", "web", space)["spec"]["template"]["spec"]["containers"]
        assert container["image"] == "x:2"
        assert bench.done(f"patch deployment web -n {space} -p '{strategic}'").out == "deployment.apps/web unchanged\n"
        bench.done(f"patch deploy/web -n {space} --type=merge -p '{{\"metadata\":{{\"labels\":{{\"tier\":\"front\"}}}}}}'")
        bench.done(f"patch deploy/web -n {space} --type=json -p '[{{\"op\":\"remove\",\"path\":\"/metadata/labels/tier\"}}]'")
        assert "tier" not in bench.get("deployments", "web", space)["metadata"].get("labels", {})
        done = bench.run(f"patch deploy/web deploy/none -n {space} --type=merge -p '{{\"spec\":{{\"paused\":false}}}}'")
        assert done.state == "failed" and 'deployments.apps "none" not found' in done.err and done.error["code"] == "not_found"

    def test_labels_and_annotations(self, bench):
        space = bench.namespace()
        for name in ("one", "two"):
            bench.post("configmaps", space, config_map(name, a="1"))
        assert bench.done(f"label cm one two tier=front -n {space}").out == "configmap/one labeled\nconfigmap/two labeled\n"
        assert bench.done(f"label cm one tier=front -n {space}").out == "configmap/one unchanged\n"
        done = bench.run(f"label cm one tier=back zone=a -n {space}")
        assert done.error["code"] == "conflict" and "--overwrite replaces it" in done.error["message"]
        assert bench.get("configmaps", "one", space)["metadata"]["labels"] == {"tier": "front"}
        bench.done(f"label cm one tier=back --overwrite -n {space}")
        bench.done(f"label cm -l tier=front tier- -n {space}")
        assert bench.get("configmaps", "two", space)["metadata"].get("labels", {}) == {}
        assert bench.get("configmaps", "one", space)["metadata"]["labels"] == {"tier": "back"}
        assert bench.done(f"annotate cm/one 'note=天工 & more' -n {space}").out == "configmap/one annotated\n"
        assert bench.get("configmaps", "one", space)["metadata"]["annotations"]["note"] == "天工 & more"

    def test_scale(self, bench):
        space = bench.namespace()
        bench.post("deployments", space, deployment(replicas=1))
        done = bench.done(f"scale deployment web --replicas=3 -n {space}")
        assert done.out == "deployment.apps/web scaled from 1 to 3\n" and done.result["before"] == [1] and done.result["replicas"] == 3
        assert bench.get("deployments", "web", space)["spec"]["replicas"] == 3
        done = bench.run(f"scale deploy/web --replicas=0 --current-replicas=1 -n {space}")
        assert done.error["code"] == "conflict" and "it has 3 replicas, not the 1" in done.error["message"]
        bench.post("configmaps", space, config_map("one", a="1"))
        assert "it cannot be scaled" in bench.run(f"scale cm/one --replicas=1 -n {space}").error["message"]

    # delete

    def test_delete_by_name_selector_and_manifest_waits_for_the_end(self, bench):
        space = bench.namespace()
        for name in ("one", "two", "three"):
            bench.post("configmaps", space, config_map(name, a="1") | {"metadata": {"name": name, "labels": {"keep": str(name == "three").lower()}}})
        bench.post("pods", space, pod("web-1"))
        until(lambda: bench.pods(space)[0]["status"].get("phase") == "Running", 20, "the pod runs")
        done = bench.done(f"delete pod web-1 -n {space}")
        assert done.out == "pod/web-1 deleted\n" and bench.pods(space) == []
        done = bench.done(f"delete cm -l keep=false -n {space}")
        assert sorted(done.out.splitlines()) == ["configmap/one deleted", "configmap/two deleted"] and done.result["count"] == 2
        assert bench.done(f"delete -n {space}" + manifests(config_map("three"))).out == "configmap/three deleted\n"
        done = bench.run(f"delete cm three -n {space}")
        assert done.error["code"] == "not_found" and done.error["message"] == 'configmap/three: configmaps "three" not found'
        assert bench.done(f"delete cm three --ignore-not-found -n {space}").out == ""

    def test_delete_that_is_held_up_says_so(self, bench):
        space = bench.namespace()
        held = config_map("held", a="1")
        held["metadata"]["finalizers"] = ["example.org/held"]
        bench.post("configmaps", space, held)
        done = bench.run(f"delete cm held --timeout=1s -n {space}")
        assert done.state == "failed" and done.error["code"] == "timed_out" and "finalizers" in done.error["message"]
        work = bench.work(f"delete cm held -n {space}")
        work.until_output("deleted")
        bench.cluster.api(f"/api/v1/namespaces/{space}/configmaps/held", "PATCH", {"metadata": {"finalizers": None}},
                          type="application/merge-patch+json")
        assert work.ended().state == "succeeded" and bench.get("configmaps", "held", space) is None

    # rollouts

    def test_restart_status_history_and_undo(self, bench):
        space = bench.namespace()
        one = deployment(replicas=2)
        one["metadata"]["annotations"] = {"kubernetes.io/change-cause": "first"}
        bench.post("deployments", space, one)
        assert bench.done(f"rollout status deploy/web -n {space} --timeout=60s").out.endswith("deployment.apps/web successfully rolled out\n")
        before = {pod["metadata"]["uid"] for pod in bench.pods(space)}
        assert bench.done(f"rollout restart deploy/web -n {space}").out == "deployment.apps/web restarted\n"
        done = bench.done(f"rollout status deployment web -n {space}")
        assert "waiting: " in done.out and done.out.endswith("successfully rolled out\n")
        assert not before & {pod["metadata"]["uid"] for pod in bench.pods(space) if "deletionTimestamp" not in pod["metadata"]}
        bench.done(f"patch deploy/web -n {space} -p '" + json.dumps({"metadata": {"annotations": {"kubernetes.io/change-cause": "third"}},
                   "spec": {"template": {"spec": {"containers": [{"name": "app", "image": "x:3"}]}}}}) + "'")
        bench.rolled_out("web", space)
        history = bench.done(f"rollout history deploy/web -n {space}").out
        assert history.splitlines()[2:] == ["       1 | first", "       2 | first", "       3 | third", "deployment.apps/web has 3 revisions"]
        assert "image: \"x:3\"" in bench.done(f"rollout history deploy/web --revision=3 -n {space}").out.replace("image: x:3", 'image: "x:3"')
        assert bench.done(f"rollout undo deploy/web --to-revision=1 -n {space}").out == "deployment.apps/web rolled back to revision 1\n"
        bench.rolled_out("web", space)
        template = bench.get("deployments", "web", space)["spec"]["template"]
        assert template["spec"]["containers"][0]["image"] == "x:1" and "pod-template-hash" not in template["metadata"]["labels"]
        assert bench.done(f"rollout undo deploy/web -n {space}").out == "deployment.apps/web rolled back to revision 3\n"
        assert bench.run(f"rollout undo deploy/web --to-revision=99 -n {space}").error["code"] == "not_found"

    def test_a_rollout_that_does_not_come_to_an_end(self, bench):
        space = bench.namespace()
        bench.post("deployments", space, deployment("slow", image="x:bad", replicas=1))
        done = bench.run(f"rollout status deploy/slow --timeout=2s -n {space}")
        assert done.state == "failed" and done.error["code"] == "timed_out" and "0 of 1 updated replicas are available" in done.error["message"]
        bench.post("deployments", space, deployment("stuck", image="x:bad", replicas=1, progressDeadlineSeconds=1))
        done = bench.run(f"rollout status deploy/stuck -n {space}")
        assert done.state == "failed" and "it exceeded its progress deadline: ReplicaSet" in done.error["message"]
        bench.done(f"rollout pause deploy/slow -n {space}")
        assert "rollout resume first" in bench.run(f"rollout restart deploy/slow -n {space}").error["message"]
        assert bench.done(f"rollout resume deploy/slow -n {space}").out == "deployment.apps/slow resumed\n"

    def test_daemon_sets_roll_out_too(self, bench):
        space = bench.namespace()
        one = deployment("node-agent")
        del one["spec"]["replicas"]
        bench.post("daemonsets", space, one | {"kind": "DaemonSet"})
        assert bench.done(f"rollout status ds/node-agent --timeout=60s -n {space}").out.endswith("successfully rolled out\n")
        assert bench.done(f"rollout restart ds/node-agent -n {space}").out == "daemonset.apps/node-agent restarted\n"
        assert bench.done(f"rollout status ds/node-agent --timeout=60s -n {space}").out.endswith("successfully rolled out\n")
        assert "does not roll out" in bench.run(f"rollout restart cm/x -n {space}").error["message"]
