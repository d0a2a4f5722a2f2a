# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Tasks of type clickhouse against a real ClickHouse: rows, errors, ends, connections."""

import os
import pathlib
import signal
import socket
import time

import pytest

from harness.backends.clickhouse import PASSWORD, PROGRAM, ClickHouse
from harness.waiting import until
from harness.work import Refused, Work, perform

pytestmark = pytest.mark.skipif(not PROGRAM, reason="no ClickHouse: apt-get install clickhouse-server")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with ClickHouse(tmp_path_factory.mktemp("clickhouse")) as server:
        yield server


@pytest.fixture(scope="module")
def agent(site, server):
    with socket.socket() as silence:
        silence.bind(("127.0.0.1", 0))
        silence.listen(64)
        main = {"url": f"http://127.0.0.1:{server.port}", "user": "app", "password": {"secret_ref": "ch-app"}}
        tls = main | {"url": f"https://localhost:{server.tls_port}"}
        silent = main | {"url": f"http://127.0.0.1:{silence.getsockname()[1]}"}
        agent = site.agent("ch-1", wait=False, executors={"clickhouse": {"max-concurrency": 8, "datasources": {
            "main": main, "reader": main | {"user": "reader"}, "guest": {"url": main["url"] + "/"},
            "stranger": main | {"password": {"secret_ref": "ch-wrong"}}, "nobody": main | {"url": "http://127.0.0.1:1"},
            "no-name": main | {"url": "http://db.invalid:8123"}, "no-database": main | {"database": "nowhere"},
            "tls": tls | {"ca-file": str(server.authority_file)}, "other-ca": tls | {"ca-file": str(server.other_authority_file)},
            "system-ca": tls, "no-file": tls | {"ca-file": "/nonexistent/ca.pem"}, "silent": silent | {"connect-timeout": "1h"},
            "slow-to-answer": silent | {"connect-timeout": "1s"}}}})
        agent.secret("ch-app", PASSWORD.encode() + b"\n")
        agent.secret("ch-wrong", b"wrong password\n")
        site.wait_online("ch-1")
        yield agent


@pytest.fixture
def database(server):
    return server.database()


@pytest.fixture
def work(site, agent, database):
    def work(command, datasource="main", spec={}, **params):
        return Work(site, "ch-1", "clickhouse", command, {"datasource": datasource, "database": database} | params, **spec)
    return work


@pytest.fixture
def run(work):
    def run(command, datasource="main", spec={}, **params):
        return work(command, datasource, spec, **params).ended()
    return run


# Rows

VALUES = r"""
SELECT toUInt8(255) AS tiny, toInt64('-9223372036854775808') AS low, toUInt64('18446744073709551615') AS high, toFloat32(1.5) AS f,
  nan AS nan, -inf AS inf, toDecimal64('12345678901.234', 3) AS exact, '天工 "q" \'s\' \\ \t\n' AS words, '' AS nothing,
  unhex('FF00') AS bytes, toFixedString('ab', 4) AS fixed, toDate('2024-02-29') AS day, toDateTime('2024-02-29 12:34:56') AS stamp,
  CAST('b' AS Enum8('a' = 1, 'b' = 2)) AS choice, toUUID('00000000-0000-0000-0000-000000000001') AS uuid, NULL AS none,
  toNullable(toUInt8(7)) AS some, [1, 2] AS numbers, ['a\'b', 'c,d', 'e\tf\\', '天'] AS texts, [[1], [2, 3]] AS grid,
  [toNullable(1), NULL] AS gaps, (1, 'x', toDate('2024-02-29')) AS pair, [(1, 'a'), (2, 'b')] AS pairs, emptyArrayString() AS empty
"""


def test_values_of_every_type_come_exactly_as_json(run):
    done = run(VALUES, format="jsonl")
    assert done.state == "succeeded", done
    assert done.rows == [{
        "tiny": 255, "low": -2**63, "high": 2**64 - 1, "f": 1.5, "nan": "nan", "inf": "-inf", "exact": "12345678901.234",
        "words": "天工 \"q\" 's' \\ \t\n", "nothing": "", "bytes": {"base64": "/wA="}, "fixed": "ab\0\0", "day": "2024-02-29",
        "stamp": "2024-02-29 12:34:56", "choice": "b", "uuid": "00000000-0000-0000-0000-000000000001", "none": None, "some": 7,
        "numbers": [1, 2], "texts": ["a'b", "c,d", "e\tf\\", "天"], "grid": [[1], [2, 3]], "gaps": [1, None],
        "pair": [1, "x", "2024-02-29"], "pairs": [[1, "a"], [2, "b"]], "empty": []}], done
    assert done.result["rows"] == 1 and done.result["statements"] == 1


def test_rows_as_a_table_are_aligned(run):
    done = run("SELECT 1 AS n, 'x' AS t UNION ALL SELECT 22, 'a\\tb'; SELECT ['a', 'b'] AS l, toNullable('y') AS s")
    table = sorted(done.out.splitlines()[2:4])
    assert table == [" 1 | x", "22 | a\\tb"] and done.out.splitlines()[:2] == ["n  | t", "---+-----"], done
    assert done.out.splitlines()[4:] == ["", "l         | s", "----------+--", "['a','b'] | y"]


def test_states_of_aggregates_are_bytes(run):
    row, = run("SELECT uniqState(number) AS state FROM (SELECT number FROM system.numbers LIMIT 3)", format="jsonl").rows
    assert set(row["state"]) == {"base64"}


def test_rows_over_the_limit_are_counted(run):
    done = run("SELECT number FROM system.numbers LIMIT 5", format="jsonl", max_rows=2)
    assert done.rows == [{"number": 0}, {"number": 1}, {"truncated": {"rows": 5, "shown": 2}}] and done.result["rows"] == 5


def test_totals_are_told_apart_from_rows(run):
    text = "SELECT number % 2 AS k, count() AS c FROM (SELECT number FROM system.numbers LIMIT 5) GROUP BY k WITH TOTALS ORDER BY k"
    done = run(text, format="jsonl")
    assert done.rows == [{"k": 0, "c": 3}, {"k": 1, "c": 2}, {"totals.k": 0, "totals.c": 5}] and done.result["rows"] == 2, done
    done = run("SELECT number FROM system.numbers LIMIT 3", format="jsonl", settings={"extremes": "1"})
    assert done.rows == [{"number": n} for n in range(3)] + [{"extremes.number": 0}, {"extremes.number": 2}], done


def test_a_format_of_ones_own_is_passed_on_raw(run):
    done = run("SELECT number, 'a,b' AS t FROM system.numbers LIMIT 2 FORMAT CSVWithNames")
    assert done.out == '"number","t"\n0,"a,b"\n1,"a,b"\n' and done.state == "succeeded", done
    done = run("SELECT 1 AS format, 2 AS x", format="jsonl")
    assert done.rows == [{"format": 1, "x": 2}], done
    done = run("SELECT intDiv(1000, number - 300000) AS n FROM system.numbers LIMIT 400000 FORMAT JSONEachRow",
               spec={"log_limit": 1 << 30})
    assert done.state == "failed" and done.result["failed_statement"]["code"] == 153, done.result
    assert done.out.startswith('{"n":0}\n') or done.out.startswith('{"n":"0"}\n')


# Several statements

def test_a_failure_in_the_middle_stops_the_rest(run, server, database):
    done = run("CREATE TABLE t (n UInt8) ENGINE = Memory; INSERT INTO t VALUES (1), (2); SELECT nosuch FROM t; INSERT INTO t VALUES (3)")
    assert done.state == "failed" and done.error["code"] == "not_found", done
    assert done.error["message"].startswith("statement 3 of 4 failed: ") and "(code 47)" in done.error["message"]
    assert done.error["message"].endswith("; the 2 before took effect") and "\n" not in done.error["message"]
    failed = done.result["failed_statement"]
    assert failed["number"] == 3 and failed["code"] == 47 and failed["query_id"].endswith("-3")
    assert [each["command"] for each in done.result["each"]] == ["CREATE", "INSERT"]
    assert server.sql("SELECT sum(n) FROM t", database) == "3"


def test_what_one_statement_sets_holds_for_the_next(run):
    done = run("SET max_rows_to_read = 5; SELECT value FROM system.settings WHERE name = 'max_rows_to_read'", format="jsonl")
    assert done.state == "failed" or done.rows == [{"value": "5"}], done
    done = run("CREATE TEMPORARY TABLE t (n UInt8); INSERT INTO t VALUES (7); SELECT n FROM t", format="jsonl")
    assert done.rows == [{"n": 7}], done


def test_settings_go_with_every_statement(run, site, agent):
    done = run("SELECT value FROM system.settings WHERE name = 'max_block_size'", format="jsonl", settings={"max_block_size": "77"})
    assert done.rows == [{"value": "77"}], done
    done = run("SELECT 1", settings={"nosuch": "1"})
    assert done.state == "failed" and done.error["code"] == "invalid_argument" and "nosuch" in done.error["message"], done
    for name in ["query", "user", "session_id", "param_x", "default_format"]:
        done = run("SELECT 1", settings={name: "1"})
        assert done.state == "failed" and f"params.settings.{name} is not a setting of a query" in done.error["message"], done
    for name, value in [("readonly", "0"), ("dialect", "prql"), ("x = 1, readonly", "0")]:
        with pytest.raises(Refused, match="policy_denied.*params.settings"):
            run("SELECT 1", settings={name: value})


# Errors

def test_an_error_behind_rows_is_found(run):
    done = run("SELECT intDiv(1000, number - 300000) AS n FROM system.numbers LIMIT 400000", format="jsonl", max_rows=1)
    assert done.state == "failed" and done.error["code"] == "invalid_argument", done
    assert done.error["message"] == "the statement failed: Division by zero (code 153)", done
    done = run("SELECT toString(intDiv(1000, number - 300000)) AS n FROM system.numbers LIMIT 400000", format="jsonl", max_rows=1)
    assert done.state == "failed" and done.result["failed_statement"]["code"] == 153, done
    done = run("SELECT number, sleep(0.01) FROM system.numbers", format="jsonl", max_rows=1,
               settings={"max_execution_time": "1", "max_block_size": "10"})
    assert done.state == "failed" and done.error["code"] == "timed_out", done


def test_a_row_that_tells_of_an_error_is_a_row(run):
    text = "Code: 62, e.displayText() = DB::Exception: Syntax error: near \\'x\\', e.what() = DB::Exception"
    done = run(f"SELECT '{text}' AS exception", format="jsonl")
    assert done.state == "succeeded" and done.rows == [{"exception": text.replace("\\", "")}], done
    done = run("SELECT 'Code: 394, e.displayText() = DB::Exception: x, e.what() = DB::Exception' AS a, 1 AS b", format="jsonl")
    assert done.state == "succeeded" and done.rows[0]["b"] == 1, done


def test_connections_that_do_not_work_say_why(run):
    cases = {
        "stranger": ("start_failed", "Wrong password for user app; check user and the secret of the password"),
        "nobody": ("start_failed", "http://127.0.0.1:1 cannot be reached: Connection refused"),
        "no-name": ("start_failed", "http://db.invalid:8123 cannot be reached: its name is not known"),
        "other-ca": ("start_failed", "the server's certificate is not trusted"),
        "system-ca": ("start_failed", "the server's certificate is not trusted"),
        "no-file": ("start_failed", "ca-file /nonexistent/ca.pem cannot be used"),
        "slow-to-answer": ("start_failed", "did not answer within 1 s")}
    for datasource, (code, text) in cases.items():
        done = run("SELECT 1", datasource)
        assert done.error["code"] == code and text in done.error["message"], (datasource, done)
        assert "\n" not in done.error["message"] and "wrong password" not in done.error["message"]
    with pytest.raises(Refused, match="unknown datasource 'missing' on ch-1; it has: guest, main"):
        run("SELECT 1", "missing")
    done = run("SELECT 1", "no-database", database=None)
    assert done.error["code"] == "not_found" and "nowhere" in done.error["message"], done


def test_tls_and_accounts(run):
    for datasource in ["tls", "main", "guest", "reader"]:
        done = run("SELECT 1 AS n", datasource, format="jsonl")
        assert done.rows == [{"n": 1}], (datasource, done)
    done = run("CREATE TABLE t (n UInt8) ENGINE = Memory", "reader")
    assert done.state == "failed" and done.error["code"] == "forbidden", done


def test_the_guard_refuses_before_the_server_sees_it(run, site, server, database):
    server.sql("CREATE TABLE kept (n UInt8) ENGINE = Memory", database)
    with pytest.raises(Refused, match="policy_denied"):
        run("SELECT 1; DROP TABLE kept")
    site.policy("tests", mode="audit")
    try:
        done = run("DROP TABLE kept")
        assert (done.state, done.error["code"]) == ("rejected", "policy_denied"), done
    finally:
        site.policy("tests", mode="blacklist-default")
    assert server.sql("SELECT count() FROM kept", database) == "0"


def test_no_password_is_left_anywhere(site, agent, run, server):
    done = run(f"SELECT '{PASSWORD}' AS p", format="jsonl")
    assert done.state == "succeeded" and PASSWORD not in repr(done.rows), done
    logs = [agent.log, site.cloud.log, server.directory / "server.log"]
    text = "".join(pathlib.Path(log).read_text(errors="replace") for log in logs)
    assert "pass/word" not in text.replace(f"SELECT '{PASSWORD}'", "") and "pass%2Fword" not in text


# Ends

def test_cancel_stops_the_query_on_the_server(work, server):
    task = work("SELECT 1; SELECT count() FROM system.numbers", spec={"grace": 120})
    until(lambda: any(id.endswith("-2") for id in server.queries()), 60, "the query runs")
    began = time.monotonic()
    task.cancel()
    done = task.ended()
    assert done.state == "canceled" and time.monotonic() - began < 30, done
    until(lambda: server.queries() == [], 30, "the query has ended")
    assert done.result["failed_statement"]["number"] == 2


def test_cancel_while_rows_stream(work, server):
    """What the server still sends is let go of: while it waits for somebody to read, it does not stop."""
    task = work("SELECT number FROM system.numbers", max_rows=10**12, spec={"log_limit": 1 << 40, "grace": 5})
    task.keeps = False
    while task.bytes < 300_000:
        assert task.step() is None
    task.cancel()
    done = task.ended()
    assert done.state == "canceled" and "may go on" not in done.result["failed_statement"]["message"], done
    until(lambda: server.queries() == [], 30, "the query has ended")


def test_the_time_limit_stops_the_query(work, server):
    done = work("SELECT count() FROM system.numbers", "reader", spec={"timeout": 0.5}).ended()
    assert done.state == "timed_out", done
    until(lambda: server.queries() == [], 30, "the query has ended")


def test_a_long_query_tells_how_far_it_is(work):
    task = work("SELECT count() FROM system.numbers")
    task.until_output("rows read after")
    task.cancel()
    done = task.ended()
    assert done.state == "canceled" and "tiangong: statement 1: " in done.notes, done


def test_cancel_while_the_server_hangs_ends_within_the_grace(work, server):
    task = work("SELECT count() FROM system.numbers", spec={"grace": 2})
    until(server.queries, 60, "the query runs")
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        task.cancel()
        done = task.ended()
        assert done.state == "canceled" and 1.5 < time.monotonic() - began < 10, done
        assert "may go on" in done.result["failed_statement"]["message"]
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
    server.sql("KILL QUERY WHERE query_id LIKE 'tiangong-%' SYNC")
    until(lambda: server.queries() == [], 30, "the query has ended")


def test_cancel_while_connecting(work):
    task = work("SELECT 1", "silent", spec={"grace": 120})
    began = time.monotonic()
    task.cancel()
    assert task.ended().state == "canceled" and time.monotonic() - began < 30


def test_a_restart_during_a_query_fails_the_task_and_no_later_one(work, run, server):
    task = work("SELECT count() FROM system.numbers")
    until(server.queries, 60, "the query runs")
    server.restart(kill=True)
    done = task.ended()
    assert done.state == "failed" and done.error["code"] == "unavailable", done
    assert "closed the connection before its answer was complete" in done.error["message"]
    assert run("SELECT 1 AS n", format="jsonl").rows == [{"n": 1}]


def test_connections_are_used_again_and_closed_when_idle(run, server):
    def open_connections():
        return int(server.client("SELECT value FROM system.metrics WHERE metric = 'HTTPConnection'"))
    until(lambda: open_connections() == 0, 30, "all connections are closed")
    assert run("SELECT 1; SELECT 2; SELECT 3").state == "succeeded"
    assert open_connections() <= 1
    until(lambda: open_connections() == 0, 30, "the connection is closed")


def test_a_million_rows_do_not_fill_the_agents_memory(work, agent):
    work("SELECT 1").ended()
    before = agent.memory()
    task = work("SELECT number AS i FROM system.numbers LIMIT 1000000", format="jsonl", max_rows=10**7, spec={"log_limit": 1 << 30})
    task.keeps = False
    most = 0
    while (ended := task.step(120)) is None:
        most = max(most, agent.memory())
    task.link.close()
    assert ended["state"] == "succeeded" and ended["result"]["rows"] == 1_000_000, ended
    # The rest are notes on its progress.
    assert 0 <= task.bytes - sum(len('{"i":%d}\n' % number) for number in range(1_000_000)) < 10_000
    assert most - before < 64 << 20, f"{(most - before) >> 20} MiB more"


def test_the_example_of_the_manual(site, agent, server, database):
    server.sql("CREATE TABLE hits (day Date, path String, ms UInt32) ENGINE = Memory", database)
    server.sql("INSERT INTO hits VALUES ('2024-03-01', '/', 12), ('2024-03-01', '/cart', 250), ('2024-03-01', '/', 18)", database)
    done = perform(site, "ch-1", "clickhouse", "SELECT path, count() AS hits, max(ms) AS slowest FROM hits GROUP BY path ORDER BY path",
                   {"datasource": "main", "database": database})
    assert done.out == "path  | hits | slowest\n------+------+--------\n/     |    2 |      18\n/cart |    1 |     250\n", done.out
