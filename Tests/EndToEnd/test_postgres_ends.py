# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""How tasks of type postgres end when something ends them, how much they take, and what of a connection is used again."""

import os
import signal
import socket
import time

import pytest

from harness.backends.postgres import PASSWORD, PROGRAMS, Postgres
from harness.waiting import until
from harness.work import Work

pytestmark = pytest.mark.skipif(not PROGRAMS, reason="no PostgreSQL: apt-get install postgresql")


@pytest.fixture(scope="module")
def server():
    with Postgres() as server:
        server.main = server.database()
        yield server


@pytest.fixture(scope="module")
def silence():
    """Where connections are made and nothing is ever said."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        listener.settimeout(60)
        yield listener


@pytest.fixture(scope="module")
def agent(site, server, silence):
    main = {"host": "127.0.0.1", "port": server.port, "user": "app", "password": {"secret_ref": "pg-app"},
            "database": server.main}
    silent = main | {"port": silence.getsockname()[1]}
    agent = site.agent("pg-1", wait=False, executors={"postgres": {"max-concurrency": 4, "datasources": {
        "main": main, "brief": main | {"idle-timeout": "1s"}, "silent": silent | {"connect-timeout": "1h"},
        "impatient": silent | {"connect-timeout": "1s"}}}})
    agent.secret("pg-app", PASSWORD.encode())
    site.wait_online("pg-1")
    return agent


@pytest.fixture
def work(site, agent):
    def work(command, datasource="main", spec={}, **params):
        return Work(site, "pg-1", "postgres", command, {"datasource": datasource} | params, **spec)
    return work


@pytest.fixture
def run(work):
    def run(command, datasource="main", **params):
        return work(command, datasource, **params).ended()
    return run


def waits(server, text):
    """The process of the session that runs a statement with that text."""
    return until(lambda: server.sql(
        f"select pid from pg_stat_activity where state = 'active' and query like '{text}%'"), 60, f"{text} runs")


# Canceling

def test_cancel_stops_the_statement_on_the_server(work, server):
    task = work("create table never (n int); select pg_sleep(600) as canceled_one", spec={"grace": 120})
    waits(server, "select pg_sleep(600) as canceled_one")
    began = time.monotonic()
    task.cancel()
    done = task.ended()
    assert done.state == "canceled" and time.monotonic() - began < 30, done
    assert done.result["transaction"] == "rolled_back" and done.result["failed_statement"]["number"] == 2
    until(lambda: server.sessions("state = 'active'") == 0, 30, "nothing runs")
    assert server.sql("select to_regclass('never') is null", server.main) == "t"


def test_cancel_while_rows_stream(work, server):
    task = work("select repeat('x', 1000) as x, generate_series(1, 1000000000) as i", max_rows=10**12,
                spec={"log_limit": 1 << 40})
    task.keeps = False
    while task.bytes < 3_000_000:
        assert task.step() is None
    task.cancel()
    assert task.ended().state == "canceled"
    until(lambda: server.sessions("state = 'active'") == 0, 30, "nothing runs")


def test_the_time_limit_stops_the_statement(work, server):
    done = work("select pg_sleep(600)", spec={"timeout": 0.5}).ended()
    assert done.state == "timed_out", done
    until(lambda: server.sessions("state = 'active'") == 0, 30, "nothing runs")


def test_cancel_while_the_server_hangs_ends_within_the_grace(work, server):
    task = work("select pg_sleep(600) as hangs", spec={"grace": 2})
    process = int(waits(server, "select pg_sleep(600) as hangs"))
    # The statement's session, and what would take the request to cancel it.
    os.kill(process, signal.SIGSTOP)
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        task.cancel()
        done = task.ended()
        assert done.state == "canceled" and 1.5 < time.monotonic() - began < 10, done
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
        os.kill(process, signal.SIGCONT)
    until(lambda: server.sessions("state = 'active'") == 0, 30, "nothing runs")


def test_cancel_while_connecting(work, silence):
    task = work("select 1", "silent", spec={"grace": 120})
    with silence.accept()[0]:
        began = time.monotonic()
        task.cancel()
        done = task.ended()
        assert done.state == "canceled" and time.monotonic() - began < 30, done


def test_a_server_that_does_not_answer_is_not_waited_for(run):
    done = run("select 1", "impatient")
    assert done.state == "failed" and done.error["code"] == "start_failed", done
    assert "did not answer within 1 s" in done.error["message"]


def test_a_commit_is_waited_for_even_when_it_is_canceled(work, server):
    server.sql("create table slow (n int); grant all on slow to app; create function wait() returns trigger language plpgsql as "
               "$$ begin perform pg_sleep(5); return null; end $$; create constraint trigger wait after insert on slow "
               "deferrable initially deferred for each row execute function wait()", server.main)
    task = work("insert into slow values (1)", spec={"grace": 120})
    waits(server, "COMMIT")
    task.cancel()
    done = task.ended()
    assert done.state == "canceled" and done.result["transaction"] == "committed", done
    assert server.sql("table slow", server.main) == "1"


def test_a_connection_that_ends_in_the_commit_leaves_it_open_what_happened(work, server):
    server.sql("create table slower (n int); grant all on slower to app; create or replace function wait_long() returns trigger "
               "language plpgsql as $$ begin perform pg_sleep(600); return null; end $$; create constraint trigger wait after "
               "insert on slower deferrable initially deferred for each row execute function wait_long()", server.main)
    task = work("insert into slower values (1)")
    server.sql(f"select pg_terminate_backend({waits(server, 'COMMIT')})")
    done = task.ended()
    assert done.state == "failed" and done.result["transaction"] == "unknown", done
    assert "whether it took effect is not known" in done.error["message"]


# The server ends

@pytest.mark.parametrize("kill", [False, True])
def test_a_restart_during_a_statement_fails_the_task_and_no_later_one(work, run, server, kill):
    task = work("create table kept (n int); select pg_sleep(600) as restarted")
    process = waits(server, "select pg_sleep(600) as restarted")
    if kill:
        os.kill(int(process), signal.SIGKILL)
    else:
        server.restart()
    done = task.ended()
    assert done.state == "failed" and done.error["code"] == "unavailable", done
    assert done.error["message"].endswith("everything was rolled back"), done
    until(server.is_ready, 60, "the server is back")
    assert run("select 1 as n", format="jsonl").rows == [{"n": 1}]
    assert server.sql("select to_regclass('kept') is null", server.main) == "t"


# Connections

def test_a_connection_is_used_again_as_if_it_were_new(run, server):
    first = run("select pg_backend_pid() as pid; set timezone to 'Asia/Shanghai'; set statement_timeout to '9s'; "
                "create temp table leftover (n int); select pg_advisory_lock(42); listen news; prepare p as select 1",
                format="jsonl", transaction=False)
    assert first.state == "succeeded", first
    second = run("select pg_backend_pid() as pid, current_setting('timezone') as zone, current_setting('statement_timeout') as t, "
                 "to_regclass('leftover') as leftover, (select count(*) from pg_prepared_statements) as prepared, "
                 "(select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks", format="jsonl")
    pid = first.rows[0]["pid"]
    zone = server.sql("show timezone")
    assert second.rows == [{"pid": pid, "zone": zone, "t": "0", "leftover": None, "prepared": 0, "locks": 0}], second


def test_a_connection_is_not_used_again_after_a_cancel(work, run, server):
    pid = run("select pg_backend_pid() as pid", format="jsonl").rows[0]["pid"]
    task = work("select pg_sleep(600) as once")
    assert int(waits(server, "select pg_sleep(600) as once")) == pid
    task.cancel()
    assert task.ended().state == "canceled"
    assert run("select pg_backend_pid() as pid", format="jsonl").rows[0]["pid"] != pid


def test_idle_connections_are_closed(run, server):
    pid = run("select pg_backend_pid() as pid", "brief", format="jsonl").rows[0]["pid"]
    until(lambda: server.sessions(f"pid = {pid}") == 0, 30, "the connection is closed")


def test_one_that_was_closed_by_the_server_is_made_again(run, server):
    pid = run("select pg_backend_pid() as pid", format="jsonl").rows[0]["pid"]
    server.sql(f"select pg_terminate_backend({pid})")
    until(lambda: server.sessions(f"pid = {pid}") == 0, 30, "the session has ended")
    assert run("select pg_backend_pid() as pid", format="jsonl").rows[0]["pid"] != pid


def test_connections_are_bounded(site, work, server):
    tasks = [work("select pg_sleep(0.3)") for _ in range(10)]
    most = 0
    for task in tasks:
        while (ended := task.step()) is None:
            most = max(most, server.sessions())
        assert ended["state"] == "succeeded"
        task.link.close()
    assert 1 <= most <= 4
    names = [server.database() for _ in range(10)]
    for name in names:
        assert work("select 1", database=name).ended().state == "succeeded"
    # One that was closed takes a moment to end.
    until(lambda: server.sessions() <= 9, 30, "the others are closed")


# How much it takes

def test_a_million_rows_do_not_fill_the_agents_memory(work, agent, server):
    work("select 1").ended()
    before = agent.memory()
    task = work("select generate_series(1, 1000000) as i", format="jsonl", max_rows=10**7, spec={"log_limit": 1 << 30})
    task.keeps = False
    most = 0
    while (ended := task.step(120)) is None:
        most = max(most, agent.memory())
    task.link.close()
    assert ended["state"] == "succeeded" and ended["result"]["rows"] == 1_000_000, ended
    assert task.bytes == sum(len('{"i":%d}\n' % number) for number in range(1, 1_000_001))
    assert most - before < 64 << 20, f"{(most - before) >> 20} MiB more"


def test_a_large_value_passes(run):
    done = run("select repeat('天', 2000000) as x", format="jsonl")
    assert done.rows == [{"x": "天" * 2_000_000}]
