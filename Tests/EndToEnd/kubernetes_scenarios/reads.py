# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Tasks that look."""

import json
import time

from harness.waiting import until

from .bench import config_map, deployment, manifests, pod, table


class Reads:
    # get

    def test_tables_are_the_servers_own(self, bench):
        space = bench.namespace()
        bench.post("deployments", space, deployment(replicas=2))
        bench.rolled_out("web", space)
        row, = table(bench.done(f"get deployments -n {space}").out)
        assert list(row) == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"] and row["NAME"] == "web" and row["READY"] == "2/2"
        row, = table(bench.done(f"get deploy web -o wide -n {space}").out)
        assert list(row)[5:] == ["CONTAINERS", "IMAGES", "SELECTOR"] and row["IMAGES"] == "x:1"
        done = bench.done(f"get pods -l app=web --show-labels -n {space}")
        assert len(table(done.out)) == 2 and done.result == {"count": 2}
        assert all("app=web,pod-template-hash=" in row["LABELS"] and row["STATUS"] == "Running" for row in table(done.out))
        assert bench.done(f"get pods --field-selector status.phase=Failed -n {space}").err == f"no resources found in the namespace {space}\n"
        row = next(row for row in table(bench.done("get pods -A").out) if row["NAMESPACE"] == space)
        assert list(row)[:2] == ["NAMESPACE", "NAME"]
        lines = bench.done(f"get pods --no-headers -n {space}").out.splitlines()
        assert len(lines) == 2 and all(line.startswith("web-") for line in lines)

    def test_several_resources_at_once(self, bench):
        space = bench.namespace()
        bench.post("deployments", space, deployment(replicas=1))
        bench.rolled_out("web", space)
        out = bench.done(f"get deploy,po -n {space}").out
        assert "deployment.apps/web" in out and "pod/web-" in out and "\n\n" in out
        names = bench.done(f"get all -o name -n {space}").out.split()
        assert sorted(name.split("/")[0] for name in names) == ["deployment.apps", "pod", "replicaset.apps"]

    def test_json_yaml_and_names(self, bench):
        space = bench.namespace()
        for name in ("one", "two"):
            bench.post("configmaps", space, config_map(name, **{"text": "a: b\n# 天工\n", "flag": "yes", "number": "1e3", "empty": "", "tab": "a\tb"}))
        one = json.loads(bench.done(f"get cm one -o json -n {space}").out)
        assert one["kind"] == "ConfigMap" and one["data"]["tab"] == "a\tb" and "managedFields" not in one["metadata"]
        assert one["data"] == bench.get("configmaps", "one", space)["data"]
        if bench.cluster.is_real:
            assert one == bench.get("configmaps", "one", space)
        many = json.loads(bench.done(f"get cm -o json -n {space}").out)
        assert many["kind"] == "List" and [item["metadata"]["name"] for item in many["items"]][-2:] == ["one", "two"]
        assert many["items"][-1]["apiVersion"] == "v1" and many["items"][-1]["kind"] == "ConfigMap"
        assert bench.done(f"get cm one two -o name -n {space}").out == "configmap/one\nconfigmap/two\n"
        # What is written as YAML is read back as the same object.
        text = bench.done(f"get cm one -o yaml -n {space}").out
        kept = "\n".join(line for line in text.splitlines() if not line.strip().startswith(("resourceVersion", "uid", "creationTimestamp")))
        assert bench.done(f"apply --dry-run -n {space}\n{kept}").out == "configmap/one configured (server dry run)\n"
        bench.done(f"delete cm one -n {space}")
        bench.done(f"create -n {space}\n{kept}")
        assert bench.get("configmaps", "one", space)["data"] == one["data"]

    def test_what_is_not_there(self, bench):
        space = bench.namespace()
        bench.post("configmaps", space, config_map("one", a="1"))
        done = bench.run(f"get cm one none -n {space}")
        assert done.state == "failed" and done.error["code"] == "not_found" and done.result["count"] == 1
        assert done.err == 'configmap/none: configmaps "none" not found\n' and table(done.out)[0]["NAME"] == "one"
        assert bench.done(f"get cm none --ignore-not-found -n {space}").out == ""
        assert bench.run("get nonsense").error["message"] == "the cluster has no resource 'nonsense'; api-resources lists them"
        assert bench.run("get pods -n 'a b'").error["code"] == "invalid_argument"
        assert bench.run("get pods ../../secrets").error["code"] == "invalid_argument"
        done = bench.run(f"get pods -l 'a===' -n {space}")
        assert done.error["code"] == "invalid_argument" and "unable to parse requirement" in done.error["message"]
        assert "get does not take --replicas" in bench.run("get pods --replicas=3").error["message"]
        assert "agents do not perform 'describe'" in bench.run("describe pods").error["message"]

    def test_watching(self, bench):
        space = bench.namespace()
        bench.post("configmaps", space, config_map("one", a="1"))
        work = bench.work(f"get cm -w -n {space}")
        work.until_output("one")
        bench.post("configmaps", space, config_map("two", a="1", b="2"))
        work.until_output("two")
        bench.cluster.api(f"/api/v1/namespaces/{space}/configmaps/one", "DELETE")
        work.until_output("one (deleted)")
        work.cancel()
        done = work.ended(20)
        assert done.state == "canceled" and done.out.splitlines()[0].startswith("NAME")

    # diff

    def test_diff_shows_what_apply_would_change(self, bench):
        space = bench.namespace()
        bench.done(f"apply -n {space}" + manifests(deployment(replicas=2), config_map("same", a="1")))
        bench.rolled_out("web", space)
        done = bench.done(f"diff -n {space}" + manifests(deployment(replicas=3, image="x:2"), config_map("same", a="1"), config_map("new", a="天工")))
        assert f"--- LIVE/apps.v1.Deployment.{space}.web\n+++ MERGED/apps.v1.Deployment.{space}.web\n" in done.out
        changes = [line for line in done.out.splitlines() if line[:1] in "+-" and not line.startswith(("+++", "---"))]
        assert changes[:4] == ["-  replicas: 2", "+  replicas: 3", '-      - image: "x:1"'.replace('"x:1"', "x:1"), "+      - image: x:2"]
        assert "+kind: ConfigMap" in changes and 'a: "天工"' in done.out and "same" not in done.out
        assert done.result["changed"] is True and done.result["differing"] == 2
        assert bench.get("deployments", "web", space)["spec"]["replicas"] == 2 and bench.get("configmaps", "new", space) is None
        done = bench.done(f"diff -n {space}" + manifests(config_map("same", a="1")), params={"exit_code": True})
        assert done.out == "" and done.result["changed"] is False and done.task["exit_code"] == 0
        done = bench.run(f"diff -n {space}" + manifests(config_map("same", a="2")), params={"exit_code": True})
        assert done.state == "failed" and done.task["exit_code"] == 1 and '-  a: "1"\n+  a: "2"\n' in done.out

    def test_values_of_secrets_are_not_shown_by_what_policies_take_for_changes(self, bench):
        space = bench.namespace()
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"password": "hunter2hunter2", "same": "x"}}
        encoded = "aHVudGVyMmh1bnRlcjI="
        outputs = [bench.done(f"apply -o yaml -n {space}" + manifests(secret)).out,
                   bench.done(f"label secret s a=b -o json -n {space}").out,
                   bench.done(f"annotate secret/s a=b -o yaml -n {space}").out,
                   bench.done(f"patch secret s --type=merge -p '{{}}' -o yaml -n {space}").out]
        changed = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"password": "bmV3", "same": "eA=="}}
        difference = bench.done(f"diff --force-conflicts -n {space}" + manifests(changed)).out
        assert "*** (before)" in difference and "*** (after)" in difference and "bmV3" not in difference
        for text in [*outputs, difference]:
            assert "***" in text and encoded not in text and "hunter2" not in text
        # Where a policy allows to read secrets, they are read.
        assert encoded in bench.done(f"get secret s -o yaml -n {space}").out

    # wait

    def test_waiting_for_conditions_values_and_the_end(self, bench):
        space = bench.namespace()
        work = bench.work(f"wait --for=create pod/web-1 -n {space}")
        time.sleep(0.2)
        bench.post("pods", space, pod("web-1", app="web"))
        assert work.ended(30).out == "pod/web-1 exists\n"
        assert bench.done(f"wait --for=condition=Ready pod/web-1 --timeout=20s -n {space}").out == "pod/web-1 met condition=Ready\n"
        assert bench.done(f"wait --for=jsonpath='{{.status.phase}}'=Running pods -l app=web -n {space}").result["count"] == 1
        done = bench.run(f"wait --for=condition=Nonsense pod/web-1 --timeout=300ms -n {space}")
        assert done.state == "failed" and done.error["code"] == "timed_out" and "condition=Nonsense is not met" in done.error["message"]
        work = bench.work(f"wait --for=delete pod/web-1 -n {space}")
        time.sleep(0.2)
        bench.cluster.api(f"/api/v1/namespaces/{space}/pods/web-1", "DELETE", {"gracePeriodSeconds": 0})
        assert work.ended(30).out == "pod/web-1 deleted\n"
        done = bench.run(f"wait --for=condition=Ready pod/web-1 -n {space}")
        assert done.error["code"] == "not_found"

    # logs

    def test_logs_of_a_pod_and_of_a_workload(self, bench):
        space = bench.namespace()
        bench.post("pods", space, pod("one", app="logs"))
        bench.post("deployments", space, deployment(replicas=2))
        bench.rolled_out("web", space)
        until(lambda: all(pod["status"].get("phase") == "Running" for pod in bench.pods(space)), 20, "all pods run")
        assert bench.done(f"logs one -n {space}").out == "".join(f"one/app line {number}\n" for number in range(10))
        assert bench.done(f"logs one -c app --tail=2 -n {space}").out == "one/app line 8\none/app line 9\n"
        assert bench.done(f"logs pod/one --limit-bytes=5 -n {space}").out == "one/a"
        assert bench.done(f"logs -p one -n {space}").out == "one/app before its restart\n"
        line = bench.done(f"logs one --timestamps --tail=1 --since=1h -n {space}").out
        assert line.startswith("20") and line.endswith("Z one/app line 9\n")
        done = bench.done(f"logs deploy/web --tail=1 -n {space}")
        assert done.out.startswith("web-") and "has 2 pods, this is of pod/web-" in done.notes
        done = bench.done(f"logs -l app=web --prefix --tail=1 -n {space}")
        lines = done.out.splitlines()
        assert len(lines) == 2 and all(line.startswith("[pod/web-") and "/app] web-" in line for line in lines)
        assert len(done.result["containers"]) == 2
        assert "has no container 'none'" in bench.run(f"logs one -c none -n {space}").error["message"]
        assert bench.run(f"logs none -n {space}").error["code"] == "not_found"

    def test_following_logs_until_they_are_canceled_or_time_is_up(self, bench):
        space = bench.namespace()
        bench.post("deployments", space, deployment(replicas=2))
        bench.rolled_out("web", space)
        work = bench.work(f"logs -f -l app=web --prefix -n {space}")
        work.until_output("line 12")
        work.cancel()
        done = work.ended(20)
        assert done.state == "canceled" and all(line.startswith("[pod/web-") and " line " in line for line in done.out.splitlines())
        done = bench.run(f"logs -f deploy/web -n {space}", timeout=1.5)
        assert done.state == "timed_out" and "line 10" in done.out

    def test_a_large_log_is_streamed_and_not_held(self, bench):
        space = bench.namespace()
        bench.post("pods", space, pod("much", container="big"))
        until(lambda: bench.pods(space)[0]["status"].get("phase") == "Running", 20, "the pod runs")
        before, most = bench.agent.memory(), 0
        work = bench.work(f"logs much -n {space}", log_limit=1 << 30)
        work.keeps = False
        while True:
            ended = work.step(120)
            most = max(most, bench.agent.memory())
            if ended and ended["state"] == "succeeded":
                break
            assert not ended or ended["state"] in ("running", "pending", "dispatched"), ended
        work.link.close()
        assert work.bytes > 95 << 20 and most - before < 64 << 20, f"{(most - before) >> 20} MiB more"

    # events and the cluster itself

    def test_events(self, bench):
        space = bench.namespace()
        bench.post("deployments", space, deployment(replicas=1))
        bench.rolled_out("web", space)
        rows = table(bench.done(f"events -n {space}").out)
        assert list(rows[0]) == ["LAST SEEN", "TYPE", "REASON", "OBJECT", "COUNT", "MESSAGE"]
        assert [row["LAST SEEN"] for row in rows] == sorted(row["LAST SEEN"] for row in rows)
        row = table(bench.done(f"events --for deploy/web -n {space}").out)[0]
        assert row["REASON"] == "ScalingReplicaSet" and row["OBJECT"] == "deployment/web" and row["TYPE"] == "Normal"
        assert bench.done(f"events --types=Warning -n {space}").err == "no events found\n"

    def test_what_the_cluster_has(self, bench):
        assert bench.done("version").out == "Server Version: v1.20.2\n"
        assert "apps/v1" in bench.done("api-versions").out.split()
        rows = {(row["NAME"], row["APIVERSION"]): row for row in table(bench.done("api-resources").out)}
        assert rows["deployments", "apps/v1"] == {"NAME": "deployments", "SHORTNAMES": "deploy", "APIVERSION": "apps/v1", "NAMESPACED": "true", "KIND": "Deployment"}
        assert "deployments.apps" in bench.done("api-resources -o name").out.split()
