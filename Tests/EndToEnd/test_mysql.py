# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""SQL straight to a real MariaDB."""

import base64
import contextlib
import re
import time

import pytest

from conftest import running
from harness.backends.mariadb import MariaDB
from harness.backends.raw_mysql import OK, RawMySQL, column, greeting, result
from harness.backends.server import free_port
from harness.certificates import Authority
from harness.waiting import until
from harness.work import Refused, Work, perform


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture(scope="module")
def server(tmp_path_factory, authority):
    with MariaDB(tmp_path_factory.mktemp("mysql"), authority=authority) as server:
        yield server


@pytest.fixture(scope="module")
def site(tmp_path_factory, server, authority):
    directory = tmp_path_factory.mktemp("site")
    (directory / "ca.pem").write_text(authority.pem())
    (directory / "other.pem").write_text(Authority().pem())
    trust = {"ssl": "verify", "ca-file": str(directory / "ca.pem")}
    sources = {
        "main": server.source(), "reader": server.source("reader", user="reader"), "brief": server.source(**{"idle-timeout": "1s"}),
        "shop": server.source(database="shop"), "socket": {"socket": server.socket, "user": "root"},
        "locked": server.source("wrong"), "nobody": server.source(port=free_port()), "lost": server.source(database="nix"),
        "tls": server.source(**trust), "named": server.source(**trust, host="localhost"),
        "misnamed": server.source(**trust, host="127.1"),
        "stranger": server.source(**trust | {"ca-file": str(directory / "other.pem")}),
        "system": server.source(ssl="verify"), "require": server.source(ssl="require"),
    }
    server.database("shop")
    with running(directory) as site:
        agent = site.agent("db-1", wait=False, executors={"mysql": {"datasources": sources}})
        agent.secret("db", server.password.encode() + b"\n")
        agent.secret("reader", server.reader_password.encode())
        agent.secret("wrong", b"not-the-password")
        site.wait_online("db-1")
        yield site


@pytest.fixture
def database(server, request):
    name = request.node.name.split("[")[0][:60]
    return server.database(name)


def run(site, command, source="main", params=None, **spec):
    return perform(site, "db-1", "mysql", command, {"datasource": source} | (params or {}), **spec)


@contextlib.contextmanager
def agent_with(site, name, policy=None, **sources):
    """One more agent with datasources of its own."""
    options = {"policy": policy} if policy else {}
    agent = site.agent(name, wait=False, executors={"mysql": {"datasources": sources}}, **options)
    agent.secret("db", MariaDB.password.encode())
    site.wait_online(name)
    try:
        yield agent
    finally:
        agent.stop()
        # So that the next of that name is not taken for this one.
        site.wait_offline(name)


EVERY_TYPE = """
CREATE TABLE t (id int PRIMARY KEY, tiny tinyint, big bigint unsigned, price decimal(20,4), ratio double, flags bit(10),
  padded int(6) zerofill, name varchar(20), body text, raw varbinary(8), blob_ blob, day date, at datetime(6),
  ts timestamp NULL, span time, year_ year, kind enum('a','天'), many set('x','y'), doc json, place point, uid uuid);
INSERT INTO t VALUES (1, -128, 18446744073709551615, -1234567890123456.7890, 1.5e300, b'1000000001', 42, '天工', 'a\\nb"\\\\',
  x'00ff', x'e5a4', '2024-02-29', '2024-02-29 23:59:59.123456', '2024-02-29 01:02:03', '-838:59:59', 1999, '天', 'x,y',
  '{"a": [1, "天"]}', point(1, 2), '123e4567-e89b-12d3-a456-426655440000');
INSERT INTO t (id) VALUES (2);
SELECT * FROM t ORDER BY id
"""


def test_rows_of_every_type(site, database):
    done = run(site, EVERY_TYPE, params={"database": database, "format": "jsonl"})
    assert done.state == "succeeded", done
    full, empty = done.rows
    raw = lambda data: {"base64": base64.b64encode(data).decode()}
    place = bytes.fromhex("000000000101000000000000000000f03f0000000000000040")
    assert full == {
        "id": 1, "tiny": -128, "big": 18446744073709551615, "price": "-1234567890123456.7890", "ratio": 1.5e300,
        "flags": 513, "padded": "000042", "name": "天工", "body": 'a\nb"\\', "raw": raw(b"\x00\xff"), "blob_": raw(b"\xe5\xa4"),
        "day": "2024-02-29", "at": "2024-02-29 23:59:59.123456", "ts": "2024-02-29 01:02:03", "span": "-838:59:59",
        "year_": 1999, "kind": "天", "many": "x,y", "doc": {"a": [1, "天"]}, "place": raw(place),
        "uid": "123e4567-e89b-12d3-a456-426655440000"}
    assert set(empty) == set(full) and {value for key, value in empty.items() if key != "id"} == {None}
    assert done.result["rows"] == 2 and done.result["affected_rows"] == 2 and done.result["statements"] == 4


def test_a_table_as_the_manual_shows_it(site, server):
    server.root(
        "CREATE OR REPLACE TABLE shop.orders (id int PRIMARY KEY, customer varchar(20), total decimal(8,2), paid date)",
        "INSERT INTO shop.orders VALUES (7, '天工', 19.90, '2026-11-02'), (8, 'Ada', 1250.00, NULL)")
    done = run(site, "SELECT * FROM orders WHERE id < 10", "shop")
    assert done.out == (
        "id | customer | total   | paid\n"
        "---+----------+---------+-----------\n"
        " 7 | 天工     |   19.90 | 2026-11-02\n"
        " 8 | Ada      | 1250.00 | NULL\n")
    assert done.notes.startswith("tiangong: statement 1, SELECT, 2 rows, ")


def test_a_million_rows_stream(site, server):
    agent = site.agents["db-1"]
    run(site, "SELECT 1")
    before = agent.memory()
    work = Work(site, "db-1", "mysql", "SELECT seq FROM seq_1_to_1000000",
                {"datasource": "shop", "format": "jsonl", "max_rows": 1_000_000}, log_limit=1 << 30)
    work.keeps = False
    most = 0
    ended = None
    while not ended:
        ended = work.step(120)
        most = max(most, agent.memory())
    work.link.close()
    assert ended["state"] == "succeeded" and ended["result"]["rows"] == 1_000_000, ended
    assert work.bytes > 13_000_000
    assert most - before < 64 << 20, (before, most)


def test_more_rows_than_wanted_are_counted_and_said(site):
    done = run(site, "SELECT seq FROM seq_1_to_50000", "shop", {"max_rows": 2, "format": "jsonl"})
    assert done.rows == [{"seq": 1}, {"seq": 2}, {"truncated": {"rows": 50000, "shown": 2}}] and done.result["rows"] == 50000


def test_a_row_that_is_too_large_is_refused(site):
    agent = site.agents["db-1"]
    before = agent.memory()
    done = run(site, "SELECT repeat('x', 100000000)")
    assert done.state == "failed" and re.search("ERROR 20(13|20)", done.error["message"]), done
    assert agent.memory() - before < 80 << 20
    assert run(site, "SELECT 1").state == "succeeded"


def test_the_first_statement_that_fails_is_the_last_and_named(site, server, database):
    done = run(site, "CREATE TABLE t (a int PRIMARY KEY); INSERT INTO t VALUES (1); INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)",
               params={"database": database})
    assert done.state == "failed" and done.error["code"] == "task_failed"
    assert done.error["message"] == "statement 3 of 4 failed: ERROR 1062 (23000): Duplicate entry '1' for key 'PRIMARY'"
    assert done.result["failed"] == {"statement": 3, "code": 1062, "sqlstate": "23000"} and done.result["statements"] == 2
    assert server.root("SELECT a FROM t", database=database) == [{"a": 1}]


def test_semicolons_in_texts_and_comments_cut_nothing(site, server, database):
    text = "CREATE TABLE t (a varchar(20)); /* ; */ INSERT INTO t VALUES ('a;b'), (\"c;d\") -- ;\n; /*!50000 SELECT count(*) AS n FROM t */;"
    done = run(site, text, params={"database": database, "format": "jsonl"})
    assert done.rows == [{"n": 2}] and done.result["statements"] == 3, done


def test_a_transaction_is_taken_back_as_a_whole_or_kept(site, server, database):
    server.root("CREATE TABLE t (a int PRIMARY KEY)", database=database)
    params = {"database": database, "transaction": True}
    done = run(site, "INSERT INTO t VALUES (1); INSERT INTO t VALUES (2); INSERT INTO t VALUES (1)", params=params)
    assert done.state == "failed" and done.result["transaction"] == "rolled back", done
    assert "the transaction was rolled back" in done.notes and server.root("SELECT * FROM t", database=database) == []
    done = run(site, "INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)", params=params)
    assert done.state == "succeeded" and done.result["transaction"] == "committed"
    assert len(server.root("SELECT * FROM t", database=database)) == 2


def test_what_a_transaction_cannot_take_back_is_said(site, server, database):
    server.root("CREATE TABLE solid (a int) ENGINE=MyISAM", "CREATE TABLE t (a int)", database=database)
    params = {"database": database, "transaction": True}
    done = run(site, "INSERT INTO solid VALUES (1); INSERT INTO t VALUES (1); INSERT INTO nix VALUES (1)", params=params)
    assert "rollback: Warning 1196: Some non-transactional changed tables couldn't be rolled back" in done.notes, done
    done = run(site, "INSERT INTO t VALUES (1); CREATE TABLE u (a int); INSERT INTO nix VALUES (1)", params=params)
    assert "statement 2, CREATE, commits what is before it" in done.notes
    assert server.root("SELECT count(*) AS n FROM t", database=database) == [{"n": 1}]
    done = run(site, "INSERT INTO t VALUES (1); COMMIT", params=params)
    assert done.state == "rejected" and "statement 2 is COMMIT" in done.error["message"]


def test_a_transaction_left_open_is_rolled_back_and_said(site, server, database):
    server.root("CREATE TABLE t (a int)", database=database)
    done = run(site, "BEGIN; INSERT INTO t VALUES (1)", params={"database": database})
    assert done.state == "succeeded" and done.result["transaction"] == "rolled back"
    assert "left a transaction open" in done.notes and server.root("SELECT * FROM t", database=database) == []


def test_warnings_are_told(site, server, database):
    server.root("CREATE TABLE t (a varchar(3))", database=database)
    done = run(site, "SET sql_mode = ''; INSERT INTO t VALUES ('abcdef')", params={"database": database})
    assert done.state == "succeeded" and done.result["warnings"] == 1
    assert "statement 2: Warning 1265: Data truncated for column 'a' at row 1" in done.notes


def test_a_procedure_gives_all_its_results(site, server, database):
    server.root("CREATE PROCEDURE p() BEGIN SELECT 1 AS a; SELECT 2 AS b; END", database=database)
    done = run(site, "CALL p()", params={"database": database, "format": "jsonl"})
    assert done.rows == [{"a": 1}, {"b": 2}] and done.result["rows"] == 2


def test_a_server_with_other_quotes_reads_what_the_guard_read(site, server):
    """With these modes "x" is a name and a backslash is itself: then the guard would have judged another statement."""
    server.root("SET GLOBAL sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,STRICT_ALL_TABLES'", "SET GLOBAL autocommit = 0")
    try:
        with agent_with(site, "quotes", main=server.source()):
            done = perform(site, "quotes", "mysql", r"""SELECT "it's \" ;" AS a, @@sql_mode AS m, @@autocommit AS c""", {"format": "jsonl"})
        assert done.rows == [{"a": "it's \" ;", "m": "STRICT_ALL_TABLES", "c": 1}]
    finally:
        server.root("SET GLOBAL sql_mode = DEFAULT", "SET GLOBAL autocommit = 1")


@pytest.mark.parametrize("command", ["SELECT 'begin'; SELECT sleep(100)", "SELECT seq FROM seq_1_to_1000000000"])
def test_cancel_stops_the_statement_on_the_server(site, server, command):
    work = Work(site, "db-1", "mysql", command, {"datasource": "shop", "max_rows": 1_000_000_000}, log_limit=1 << 40, grace=120)
    work.keeps = "begin" in command
    last = command.split("; ")[-1]
    until(lambda: any(p["info"] == last for p in server.processes()), 60, "the statement runs")
    work.cancel()
    began = time.monotonic()
    done = work.ended()
    assert done.state == "canceled" and time.monotonic() - began < 60, done
    until(lambda: all(p["info"] != last for p in server.processes()), 60, "the statement has ended")
    assert run(site, "SELECT 1").state == "succeeded"


def test_a_time_limit_stops_it_too(site, server, database):
    server.root("CREATE TABLE t (a int)", "INSERT INTO t VALUES (1), (2)", database=database)
    done = run(site, "UPDATE t SET a = 5 WHERE a > 0 AND sleep(50) = 0", params={"database": database}, timeout=1)
    assert done.state == "timed_out" and done.result["statements"] == 0
    until(lambda: not any("sleep" in (p["info"] or "") for p in server.processes()), 30, "the statement has ended")
    assert server.root("SELECT a FROM t", database=database) == [{"a": 1}, {"a": 2}]


def test_a_server_that_does_not_stop_is_left_within_the_grace(site):
    with RawMySQL(lambda query: iter(lambda: time.sleep(60), 1)) as raw:
        with agent_with(site, "deaf", main={"host": "127.0.0.1", "port": raw.port, "user": "x"}):
            work = Work(site, "deaf", "mysql", "SELECT 1", {}, grace=3)
            until(lambda: "SELECT 1" in raw.queries, 60, "it was asked")
            work.cancel()
            began = time.monotonic()
            assert work.ended().state == "canceled" and time.monotonic() - began < 30
            until(lambda: any(query.startswith("KILL QUERY 7") for query in raw.queries), 30, "it was asked to stop")


def test_a_restart_of_the_server_fails_the_statement_and_no_other(site, server):
    work = Work(site, "db-1", "mysql", "SELECT sleep(100)", {"datasource": "main"})
    until(lambda: any("sleep(100)" in (p["info"] or "") for p in server.processes()), 60, "the statement runs")
    server.restart(kill=True)
    done = work.ended()
    assert done.state == "failed" and "ERROR 2013" in done.error["message"], done
    assert done.error["message"].endswith("whether it took effect is unknown")
    for _ in range(3):
        assert run(site, "SELECT 1").state == "succeeded"


@pytest.mark.parametrize("source, message", [
    ("locked", "does not let 'app' in: ERROR 1045"), ("nobody", "cannot be reached"), ("lost", "Unknown database 'nix'"),
    ("stranger", "no TLS with"), ("misnamed", "no TLS with"), ("system", "no TLS with"),
    (None, "params.datasource is missing: this agent has several"),
])
def test_what_cannot_begin_says_why(site, source, message):
    done = perform(site, "db-1", "mysql", "SELECT 1", {"datasource": source} if source else {})
    assert done.state in ("failed", "rejected") and message in done.error["message"], done
    assert MariaDB.password not in str(done.error) and "not-the-password" not in str(done.error)


def test_a_datasource_that_is_not_there_is_refused_at_once(site):
    with pytest.raises(Refused, match="unknown datasource 'other' on db-1; it has: brief, locked"):
        perform(site, "db-1", "mysql", "SELECT 1", {"datasource": "other"})


@pytest.mark.parametrize("source", ["tls", "named", "require"])
def test_tls_to_the_server(site, source):
    done = run(site, "SHOW STATUS LIKE 'Ssl_version'", source, {"format": "jsonl"})
    assert done.rows == [{"Variable_name": "Ssl_version", "Value": "TLSv1.3"}]


def test_without_tls_nothing_is_said_of_it(site):
    assert run(site, "SHOW STATUS LIKE 'Ssl_version'", params={"format": "jsonl"}).rows == [{"Variable_name": "Ssl_version", "Value": ""}]
    assert run(site, "SELECT user() AS u", "socket", {"format": "jsonl"}).rows == [{"u": "root@localhost"}]


@pytest.mark.parametrize("ssl", ["require", "verify"])
def test_a_server_without_tls_is_refused_when_it_is_wanted(site, ssl):
    with RawMySQL(lambda query: [OK]) as raw:
        with agent_with(site, "bare", main={"host": "127.0.0.1", "port": raw.port, "user": "x", "ssl": ssl, "password": {"secret_ref": "db"}}):
            done = perform(site, "bare", "mysql", "SELECT 1")
    assert done.state == "failed" and "no TLS with" in done.error["message"] and raw.queries == [], done


@pytest.mark.parametrize("greet", [None, lambda: greeting(0x000FAA8D)])
def test_a_server_that_says_nothing_is_not_waited_for(site, greet):
    """Without a greeting, and with one that promises TLS and then falls silent."""
    with RawMySQL(lambda query: [], greet) as raw:
        raw.read = lambda client: (raw.done.wait(30), (0, b""))[1]
        source = {"host": "127.0.0.1", "port": raw.port, "user": "x", "connect-timeout": "1s", "ssl": "require" if greet else "off"}
        with agent_with(site, "silent", main=source):
            began = time.monotonic()
            done = perform(site, "silent", "mysql", "SELECT 1")
            assert done.state == "failed" and "did not answer within 1 s" in done.error["message"], done
            assert time.monotonic() - began < 25


@pytest.mark.parametrize("plugin", [b"mysql_clear_password", b"dialog", b"mysql_old_password", b"nonsense"])
def test_a_server_cannot_ask_for_the_password_in_the_open(site, plugin):
    with RawMySQL(lambda query: [OK], switch=plugin) as raw:
        with agent_with(site, "open", main={"host": "127.0.0.1", "port": raw.port, "user": "x", "password": {"secret_ref": "db"}}):
            done = perform(site, "open", "mysql", "SELECT 1")
    assert done.state == "failed" and done.error["code"] == "start_failed" and raw.queries == [], done
    assert MariaDB.password.encode() not in raw.received


def test_a_server_gets_no_file_of_this_host(site, tmp_path):
    secret = tmp_path / "file"
    secret.write_text("nobody's business")
    with RawMySQL(lambda query: [b"\xfb" + str(secret).encode()]) as raw:
        with agent_with(site, "files", main={"host": "127.0.0.1", "port": raw.port, "user": "x"}):
            done = perform(site, "files", "mysql", "SELECT 1")
    assert done.state == "failed" and secret.read_bytes() not in raw.received, done


@pytest.mark.parametrize("packets", [
    [b"\x01", b"\x03def\xfc\xff\xff"], [b"\x02", column(b"a")], [b"\xfe" * 9], [b""], [b"\xfc\xff\xff"],
    [*list(result([b"a"], []))[:-1], b"\xfc\xff\xff"], [*list(result([b"a"], []))[:-1], b"\xfd" + b"x" * 20],
    list(result([b"a" * 200, b"b"], [[b"\xff\xfe\x1b[2J", b"x" * 60000]])), [b"\xff\x48\x04#HY000" + b"\xff\x1b[31m" * 40],
])
def test_answers_that_are_none_harm_nothing(site, packets):
    with RawMySQL(lambda query: packets) as raw:
        with agent_with(site, "odd", main={"host": "127.0.0.1", "port": raw.port, "user": "x"}) as agent:
            work = Work(site, "odd", "mysql", "SELECT 1", {"format": "jsonl"}, timeout=2, grace=1)
            done = work.ended()
            assert done.state in ("failed", "timed_out", "succeeded") and agent.running, done
            assert perform(site, "odd", "mysql", "SELECT 1", {"mode": "check"}).state == "rejected"


def test_the_guard_refuses(site, server, database):
    server.root("CREATE TABLE t (a int)", database=database)
    with pytest.raises(Refused, match="sql.drop"):
        run(site, "SELECT 1; DROP TABLE t", params={"database": database})
    with agent_with(site, "careful", "mode: whitelist\nallow: ['^SELECT .*$']\n", main=server.source(database=database)):
        assert perform(site, "careful", "mysql", "SELECT * FROM t").state == "succeeded"
        done = perform(site, "careful", "mysql", "INSERT INTO t VALUES (1)")
        assert done.state == "rejected" and "whitelist" in done.error["message"], done
    assert server.root("SELECT count(*) AS n FROM t", database=database) == [{"n": 0}]


def test_the_password_is_hidden_in_rows(site, server):
    done = run(site, f"SELECT '{MariaDB.reader_password}' AS a", "reader", {"format": "jsonl"})
    assert done.rows == [{"a": "[redacted]"}]


def identity(site, source="main"):
    return run(site, "SELECT connection_id() AS id", source, {"format": "jsonl"}).rows[0]["id"]


def test_a_connection_is_used_again_with_nothing_of_the_session_before(site, database):
    first = identity(site)
    params = {"format": "jsonl"}
    run(site, f"SET @x = 1; CREATE TEMPORARY TABLE {database}.tmp (a int); SET SESSION lock_wait_timeout = 77")
    done = run(site, f"SELECT connection_id() AS id, @x AS x, @@lock_wait_timeout AS w", params=params)
    assert done.rows[0]["id"] == first and done.rows[0]["x"] is None and done.rows[0]["w"] != 77
    assert run(site, f"SELECT * FROM {database}.tmp").state == "failed"
    assert run(site, f"USE {database}; SELECT database()").state == "succeeded"
    assert run(site, "SELECT database() AS d", params=params).rows == [{"d": None}]


def test_an_unused_connection_is_closed_in_time(site, server):
    id = identity(site, "brief")
    until(lambda: all(p["id"] != id for p in server.processes()), 30, "the connection is closed")
    assert identity(site, "brief") != id


def test_a_connection_that_the_server_ended_is_made_again(site, server):
    id = identity(site)
    server.root(f"KILL CONNECTION {id}")
    until(lambda: all(p["id"] != id for p in server.processes()), 30, "the connection is closed")
    assert identity(site) != id
    server.restart()
    assert identity(site) > 0


def test_a_changed_password_counts_at_once(site, server):
    assert run(site, "SELECT 1").state == "succeeded"
    agent = site.agents["db-1"]
    agent.secret("db", b"another-password")
    try:
        assert run(site, "SELECT 1").state == "failed"
    finally:
        agent.secret("db", server.password.encode())
    assert run(site, "SELECT 1").state == "succeeded"


def test_many_at_once_leave_few_connections(site, server):
    works = [Work(site, "db-1", "mysql", f"SELECT sleep(0.3), {n}", {"datasource": "reader"}) for n in range(24)]
    assert all(work.ended().state == "succeeded" for work in works)
    assert 1 <= len(server.processes("reader")) <= 24
