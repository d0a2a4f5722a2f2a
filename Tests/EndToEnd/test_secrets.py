# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""A secret given by reference reaches the program and is nowhere else. The search itself is tested too."""

import base64
import os
import pathlib
import signal
import subprocess
import uuid
import zlib

import pytest

from harness.processes import Mark
from harness.programs import BIN
from harness.tap import Tap
from harness.traces import Search
from harness.waiting import until

# Characters that every encoding writes differently.
CANARY = f"canary-{uuid.uuid4().hex}?>~ &+=é".encode()


@pytest.fixture
def search():
    search = Search(CANARY)
    # What it is worth: a search that finds nothing in a haystack with the needle proves nothing.
    for haystack in [b"x" + CANARY, base64.encodebytes(b"ab" + CANARY * 3), b"%63anary"]:
        probe = Search(CANARY)
        probe.bytes("haystack", haystack)
        assert bool(probe.found) == (haystack != b"%63anary")
    return search


@pytest.fixture
def tap(own_site):
    tap = Tap(own_site.cloud)
    yield tap
    tap.stop()


@pytest.fixture
def agent(own_site, tap):
    """An agent whose link, like the operator's, goes through the tap; with the canary as its secret."""
    own_site.operator.environment["TIANGONG_SERVER"] = tap.url
    agent = own_site.agent("demo-1", url=tap.url)
    agent.secret("token", CANARY + b"\n")
    return agent


SHOW = r"""
printf '%s\n' "$TOKEN"; printf '%s' "$TOKEN" >&2; printf 'a%sb%sc' "$TOKEN" "$TOKEN"
for before in '' a ab abc; do printf '%s%s' "$before" "$TOKEN" | base64; done
for n in 1 2 3 4; do printf '%s ' "$TOKEN"; done | base64
printf '%s' "$TOKEN" | base64 -w0 | tr +/ -_
cat; cat "$0" 2>/dev/null
python3 - <<'END'
import os, sys, time, urllib.parse as url
token = os.environb[b"TOKEN"]
print(url.quote(token, safe=""), url.quote_plus(token), url.quote(token).lower(), f"https://u:{url.quote(token)}@host/")
sys.stdout.flush()
for size in (1, 2, 3, 7, 11):
    for at in range(0, len(token), size):
        os.write(1, token[at:at + size])
    os.write(1, b"\n")
os.write(1, b"x" * 65536 + token[:20]); os.write(1, token[20:] + b"y" * 65536 + b"\n")
for at in range(0, len(token), 9):
    os.write(1, token[at:at + 9]); time.sleep(0.12)
os.write(1, b"\nline " * 20000 + token + b"\n")
END
env; cat /proc/self/environ; cat /proc/$$/cmdline
"""


def test_a_secret_is_nowhere(own_site, agent, tap, search, tmp_path):
    site, operator, mark = own_site, own_site.operator, Mark()
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    # While it waits nothing is started any more that has the secret: not even a `sleep`.
    run = operator.detach("-a", "demo-1", "--secret-env", "TOKEN=token", "--secret-stdin", "token", "--env", mark.text, "--",
                          SHOW + f"\nprintf 'all %s\\n' shown; read go < {gate}; printf '%s' \"$TOKEN\" | sha256sum")
    operator.in_state(run, "running")
    until(lambda: b"all shown" in operator("logs", run).stdout, 60, "its output is there")
    # While it runs: the child has it, and nobody else. The disk has the output already.
    children = mark.processes()
    assert any(CANARY in pathlib.Path(f"/proc/{pid}/environ").read_bytes() for pid in children)
    search.processes(but=children)
    search.tree(agent.data)
    search.tree(site.cloud.data)
    with gate.open("r+b", buffering=0) as opened:
        opened.write(b"go\n")
        task, = operator.ended(run)
    assert task["state"] == "succeeded", task
    logs = operator("logs", run, "--raw")
    assert b"[redacted]" in logs.stdout and b"[redacted]" in logs.stderr
    # The program did get the true value.
    digest = subprocess.run(["sha256sum"], input=CANARY, capture_output=True).stdout.split()[0]
    assert digest in logs.stdout
    for command in [("logs", run), ("logs", run, "--raw"), ("task", "show", task["id"], "-o", "json"), ("run", "show", run, "-o", "json"),
                    ("task", "list", "-o", "jsonl"), ("agent", "show", "demo-1", "-o", "json")]:
        done = operator(*command)
        search.bytes(command, done.stdout + done.stderr)
    # After the end: all files of both sides, their logs, and everything that was said.
    until(lambda: not any((agent.data / "spool").iterdir()), 30, "the spool is empty")
    search.tree(site.directory, leave=[agent.secrets])
    for message in list(tap.messages):
        search.bytes("wire", message)
    assert len(tap.messages) > 10 and any(b"secret_ref" in message for message in tap.messages)
    assert search.searched > 200_000
    assert search.found == []


FAILING = {
    "a program that is not there": ["/no/such/program", "x"],
    "a directory that is not there": ["--cwd", "/no/such/dir", "--", "true"],
    "an account that is not there": ["--user", "no-such-user", "--", "true"],
    "a time limit": ["--timeout", "1s", "--", "echo $TOKEN; sleep 60"],
    "a status": ["--", "echo $TOKEN >&2; exit 3"],
    "a signal": ["--", "printf $TOKEN; kill -9 $$"],
    "a refusal": ["--", "rm -rf /"],
    "a shell that complains": ["--", "\"$TOKEN\""],
    "a tracing shell": ["--", "set -x; : $TOKEN"],
    "a process left behind": ["--", "(sleep 600 & ) ; echo $TOKEN"],
}


@pytest.mark.parametrize("command", FAILING.values(), ids=FAILING.keys())
def test_no_way_to_fail_shows_it(own_site, agent, tap, search, command):
    operator = own_site.operator
    options = command if "--" in command else ["--", *command]
    done = operator("run", "-a", "demo-1", "--secret-env", "TOKEN=token", *options)
    search.bytes("run", done.stdout + done.stderr)
    search.tree(own_site.directory, leave=[agent.secrets])
    for message in list(tap.messages):
        search.bytes("wire", message)
    assert search.found == []


def test_a_killed_agent_leaves_nothing_of_it(own_site, agent, search):
    operator = own_site.operator
    run = operator.detach("-a", "demo-1", "--secret-env", "TOKEN=token", "--secret-stdin", "token", "--",
                          "while :; do echo $TOKEN; printf '%s' \"$TOKEN\" | base64; sleep 0.01; done")
    operator.in_state(run, "running")
    until(lambda: operator("logs", run).stdout, 30, "it writes")
    agent.kill()
    search.tree(agent.data)
    agent.start()
    task, = operator.ended(run)
    assert task["state"] == "interrupted"
    search.tree(own_site.directory, leave=[agent.secrets])
    done = operator("logs", run)
    search.bytes("logs", done.stdout + done.stderr)
    assert search.found == [] and b"[redacted]" in done.stdout


def test_output_without_the_secret_is_untouched(own_site, agent, tmp_path):
    data = os.urandom(300_000) + CANARY[:-1] + os.urandom(300_000) + CANARY[1:] + b"canary-\n" * 1000
    (tmp_path / "data").write_bytes(data)
    run = own_site.operator.detach("-a", "demo-1", "--secret-env", "TOKEN=token", "--", f"cat {tmp_path}/data")
    own_site.operator.ended(run)
    assert zlib.crc32(own_site.operator.raw(run, "stdout")) == zlib.crc32(data)


BAD = {
    "missing": (None, 0o600, "not_found"),
    "empty": (b"", 0o600, "not_found"),
    "readable by its group": (CANARY, 0o640, "forbidden"),
    "readable by all": (CANARY, 0o644, "forbidden"),
    "large": (b"x" * 65_537, 0o600, "too_large"),
}


@pytest.mark.parametrize("content, mode, code", BAD.values(), ids=BAD.keys())
def test_a_secret_that_cannot_be_trusted_keeps_the_task_from_starting(own_site, tmp_path, content, mode, code):
    agent = own_site.agent("demo-1")
    agent.secrets.mkdir(mode=0o700)
    if content is not None:
        agent.secret("token", content, mode)
    run = own_site.operator.detach("-a", "demo-1", "--secret-env", "T=token", "--", f"touch {tmp_path}/ran")
    task, = own_site.operator.ended(run)
    assert (task["state"], task["error"]["code"]) == ("rejected", code)
    assert "token" in task["error"]["message"] and not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["../demo-1.token", "..", "a/b", "", "x" * 65, "$(id)"])
def test_only_names_are_taken(own_site, name):
    done = own_site.operator("run", "-a", "demo-1", "--secret-env", f"T={name}", "--", "true")
    assert done.returncode == 2


def crash(arguments, environment, directory, ready):
    """Runs a program where cores are wanted, and lets it die of a broken memory access; the cores there are."""
    directory.mkdir()
    process = subprocess.Popen(
        ["prlimit", "--core=unlimited", *map(str, arguments)], cwd=directory, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        until(lambda: ready(process), 30, "it runs")
        os.kill(process.pid, signal.SIGSEGV)
        assert process.wait(60) == -signal.SIGSEGV
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    return list(directory.glob("*core*"))


@pytest.mark.skipif(pathlib.Path("/proc/sys/kernel/core_pattern").read_text().startswith(("|", "/")),
                    reason="cores are not written beside the program here")
def test_no_core_is_written(own_site, tmp_path):
    plain = crash(["sleep", "60"], os.environ, tmp_path / "crash-plain",
                  lambda process: os.readlink(f"/proc/{process.pid}/exe").endswith("sleep"))
    assert plain, "this host writes no cores at all, so the test would prove nothing"
    agent = own_site.agent("demo-1")
    agent.stop()
    own_site.wait_offline("demo-1")
    assert crash(agent.arguments, agent.environment, tmp_path / "crash-agent",
                 lambda _: own_site.operator.online("demo-1")) == []
    cloud = own_site.cloud
    arguments = [BIN / "tiangong-cloud", "serve", "--listen", "127.0.0.1:0", "--data-dir", tmp_path / "other"]
    assert crash(arguments, cloud.environment, tmp_path / "crash-cloud", lambda _: (tmp_path / "other" / "address").exists()) == []
    run = own_site.operator.detach("-a", "demo-1", "--", "true")
    following = [BIN / "tiangong", "logs", "-f", run]
    assert crash(following, own_site.operator.environment, tmp_path / "crash-console",
                 lambda process: "tiangong" in os.readlink(f"/proc/{process.pid}/exe")
                 and len(os.listdir(f"/proc/{process.pid}/fd")) > 5) == []
