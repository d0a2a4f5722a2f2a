# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Policies on the command line and in the console: set, shown, tried, and which rule decides on which agent."""

import json

import pytest

from harness.screen import Screen

STRICT = """# restarts only
mode: whitelist
allow:
  - 'systemctl (restart|status) [a-z]{1,16}'
  - 'uptime'
deny: ['systemctl restart sshd']
"""


@pytest.fixture
def lab(site, operator):
    """A second agent, in the environment lab, for which a strict policy is set during one test."""
    if "lab-1" not in site.agents:
        site.agent("lab-1", token=site.cloud.token("agent", "lab-1", environment="lab"))
    done = operator("policy", "put", "lab-base", "-", "-e", "lab", input=STRICT.encode())
    assert done.returncode == 0, done.stderr.decode()
    yield
    operator("policy", "remove", "lab-base")


@pytest.fixture
def screens(operator, tmp_path):
    opened = []

    def open_screen(columns=80, rows=24):
        screen = Screen(operator.environment | {"TERM": "xterm-256color"}, tmp_path, columns, rows)
        opened.append(screen)
        return screen
    yield open_screen
    for screen in opened:
        screen.stop()


def test_what_is_shown_can_be_set_again(operator, lab, tmp_path):
    before, = [policy for policy in operator.lines("policy", "list") if policy["name"] == "lab-base"]
    assert before["scope"]["environments"] == ["lab"] and before["actor"] == "olga"
    assert before["policy"]["allow"] == ["systemctl (restart|status) [a-z]{1,16}", "uptime"]
    shown = operator("policy", "show", "lab-base").stdout
    assert shown.startswith(b"# policy lab-base, for lab\n")
    (tmp_path / "again.yaml").write_bytes(shown)
    done = operator("policy", "put", "lab-base", str(tmp_path / "again.yaml"), "--environment", "lab", "-o", "json")
    assert done.returncode == 0, done.stderr.decode()
    after = json.loads(done.stdout)
    assert after["hash"] == before["hash"] and after["policy"] == before["policy"]


@pytest.mark.parametrize("text, said", [
    (b"mode: everything\n", "line 1"), (b"mode: whitelist\nallow: ['(']\n", "line 2"), (b"", "empty"), (b"\xff\xfe", "not text"),
    (b"mode: whitelist\nallow:\n  - &a x\n  - *a\n", "line 3"), (b"mode: audit\nmode: audit\n", "twice"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_a_file_that_is_not_in_order_changes_nothing(operator, lab, text, said):
    before = operator.lines("policy", "list")
    done = operator("policy", "put", "lab-base", "-", "-e", "lab", input=text)
    assert done.returncode == 2 and said in done.stderr.decode(), done.stderr.decode()
    assert operator.lines("policy", "list") == before


def test_what_looks_like_a_mistake_is_told(operator):
    done = operator("policy", "put", "loose", "-", "-e", "nowhere", input=b"mode: whitelist\nallow: ['.*']\n")
    assert done.returncode == 0 and b"warning: " in done.stderr, done.stderr.decode()
    assert operator.lines("policy", "show", "loose")[0]["warnings"]
    assert b"# warning: " in operator("policy", "show", "loose").stdout
    assert operator("policy", "remove", "loose").returncode == 0
    assert operator("policy", "remove", "loose").returncode == 6
    assert operator("policy", "show", "loose").returncode == 6


def test_each_agent_says_which_rule_decides(operator, lab):
    done = operator("policy", "test", "--all", "--", "systemctl restart nginx")
    assert done.returncode == 0, done.stdout.decode()
    rows = {line.split()[0]: line for line in done.stdout.decode().splitlines()[1:]}
    assert "policy lab-base" in rows["lab-1"] and "whitelist" in rows["lab-1"] and "allow" in rows["lab-1"]
    assert "blacklist-default" in rows["demo-1"] and "allow" in rows["demo-1"]

    command = "uptime; 部署 | rm -rf /"
    done = operator("policy", "test", "--all", "--", command)
    assert done.returncode == 5
    text = done.stdout.decode()
    caret = next(index for index, line in enumerate(text.splitlines()) if line.strip() == "^")
    line = text.splitlines()[caret - 1]
    assert line == "  " + command
    found = json.loads(operator("policy", "test", "--all", "-o", "json", "--", command).stdout)["agents"]
    demo = next(agent for agent in found if agent["agent"] == "demo-1")
    assert demo["verdict"]["verdict"] == "deny" and demo["verdict"]["rule"] == "D1"
    assert command.encode()[demo["verdict"]["position"]:] == b"/"


def test_only_those_that_refuse_are_named_when_quiet(operator, lab):
    done = operator("policy", "test", "--all", "-q", "--", "cat /etc/hostname")
    assert (done.returncode, done.stdout) == (5, b"lab-1\n")
    done = operator("policy", "test", "-a", "demo-1", "-q", "--", "cat /etc/hostname")
    assert (done.returncode, done.stdout) == (0, b"")


def test_a_test_runs_nothing_and_agrees_with_the_run(operator, lab, tmp_path):
    mark = tmp_path / "mark"
    for agent, command, status in [("demo-1", f"touch {mark}", 0), ("lab-1", f"touch {mark}", 5), ("lab-1", "uptime", 0)]:
        assert operator("policy", "test", "-a", agent, "--", command).returncode == status
        assert not mark.exists()
        run = operator("run", "-a", agent, "--", command)
        assert (run.returncode == 0) == (status == 0), run.stderr.decode()
        assert mark.exists() == (agent == "demo-1")
        mark.unlink(missing_ok=True)


def test_host_namespaces_are_tried_too(operator, lab):
    done = operator("policy", "test", "-a", "demo-1", "--host-namespaces", "--", "uptime")
    assert done.returncode == 5, done.stdout.decode()


def test_nobody_matches(operator):
    assert operator("policy", "test", "-l", "role=none", "--", "true").returncode == 6
    assert operator("policy", "test", "--", "true").returncode == 2


@pytest.mark.parametrize("columns, rows", [(80, 24), (120, 40)])
def test_the_console_says_before_it_sends_who_would_refuse(operator, lab, screens, columns, rows):
    screen = screens(columns, rows)
    screen.shell("tiangong")
    screen.shows("demo-1", "lab-1", "live", "olga admin")
    screen.keys("*", "t")
    screen.shows("New task", "demo-1 lab-1")
    screen.type("uptime")
    screen.shows("policy: allowed on all 2")
    screen.type("; cat /etc/hostname")
    screen.shows("REFUSED on 1 of 2", "lab-1")
    screen.keys("C-t")
    shown = screen.shows("Which rule decides", "1 of 2 refuse", "policy lab-base")
    assert next(line for line in shown.splitlines() if "x refuse" in line).find("lab-1") >= 0
    assert "^" in shown
    screen.keys("Escape")
    screen.shows("New task")
    screen.keys("C-r")
    screen.shows("[2 Review]", "REFUSED on 1 of 2", "x lab-1")
    screen.keys("Escape", "Escape")
    screen.shows("Agents")
    screen.keys("g", "p")
    screen.shows("Policies", "lab-base", "whitelist")
    screen.keys("/")
    screen.type("lab")
    screen.keys("Enter", "Enter")
    screen.shows("Policy  lab-base", "systemctl (restart|status) [a-z]{1,16}", "systemctl restart sshd")
    screen.keys("Q")
    screen.shows("ready>")


def test_the_console_shows_the_audit(operator, lab, screens):
    assert operator("run", "-a", "lab-1", "--", "cat /etc/hostname").returncode == 5
    screen = screens(120, 40)
    screen.shell("tiangong")
    screen.shows("demo-1", "live")
    screen.keys("g", "u")
    screen.shows("Audit", "olga", "policy.write")
    screen.keys("D")
    screen.shows("filter: deny", "cat /etc/hostname", "lab-1")
    screen.keys("/")
    screen.type(" action=run.create actor=olga since=1h")
    screen.keys("Enter")
    screen.shows("filter: deny action=run.create actor=olga since=1h", "cat /etc/hostname")
    screen.keys("Enter")
    screen.shows("Audit record", "verdict", "deny", "hash", "cat /etc/hostname")
    screen.keys("q", "/", "C-u")
    screen.type("actor=nobody")
    screen.keys("Enter")
    screen.shows("No record matches")
    screen.keys("Q")
    screen.shows("ready>")


def test_whoami(operator):
    info, = operator.lines("whoami")
    assert info["actor"] == "olga" and info["role"] == "admin"
    done = operator("whoami")
    assert b"admin" in done.stdout and b"every agent" in done.stdout
    assert operator("whoami", "-q").stdout == b"olga\n"
