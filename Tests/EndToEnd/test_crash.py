# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Programs die without last words and links break; no task is lost, none runs twice, no byte is missing or doubled."""

import collections
import time

import pytest

from harness.processes import Mark
from harness.waiting import until

# Says that it started, in a file that only grows, then prints numbered lines for some seconds.
def counting(starts, lines=300, pause=0.02):
    return f'echo "$$" >> {starts}; i=0; while [ $i -lt {lines} ]; do echo "line $i"; i=$((i+1)); sleep {pause}; done'


def lines(count):
    return "".join(f"line {i}\n" for i in range(count)).encode()


def starts_of(directory):
    return {path.name: len(path.read_text().splitlines()) for path in directory.iterdir()}


def test_cloud_is_killed_amid_twenty_tasks(own_site, tmp_path):
    operator = own_site.operator
    own_site.agent("demo-1")
    directory = tmp_path / "starts"
    directory.mkdir()
    runs = [operator.detach("-a", "demo-1", "--", counting(directory / str(n))) for n in range(20)]
    until(lambda: len(starts_of(directory)) >= 20, 60, "all have started")
    own_site.cloud.kill()
    time.sleep(3)
    own_site.cloud.start()
    for run in runs:
        task, = operator.ended(run, 60)
        assert task["state"] == "succeeded", task
        assert operator.raw(run, "stdout") == lines(300)
    assert starts_of(directory) == {str(n): 1 for n in range(20)}
    assert own_site.cloud.query("PRAGMA integrity_check") == [("ok",)]


def test_cloud_is_killed_while_tasks_are_handed_out(own_site, tmp_path):
    """What the operator was told is accepted, runs exactly once; what was not acknowledged, at most once."""
    operator = own_site.operator
    own_site.agent("demo-1")
    directory = tmp_path / "starts"
    directory.mkdir()
    clients = [operator.popen("run", "--detach", "-a", "demo-1", "--", counting(directory / str(n), 5)) for n in range(12)]
    until(lambda: len(starts_of(directory)) >= 2, 30, "some have started")
    own_site.cloud.kill()
    accepted = []
    for n, client in enumerate(clients):
        output, _ = client.communicate(timeout=90)
        if client.returncode == 0:
            accepted.append((n, output.decode().strip()))
    own_site.cloud.start()
    for n, run in accepted:
        task, = operator.ended(run, 60)
        assert task["state"] == "succeeded", task
        assert operator.raw(run, "stdout") == lines(5)
        assert starts_of(directory)[str(n)] == 1
    assert max(starts_of(directory).values()) == 1


def test_agent_is_killed(own_site, tmp_path):
    operator = own_site.operator
    agent = own_site.agent("demo-1", labels=["role=demo"])
    directory = tmp_path / "starts"
    directory.mkdir()
    mark = Mark()
    # The sleeper writes nothing, so no broken pipe ends it: only the agent can.
    runs = [operator.detach("-a", "demo-1", "--env", mark.text, "--",
                            "sleep 600 & " + counting(directory / str(n), 100_000)) for n in range(5)]
    until(lambda: len(starts_of(directory)) >= 5, 30, "all have started")
    seen = until(lambda: operator.raw(runs[0], "stdout"), 30, "some of the log is committed")
    agent.kill()
    own_site.wait_offline("demo-1")
    assert b"agent offline" in operator("task", "list").stdout
    agent.start()
    for run in runs:
        task, = operator.ended(run, 60)
        assert task["state"] == "interrupted", task
        stored = operator.raw(run, "stdout")
        assert lines(100_000).startswith(stored)
    assert len(operator.raw(runs[0], "stdout")) >= len(seen)
    until(lambda: not mark.processes(), 30, "its processes are gone")
    assert operator("run", "-a", "demo-1", "--", "echo back").stdout == b"back\n"
    assert starts_of(directory) == {str(n): 1 for n in range(5)}


def test_agent_is_told_to_stop(own_site, tmp_path):
    """TERM ends its tasks, reports them interrupted while the link still stands, and exits with 0."""
    operator = own_site.operator
    agent = own_site.agent("demo-1")
    mark = Mark()
    run = operator.detach("-a", "demo-1", "--env", mark.text, "--grace", "1s", "--", "sleep 600")
    operator.in_state(run, "running")
    assert agent.stop() == 0
    assert operator.ended(run, 30)[0]["state"] == "interrupted"
    assert mark.processes() == {}


def test_link_is_cut(own_site, proxy, tmp_path, full):
    operator = own_site.operator
    own_site.agent("demo-1", url=proxy.url)
    count, away = (3600, 60) if full else (600, 8)
    run = operator.detach("-a", "demo-1", "--", counting(tmp_path / "starts", count))
    until(lambda: operator.raw(run, "stdout"), 30, "its first lines")
    follower = operator.popen("logs", run, "-f", "--raw")
    proxy.cut()
    own_site.wait_offline("demo-1")
    # What had arrived is stored soon.
    before = until(lambda: (text := operator.raw(run, "stdout")) == operator.raw(run, "stdout") and text, 30, "no more is stored")
    time.sleep(away)
    assert operator.raw(run, "stdout") == before and before != lines(count)
    assert operator.task(run)["state"] == "running"
    proxy.mend()
    task, = operator.ended(run, 120)
    assert task["state"] == "succeeded", task
    assert operator.raw(run, "stdout") == lines(count)
    output, _ = follower.communicate(timeout=60)
    assert output == lines(count), collections.Counter(output.splitlines()).most_common(3)
    assert (tmp_path / "starts").read_text().count("\n") == 1


@pytest.mark.parametrize("output", ["stdout", "log"])
def test_link_is_cut_again_and_again(own_site, proxy, tmp_path, output):
    """Resets in the middle of frames: every chunk arrives once."""
    operator = own_site.operator
    own_site.agent("demo-1", url=proxy.url)
    (tmp_path / "data").write_bytes(bytes(i % 251 for i in range(3_000_000)))
    throttled = f"for part in 1 2 3 4 5 6 7 8 9 10; do cat {tmp_path}/data; sleep 0.3; done"
    run = operator.detach("-a", "demo-1", "--", throttled)
    for _ in range(4):
        accepted = proxy.accepted
        proxy.cut()
        proxy.mend()
        until(lambda: proxy.accepted > accepted, 30, "the agent is back")
    task, = operator.ended(run, 90)
    assert task["state"] == "succeeded", task
    if output == "stdout":
        assert operator.raw(run, "stdout") == (tmp_path / "data").read_bytes() * 10
    else:
        seqs = [row[0] for row in own_site.cloud.query("SELECT seq FROM log_chunks ORDER BY seq")]
        assert seqs == list(range(task["log_seq"]))


def test_cloud_stops_and_starts_under_a_follower(own_site, tmp_path):
    operator = own_site.operator
    own_site.agent("demo-1")
    run = operator.detach("-a", "demo-1", "--", counting(tmp_path / "starts", 300))
    follower = operator.popen("logs", run, "-f", "--raw")
    assert follower.stdout.read(7) == b"line 0\n"
    assert own_site.cloud.stop() == 0
    own_site.cloud.start()
    output, errors = follower.communicate(timeout=60)
    assert (b"line 0\n" + output) == lines(300)
    assert follower.returncode == 0, errors


def test_two_servers_never_share_a_directory(own_site):
    from harness.programs import Cloud
    second = Cloud(own_site.directory)
    second.name, second.log = "second", own_site.directory / "second.log"
    address = (own_site.cloud.data / "address").read_text()
    with pytest.raises(AssertionError):
        second.start()
    assert second.process.wait(30) != 0
    (own_site.cloud.data / "address").write_text(address)
    assert own_site.operator("agent", "list").returncode == 0


def test_a_copied_agent_does_not_run_a_task_twice(own_site, tmp_path):
    """Two programs with one identity: the newer link wins, and each task starts once."""
    operator = own_site.operator
    token = own_site.cloud.token("agent", "demo-1", labels=["role=demo"])
    own_site.agent("demo-1", token=token)
    from harness.programs import Agent
    (tmp_path / "copy").mkdir()
    twin = Agent(own_site.cloud, tmp_path / "copy", "twin", token)
    twin.start()
    own_site.agents["twin"] = twin
    epoch = operator.agent("demo-1")["epoch"]
    until(lambda: operator.agent("demo-1")["epoch"] > epoch or epoch > 1, 30, "the second link")
    for n in range(5):
        run = operator.detach("-a", "demo-1", "--", f"echo $$ >> {tmp_path}/{n}.starts")
        operator.ended(run, 60)
    counts = [path.read_text().count("\n") for path in sorted(tmp_path.glob("*.starts"))]
    assert all(count == 1 for count in counts), counts
