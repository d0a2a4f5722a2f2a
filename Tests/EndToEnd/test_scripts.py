# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""`make up` and `make down`: what they start answers, and what they stop is gone."""

import os
import pathlib
import subprocess

import pytest

from harness.processes import alive
from harness.programs import BIN, clean_environment
from harness.waiting import until

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def script(tmp_path):
    directory = tmp_path / "a run"  # a space in the path, on purpose
    environment = clean_environment(tmp_path) | {"RUN_DIR": str(directory), "BIN": str(BIN), "AGENTS": "2"}

    def call(name, **changes):
        return subprocess.run([ROOT / "Scripts" / name], env=environment | changes, capture_output=True, text=True, timeout=180)
    call.directory, call.environment = directory, environment
    yield call
    call("down")


def pids(directory):
    return {path.stem: int(path.read_text()) for path in directory.rglob("*.pid")}


def sourced(script, command):
    return subprocess.run(["bash", "-c", f'source "$RUN_DIR/env" && {command}'], env=script.environment,
                          capture_output=True, text=True, timeout=60)


def test_up_answers_and_down_leaves_nothing(script):
    up = script("up")
    assert up.returncode == 0, up.stderr
    started = pids(script.directory)
    assert set(started) == {"cloud", "demo-1", "demo-2"}
    done = sourced(script, "tiangong run -l role=demo -- 'echo $((6 * 7))'")
    assert sorted(done.stdout.splitlines()) == ["demo-1 | 42", "demo-2 | 42"], done
    again = script("up", AGENTS="3")
    assert again.returncode == 0 and "already" in again.stdout
    assert pids(script.directory).items() >= started.items(), "what runs is left alone"
    down = script("down")
    assert down.returncode == 0, down.stderr
    assert not [pid for pid in started.values() if alive(pid)] and pids(script.directory) == {}


def test_up_after_everything_was_killed(script):
    assert script("up").returncode == 0
    killed = list(pids(script.directory).values())
    for pid in killed:
        os.kill(pid, 9)
    until(lambda: not any(map(alive, killed)), 30, "they are gone")
    up = script("up")
    assert up.returncode == 0, up.stderr
    assert sourced(script, "tiangong run -l role=demo --prefix none -- 'echo again'").stdout == "again\nagain\n"


def test_a_stale_pid_is_not_touched(script):
    """The number in a pid file may belong to somebody else by now."""
    bystander = subprocess.Popen(["sleep", "600"])
    try:
        script.directory.mkdir()
        (script.directory / "cloud.pid").write_text(str(bystander.pid))
        assert script("down").returncode == 0
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_down_without_up_is_no_error(script):
    assert script("down").returncode == 0


def test_files_with_secrets_are_private(script):
    assert script("up", AGENTS="1").returncode == 0
    for path in [script.directory / "operator.token", script.directory / "agents" / "demo-1.token",
                 script.directory / "cloud" / "tls" / "ca.key", script.directory / "cloud" / "cloud.db"]:
        assert path.stat().st_mode & 0o077 == 0, path
