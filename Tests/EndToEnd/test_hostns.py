# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Host namespaces: off unless the agent's own whitelist says so. The host is played by a process in namespaces of its own."""

import os
import subprocess

import pytest

from harness.waiting import until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root")

KINDS = ["mnt", "uts", "ipc", "net", "pid"]
OPEN = """
mode: whitelist
host_namespaces: true
allow:
  - '^readlink( /proc/self/ns/[a-z]+)+$'
  - '^cat /opt/host-only$'
  - '^hostname$'
  - '^pwd$'
  - '^printenv [A-Z_]+$'
  - '^sleep 600$'
  - '^(false|true)$'
  - '^cat$'
"""


@pytest.fixture
def host(tmp_path):
    """A process in its own mount, UTS, IPC, network and PID namespaces, with a host name and a file nobody else sees."""
    (tmp_path / "layer").mkdir()
    script = f"hostname far-away; mount -t tmpfs none /opt; echo seen > /opt/host-only; mkdir /opt/deep; " \
             f"mount -t proc proc /proc; touch {tmp_path}/ready; exec sleep 100000"
    process = subprocess.Popen(
        ["unshare", "--mount", "--uts", "--ipc", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", script],
        start_new_session=True)
    until(lambda: (tmp_path / "ready").exists(), 30, "the namespaces are there")
    child, = until(lambda: open(f"/proc/{process.pid}/task/{process.pid}/children").read().split(), 30, "its first process")
    yield int(child)
    process.kill()
    process.wait()


def namespaces(pid):
    return [os.readlink(f"/proc/{pid}/ns/{kind}") for kind in KINDS]


@pytest.fixture
def agent(own_site, host):
    return own_site.agent("demo-1", policy=OPEN, settings={"TIANGONG_HOST_NAMESPACES_TARGET_PID": str(host)})


LINKS = [f"/proc/self/ns/{kind}" for kind in KINDS]


def test_a_task_runs_in_all_of_the_hosts_namespaces(own_site, agent, host):
    operator = own_site.operator
    inside = operator("run", "-a", "demo-1", "--host-namespaces", "--", "readlink", *LINKS)
    assert inside.returncode == 0, inside.stderr
    assert inside.stdout.decode().split() == namespaces(host)
    outside = operator("run", "-a", "demo-1", "--", "readlink", *LINKS)
    assert outside.stdout.decode().split() == namespaces(agent.pid)
    assert not set(namespaces(host)) & set(namespaces(agent.pid))


def test_it_sees_the_hosts_files_name_and_directory(own_site, agent):
    operator = own_site.operator

    def run(*command, options=(), **more):
        return operator("run", "-a", "demo-1", "--host-namespaces", *options, "--", *command, **more)
    assert run("cat /opt/host-only").stdout == b"seen\n"
    assert run("hostname").stdout == b"far-away\n"
    assert run("pwd", options=["--cwd", "/opt/deep"]).stdout == b"/opt/deep\n"
    assert run("pwd").stdout == b"/\n"
    assert run("printenv COLOUR", options=["--env", "COLOUR=jade"]).stdout == b"jade\n"
    assert run("cat", options=["--stdin"], input=b"typed").stdout == b"typed"
    assert run("false").returncode == 1 and run("true").returncode == 0


def test_its_secrets_are_hidden_there_too(own_site, agent):
    agent.secret("token", b"canary-4711\n")
    done = own_site.operator("run", "-a", "demo-1", "--host-namespaces", "--secret-env", "TOKEN=token", "--", "printenv TOKEN")
    assert (done.returncode, done.stdout) == (0, b"[redacted]\n")


def test_cancel_reaches_what_runs_there(own_site, agent, host):
    operator = own_site.operator
    run = operator.detach("-a", "demo-1", "--host-namespaces", "--grace", "2s", "--", "sleep 600")
    operator.in_state(run, "running")

    def is_there(pid):
        try:
            return os.readlink(f"/proc/{pid}/ns/pid") == os.readlink(f"/proc/{host}/ns/pid")
        except FileNotFoundError:  # it has ended since it was found
            return False

    def sleepers():
        # Not the namespace's own first process, whose number there is 1.
        found = subprocess.run(["pgrep", "-f", "^sleep 600$"], capture_output=True, text=True).stdout.split()
        return [pid for pid in found if is_there(pid)]
    until(sleepers, 30, "it runs in the namespace")
    assert operator("task", "cancel", operator.task(run)["id"]).returncode == 0
    task, = operator.ended(run)
    assert task["state"] == "canceled" and not sleepers()


def test_the_guard_applies_inside(own_site, agent):
    operator = own_site.operator
    done = operator("run", "-a", "demo-1", "--host-namespaces", "--", "cat /etc/hostname")
    assert (done.returncode, done.stdout) == (5, b"") and b"whitelist" in done.stderr
    # What the Cloud does not know yet, the agent does.
    agent.set_policy(OPEN.replace("'^hostname$'", "'^uname$'"))
    done = operator("run", "-a", "demo-1", "--host-namespaces", "--", "hostname")
    assert done.returncode in (3, 5) and done.stdout == b"" and b"whitelist" in done.stderr


CLOSED = {
    "not said": "mode: whitelist\nallow: ['^hostname$']\n",
    "said false": "mode: whitelist\nallow: ['^hostname$']\nhost_namespaces: false\n",
    "no-injection": "mode: no-injection\nhost_namespaces: true\n",
    "blacklist-default": "mode: blacklist-default\nhost_namespaces: true\n",
    "audit": "mode: audit\nhost_namespaces: true\n",
}


@pytest.mark.parametrize("policy", CLOSED.values(), ids=CLOSED.keys())
def test_nobody_gets_in_unless_the_agents_own_whitelist_says_so(own_site, host, policy):
    own_site.agent("demo-1", policy=policy, settings={"TIANGONG_HOST_NAMESPACES_TARGET_PID": str(host)})
    done = own_site.operator("run", "-a", "demo-1", "--host-namespaces", "--", "hostname")
    assert done.stdout != b"far-away\n", "it ran there"
    assert done.returncode in (3, 5)
    assert b"namespaces" in done.stderr


def test_the_cloud_cannot_open_it(own_site, host):
    own_site.agent("demo-1", settings={"TIANGONG_HOST_NAMESPACES_TARGET_PID": str(host)})
    with pytest.raises(AssertionError):
        own_site.policy("open", mode="whitelist", allow=["^hostname$"], host_namespaces=True)


def test_an_account_is_not_taken_along(own_site, agent):
    done = own_site.operator("run", "-a", "demo-1", "--host-namespaces", "--user", "nobody", "--", "hostname")
    assert done.returncode == 2


def test_the_operator_sees_which_agents_are_open(own_site, agent):
    assert own_site.operator.agent("demo-1")["host_namespaces"] is True
    own_site.agent("demo-2")
    assert not own_site.operator.agent("demo-2").get("host_namespaces")
    agent.set_policy("mode: whitelist\n")
    until(lambda: not own_site.operator.agent("demo-1").get("host_namespaces"), 30, "it is told to be closed")
