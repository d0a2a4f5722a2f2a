# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Runs that go over their agents in batches, and stop after failures."""

import json
import time

import pytest

from conftest import running
from harness.waiting import until

AGENTS = 4


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with running(tmp_path_factory.mktemp("rollout")) as site:
        for number in range(AGENTS):
            site.agent(f"host-{number}", wait=False)
        for number in range(AGENTS):
            site.wait_online(f"host-{number}")
        yield site


def overlap(tasks):
    """The most tasks that ran at one time."""
    edges = sorted([(task["started_at"], 1) for task in tasks] + [(task["finished_at"], -1) for task in tasks])
    most = now = 0
    for _, step in edges:
        now += step
        most = max(most, now)
    return most


@pytest.mark.parametrize("batch, most", [("1", 1), ("50%", 2), ("26%", 2), ("100%", AGENTS)])
def test_no_more_than_a_batch_run_at_once(operator, batch, most):
    done = operator("run", "--all", "--batch", batch, "-o", "json", "--", "sleep 1", timeout=60)
    assert done.returncode == 0, done.stderr
    detail = json.loads(done.stdout)
    assert detail["run"]["rollout"] == {"batch": batch} and len(detail["tasks"]) == AGENTS
    # An agent's end and the next one's beginning are stamped by two clocks that are read at about the same time.
    assert overlap(detail["tasks"]) <= most
    if most == AGENTS:
        assert overlap(detail["tasks"]) > 1


def test_those_that_wait_say_so(operator, tmp_path):
    gate = tmp_path / "gate"
    run = operator.detach("--all", "--batch", "1", "--", f"until [ -e {gate} ]; do sleep 0.05; done")
    until(lambda: [task for task in operator.tasks(run) if task["state"] == "running"], 30, "the first runs")
    table = operator("task", "list", "--run", run).stdout.decode()
    assert table.count("waiting for its batch") == AGENTS - 1
    held = next(task for task in operator.tasks(run) if task.get("held"))
    assert held["state"] == "pending" and "expires_at" not in held
    shown = operator("task", "show", held["id"]).stdout.decode()
    assert "Rollout" in shown and "1 at a time" in shown
    gate.touch()
    assert all(task["state"] == "succeeded" for task in operator.ended(run))


def test_a_run_stops_after_failures(operator):
    done = operator("run", "--all", "--batch", "1", "--stop-after", "2", "--", "exit 7", timeout=60)
    assert done.returncode == 3
    notes = done.stderr.decode()
    assert notes.count("exit status 7") == 2 and notes.count("not begun: the run stopped after 2 failures") == AGENTS - 2
    run = operator.lines("task", "list", "--limit", "1")[0]["run_id"]
    tasks = operator.tasks(run)
    assert sorted(task["state"] for task in tasks) == ["canceled"] * (AGENTS - 2) + ["failed"] * 2
    assert all("started_at" not in task for task in tasks if task["state"] == "canceled")


def test_one_failure_does_not_stop_a_run_that_bears_one(operator, tmp_path):
    done = operator("run", "--all", "--batch", "1", "--stop-after", "2", "-o", "json", "--", f"! mkdir {tmp_path}/first 2>/dev/null")
    assert done.returncode == 3
    states = sorted(task["state"] for task in json.loads(done.stdout)["tasks"])
    assert states == ["failed"] + ["succeeded"] * (AGENTS - 1)


def test_what_is_canceled_begins_no_more(operator, tmp_path):
    run = operator.detach("--all", "--batch", "1", "--", "sleep 30")
    until(lambda: [task for task in operator.tasks(run) if task["state"] == "running"], 30, "the first runs")
    assert operator("task", "cancel", run).returncode == 0
    tasks = operator.ended(run)
    assert all(task["state"] == "canceled" for task in tasks)
    assert len([task for task in tasks if "started_at" in task]) == 1


def test_batches_go_on_after_the_server_was_killed(operator, site, tmp_path):
    gate = tmp_path / "gate"
    run = operator.detach("--all", "--batch", "1", "--", f"until [ -e {gate} ]; do sleep 0.05; done")
    until(lambda: [task for task in operator.tasks(run) if task["state"] == "running"], 30, "the first runs")
    site.cloud.kill()
    gate.touch()
    site.cloud.start()
    tasks = operator.ended(run, seconds=90)
    assert all(task["state"] == "succeeded" for task in tasks)
    assert overlap(tasks) == 1


@pytest.mark.parametrize("options", [["--batch", "0"], ["--batch", "0%"], ["--batch", "101%"], ["--batch", "-1"], ["--batch", "few"], ["--stop-after", "0"]])
def test_what_is_no_batch_is_refused(operator, options):
    before = time.time()
    done = operator("run", "--all", *[f"{options[0]}={options[1]}"], "--", "true")
    assert done.returncode == 2 and done.stdout == b"" and time.time() - before < 30
