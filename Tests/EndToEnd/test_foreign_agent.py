# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""An agent that knows only the origin document is an agent like any other."""

import pathlib
import sys

import pytest

from harness.programs import Program, clean_environment
from harness.waiting import until


@pytest.fixture(scope="module")
def foreign(site):
    token = site.cloud.token("agent", "old-timer", labels=["role=foreign"])
    program = Program(
        "old-timer",
        [sys.executable, pathlib.Path(__file__).parent / "harness" / "foreign_agent.py",
         f"wss://127.0.0.1:{site.cloud.port}/ws/agent", site.cloud.authority, token, "vax"],
        site.directory, clean_environment(site.directory))
    program.start()
    site.wait_online("old-timer")
    yield program
    program.kill()


def test_it_is_listed_beside_the_others(operator, foreign):
    agents = {agent["name"]: agent for agent in operator.lines("agent", "list")}
    assert set(agents) == {"demo-1", "old-timer"}
    old = agents["old-timer"]
    assert (old["status"], old["hostname"], old["os"], old["ip"], old["version"]) == ("online", "vax", "plan9", "192.0.2.7", "0.1")
    assert b"old-timer" in operator("agent", "list", "-l", "role=foreign").stdout


def test_it_runs_a_task(operator, foreign):
    done = operator("run", "-l", "role=foreign", "--", "seq 1 500; echo 天工")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "".join(f"{n}\n" for n in range(1, 501)).encode() + "天工\n".encode()
    task = operator.lines("task", "list", "--limit", "1")[0]
    assert (task["agent_name"], task["state"], task["exit_code"]) == ("old-timer", "succeeded", 0)
    assert operator.raw(task["id"], "stdout") == done.stdout


def test_its_exit_status_is_the_command_lines(operator, foreign):
    assert operator("run", "-a", "old-timer", "--", "exit 7").returncode == 7


def test_it_runs_beside_our_own(operator, foreign):
    done = operator("run", "--all", "--", "echo here")
    assert sorted(done.stdout.splitlines()) == [b"demo-1    | here", b"old-timer | here"] or \
        sorted(line.replace(b" ", b"") for line in done.stdout.splitlines()) == [b"demo-1|here", b"old-timer|here"]


def test_it_can_be_canceled(operator, foreign):
    run = operator.detach("-a", "old-timer", "--", "echo begun; exec sleep 600")
    until(lambda: operator.raw(run, "stdout") == b"begun\n", 30, "its first words")
    operator("task", "cancel", run)
    assert operator.ended(run, 30)[0]["state"] == "canceled"


def test_when_it_goes_its_task_is_not_run_again(site, operator, foreign, tmp_path):
    """It keeps no journal: what it was doing is unknown, and said to be."""
    run = operator.detach("-a", "old-timer", "--", f"echo start >> {tmp_path}/starts; sleep 20")
    until(lambda: (tmp_path / "starts").exists(), 30, "it has started")
    foreign.kill()
    site.wait_offline("old-timer")
    foreign.start()
    site.wait_online("old-timer")
    assert operator.ended(run, 30)[0]["state"] == "interrupted"
    assert operator("run", "-a", "old-timer", "--", "true").returncode == 0
    assert (tmp_path / "starts").read_text() == "start\n"
