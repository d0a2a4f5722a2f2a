# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""The scenarios against the recorded API server, which always run, and what a real one does too seldom to be waited for."""

import json

import pytest

pytest.register_assert_rewrite("kubernetes_scenarios")

from harness.backends.kubernetes import RecordedCluster
from harness.waiting import until
from kubernetes_scenarios.access import Access
from kubernetes_scenarios.bench import Bench, config_map, deployment, pod, table
from kubernetes_scenarios.changes import Changes
from kubernetes_scenarios.reads import Reads


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    directory = tmp_path_factory.mktemp("recorded")
    with RecordedCluster(directory) as cluster:
        bench = Bench(directory, cluster)
        try:
            yield bench
        finally:
            bench.stop()


class TestRecorded(Changes, Reads, Access):
    pass


def test_a_watch_that_is_too_old_begins_again(bench):
    space, other = bench.namespace(), bench.namespace()
    bench.post("configmaps", space, config_map("one", a="1"))
    work = bench.work(f"get cm -w -n {space}")
    work.until_output("one")
    bench.post("configmaps", other, config_map("elsewhere", a="1"))
    bench.cluster.control(compact=1)
    bench.cluster.control(cut=1)
    work.until_output("all is listed again")
    bench.post("configmaps", space, config_map("two", a="1"))
    work.until_output("two")
    work.cancel()
    assert work.ended(60).state == "canceled"


def test_a_watch_that_the_server_ends_goes_on(bench):
    space = bench.namespace()
    begun = bench.cluster.control(watch=1)["begun"]
    try:
        work = bench.work(f"wait --for=create cm/late --timeout=300s -n {space}")
        until(lambda: bench.cluster.control()["begun"] > begun + 2, 60, "it watches again and again")
        bench.post("configmaps", space, config_map("late", a="1"))
        assert work.ended(60).state == "succeeded"
    finally:
        bench.cluster.control(watch=300)


def test_a_list_whose_snapshot_is_gone_is_read_to_its_end(bench):
    space = bench.namespace()
    for number in range(60):
        bench.post("configmaps", space, config_map(f"map-{number:02}", a="1"))
    bench.cluster.control(slow=300)
    try:
        work = bench.work(f"get cm --chunk-size=10 -o name -n {space}")
        work.until_output("map-09")
        bench.cluster.control(compact=1, slow=0)
        done = work.ended()
    finally:
        bench.cluster.control(slow=0)
    assert done.state == "succeeded" and done.out.split() == [f"configmap/map-{number:02}" for number in range(60)]


def test_a_busy_server_is_asked_again(bench):
    bench.cluster.control(busy=2)
    assert bench.done("get nodes -o name").out == "node/n1\n"


def test_an_older_server_has_no_end_of_standard_input(bench):
    space = bench.namespace()
    bench.post("pods", space, pod("web-1"))
    until(lambda: bench.pods(space)[0]["status"]["phase"] == "Running", 60, "the pod runs")
    bench.cluster.control(v4=1)
    try:
        assert bench.done(f"exec web-1 -n {space} -- echo v4").out == "v4\n"
        done = bench.run(f"exec -i web-1 -n {space} -- cat\ntext\n")
    finally:
        bench.cluster.control(v4=0)
    assert done.error["code"] == "unsupported" and "cannot tell a program the end of its standard input" in done.error["message"]


def test_a_log_that_is_cut_is_no_success(bench):
    space = bench.namespace()
    bench.post("pods", space, pod("web-1"))
    until(lambda: bench.pods(space)[0]["status"]["phase"] == "Running", 60, "the pod runs")
    work = bench.work(f"logs -f web-1 -n {space}")
    work.until_output("line 11")
    bench.cluster.bounce()
    done = work.ended(60)
    assert done.state == "failed" and done.error["code"] == "unreachable" and "closed the connection" in done.error["message"]
    assert bench.done("version").state == "succeeded"


def test_very_many_objects_need_little_memory(bench):
    count = 12_000
    bench.cluster.control(many=count)
    # What the allocator keeps after the first of its kind is not counted.
    bench.done("get cm -n many --field-selector metadata.name=map-0000001")
    before, most = bench.agent.memory(), 0
    for command in ("get cm -n many", "get cm -n many -o json", "get cm -n many -o name"):
        work = bench.work(command, log_limit=1 << 30)
        work.keeps = command.endswith("json")
        while not (ended := work.step(120)) or ended["state"] in ("running", "pending", "dispatched"):
            most = max(most, bench.agent.memory())
        work.link.close()
        assert ended["state"] == "succeeded" and ended["result"]["count"] == count, ended
        if work.keeps:
            items = json.loads(bytes(work.streams["stdout"]))["items"]
            assert len(items) == count and len({item["metadata"]["name"] for item in items}) == count
    assert most - before < 64 << 20, f"{(most - before) >> 20} MiB more"


def test_a_short_name_that_hides_a_kind_with_rules_is_refused(bench):
    done = bench.run("get hid -n default")
    assert done.state == "failed" and done.error["code"] == "policy_denied"
    assert done.error["message"] == "'hid' stands for hiddens in this cluster, which policies know by name; write hiddens"


def test_many_tasks_at_once_and_all_their_streams_end(bench):
    space = bench.namespace()
    bench.post("deployments", space, deployment(replicas=1))
    bench.rolled_out("web", space)
    descriptors = bench.agent.descriptors()
    works = [bench.work(f"logs -f deploy/web -n {space}" if number % 2 else f"get pods -w -n {space}") for number in range(20)]
    for work in works:
        work.until_output("web-")
    for work in works:
        work.cancel()
    assert {work.ended(60).state for work in works} == {"canceled"}
    until(lambda: bench.agent.descriptors() <= descriptors + 10, 30, "connections of streams are closed")
