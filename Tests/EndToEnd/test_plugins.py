# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Executors that are programs of somebody else's: what they are told, what becomes of what they say, and that nothing they
do harms the agent."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import time

import pytest

from harness.processes import alive
from harness.programs import BIN
from harness.traces import files
from harness.waiting import until
from harness.work import Refused, Work, perform

SECRET = "plugin-canary-4711"


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The program where nobody else could change it."""
    path = tmp_path_factory.mktemp("plugins") / "demo"
    shutil.copy(pathlib.Path(__file__).parent / "harness" / "demo_plugin.py", path)
    path.chmod(0o755)
    return str(path)


@pytest.fixture(scope="module")
def agent(site, program):
    def bad(how):
        return {"command": [program], "env": {"DESCRIBE": how}}
    agent = site.agent("plug-1", wait=False, plugins={
        "demo": {"command": [program, "--flag", "a b", "$HOME"], "env": {"MODE": "test"}, "secrets": {"DEMO_KEY": {"secret_ref": "demo"}}},
        "short": {"command": [program], "timeout": "500ms"},
        "hurry": {"command": [program, "--hurry"]},
        **{f"bad-{how}": bad(how) for how in ("hang", "crash", "rubbish", "long", "wrong", "version", "invalid", "kind", "fat")},
        "bad-gone": {"command": ["/no/such/program"]},
    })
    agent.secret("demo", SECRET.encode())
    agent.secret("other", b"second-canary-0815")
    site.wait_online("plug-1")
    return agent


@pytest.fixture
def call(site, agent):
    return lambda command, params=None, kind="demo", **spec: perform(site, "plug-1", kind, command, params, **spec)


# Starting

def test_plugins_that_cannot_say_what_they_take_are_left_out(site, agent):
    assert set(site.operator.agent("plug-1")["executors"]) == {"shell", "demo", "short", "hurry"}
    log = agent.log.read_text()
    for how, text in {
        "hang": "did not say within", "crash": "ended without saying what its tasks take; it said: no such library: libdemo.so",
        "rubbish": "not JSON", "long": "a line over 1048576 bytes", "wrong": "something else than a schema",
        "version": "another protocol than 1", "invalid": "a parameter is 1 to 32", "kind": "its schema is not valid",
        "fat": "its schema is over 65536 bytes", "gone": "/no/such/program: No such file",
    }.items():
        line, = [line for line in log.splitlines() if "plugin left out" in line and f"bad-{how}" in line]
        assert text in line, line


def test_the_check_names_them_too(site, program, tmp_path):
    settings = tmp_path / "agent.yaml"
    (tmp_path / "policy.yaml").write_text("mode: no-injection\n")
    token = tmp_path / "token"
    token.touch(0o600)
    token.write_text("x")

    def check(plugins, executors=None):
        settings.write_text(json.dumps({
            "server": {"url": "https://cloud.example:8443", "token-file": str(token)}, "data-dir": str(tmp_path / "data"),
            "policy": {"file": str(tmp_path / "policy.yaml")}, "plugins": plugins, "executors": executors or {}}))
        done = subprocess.run([BIN / "tiangong-agent", "check", settings], capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout
    assert check({"demo": {"command": [program]}}) == (0, f"{settings}: ok\n")
    status, text = check({"demo": {"command": [program], "env": {"DESCRIBE": "crash"}}, "good": {"command": [program]},
                          "odd": {"command": ["relative"]}, "more": {"command": [program], "colour": 1}}, {"api": {"allow": ["x/y"]}})
    assert status == 2 and "plugins.demo: the program" in text and "libdemo.so" in text and "plugins.good" not in text
    assert "plugins.odd.command does not begin with the absolute path" in text and "plugins.more.colour is not a setting" in text
    assert "executors.api.allow" in text


@pytest.mark.parametrize("what", ["file", "directory", "script", "owner"])
def test_a_program_that_others_could_change_is_not_started(site, program, tmp_path, what):
    place = tmp_path / "plugins"
    place.mkdir(0o755)
    copy = place / "demo"
    shutil.copy(program, copy)
    copy.chmod(0o755)
    command = [str(copy)] if what != "script" else ["/usr/bin/env", "python3", str(copy)]
    name = f"lax-{what}"
    agent = site.agent(name, plugins={"demo": {"command": command}})
    assert perform(site, name, "demo", "hurry").state == "succeeded"
    if what == "owner":
        if os.geteuid() != 0:
            pytest.skip("giving files away needs root")
        os.chown(copy, 12345, 12345)
    else:
        (place if what == "directory" else copy).chmod(0o777)
    done = perform(site, name, "demo", "hurry")
    assert done.state == "failed" and done.error["code"] == "start_failed", done
    assert ("belongs to neither root" if what == "owner" else "can be changed by others") in done.error["message"]
    agent.stop()
    agent.start()
    site.wait_online(name)
    until(lambda: site.operator.agent(name)["executors"] == ["shell"], 30, "the plugin is left out")
    agent.stop()


# What it is told

def test_it_is_told_the_task_and_nothing_else(call, agent):
    done = call("echo it", {"word": "a", "password": {"secret_ref": "other"}, "pairs": {"k": {"secret_ref": "other"}, "l": "v"},
                            "any": {"deep": {"secret_ref": "other"}}, "count": None}, timeout=30)
    assert done.state == "succeeded", done
    message = done.result["message"]
    assert message["type"] == "run" and message["protocol"] == 1 and message["command"] == "echo it" and message["timeout"] == 30
    assert message["task"] == {"id": done.task["id"], "attempt": 1, "run_id": done.task["run_id"], "actor": "olga"}
    assert done.result["argv"] == ["--flag", "a b", "$HOME"]
    # The agent hides secrets in what comes back, so here they show as what hides them; elsewhere they are names.
    assert message["params"] == {"word": "a", "password": "[redacted]", "pairs": {"k": "[redacted]", "l": "v"},
                                 "any": {"deep": {"secret_ref": "other"}}}
    environment = done.result["env"]
    assert environment.pop("DEMO_KEY") == "[redacted]" and environment.pop("MODE") == "test"
    assert set(environment) - {"PWD", "SHLVL", "_", "LC_CTYPE"} == {
        "PATH", "LANG", "HOME", "USER", "LOGNAME", "SHELL", "TZ", "TIANGONG_TASK_ID", "TIANGONG_TASK_ATTEMPT"}


def test_secrets_are_in_no_file_and_no_argument(site, call, agent):
    with_secret = Work(site, "plug-1", "demo", "deaf", {"password": {"secret_ref": "other"}}, grace=0)
    with_secret.until_output("ready ")
    pid = int(bytes(with_secret.streams["stdout"]).split()[1])
    assert b"canary" not in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    with_secret.cancel()
    with_secret.ended()
    kept = b"".join(data for _, data in files(site.directory, leave=[agent.secrets]))
    assert b"canary-4711" not in kept and b"second-canary" not in kept


def test_parameters_are_checked_by_its_schema(call):
    for params, text in [({"word": "c"}, "params.word is none of a, b"), ({"count": -1}, "params.count"), ({"other": 1}, "params.other"),
                         ({"password": "text"}, "secret_ref")]:
        with pytest.raises(Refused, match="invalid_argument.*" + re.escape(text)):
            call("echo", params)


def test_it_need_not_read_what_it_is_told(call):
    done = call("x" * 200_000, kind="hurry")
    assert done.state == "succeeded" and done.result == {"read": False}, done


# What it says

def test_output_goes_to_the_log(call):
    done = call("logs")
    assert done.state == "succeeded"
    assert done.streams["stdout"] == "out 天\n".encode() + bytes(range(256))
    assert sorted(done.err.splitlines()) == ["err", "own stderr"]


def test_rows_are_written_as_for_any_executor(call):
    done = call("rows 2 named")
    assert done.out == "id | name   | x\n---+--------+-----\n0  | 天工 0 | NULL\n1  | 天工 1 | NULL\n", done.out
    assert done.result == {"done": True, "rows": 2}
    done = call("rows 3", {"format": "jsonl", "max_rows": 2})
    assert done.rows == [
        {"b": {"base64": "AP8="}, "f": 1.5, "id": 0, "j": [1, True], "n": None, "t": True},
        {"b": {"base64": "AP8="}, "f": 1.5, "id": 1, "j": [1, True], "n": None, "t": True}, {"truncated": {"rows": 3, "shown": 2}}]
    assert done.result["rows"] == 3


def test_progress_is_told_now_and_then(call):
    done = call("progress")
    assert done.notes.startswith("tiangong: 0 of 200, copying\n") and done.notes.count("\n") < 5, done.notes


def test_it_fails_as_it_says(call):
    done = call("fail no_such_thing there is no such thing")
    assert done.state == "failed" and done.error == {"code": "no_such_thing", "message": "there is no such thing"}


def test_the_last_line_needs_no_end(call):
    done = call("hurry")
    assert (done.state, done.out) == ("succeeded", "a\n")


# What it does wrong

@pytest.mark.parametrize("what, text", [
    ("text", "a line that is not JSON"), ("binary", "a line that is not UTF-8"), ("list", "not an object with a type"),
    ("type", "the unknown type 'dance'"), ("deep", "not JSON"), ("long", "a line over 1048576 bytes"), ("row", "1 values for 0 columns"),
    ("schema", "a schema in place of a task's output"), ("result", "a result that is not an object"), ("number", "an object with a type"),
    ("code", "a code that is not"), ("base64", "not base64"), ("huge", "a result over 262144 bytes"),
])
def test_rubbish_ends_it_with_a_clear_error(call, what, text):
    done = call(f"rubbish {what}", grace=1)
    assert done.state == "failed" and done.error["code"] == "protocol_error", done
    assert done.error["message"].startswith("the plugin demo wrote ") and text in done.error["message"]


@pytest.mark.parametrize("command, text", [
    ("exit 0", "ended with exit status 0 without a result"), ("exit 3", "ended with exit status 3 without a result"),
    ("die", "was ended by signal 11 without a result"), ("shut", "was ended by signal 15 without a result"),
    ("unknown", "ended with exit status 0 without a result"),
])
def test_ending_without_a_result_is_a_failure(call, command, text):
    done = call(command)
    assert done.state == "failed" and text in done.error["message"], done


def test_what_it_started_ends_with_it(call, site):
    done = call("child ends")
    child = int(done.out.split()[1])
    assert done.state == "succeeded" and not alive(child)
    done = call("held")
    assert done.state == "failed" and "without a result" in done.error["message"]


def test_one_that_does_not_end_after_its_result_is_ended(call):
    done = call("linger")
    assert done.state == "succeeded" and done.result == {"said": True}
    assert "the plugin has said all and does not end; ended" in done.notes
    done = call("babble")
    assert done.state == "succeeded" and done.result == {"said": True}


def test_cancel_is_said_first(site, agent):
    work = Work(site, "plug-1", "demo", "polite", grace=30)
    work.until_output("ready")
    work.cancel()
    done = work.ended(60)
    assert (done.state, done.out) == ("canceled", "ready\ncleaned up\n")


@pytest.mark.parametrize("command", ["deaf", "child"])
def test_one_that_does_not_listen_is_killed_with_all_it_started(site, agent, command):
    work = Work(site, "plug-1", "demo", command, grace=1)
    work.until_output("ready ")
    pid = int(bytes(work.streams["stdout"]).split()[1])
    assert alive(pid)
    began = time.monotonic()
    work.cancel()
    assert work.ended(60).state == "canceled" and time.monotonic() - began < 30
    assert not alive(pid)


def test_time_is_limited_by_the_settings(site, agent):
    done = perform(site, "plug-1", "short", "deaf", grace=0, timeout=60)
    assert done.state == "timed_out" and "0.5 s" in done.error["message"]


def test_a_flood_is_taken_at_the_pace_of_the_log(site, agent, full):
    before = agent.memory()
    mib = 512 if full else 32
    done = perform(site, "plug-1", "demo", f"flood {mib}", log_limit=1 << 20, seconds=600)
    assert done.state == "succeeded" and done.result["log_cut_bytes"] > (mib - 3) << 20, done.error
    assert agent.memory() - before < 64 << 20
    work = Work(site, "plug-1", "demo", "endless", grace=1)
    done = work.ended()
    assert done.state == "failed" and "a line over 1048576 bytes" in done.error["message"]
    assert agent.memory() - before < 64 << 20


def test_a_million_rows(site, agent, full):
    count = 1_000_000 if full else 20_000
    before = agent.memory()
    done = perform(site, "plug-1", "demo", f"rows {count} named", {"format": "jsonl", "max_rows": count}, log_limit=1 << 20, seconds=600)
    assert done.state == "succeeded" and done.result["rows"] == count
    assert agent.memory() - before < 64 << 20


def test_nothing_that_it_writes_harms_the_agent(site, agent, full):
    works = []
    for seed in range(400 if full else 60):
        works.append(Work(site, "plug-1", "demo", f"fuzz {seed}", grace=0))
        if len(works) >= 20:
            assert works.pop(0).ended().state == "failed"
    for work in works:
        done = work.ended()
        assert done.state == "failed" and done.error["code"] == "protocol_error", done
    assert agent.running and perform(site, "plug-1", "demo", "logs").state == "succeeded"
    until(lambda: agent.descriptors() < 60, 30, "nothing is left open")


def test_an_agent_that_stops_ends_its_plugins(site, program):
    agent = site.agent("stop-1", plugins={"demo": {"command": [program]}}, settings={"TIANGONG_SHELL_GRACE": "1s"})
    work = Work(site, "stop-1", "demo", "deaf")
    work.until_output("ready ")
    pid = int(bytes(work.streams["stdout"]).split()[1])
    assert agent.stop() == 0 and not alive(pid)
    work.link.close()


# The guard

def test_the_guard_reads_each_line_of_a_command(site, program):
    site.agent("strict-1", policy="mode: whitelist\nallow:\n  - '^demo logs( [a-z]+)*$'\n", plugins={"demo": {"command": [program]}})
    assert perform(site, "strict-1", "demo", "logs  me").state == "succeeded"
    assert perform(site, "strict-1", "demo", "logs a\n\nlogs b").state == "succeeded"
    for command in ["rows 1", "logs\nexit 1", "logs a\rexit b"]:
        done = perform(site, "strict-1", "demo", command)
        assert done.state == "rejected" and done.error["code"] == "policy_denied", done


def test_a_type_that_no_agent_has(site, agent):
    for kind in ["nosuch", "No Such"]:
        with pytest.raises(Refused) as refused:
            perform(site, "plug-1", kind, "x")
        assert refused.value.error["code"] == "unsupported"
