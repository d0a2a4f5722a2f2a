# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""The agent judges again, by its own file, which the Cloud can tighten and never relax."""

import os
import signal

import pytest

from harness.waiting import until

LOOSE = "mode: blacklist-default\n"


@pytest.fixture
def marker(tmp_path):
    """A file that a task makes when it runs."""
    return tmp_path / "ran"


def refused(operator, *command, options=()):
    """Runs something the agent must refuse; the task."""
    run = operator.detach("-a", "demo-1", *options, "--", *command)
    task, = operator.ended(run)
    assert task["state"] == "rejected", task
    assert task["started_at"] is None if "started_at" in task else True
    assert task["error"]["code"] == "policy_denied"
    assert task["error"]["message"].startswith("refused by the agent's policy: ")
    assert task["result"]["verdict"]["verdict"] == "deny"
    return task


BROKEN = {
    "missing": None,
    "empty": "",
    "only a comment": "# mode: audit\n",
    "not YAML": "mode: [audit\n",
    "an unknown mode": "mode: everything\n",
    "an unknown key": "mode: audit\nalow: []\n",
    "a list": "- mode: audit\n",
    "a bad expression": "mode: whitelist\nallow:\n  - '(echo'\n",
    "an anchor": "mode: &m audit\n",
    "without a mode": "allow: []\n",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN.keys())
def test_without_a_policy_that_can_be_used_nothing_runs(own_site, marker, text):
    agent = own_site.agent("demo-1", policy=text)
    task = refused(own_site.operator, f"touch {marker}")
    assert "policy" in task["error"]["message"]
    assert not marker.exists()
    agent.set_policy(LOOSE)
    assert own_site.operator("run", "-a", "demo-1", "--", f"touch {marker}").returncode == 0
    assert marker.exists()


def test_a_file_that_others_can_write_counts_as_broken(own_site, marker):
    agent = own_site.agent("demo-1")
    agent.policy_file.chmod(0o666)
    task = refused(own_site.operator, f"touch {marker}")
    assert "written by others" in task["error"]["message"] and not marker.exists()


def test_tightened_while_it_runs(own_site, marker):
    operator = own_site.operator
    agent = own_site.agent("demo-1")
    assert operator("run", "-a", "demo-1", "--", "true; true").returncode == 0
    pid = agent.pid
    agent.set_policy("mode: whitelist\nallow:\n  - '^uptime$'\n")
    task = refused(operator, f"touch {marker}")
    assert task["result"]["verdict"]["rule"] == "whitelist" and not marker.exists()
    assert operator("run", "-a", "demo-1", "--", "uptime").returncode == 0
    agent.policy_file.unlink()
    refused(operator, "uptime")
    agent.set_policy(LOOSE)
    assert operator("run", "-a", "demo-1", "--", f"touch {marker}").returncode == 0
    assert agent.running and agent.pid == pid


def test_tightened_while_tasks_wait_in_the_agent(own_site, marker):
    operator = own_site.operator
    agent = own_site.agent("demo-1", options=["--max-concurrency", "1"])
    first = operator.detach("-a", "demo-1", "--", "sleep 600")
    operator.in_state(first, "running")
    waiting = operator.detach("-a", "demo-1", "--", f"touch {marker}")
    agent.set_policy("mode: whitelist\n")
    assert operator("task", "cancel", operator.task(first)["id"]).returncode == 0
    task, = operator.ended(waiting)
    assert task["state"] == "rejected" and not marker.exists()


def test_the_cloud_cannot_relax_it(own_site, marker):
    operator = own_site.operator
    own_site.agent("demo-1", policy="mode: no-injection\n")
    for policy in [{"mode": "blacklist-default"}, {"mode": "audit"},
                   {"mode": "whitelist", "allow": ["^.*$"]}]:
        own_site.policy("tests", **policy)
        command = f"touch {marker}; true" if policy["mode"] != "whitelist" else "true"
        if policy["mode"] == "whitelist":
            assert operator("run", "-a", "demo-1", "--", command).returncode == 0
        else:
            refused(operator, command)
    own_site.policy("tests", mode="audit")
    refused(operator, f"touch {marker}; rm -rf /usr/")
    assert not marker.exists()


def test_the_cloud_can_tighten_it(own_site, marker):
    own_site.agent("demo-1", policy="mode: audit\n")
    own_site.policy("tests", mode="no-injection")
    done = own_site.operator("run", "-a", "demo-1", "--", f"true; touch {marker}")
    assert done.returncode == 5 and not marker.exists()
    assert own_site.cloud.query("SELECT count(*) FROM tasks") == [(0,)]


def told(site):
    """What the Cloud knows of the agent's policy."""
    return site.operator.agent("demo-1")


def test_the_cloud_is_told_the_policy_and_each_change(own_site):
    agent = own_site.agent("demo-1", policy="mode: no-injection\n")
    assert told(own_site)["policy_mode"] == "no-injection"
    agent.set_policy("mode: whitelist\n")
    # Without a task: the next heartbeat looks at the file.
    until(lambda: told(own_site)["policy_mode"] == "whitelist", 30, "the change is told")
    # SIGHUP does not end it.
    agent.set_policy("mode: audit\n")
    agent.signal(signal.SIGHUP)
    until(lambda: told(own_site)["policy_mode"] == "audit", 30, "the change is told")
    assert agent.running


def test_what_is_judged_is_what_runs(own_site, tmp_path):
    """Letters that look alike, odd blanks and a trailing newline are refused or run as they are."""
    own_site.agent("demo-1", policy="mode: whitelist\nallow:\n  - '^printf [%a-z]+ [a-z-]+$'\n")
    own_site.policy("tests", mode="audit")
    operator = own_site.operator
    done = operator("run", "-a", "demo-1", "--", "printf %s a-b")
    assert (done.returncode, done.stdout) == (0, b"a-b")
    for command in ["printf %s a\u2010b", "printf %s a\u200bb", "printf\u00a0%s ab", "printf %s ab\nid", "printf %s $HOME"]:
        refused(operator, command)


def test_a_task_is_kept_small(own_site):
    """Its environment, umask, descriptors, input and limits."""
    own_site.agent("demo-1", settings={"SECRET_OF_THE_AGENT": "x", "TZ": "Asia/Shanghai"})
    script = "env | cut -d= -f1 | sort | tr '\\n' ' '; echo; umask; ls /proc/self/fd | wc -l; readlink /proc/self/fd/0; " \
             "ulimit -c; pwd; echo $PATH; echo $TZ; grep ^NoNewPrivs: /proc/self/status | tr -d '\\t'"
    done = own_site.operator("run", "-a", "demo-1", "--", script)
    names, umask, descriptors, stdin, core, directory, path, zone, privileges = done.stdout.decode().splitlines()
    assert set(names.split()) <= {"HOME", "LANG", "LOGNAME", "PATH", "PWD", "OLDPWD", "SHELL", "SHLVL", "TZ", "USER", "_",
                                  "TIANGONG_TASK_ID", "TIANGONG_TASK_ATTEMPT"}
    assert (umask, int(descriptors), stdin, core) == ("0027", 4, "/dev/null", "0")
    assert path == "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" and zone == "Asia/Shanghai"
    assert directory.startswith("/")
    assert privileges == ("NoNewPrivs:0" if os.geteuid() == 0 else "NoNewPrivs:1")


@pytest.mark.parametrize("variable", ["LD_PRELOAD", "LD_LIBRARY_PATH", "BASH_ENV", "PATH"])
def test_no_task_sets_what_decides_which_code_runs(own_site, marker, variable):
    own_site.agent("demo-1", policy="mode: audit\n")
    own_site.policy("tests", mode="audit")
    run = own_site.operator.detach("-a", "demo-1", "--env", f"{variable}=/tmp/x", "--", f"touch {marker}")
    task, = own_site.operator.ended(run)
    assert task["state"] in {"failed", "rejected"} and variable in task["error"]["message"]
    assert not marker.exists()
