# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Tasks of type postgres against a real PostgreSQL: rows, transactions, errors, refusals."""

import pathlib

import pytest

from harness.backends.postgres import PASSWORD, PROGRAMS, Postgres
from harness.work import Refused, perform

pytestmark = pytest.mark.skipif(not PROGRAMS, reason="no PostgreSQL: apt-get install postgresql")

TYPES = """
create type mood as enum ('glad', 'sad'); create domain positive as int check (value > 0); create type pair as (a int, b text);
create table all_types (
  id int, big bigint, small smallint, real real, double double precision, exact numeric(30, 10), flag boolean, words text,
  bytes bytea, day date, stamp timestamptz, time time, span interval, doc json, docb jsonb, uuid uuid, net inet,
  range int4range, mood mood, positive positive, pair pair, ints int[], grid int[], texts text[], moods mood[],
  positives positive[], prices numeric[], flags boolean[], blobs bytea[], docs jsonb[], stamps timestamptz[], pairs pair[],
  boxes box[], shifted int[]);
insert into all_types values (
  1, 9007199254740993, -5, 1.5, 'NaN', 12345678901234567890.0123456789, true, E'天工 "q" \\\\ \\t\\n\\x01',
  '\\x00ff', '2024-02-29', '2024-02-29 12:34:56.789+00', '12:34', '1 day 02:00', '{"a":\n [1, "\\n"]}', '{"b": null}',
  '00000000-0000-0000-0000-000000000001', '10.0.0.0/8', '[1,5)', 'glad', 7, '(1,"x,y")', '{1,NULL,3}', '{{1,2},{3,4}}',
  array['a,b', 'c"d\\e', 'NULL', '', '天工', null], '{glad,sad}', '{1,2}', '{1.10,2}', '{t,f,NULL}',
  array['\\x00ff'::bytea, '\\x'], array['{"x": [1]}'::jsonb, 'null'], '{2024-02-29 00:00+00}',
  array[(1,'a')::pair], array['(1,1),(0,0)'::box, '(2,2),(0,0)'], '[0:1]={7,8}');
insert into all_types (id) values (2);
"""


@pytest.fixture(scope="module")
def server():
    with Postgres() as server:
        yield server


@pytest.fixture(scope="module")
def agent(site, server):
    """An agent that knows the server under several names, most of them wrong."""
    password = {"secret_ref": "pg-app"}
    main = {"host": "127.0.0.1", "port": server.port, "user": "app", "password": password, "database": "postgres"}
    socket = {"host": str(server.directory), "port": server.port, "user": "postgres"}
    site.agents["pg-1"] = agent = site.agent(
        "pg-1", wait=False, executors={"postgres": {"datasources": {
            "main": main, "socket": socket,
            "tls": main | {"host": "localhost", "ca-file": str(server.authority_file)},
            "loose": main | {"sslmode": "require"}, "plain": main | {"sslmode": "disable"},
            "other-ca": main | {"host": "localhost", "ca-file": str(server.other_authority_file)},
            "system-ca": main | {"sslmode": "verify-full"},
            "stranger": main | {"password": {"secret_ref": "pg-wrong"}}, "no-password": {
                key: value for key, value in main.items() if key != "password"},
            "no-secret": main | {"password": {"secret_ref": "pg-missing"}},
            "nobody": main | {"port": 1}, "no-name": main | {"host": "db.invalid"},
            "no-database": main | {"database": "nowhere"}}}})
    agent.secret("pg-app", PASSWORD.encode() + b"\n")
    agent.secret("pg-wrong", b"wrong password\n")
    site.wait_online("pg-1")
    return agent


@pytest.fixture
def database(server):
    return server.database()


@pytest.fixture
def run(site, agent, database):
    """Performs SQL in the test's own database."""
    def run(command, datasource="main", **params):
        spec = {key: params.pop(key) for key in ("timeout", "log_limit") if key in params}
        return perform(site, "pg-1", "postgres", command, {"datasource": datasource, "database": database} | params, **spec)
    return run


# Rows

def test_rows_of_every_type_come_exactly_as_json(run, server, database):
    server.sql(TYPES, database)
    server.sql("grant all on all_types to app", database)
    done = run("set timezone to 'UTC'; select * from all_types order by id", format="jsonl")
    assert done.state == "succeeded", done
    row, empty = done.rows
    assert row == {
        "id": 1, "big": 9007199254740993, "small": -5, "real": 1.5, "double": "NaN",
        "exact": "12345678901234567890.0123456789", "flag": True, "words": '天工 "q" \\ \t\n\x01',
        "bytes": {"base64": "AP8="}, "day": "2024-02-29", "stamp": "2024-02-29 12:34:56.789+00", "time": "12:34:00",
        "span": "1 day 02:00:00", "doc": {"a": [1, "\n"]}, "docb": {"b": None},
        "uuid": "00000000-0000-0000-0000-000000000001", "net": "10.0.0.0/8", "range": "[1,5)", "mood": "glad",
        "positive": 7, "pair": '(1,"x,y")', "ints": [1, None, 3], "grid": [[1, 2], [3, 4]],
        "texts": ["a,b", 'c"d\\e', "NULL", "", "天工", None], "moods": ["glad", "sad"], "positives": [1, 2],
        "prices": ["1.10", "2"], "flags": [True, False, None], "blobs": [{"base64": "AP8="}, {"base64": ""}],
        "docs": [{"x": [1]}, None], "stamps": ["2024-02-29 00:00:00+00"], "pairs": '{"(1,a)"}',
        "boxes": ["(1,1),(0,0)", "(2,2),(0,0)"], "shifted": [7, 8]}
    assert empty == dict.fromkeys(row) | {"id": 2}


def test_arrays_of_all_types_of_the_server_are_known(run, server, database):
    names = server.sql(
        "select a.oid::regtype from pg_type a join pg_type e on e.oid = a.typelem where a.typinput = 'array_in'::regproc"
        " and e.typtype in ('b', 'r', 'm', 'd') and a.oid < 16384 and e.typname !~ '^(pg_|_)' order by a.oid", database).splitlines()
    assert len(names) > 60
    done = run("select " + ", ".join(f"'{{}}'::{name} as n{number}" for number, name in enumerate(names)), datasource="socket", format="jsonl")
    assert done.state == "succeeded", done
    unknown = [name for name, value in zip(names, done.rows[0].values()) if value != []]
    assert not unknown, " ".join(unknown)


def test_rows_as_a_table_are_aligned(run):
    done = run("select 1 as n, 'x' as t union all select 22, null order by 1; select true as ok, '\\x0a'::bytea as b")
    assert done.out == (
        "n  | t\n---+-----\n 1 | x\n22 | NULL\n\nok   | b\n-----+-----\ntrue | 0x0a\n"), done.out
    assert done.result["rows"] == 3 and done.result["statements"] == 2 and done.result["transaction"] == "committed"


def test_rows_over_the_limit_are_counted(run):
    done = run("select generate_series(1, 5) as n", format="jsonl", max_rows=2)
    assert done.rows == [{"n": 1}, {"n": 2}, {"truncated": {"rows": 5, "shown": 2}}] and done.result["rows"] == 5


def test_settings_of_the_server_do_not_change_what_is_written(run, server, database):
    server.sql(f"alter database {database} set datestyle to 'German'; alter database {database} set bytea_output to escape;"
               f"alter database {database} set standard_conforming_strings to off", database)
    done = run("select date '2024-02-29' as d, '\\x5c00ff41'::bytea as b, 'a\\b' as s", format="jsonl")
    assert done.rows == [{"d": "2024-02-29", "b": {"base64": "XAD/QQ=="}, "s": "a\\b"}], done


# Several statements

def test_a_failure_in_the_middle_rolls_back_what_was_before(run, server, database):
    done = run("create table t (n int primary key);\n-- 天工\ninsert into t values (1), (2);\n\n  insert into t values (2);\ntable t")
    assert done.state == "failed" and done.error["code"] == "conflict", done
    assert done.error["message"] == (
        'statement 3 of 4 failed: duplicate key value violates unique constraint "t_pkey" (SQLSTATE 23505); '
        "everything was rolled back")
    assert done.result["failed_statement"] | {"context": ""} == {
        "number": 3, "sqlstate": "23505", "detail": "Key (n)=(2) already exists.", "context": "",
        "message": 'duplicate key value violates unique constraint "t_pkey"'}
    assert done.result["transaction"] == "rolled_back" and done.result["statements"] == 2
    assert server.sql("select to_regclass('t') is null", database) == "t"


def test_an_error_names_its_place_in_the_whole_text(run):
    done = run("select 1;\n/* 天工 */ select '天',\n   nosuch from t")
    assert done.error["code"] == "not_found", done
    assert "line 3, column 16" in done.error["message"], done
    done = run("select lenght('x')")
    assert "line 1, column 8" in done.error["message"] and "hint: No function matches" in done.error["message"], done
    assert done.error["message"].startswith("the statement failed: function lenght(unknown) does not exist (SQLSTATE 42883, ")


def test_without_a_transaction_each_statement_stands_by_itself(run, server, database):
    done = run("create table t (n int); insert into t values (1); insert into t values ('x'); insert into t values (3)",
               transaction=False)
    assert done.state == "failed" and done.error["code"] == "invalid_argument", done
    assert "statement 3 of 4 failed" in done.error["message"] and "the 2 before took effect" in done.error["message"]
    assert server.sql("table t", database) == "1" and done.result["transaction"] == "none"


def test_statements_that_no_transaction_can_hold(run, server):
    for statement in ["vacuum pg_class", "create database never", "create table t (n int); create index concurrently i on t (n)"]:
        done = run(statement, datasource="socket")
        assert done.state == "failed" and "give transaction=false" in done.error["message"], done
    done = run("create table t (n int); create index concurrently i on t (n); vacuum t", transaction=False)
    assert done.state == "succeeded" and done.result["statements"] == 3, done


@pytest.mark.parametrize("text", ["begin", "start transaction", "commit", "end", "rollback", "abort", "prepare transaction 'x'"])
def test_a_transaction_inside_the_transaction_is_refused(run, text, server, database):
    done = run(f"create table t (n int); {text}; select 1")
    assert done.state == "failed" and "the task is one transaction already" in done.error["message"], done
    assert server.sql("select to_regclass('t') is null", database) == "t"


def test_savepoints_and_transactions_of_ones_own(run, server, database):
    done = run("create table t (n int); savepoint a; insert into t values (1); rollback to savepoint a; insert into t values (2)")
    assert done.state == "succeeded" and server.sql("table t", database) == "2", done
    done = run("begin; insert into t values (3); commit; begin; insert into t values (4)", transaction=False)
    assert done.state == "failed" and "left a transaction open" in done.error["message"], done
    assert server.sql("select string_agg(n::text, ',' order by n) from t", database) == "2,3"


def test_a_constraint_that_waits_for_the_commit(run, server, database):
    server.sql("create table t (n int unique deferrable initially deferred); grant all on t to app", database)
    done = run("insert into t values (1), (1)")
    assert done.state == "failed" and done.error["message"].startswith("the transaction was not committed: duplicate key"), done
    assert done.result["transaction"] == "rolled_back" and done.result["failed_statement"]["sqlstate"] == "23505"
    assert server.sql("select count(*) from t", database) == "0"


def test_affected_rows_are_counted_by_statement(run):
    done = run("create table t as select generate_series(1, 10) as n; update t set n = n + 1 where n > 5; "
               "delete from t where n < 3 returning n; select count(*) from t")
    assert done.state == "succeeded" and done.result["affected_rows"] == 17, done
    facts = [(each["command"], each.get("affected_rows"), each.get("rows")) for each in done.result["each"]]
    assert facts == [("SELECT", 10, None), ("UPDATE", 5, None), ("DELETE", 2, 2), ("SELECT", None, 1)]
    assert done.result["rows"] == 3 and done.result["duration_ms"] > 0
    assert done.out.splitlines()[0] == "SELECT 10" and "UPDATE 5" in done.out.splitlines()


def test_notices_are_lines_on_standard_error(run, server, database):
    server.sql("create function talk() returns int language plpgsql as $$ begin raise notice 'hello 天工' using hint = 'try it'; "
               "raise warning 'careful'; return 1; end $$", database)
    done = run("select talk() as n; create table if not exists t (n int); create table if not exists t (n int)", format="jsonl")
    assert done.rows == [{"n": 1}], done
    assert done.err == ("NOTICE: hello 天工\nHINT: try it\nWARNING: careful\n"
                        'NOTICE: relation "t" already exists, skipping\n')
    assert done.result["warnings"] == ["careful"] and done.result["warning_count"] == 1


def test_notifications_are_shown(run):
    done = run("listen news; notify news, 'it is done'; select 1", transaction=False, format="jsonl")
    assert done.err == "NOTIFY news: it is done\n", done


def test_copy_out_streams_raw(run):
    done = run("copy (select i, E'a\\tb' from generate_series(1, 3) i) to stdout; copy (select 1, 'x') to stdout with (format csv)")
    assert done.out == "1\ta\\tb\n2\ta\\tb\n3\ta\\tb\n1,x\n", done
    assert [each["affected_rows"] for each in done.result["each"]] == [3, 1]
    done = run("copy (select repeat('x', 100) from generate_series(1, 100000)) to stdout")
    assert len(done.out) == 10_100_000 and done.result["affected_rows"] == 100_000


def test_copy_in_is_refused_before_anything_is_done(run, server, database):
    done = run("create table t (n int); copy t from stdin")
    assert done.error["code"] == "unsupported" and "statement 2 copies from standard input" in done.error["message"], done
    assert server.sql("select to_regclass('t') is null", database) == "t"


# What is refused

def test_the_guard_refuses_before_the_server_sees_it(run, site, server, database):
    with pytest.raises(Refused, match="policy_denied"):
        run("select 1; drop table x")
    site.policy("tests", mode="audit")
    try:
        done = run("create table t (n int); truncate t")
        assert (done.state, done.error["code"]) == ("rejected", "policy_denied") and "sql.truncate" in done.error["message"], done
    finally:
        site.policy("tests", mode="blacklist-default")
    assert server.sql("select to_regclass('t') is null", database) == "t"


def test_what_would_be_read_differently_than_judged_is_not_run(run, server, database):
    server.sql("create function turn() returns text language sql as "
               "$$ select set_config('standard_conforming_strings', 'off', false) $$", database)
    done = run(r"select turn(); select 'a\'; select 2")
    assert done.state in ("failed", "rejected"), done
    done = run("select turn(); select 2")
    assert done.error["code"] == "conflict" and "statement 2 was not run: standard_conforming_strings" in done.error["message"], done
    assert run("show standard_conforming_strings", format="jsonl").rows == [{"standard_conforming_strings": "on"}]


def test_connections_that_do_not_work_say_why(run, server):
    cases = {
        "stranger": ("start_failed", 'password authentication failed for user "app"; check user, database and the secret'),
        "no-password": ("start_failed", "fe_sendauth: no password supplied"),
        "nobody": ("start_failed", "Connection refused; Is the server running on that host"),
        "no-name": ("start_failed", "the name 'db.invalid' cannot be resolved"),
        "other-ca": ("start_failed", "SSL error: EVP lib; ca-file names"),
        "system-ca": ("start_failed", "certificate verify failed; ca-file names"),
        "no-secret": ("not_found", "this agent has no secret 'pg-missing'")}
    for datasource, (code, text) in cases.items():
        done = run("select 1", datasource=datasource)
        assert done.error["code"] == code and text in done.error["message"], (datasource, done)
        assert done.state == ("failed" if code == "start_failed" else "rejected")
        assert "\n" not in done.error["message"] and "wrong password" not in done.error["message"]
    with pytest.raises(Refused, match="unknown datasource 'missing' on pg-1; it has: loose, main"):
        run("select 1", datasource="missing")
    done = run("select 1", datasource="no-database", database="nowhere")
    assert 'database "nowhere" does not exist' in done.error["message"], done


def test_a_datasource_must_be_named_among_several(site, agent):
    done = perform(site, "pg-1", "postgres", "select 1")
    assert (done.state, done.error["code"]) == ("rejected", "invalid_argument"), done
    assert "params.datasource is missing" in done.error["message"]


def test_tls_is_used_as_the_settings_say(run):
    query = "select ssl from pg_stat_ssl where pid = pg_backend_pid()"
    for datasource, is_secure in [("tls", True), ("loose", True), ("main", True), ("plain", False)]:
        done = run(query, datasource=datasource, format="jsonl")
        assert done.rows == [{"ssl": is_secure}], (datasource, done)


def test_no_password_is_left_anywhere(site, agent, run):
    done = run(f"select '{PASSWORD.replace(chr(39), chr(39) * 2)}' as p", format="jsonl")
    assert done.state == "succeeded" and PASSWORD not in repr(done.rows), done
    log = pathlib.Path(agent.log).read_text() + pathlib.Path(site.cloud.log).read_text()
    assert "correct horse" not in log and "wrong password" not in log


def test_the_example_of_the_manual(site, agent, server, database):
    server.sql("create table orders (id int, state text, total numeric(10, 2)); insert into orders values "
               "(1041, 'open', 99.50), (1042, 'open', 12.00), (1043, 'paid', 7.25); grant all on orders to app", database)
    command = ("UPDATE orders SET state = 'late' WHERE id = 1042; SELECT id, state, total FROM orders ORDER BY id")
    done = perform(site, "pg-1", "postgres", command, {"datasource": "main", "database": database})
    assert done.out == (
        "UPDATE 1\n\nid   | state | total\n-----+-------+------\n1041 | open  | 99.50\n1042 | late  | 12.00\n1043 | paid  |  7.25\n"), done.out
