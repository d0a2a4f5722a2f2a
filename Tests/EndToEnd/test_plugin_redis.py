# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""The plugin for Redis against a real server, and the whole plugin of the manual."""

import pathlib
import shutil

import pytest

from harness.backends.redis import Redis
from harness.certificates import Authority
from harness.traces import files
from harness.waiting import until
from harness.work import Refused, Work, perform

ROOT = pathlib.Path(__file__).parents[2]
PASSWORD = "redis-canary-4711"


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    with Redis(tmp_path_factory.mktemp("servers"), PASSWORD, Authority()) as redis:
        yield redis


def manual_example(start):
    """The example of tiangong-plugin(7) that begins so."""
    text = (ROOT / "man" / "tiangong-plugin.7").read_text()
    example, = [part.split(".Ed\n")[0] for part in text.split(".Bd -literal\n")[1:] if part.startswith(start)]
    return example.replace("\\e", "\\")


@pytest.fixture(scope="module")
def agent(site, redis, tmp_path_factory):
    place = tmp_path_factory.mktemp("plugins")
    program = place / "tiangong-redis"
    shutil.copy(ROOT / "Plugins" / "redis" / "tiangong-redis", program)
    example = place / "disk-free"
    example.write_text(manual_example("#!/usr/bin/env python3"))
    for path in (program, example):
        path.chmod(0o755)
    secrets = {"REDIS_PASSWORD": {"secret_ref": "redis"}}

    def plugin(*options, **more):
        return {"command": [str(program), *map(str, options)], "secrets": secrets} | more
    agent = site.agent("cache-1", wait=False, plugins={
        "redis": plugin("--port", redis.port), "redis-tls": plugin("--host", "localhost", "--port", redis.tls_port, "--tls", "--ca-file", redis.authority),
        "redis-other": plugin("--host", "localhost", "--port", redis.tls_port, "--tls"), "redis-gone": plugin("--port", 1),
        "redis-wrong": plugin("--port", redis.port, secrets={"REDIS_PASSWORD": {"secret_ref": "wrong"}}),
        "redis-open": plugin("--port", redis.port, secrets={}), "disk-free": {"command": [str(example)]}})
    agent.secret("redis", PASSWORD.encode())
    agent.secret("wrong", b"not-the-password")
    site.wait_online("cache-1")
    return agent


@pytest.fixture
def call(site, agent, redis):
    redis.ask("FLUSHALL")
    return lambda command, params=None, kind="redis", **spec: perform(site, "cache-1", kind, command, params, **spec)


def test_commands_are_run_together(call, redis):
    done = call('SET greeting "天工 says \\x22hi\\x22"\nGET greeting\n\nRPUSH list a \'b c\'\nLRANGE list 0 -1\nGET nothing\nINCR n')
    assert done.state == "succeeded", done
    assert done.out == 'OK\n天工 says "hi"\n2\na\nb c\n(nil)\n1\n'
    assert done.result["commands"] == 6 and done.result["server"].startswith(("5.", "6.", "7.", "8."))
    assert redis.ask("GET", "greeting") == '$16\r\n天工 says "hi"\r\n'.encode()


def test_answers_as_json(call):
    done = call('HSET h f 1 g "\\x00\\xff"\nHGETALL h\nGET none\nMULTI\nINCR n\nEXEC', {"format": "json"})
    assert done.rows == [2, ["f", "1", "g", {"base64": "AP8="}], None, "OK", "QUEUED", [1]]


def test_bytes_stay_bytes(call):
    done = call('SET b "\\x00\\xff\\r\\n"\nGET b')
    assert done.streams["stdout"] == b"OK\n\x00\xff\r\n\n"


def test_arguments_with_no_quoting(call, redis):
    done = call("SET", {"args": ['a "b', 'c\nFLUSHALL "'], "database": 3})
    assert done.state == "succeeded" and done.out == "OK\n"
    assert call('GET "a \\"b"', {"database": 3}).out == 'c\nFLUSHALL "\n' and call('GET "a \\"b"').out == "(nil)\n"


def test_a_command_that_fails_does_not_stop_the_others(call):
    done = call("SET a text\nINCR a\nNOSUCH\nGET a")
    assert done.state == "failed" and done.error["code"] == "task_failed"
    assert done.error["message"].startswith("2 of 4 commands failed: INCR: ERR value is not an integer or out of range; NOSUCH: ERR unknown command")
    assert done.out.startswith("OK\n(error) ERR value") and done.out.endswith("\ntext\n")


@pytest.mark.parametrize("command", [
    "FLUSHALL", "flushdb async", '"FLUSH\\x41LL"', "GET a\nCONFIG GET *", "SHUTDOWN NOSAVE", "KEYS *", "EVAL \"return 1\" 0", "DEBUG SLEEP 1",
    "CLIENT KILL ID 1", "SCRIPT FLUSH", "REPLICAOF h 1", "MODULE LIST", "ACL LIST"])
def test_what_is_dangerous_is_refused(call, redis, command):
    redis.ask("SET", "a", "kept")
    done = call(command)
    assert done.state == "failed" and done.error["code"] == "policy_denied" and "allow_dangerous" in done.error["message"], done
    assert redis.ask("GET", "a") == b"$4\r\nkept\r\n"


def test_unless_it_is_allowed_by_name(call, redis):
    redis.ask("SET", "a", "1")
    done = call("CONFIG GET maxmemory\nFLUSHALL", {"allow_dangerous": True})
    assert done.state == "succeeded" and done.out == "maxmemory\n0\nOK\n" and redis.ask("DBSIZE") == b":0\r\n"
    for command in ["MONITOR", "SUBSCRIBE c", "AUTH x"]:
        done = call(command, {"allow_dangerous": True})
        assert done.error["code"] == "invalid_argument" and "is not run by tasks" in done.error["message"]


def test_large_answers_stream(site, agent, call, redis, full):
    count = 1_000_000 if full else 100_000
    redis.ask("EVAL", f"for i = 1, {count} do redis.call('RPUSH', 'l', 'element ' .. i) end", 0)
    before = agent.memory()
    done = call("LRANGE l 0 -1", seconds=600)
    assert done.state == "succeeded" and done.out == "".join(f"element {n}\n" for n in range(1, count + 1))
    size = (256 if full else 8) << 20
    redis.ask("SETRANGE", "big", size - 1, "x")
    done = call("GET big", log_limit=1000, seconds=600)
    assert done.state == "succeeded" and done.result["log_cut_bytes"] == size + 1 - 1000, done
    assert agent.memory() - before < 64 << 20


def test_many_commands_do_not_stop_each_other(call):
    value = "v" * 100
    done = call("\n".join([f"SET k{n} {value}" for n in range(500)] + [f"GET k{n}" for n in range(500)]))
    assert done.state == "succeeded" and done.out == "OK\n" * 500 + (value + "\n") * 500
    with pytest.raises(Refused, match="over 1000 lines"):
        call("\n".join(["PING"] * 1001))


def test_cancel_ends_what_the_server_does(site, agent, call, redis):
    work = Work(site, "cache-1", "redis", "BLPOP none 0", grace=30)
    until(lambda: b"blocked_clients:1" in redis.ask("INFO", "clients"), 30, "the command waits")
    work.cancel()
    assert work.ended(60).state == "canceled"
    until(lambda: b"blocked_clients:0" in redis.ask("INFO", "clients"), 30, "the server has noticed")
    assert call("BLPOP none 0", timeout=0.5).state == "timed_out"


def test_tls(call):
    done = call("PING", kind="redis-tls")
    assert (done.state, done.out) == ("succeeded", "PONG\n"), done
    done = call("PING", kind="redis-other")
    assert done.error["code"] == "unreachable" and "TLS failed" in done.error["message"], done


@pytest.mark.parametrize("kind, code, message", [
    ("redis-wrong", "start_failed", "the server refuses AUTH: WRONGPASS"), ("redis-open", "start_failed", "wants a password"),
    ("redis-gone", "unreachable", "127.0.0.1:1: Connection refused")])
def test_who_may_not_or_cannot_connect(call, kind, code, message):
    done = call("PING", kind=kind)
    assert done.state == "failed" and done.error["code"] == code and message in done.error["message"], done
    assert "canary" not in str(done) and "not-the-password" not in str(done)


def test_a_server_that_goes_away(site, agent, call, redis):
    work = Work(site, "cache-1", "redis", "BLPOP none 0")
    until(lambda: b"blocked_clients:1" in redis.ask("INFO", "clients"), 30, "the command waits")
    redis.restart(kill=True)
    done = work.ended(60)
    assert done.state == "failed" and done.error["code"] == "unreachable" and "closed the connection" in done.error["message"]
    assert perform(site, "cache-1", "redis", "PING").state == "succeeded"


def test_the_password_is_nowhere(site, agent):
    kept = b"".join(data for _, data in files(site.directory, leave=[agent.secrets]))
    assert PASSWORD.encode() not in kept


def test_the_whole_plugin_of_the_manual(call):
    done = call("/", {"least": 1}, kind="disk-free")
    assert done.state == "succeeded" and done.result["free"] > 0 and done.result["rows"] == 1
    assert [cell.strip() for cell in done.out.splitlines()[0].split("|")] == ["free", "path", "total"]
    done = call("/", {"least": 1 << 50}, kind="disk-free")
    assert done.error["code"] == "insufficient_storage"
    done = call("/no/such/place", kind="disk-free")
    assert done.state == "failed" and "without a result" in done.error["message"] and "FileNotFoundError" in done.err
