# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""SQL through goInception: a stand-in that speaks its protocol, before real servers that hold the rows and the backups."""

import re
import time

import pytest

from conftest import running
from harness.backends.goinception import GoInception
from harness.backends.mariadb import MariaDB
from harness.backends.raw_mysql import RawMySQL, result
from harness.backends.server import free_port
from harness.certificates import Authority
from harness.traces import files
from harness.waiting import until
from harness.work import Refused, Work, perform

# What YAML, or a naive client, would read as something else.
PASSWORDS = {"octal": "0123456", "yaml": "it's: #x {&*", "word": "false!", "signs": "p@ss:w/rd=1", "blank": " in blanks ",
             "chinese": "口令是天工"}
REFUSED = {"semicolon": "abc;def", "comment": "abc*/def", "remote": "my-remote-pw"}


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture(scope="module")
def server(tmp_path_factory, authority):
    with MariaDB(tmp_path_factory.mktemp("mysql"), authority=authority) as server:
        for name, password in PASSWORDS.items():
            quoted = password.replace("'", "''")
            server.root(f"CREATE USER {name}@'%' IDENTIFIED BY '{quoted}'", f"GRANT ALL ON *.* TO {name}@'%'")
        server.root("CREATE USER tls@'%' IDENTIFIED BY 'tls-password' REQUIRE SSL", "GRANT ALL ON *.* TO tls@'%'")
        yield server


@pytest.fixture(scope="module")
def backup(tmp_path_factory):
    with MariaDB(tmp_path_factory.mktemp("mysql"), "backup") as server:
        yield server


@pytest.fixture(scope="module")
def inception(tmp_path_factory, backup):
    with GoInception(tmp_path_factory.mktemp("inception"), backup) as inception:
        yield inception


@pytest.fixture(scope="module")
def guarded(tmp_path_factory, authority):
    """Of version 1.3.0, with a password and TLS."""
    with GoInception(tmp_path_factory.mktemp("guarded"), columns=12, password="inception-pw", authority=authority) as inception:
        yield inception


@pytest.fixture(scope="module")
def site(tmp_path_factory, server, backup, inception, guarded, authority):
    directory = tmp_path_factory.mktemp("site")
    (directory / "ca.pem").write_text(authority.pem())
    here = {"host": "127.0.0.1", "port": inception.port}
    trust = {"ssl": "verify", "ca-file": str(directory / "ca.pem")}
    sealed = {"host": "127.0.0.1", "port": guarded.port, "password": {"secret_ref": "inception"}} | trust
    sources = {
        "main": server.source(goinception=here | {"backup": backup.source("backup")}),
        "lossy": server.source(goinception=here | {"backup": backup.source("backup", port=free_port())}),
        "unseen": server.source(goinception=here),
        "open": server.source(goinception=here | {"required": False}),
        "sealed": server.source(goinception=sealed),
        "wrong": server.source(goinception=sealed | {"password": {"secret_ref": "db"}}),
        "stranger": server.source(goinception=sealed | {"ca-file": str(directory / "other.pem")}),
        "bare": server.source(goinception=server.source()), "gone": server.source(goinception=here | {"port": free_port()}),
        "lost": server.source("wrong", goinception=here),
        "tls": server.source("tls", user="tls", goinception=here | {
            "target-ssl": "verify_identity", "target-ca-file": str(directory / "ca.pem")}),
        "plain": server.source("tls", user="tls", goinception=here),
    }
    (directory / "other.pem").write_text(Authority().pem())
    for name in PASSWORDS:
        sources[name] = server.source(name, user=name, goinception=here)
    for name in REFUSED:
        sources[name] = server.source(name, goinception=here)
    with running(directory) as site:
        agent = site.agent("db-1", wait=False, executors={"mysql": {"datasources": sources}})
        secrets = {"db": server.password, "backup": backup.password, "inception": "inception-pw", "wrong": "not-it-at-all",
                   "tls": "tls-password"}
        for name, text in (secrets | PASSWORDS | REFUSED).items():
            agent.secret(name, text.encode() + b"\n")
        site.wait_online("db-1")
        yield site


@pytest.fixture
def database(server, request):
    name = server.database(request.node.name.split("[")[0][:30].rstrip("_"))
    server.root("CREATE TABLE t (id int PRIMARY KEY, name varchar(40), v decimal(6,2))",
                "INSERT INTO t VALUES (1, '天工', 1.50), (2, NULL, NULL)", database=name)
    return name


def run(site, command, database, source="main", **params):
    limit = {"timeout": params.pop("timeout")} if "timeout" in params else {}
    for _ in range(4):
        done = perform(site, "db-1", "mysql", command, {"datasource": source, "database": database, "format": "jsonl"} | params, **limit)
        # The stand-in loses a client's first bytes of TLS when they come together with the wish for it.
        if "did not answer within" not in done.error.get("message", ""):
            break
    return done


def table(server, database):
    return server.root("SELECT * FROM t ORDER BY id", database=database)


CHANGES = "UPDATE t SET v = 2 WHERE id = 1; INSERT INTO t VALUES (3, 'x', 3); DELETE FROM t WHERE id = 2"


def test_changes_are_checked_unless_told_otherwise_and_reads_are_not(site, server, inception, database):
    before = table(server, database)
    done = run(site, CHANGES, database)
    assert done.state == "succeeded" and table(server, database) == before
    assert [row["stage"] for row in done.rows] == ["CHECKED"] * 3 and [row["order_id"] for row in done.rows] == [1, 2, 3]
    assert list(done.rows[0])[-1] == "sql" and len(done.rows[0]) == 13
    assert done.result | {"duration": 0} == {
        "mode": "check", "statements": 3, "executed": 0, "affected_rows": 3, "warnings": 0, "errors": 0, "duration": 0}
    assert "nothing was executed: mode check" in done.notes
    asked = len(inception.requests)
    done = run(site, "SELECT id FROM t; SHOW TABLES", database)
    assert done.result["mode"] == "query" and done.rows[0] == {"id": 1} and len(inception.requests) == asked


@pytest.mark.parametrize("source, columns", [("main", 13), ("sealed", 12)])
def test_execution_tells_of_each_statement(site, server, database, source, columns):
    done = run(site, CHANGES, database, source, mode="execute")
    assert done.state == "succeeded", done
    assert [row["stage_status"] for row in done.rows] == ["Execute Successfully"] * 3 and len(done.rows[0]) == columns
    assert [row["affected_rows"] for row in done.rows] == [1, 1, 1] and done.result["executed"] == 3
    assert [row["id"] for row in table(server, database)] == [1, 3]


def test_a_check_is_a_table_for_people(site, server):
    server.root("CREATE OR REPLACE DATABASE shop", "CREATE TABLE shop.orders (id int PRIMARY KEY, paid date)")
    done = run(site, "UPDATE orders SET paid = '2026-11-02' WHERE id = 8; UPDATE orders SET paid = NULL WHERE id = 9", "shop", "sealed", format="table")
    table = [[cell.strip() for cell in line.split("|")] for line in done.out.splitlines() if "|" in line]
    assert table[0] == ["order_id", "stage", "error_level", "stage_status", "error_message", "affected_rows", "sequence",
                        "backup_dbname", "execute_time", "sqlsha1", "backup_time", "sql"]
    assert [(row[0], row[1], row[2], row[11]) for row in table[1:]] == [
        ("1", "CHECKED", "0", "UPDATE orders SET paid = '2026-11-02' WHERE id = 8"),
        ("2", "CHECKED", "0", "UPDATE orders SET paid = NULL WHERE id = 9")]


def test_what_takes_changes_back_is_shown_and_does_so(site, server, backup, database):
    before = table(server, database)
    text = CHANGES + "; CREATE TABLE u (a int); UPDATE t SET name = 'a\n;\n''b\\\\' WHERE id = 1; ALTER TABLE t ADD COLUMN c int"
    done = run(site, text, database, mode="execute", backup=True, format="table")
    assert done.state == "succeeded" and done.result["backup_count"] == 6 and done.result["rollback_statements"] == 6, done
    assert table(server, database)[0]["name"] == "a\n;\n'b\\"
    schema = f"127_0_0_1_{server.port}_{database}"
    assert {entry["database"] for entry in done.result["backups"]} == {schema}
    stored = backup.root("SELECT count(*) AS n FROM `$_$Inception_backup_information$_$`", database=schema)
    assert stored == [{"n": 6}]
    undo = done.out[done.out.index("-- rollback of statement 6"):].splitlines()
    assert [int(line.split()[4]) for line in undo if line.startswith("-- ")] == [6, 5, 4, 3, 2, 1]
    server.root(*[line.rstrip(";") for line in undo if not line.startswith("-- ")], database=database)
    assert table(server, database) == before
    assert not server.root("SHOW TABLES LIKE 'u'", database=database)


def test_rollback_statements_as_json_and_no_more_than_wanted(site, server, database):
    done = run(site, "DELETE FROM t WHERE id > 0", database, mode="execute", backup=True, max_rows=1)
    rows = done.rows
    key = done.result["backups"][0]["sequence"]
    assert rows[1]["statement"] == 1 and rows[1]["sequence"] == key and rows[1]["rollback_statement"].startswith("INSERT INTO")
    assert rows[2] == {"truncated": {"rows": 2, "shown": 1}} and done.result["rollback_statements"] == 2


@pytest.mark.parametrize("source, note", [
    ("unseen", "no goinception.backup is set up here"), ("lossy", "the rollback statements could not be fetched: 127.0.0.1:"),
])
def test_backups_that_cannot_be_read_fail_nothing(site, database, source, note):
    done = run(site, "DELETE FROM t WHERE id = 1", database, source, mode="execute", backup=True)
    assert done.state == "succeeded" and note in done.notes and done.result["backup_count"] == 1, done
    assert ("rollback_error" in done.result) == (source == "lossy")


@pytest.mark.parametrize("mode", ["check", "execute"])
def test_one_error_keeps_all_from_being_executed(site, server, database, mode):
    before = table(server, database)
    done = run(site, "UPDATE t SET v = 9 WHERE id = 1; UPDATE nix SET v = 1 WHERE id = 1; DELETE FROM t WHERE id = 2", database, mode=mode)
    assert done.state == "failed" and done.error["code"] == "task_failed", done
    assert re.fullmatch(r"goInception refuses statement 2 of 3: Table '.*nix' doesn't exist\.; nothing was executed", done.error["message"])
    assert done.result["errors"] == 1 and done.result["executed"] == 0 and table(server, database) == before


def test_one_warning_does_so_too_unless_it_is_ignored(site, server, database):
    with_policy = {"statements": ["sql.update-unfiltered"]}
    site.policy("tests", mode="blacklist-default", **with_policy)
    agent = site.agents["db-1"]
    agent.set_policy("mode: blacklist-default\nstatements: [sql.update-unfiltered]\n")
    try:
        text = "INSERT INTO t VALUES (5, 'five', 5); UPDATE t SET v = 7"
        until(lambda: run(site, text, database).state == "succeeded", 60, "the policy is read")
        done = run(site, text, database)
        assert done.state == "succeeded" and done.result["warnings"] == 1
        done = run(site, text, database, mode="execute")
        assert done.state == "failed" and "warns of statement 2 of 2: Please set the where condition.; nothing was executed" in done.error["message"]
        assert len(table(server, database)) == 2
        done = run(site, text, database, mode="execute", ignore_warnings=True)
        assert done.state == "succeeded" and done.result["warnings"] == 1 and done.result["executed"] == 2, done
        assert {str(row["v"]) for row in table(server, database)} == {"7.00"}
    finally:
        site.policy("tests", mode="blacklist-default")
        agent.set_policy("mode: blacklist-default\n")


def test_a_failure_on_the_way_says_what_was_done(site, server, database):
    text = "UPDATE t SET v = 4 WHERE id = 1; INSERT INTO t VALUES (6, 'six', 6); INSERT INTO t VALUES (6, 'six', 6); DELETE FROM t WHERE id = 2"
    done = run(site, text, database, mode="execute", backup=True)
    assert done.state == "failed" and done.result["executed"] == 2 and done.result["errors"] == 1, done
    assert done.error["message"].startswith("statement 3 of 4 failed: Execute: Duplicate entry '6' for key 'PRIMARY'.; 2 of 4 statements")
    assert [row["stage"] for row in done.rows[:4]] == ["EXECUTED"] * 3 + ["CHECKED"] and done.result["rollback_statements"] == 2
    assert [row["id"] for row in table(server, database)] == [1, 2, 6]


def test_a_batch_is_one_transaction(site, server, database):
    text = "INSERT INTO t VALUES (7, 'a', 1); INSERT INTO t VALUES (8, 'b', 1); INSERT INTO t VALUES (7, 'c', 1)"
    done = run(site, text, database, mode="execute", transaction_batch=10)
    assert done.state == "failed" and done.result["executed"] == 0, done
    assert [row["id"] for row in table(server, database)] == [1, 2]


def test_what_goinception_cannot_read_is_its_error(site, database):
    with pytest.raises(Refused, match="sql.syntax"):
        run(site, "UPDATE t SET v = 1 WHERE id = 1; CREATE TABLE (", database)
    done = run(site, "INSERT INTO t VALUES (9, 'x', 1); SELECT 1", database, mode="execute")
    assert done.error["message"] == "goInception refuses statement 2 of 2: Not supported statement type.; nothing was executed"


def test_progress_is_told_and_a_cancel_kills_between_statements(site, server, inception, database):
    text = ";".join(f"INSERT INTO t VALUES ({n}, 'n', {n})" for n in range(100, 200))
    work = Work(site, "db-1", "mysql", text, {"datasource": "main", "database": database, "mode": "execute", "sleep": 500})
    work.until_output("%, INSERT INTO t VALUES (1")
    work.cancel()
    done = work.ended()
    assert done.state == "canceled" and re.search(r"EXECUTING, \d+\.\d\d%, INSERT INTO t VALUES \(1", done.notes), done
    written = len(table(server, database)) - 2
    assert 1 <= written < 100 and done.result["executed"] == written
    assert "goInception was told to stop" in done.notes and "Operation has been killed!" in done.out
    time.sleep(1)
    assert len(table(server, database)) - 2 == written


def test_a_time_limit_does_so_too_and_sleep_rows_counts(site, server, database):
    text = ";".join(f"INSERT INTO t VALUES ({n}, 'n', {n})" for n in range(100, 200))
    done = run(site, text, database, mode="execute", sleep=1000, sleep_rows=4, timeout=5)
    # A second after every statement would leave time for five at most, all of them take 25.
    assert done.state == "timed_out" and 6 <= done.result["executed"] < 100, done


@pytest.mark.parametrize("name", PASSWORDS)
def test_passwords_arrive_as_they_are(site, database, name):
    done = run(site, "DELETE FROM t WHERE id = 1", database, name)
    assert done.state == "succeeded", done
    assert run(site, "SELECT 1", database, name).state == "succeeded"


@pytest.mark.parametrize("name", REFUSED)
def test_passwords_that_cannot_are_refused_without_being_told(site, inception, database, name):
    asked = len(inception.requests)
    done = run(site, "DELETE FROM t WHERE id = 1", database, name)
    assert done.state == "failed" and done.error["code"] == "start_failed"
    assert f"the password of datasource '{name}' cannot be given to goInception" in done.error["message"]
    assert REFUSED[name] not in str(done) and len(inception.requests) == asked


def test_statements_arrive_as_they_were_judged(site, server, inception, database):
    text = "INSERT INTO t VALUES (4, 'it''s;\n; -- no \\'comment', 1) -- ;\n; /* ; inception_magic_commit; */ DELETE\nFROM t\nWHERE name = \"x;\n\""
    done = run(site, text, database, mode="execute")
    assert done.state == "succeeded" and done.result["executed"] == 2, done
    assert table(server, database)[-1]["name"] == "it's;\n; -- no 'comment"
    lines = inception.requests[-2 if not inception.requests[-1] else -1].split("\n")
    assert lines[1:] == ["inception_magic_start;", f"use `{database}`;",
                         "INSERT INTO t VALUES (4, 'it''s;\\n; -- no \\'comment', 1);", 'DELETE FROM t WHERE name = "x;\\n";',
                         "inception_magic_commit;"]


def test_changes_go_through_it_only_where_that_is_required(site, server, database):
    done = run(site, "DELETE FROM t WHERE id = 1", database, mode="query")
    assert done.state == "rejected" and "statement 1 changes something" in done.error["message"]
    server.root("SET GLOBAL log_bin_trust_function_creators = 1")
    server.root("CREATE FUNCTION sly() RETURNS int MODIFIES SQL DATA BEGIN DELETE FROM t; RETURN 1; END", database=database)
    done = run(site, "SELECT sly()", database)
    assert done.state == "failed" and "READ ONLY transaction" in done.error["message"], done
    assert len(table(server, database)) == 2
    done = run(site, "DELETE FROM t WHERE id = 1", database, "open", mode="query")
    assert done.state == "succeeded" and len(table(server, database)) == 1


@pytest.mark.parametrize("source, message", [
    ("gone", "cannot be reached"), ("wrong", "does not let 'root' in"), ("stranger", "no TLS with"),
    ("bare", "goInception refuses: ERROR 1064"), ("lost", "Access denied for user 'app'"), ("plain", "Access denied for user 'tls'"),
])
def test_what_cannot_begin_says_why(site, database, source, message):
    done = run(site, "DELETE FROM t WHERE id = 1", database, source)
    assert done.state == "failed" and message in done.error["message"], done
    assert not any(text in str(done) for text in (MariaDB.password, "inception-pw", "not-it-at-all", "tls-password"))


def test_goinception_reaches_the_server_over_tls(site, database):
    assert run(site, "DELETE FROM t WHERE id = 1", database, "tls").state == "succeeded"


def test_goinception_that_goes_away_leaves_nothing_certain(site, server, database, tmp_path):
    with GoInception(tmp_path, name="brief") as brief:
        agent = site.agent("brief", wait=False, executors={"mysql": {"datasources": {"main": server.source(goinception={"host": "127.0.0.1", "port": brief.port})}}})
        agent.secret("db", server.password.encode())
        site.wait_online("brief")
        text = ";".join(f"INSERT INTO t VALUES ({n}, 'n', {n})" for n in range(10, 20))
        work = Work(site, "brief", "mysql", text, {"database": database, "mode": "execute", "sleep": 2000})
        work.until_output("goInception: EXECUTING")
        brief.stop(kill=True)
        done = work.ended()
        assert done.state == "failed" and "goInception is gone" in done.error["message"], done
        assert "what was executed is unknown" in done.error["message"]
        agent.stop()


def endless():
    yield from list(result([b"order_id", b"stage", b"error_level", b"stage_status", b"sql"], []))[:-1]
    row = b"".join(bytes([len(value)]) + value for value in (b"1", b"EXECUTED", b"0", b"Execute Successfully", b"UPDATE"))
    while True:
        yield row


@pytest.mark.parametrize("answer, message", [
    (endless, "more rows than there are statements"), (lambda: result([b"a"], [[b"1"]]), "its columns are a"),
    (lambda: [b"\x00\x00\x00\x02\x00\x00\x00"], "goInception did not say anything of 1 statement"),
    (lambda: result([b"order_id", b"stage", b"error_level", b"stage_status", b"sql"], [[b"x", b"\xff", b"-7", b"", b""]]), "refuses"),
])
def test_hostile_answers_harm_nothing(site, server, answer, message):
    with RawMySQL(lambda query: answer()) as raw:
        agent = site.agent("hostile", wait=False, executors={"mysql": {"datasources": {"main": server.source(goinception={"host": "127.0.0.1", "port": raw.port})}}})
        agent.secret("db", server.password.encode())
        site.wait_online("hostile")
        done = perform(site, "hostile", "mysql", "DELETE FROM t WHERE a = 1", {"mode": "execute"})
        assert done.state == "failed" and message in done.error["message"] and agent.running, done
        agent.stop()


def test_no_password_is_in_any_log(site, server, inception):
    """Last: the request holds it, since goInception needs it, and nothing else does."""
    assert f"--password='{server.password}'" in inception.requests[0]
    logs = [(path, path.read_bytes()) for path in (site.cloud.log, site.agents["db-1"].log)]
    kept = [entry for entry in files(site.cloud.data) if entry[0].name.startswith("cloud.db")]
    for path, content in [*logs, *kept, *files(site.agents["db-1"].data)]:
        for text in (server.password, *PASSWORDS.values(), *REFUSED.values(), "inception-pw"):
            assert text.encode() not in content, path
