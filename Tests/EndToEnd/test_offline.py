# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Tasks for an agent that is away wait where everybody can see it, until it is back or their time is up."""

import time

from harness.waiting import holds


def test_waits_visibly_and_is_delivered_on_return(own_site, tmp_path):
    operator = own_site.operator
    agent = own_site.agent("demo-1")
    agent.stop()
    own_site.wait_offline("demo-1")
    starts = tmp_path / "starts"
    run = operator.detach("-a", "demo-1", "--", f"echo started >> {starts}; echo late")
    holds(lambda: operator.task(run)["state"] == "pending", 1.5)
    assert b"waiting for agent" in operator("task", "list").stdout
    agent.start()
    task, = operator.ended(run, 60)
    assert task["state"] == "succeeded" and task["dispatched_at"]
    assert operator.raw(run, "stdout") == b"late\n"
    assert starts.read_text() == "started\n"


def test_expiry_ends_it_and_it_never_runs(own_site, tmp_path):
    operator = own_site.operator
    agent = own_site.agent("demo-1")
    agent.stop()
    own_site.wait_offline("demo-1")
    run = operator.detach("-a", "demo-1", "--expires", "1s", "--", f"touch {tmp_path}/ran")
    task, = operator.ended(run, 30)
    assert task["error"]["code"] == "expired" and "started_at" not in task
    agent.start()
    own_site.wait_online("demo-1")
    assert operator("run", "-a", "demo-1", "--", "true").returncode == 0
    assert not (tmp_path / "ran").exists()
    assert operator.task(run) | {"agent_online": False} == task


def test_canceled_while_it_waits_never_runs(own_site, tmp_path):
    operator = own_site.operator
    agent = own_site.agent("demo-1")
    agent.stop()
    own_site.wait_offline("demo-1")
    run = operator.detach("-a", "demo-1", "--", f"touch {tmp_path}/ran")
    assert operator("task", "cancel", run).returncode == 0
    assert operator.ended(run)[0]["state"] == "canceled"
    agent.start()
    own_site.wait_online("demo-1")
    assert operator("run", "-a", "demo-1", "--", "true").returncode == 0
    assert not (tmp_path / "ran").exists()


def test_the_command_line_stops_waiting_when_told(own_site):
    own_site.cloud.token("agent", "absent", labels=["role=none"])
    begun = time.monotonic()
    done = own_site.operator("run", "-a", "absent", "--wait", "1s", "--", "true")
    assert done.returncode == 8
    assert time.monotonic() - begun < 30
