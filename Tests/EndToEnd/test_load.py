# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Many tasks at once, and viewers that do not read."""

import signal
import time

from harness.waiting import holds, until


def test_a_hundred_run_at_once_and_the_next_waits(own_site, tmp_path):
    operator = own_site.operator
    own_site.agent("demo-1")
    gate = tmp_path / "gate"
    (tmp_path / "starts").mkdir()
    command = f'echo > {tmp_path}/starts/$$; until [ -e {gate} ]; do sleep 0.5; done; echo through'
    clients = []
    runs = []
    for n in range(101):
        clients.append(operator.popen("run", "--detach", "-a", "demo-1", "--", command))
        if len(clients) == 10 or n == 100:
            runs += [client.communicate(timeout=60)[0].decode().strip() for client in clients]
            clients = []
    assert len(set(runs)) == 101
    until(lambda: len(list((tmp_path / "starts").iterdir())) == 100, 90, "a hundred have started")
    holds(lambda: len(list((tmp_path / "starts").iterdir())) == 100, 2)
    until(lambda: (agent := operator.agent("demo-1"))["running"] == 100 and agent["queued"] == 1, 30,
          "the agent says 100 running, 1 queued")

    def counted():
        states = [task["state"] for task in operator.lines("task", "list", "--limit", "200")]
        return states.count("running"), states.count("dispatched")
    until(lambda: counted() == (100, 1), 30, "the Cloud says so too")
    gate.touch()
    for run in runs:
        assert operator.ended(run, 60)[0]["state"] == "succeeded"
    assert len(list((tmp_path / "starts").iterdir())) == 101
    assert all(operator.raw(run, "stdout") == b"through\n" for run in runs[::20])


def test_the_limit_is_the_agents_own(own_site, tmp_path):
    operator = own_site.operator
    own_site.agent("demo-1", options=["--max-concurrency", "2"])
    (tmp_path / "starts").mkdir()
    runs = [operator.detach("-a", "demo-1", "--", f"echo > {tmp_path}/starts/$$; until [ -e {tmp_path}/gate ]; do sleep 0.1; done")
            for _ in range(3)]
    until(lambda: len(list((tmp_path / "starts").iterdir())) == 2, 30, "two have started")
    holds(lambda: len(list((tmp_path / "starts").iterdir())) == 2, 0.5)
    (tmp_path / "gate").touch()
    assert all(operator.ended(run)[0]["state"] == "succeeded" for run in runs)
    assert len(list((tmp_path / "starts").iterdir())) == 3


def seconds_for(operator, run):
    begun = time.monotonic()
    task, = operator.ended(run, 120)
    assert task["state"] == "succeeded"
    return time.monotonic() - begun


def test_a_viewer_that_does_not_read_slows_nobody(own_site, tmp_path):
    operator = own_site.operator
    own_site.agent("demo-1")
    command = "head -c 12000000 /dev/urandom | od -An -tx1"
    alone = seconds_for(operator, operator.detach("-a", "demo-1", "--", command))
    run = operator.detach("-a", "demo-1", "--", f"echo ready; until [ -e {tmp_path}/gate ]; do sleep 0.05; done; {command}")
    viewers = [operator.popen("logs", run, "-f", "--raw") for _ in range(3)]
    try:
        for viewer in viewers:
            assert viewer.stdout.readline() == b"ready\n"
            viewer.send_signal(signal.SIGSTOP)
        memory = own_site.cloud.memory()
        (tmp_path / "gate").touch()
        watched = seconds_for(operator, run)
        assert watched < 2 * alone + 2, f"{watched:.1f} s with stopped viewers, {alone:.1f} s alone"
        assert own_site.cloud.memory() - memory < 128 << 20
        assert operator("run", "-a", "demo-1", "--", "echo quick", timeout=30).stdout == b"quick\n"
    finally:
        for viewer in viewers:
            viewer.kill()
            viewer.communicate()


def test_a_stopped_viewer_goes_on_where_it_was(own_site):
    operator = own_site.operator
    own_site.agent("demo-1")
    run = operator.detach("-a", "demo-1", "--", "seq 1 600000")
    viewer = operator.popen("logs", run, "-f", "--raw")
    viewer.send_signal(signal.SIGSTOP)
    operator.ended(run)
    time.sleep(2)
    viewer.send_signal(signal.SIGCONT)
    output, errors = viewer.communicate(timeout=60)
    assert output == "".join(f"{n}\n" for n in range(1, 600_001)).encode(), errors


def test_control_is_not_held_up_by_output(own_site):
    """While one task floods, another is created, runs and is answered."""
    operator = own_site.operator
    own_site.agent("demo-1")
    flood = operator.detach("-a", "demo-1", "--log-limit", "1GiB", "--", "yes a line of ordinary output")
    operator.in_state(flood, "running")
    time.sleep(1)
    begun = time.monotonic()
    assert operator("run", "-a", "demo-1", "--", "echo ok").stdout == b"ok\n"
    assert time.monotonic() - begun < 15
    begun = time.monotonic()
    operator("task", "cancel", flood, "--grace", "1s")
    assert operator.ended(flood)[0]["state"] == "canceled"
    assert time.monotonic() - begun < 20
