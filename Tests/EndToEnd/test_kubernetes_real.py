# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""The scenarios against a real kube-apiserver with etcd and controllers, and kubectl as the oracle."""

import json

import pytest

pytest.register_assert_rewrite("kubernetes_scenarios")

from harness.backends.kubernetes_real import RealCluster, missing
from kubernetes_scenarios.access import Access
from kubernetes_scenarios.bench import Bench, deployment, manifests, pod, table
from kubernetes_scenarios.changes import Changes
from kubernetes_scenarios.reads import Reads

pytestmark = pytest.mark.skipif(missing() is not None, reason=missing() or "")


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    directory = tmp_path_factory.mktemp("real")
    cluster = RealCluster(directory).start()
    try:
        bench = Bench(directory, cluster)
        try:
            yield bench
        finally:
            bench.stop()
    finally:
        cluster.stop()


class TestReal(Changes, Reads, Access):
    pass


def test_tables_have_kubectls_columns_and_cells(bench):
    space = bench.namespace()
    bench.post("deployments", space, deployment(replicas=2))
    bench.rolled_out("web", space)
    for command in ("get pods", "get deploy -o wide", "get nodes", "get replicasets --show-labels", "get pods -A", "get sa"):
        ours = bench.done(f"{command} -n {space}").out.splitlines()
        theirs = bench.cluster.kubectl(*command.split(), "-n", space).stdout.splitlines()
        # Ages differ by a second now and then.
        def words(line):
            cells = [cell.strip() for cell in line.split(" | ")] if " | " in line else line.split("  ")
            return [cell.strip() for cell in cells if cell.strip() and not cell.strip().rstrip("smhd").isdigit()]
        assert [words(line) for line in ours[:1] + ours[2:]] == [words(line) for line in theirs], (ours, theirs)


def test_objects_are_what_kubectl_shows(bench):
    space = bench.namespace()
    bench.post("deployments", space, deployment(replicas=1))
    bench.rolled_out("web", space)
    ours = bench.done(f"get deploy web -o json -n {space}").out
    assert ours == bench.cluster.kubectl("get", "deploy", "web", "-o", "json", "-n", space).stdout
    many = bench.cluster.kubectl("get", "deploy", "-o", "json", "-n", space).stdout
    assert bench.done(f"get deploy -o json -n {space}").out == many
    names = bench.cluster.kubectl("get", "all", "-o", "name", "-n", space).stdout.split()
    assert sorted(bench.done(f"get all -o name -n {space}").out.split()) == sorted(names)
    # kubectl reads our YAML as the same object.
    text = bench.done(f"get deploy web -o yaml -n {space}").out
    read = bench.cluster.kubectl("create", "--dry-run=client", "-o", "json", "-f", "-", input=text).stdout
    assert json.loads(read) == json.loads(ours)


def test_what_is_applied_kubectl_finds_no_difference_to(bench):
    space = bench.namespace()
    text = manifests(deployment(replicas=1))
    bench.done(f"apply -n {space}" + text)
    done = bench.cluster.kubectl("diff", "--server-side", "--field-manager=tiangong", "-n", space, "-f", "-", input=text, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    conflict = bench.cluster.kubectl("apply", "--server-side", "-n", space, "-f", "-", input=manifests(deployment(replicas=3)), check=False)
    assert 'conflict with "tiangong"' in conflict.stderr


def test_rollouts_of_stateful_and_daemon_sets(bench):
    space = bench.namespace()
    one = deployment("db", replicas=2)
    one["spec"]["serviceName"] = "db"
    bench.post("statefulsets", space, one | {"kind": "StatefulSet"})
    assert "2 pods at revision db-" in bench.done(f"rollout status sts/db --timeout=60s -n {space}").out
    bench.done(f"patch sts/db -n {space} -p '" + '{"spec":{"template":{"spec":{"containers":[{"name":"app","image":"x:2"}]}}}}' + "'")
    bench.done(f"rollout status sts/db --timeout=60s -n {space}")
    assert len(table(bench.done(f"rollout history sts/db -n {space}").out)) == 3
    assert bench.done(f"rollout undo sts/db -n {space}").out == "statefulset.apps/db rolled back to revision 1\n"
    bench.done(f"rollout status sts/db --timeout=60s -n {space}")
    assert bench.get("statefulsets", "db", space)["spec"]["template"]["spec"]["containers"][0]["image"] == "x:1"


def test_many_objects_page_by_page(bench):
    space = bench.namespace()
    for number in range(300):
        bench.post("configmaps", space, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"map-{number:03}"}, "data": {"a": "天工" * 200}})
    names = bench.done(f"get cm --chunk-size=50 -o name -n {space}").out.split()
    assert names == bench.cluster.kubectl("get", "cm", "-o", "name", "-n", space).stdout.split()
    assert bench.done(f"get cm --chunk-size=7 -n {space}").result["count"] == len(names)


def test_deleting_a_namespace_waits_until_all_is_gone(bench):
    space = bench.namespace()
    bench.post("pods", space, pod("web-1"))
    assert bench.done(f"delete namespace {space} --timeout=60s").out == f"namespace/{space} deleted\n"
    assert bench.cluster.kubectl("get", "ns", space, check=False).returncode == 1
