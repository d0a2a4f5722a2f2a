# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Database commands on MongoDB: what is read, what is changed, what goes wrong, and what it looks like."""

import datetime
import json
import re
import signal
import uuid

import pytest
from bson import Binary, Code, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp, json_util

from harness.backends.mongodb import MongoDB
from harness.backends.server import free_port
from harness.certificates import Authority
from harness.waiting import until
from harness.work import Refused, Work, perform

LIFTED = ["mongo.delete-unfiltered"]
POLICY = "mode: blacklist-default\nstatements: [mongo.delete-unfiltered]\n"


@pytest.fixture(scope="module")
def mongo(tmp_path_factory):
    with MongoDB(tmp_path_factory.mktemp("mongo")) as server:
        yield server


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    """A server with an account and TLS, and the file of its authority."""
    directory = tmp_path_factory.mktemp("secured")
    authority = Authority()
    server = MongoDB(directory, "tia", "geheim-天", tls=authority.server(directory))
    (directory / "ca.pem").write_text(authority.pem())
    with server:
        yield server, directory / "ca.pem"


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    """The two members of a replica set; the stand-ins do not replicate, so that what is read says where."""
    primary, secondary = (MongoDB(tmp_path_factory.mktemp(name)) for name in ("primary", "secondary"))
    for server in (primary, secondary):
        server.replica_set = ["rs0", f"127.0.0.1:{primary.port}", f"127.0.0.1:{secondary.port}"]
    with primary, secondary:
        yield primary, secondary


@pytest.fixture(scope="module")
def greedy(tmp_path_factory):
    """A server that would have its clients take room for very large messages."""
    with MongoDB(tmp_path_factory.mktemp("greedy"), hello={"maxMessageSizeBytes": 2_000_000_000}) as server:
        yield server


@pytest.fixture(scope="module")
def agent(site, mongo, secured, members, greedy, tmp_path_factory):
    server, authority = secured
    stranger = tmp_path_factory.mktemp("stranger") / "ca.pem"
    stranger.write_text(Authority().pem())
    safe = {"uri": f"mongodb://127.0.0.1:{server.port}/?tls=true", "user": "tia", "password": {"secret_ref": "mongo"},
            "ca-file": str(authority)}
    agent = site.agent("db-1", policy=POLICY, settings={"TIANGONG_SHELL_GRACE": "3s"}, executors={"mongo": {"datasources": {
        "main": {"uri": mongo.uri, "database": "shop"},
        "brief": {"uri": mongo.uri, "database": "shop", "idle-timeout": "10s"},
        "safe": safe,
        "wrong-password": safe | {"password": {"secret_ref": "mongo-wrong"}},
        "wrong-source": safe | {"auth-source": "shop"},
        "wrong-ca": safe | {"ca-file": str(stranger)},
        "plain": {"hosts": [f"127.0.0.1:{server.port}"], "connect-timeout": "2s"},
        "anonymous": {"uri": f"mongodb://127.0.0.1:{server.port}/", "tls": "verify", "ca-file": str(authority)},
        "nowhere": {"hosts": [f"127.0.0.1:{free_port()}"]},
        "nameless": {"uri": "mongodb://no-such-host.invalid/"},
        "greedy": {"uri": greedy.uri},
        "silent": {"hosts": ["192.0.2.1:27017"], "connect-timeout": "1s"},
        "set": {"uri": f"mongodb://127.0.0.1:{members[0].port},127.0.0.1:{members[1].port}/?replicaSet=rs0"},
    }}})
    agent.secret("mongo", "geheim-天\n".encode())
    agent.secret("mongo-wrong", b"falsch\n")
    site.policy("tests", mode="blacklist-default", statements=LIFTED)
    return agent


@pytest.fixture
def shop(mongo):
    """The database of a test, empty."""
    with mongo.client() as client:
        client.drop_database("shop")
        yield client.shop


@pytest.fixture
def run(site, agent):
    def run(*commands, source="main", **params):
        spec = {name: params.pop(name) for name in ("timeout", "log_limit") if name in params}
        text = "\n".join(command if isinstance(command, str) else json.dumps(command) for command in commands)
        return perform(site, "db-1", "mongo", text, {"datasource": source} | params, **spec)
    return run


@pytest.fixture
def start(site, agent):
    def start(*commands, source="main", **spec):
        text = "\n".join(json.dumps(command) for command in commands)
        return Work(site, "db-1", "mongo", text, {"datasource": source, "format": "jsonl"}, **spec)
    return start


EVERYTHING = {
    "_id": ObjectId("65f0a1b2c3d4e5f601020304"), "text": "天工 \"q\"\n", "int": -7, "long": Int64(1 << 40), "double": 2.5,
    "decimal": Decimal128("10.50"), "yes": True, "no": None, "at": datetime.datetime(2026, 11, 27, 8, 30, 0, 125000),
    "raw": Binary(b"\x00\xff"), "uuid": Binary(uuid.UUID(int=1).bytes, 4), "list": [1, "b", [None]],
    "below": {"a": {"b": 1}}, "pattern": Regex("^x", "i"), "code": Code("f()"), "stamp": Timestamp(5, 6), "least": MinKey(),
    "most": MaxKey(),
}


# Reading

def test_values_of_every_type_come_through(run, shop):
    shop.things.insert_one(EVERYTHING)
    done = run({"find": "things"}, format="jsonl", canonical=True)
    options = json_util.JSONOptions(json_mode=json_util.JSONMode.CANONICAL)
    assert done.state == "succeeded", done
    assert json.loads(done.out) == json.loads(json_util.dumps(EVERYTHING, json_options=options))
    assert '"long" : { "$numberLong" : "1099511627776" }' in done.out
    relaxed = run({"find": "things"}, format="jsonl").rows[0]
    assert relaxed["long"] == 1 << 40 and relaxed["text"] == "天工 \"q\"\n" and relaxed["no"] is None
    assert relaxed["at"] == {"$date": "2026-11-27T08:30:00.125Z"} and relaxed["decimal"] == {"$numberDecimal": "10.50"}


def test_documents_are_a_table_for_people(run, shop):
    shop.items.insert_many([
        {"_id": 1, "name": "天工", "price": Decimal128("10.50"), "tags": ["a", "b"]},
        {"_id": 20, "name": None, "price": Decimal128("3"), "at": datetime.datetime(2026, 1, 2)},
        {"_id": 3, "raw": Binary(b"\x01\x02"), "ref": ObjectId("65f0a1b2c3d4e5f601020304")}])
    done = run({"find": "items", "sort": {"_id": 1}})
    assert done.state == "succeeded" and done.out.splitlines() == [
        '_id | name | price | tags         | raw    | ref                      | at',
        '----+------+-------+--------------+--------+--------------------------+-------------------------',
        '  1 | 天工 | 10.50 | [ "a", "b" ] |        |                          | ',
        '  3 |      |       |              | 0x0102 | 65f0a1b2c3d4e5f601020304 | ',
        ' 20 | NULL |     3 |              |        |                          | 2026-01-02T00:00:00.000Z',
        '(3 documents)'], done.out


def test_documents_too_wide_for_a_table_are_indented(run, shop):
    shop.wide.insert_one({"_id": 1, "text": "x" * 200, "below": {"list": [], "n": 1}})
    done = run({"find": "wide"})
    assert done.out == ('{\n  "_id": 1,\n  "text": "' + "x" * 200
                        + '",\n  "below": {\n    "list": [],\n    "n": 1\n  }\n}\n(1 document)\n')


def test_a_million_documents_stream_in_little_memory(site, run, agent):
    run({"ping": 1})
    before, most = agent.memory(), 0
    work = Work(site, "db-1", "mongo", '{"find": "series_1000000"}',
                {"datasource": "main", "format": "jsonl", "max_rows": 2_000_000}, log_limit=1 << 30)
    work.keeps = False
    while not (task := work.step()):
        most = max(most, agent.memory())
    work.link.close()
    assert task["state"] == "succeeded" and task["result"]["documents"] == 1_000_000
    line = '{{ "_id" : {0}, "name" : "row {0}", "value" : {1}, "天" : "工" }}\n'
    expected = sum(len(line.format(i, i * 0.5).encode()) for i in range(1_000_000))
    assert abs(work.bytes - expected) <= 16 and most - before < 64 << 20, (work.bytes, expected, most - before)


def test_what_is_over_the_limit_is_not_read_and_that_is_said(run, mongo):
    done = run({"find": "series_1000000"}, max_rows=3, format="jsonl")
    assert done.state == "succeeded" and done.result["documents"] == 3 and done.result["truncated"]
    assert done.rows[2]["_id"] == 2 and done.rows[3] == {"truncated": {"rows": None, "shown": 3}} and len(done.rows) == 4
    assert "... truncated: the first 3 rows shown\n(3 documents)\n" in run({"find": "series_1000000"}, max_rows=3).out
    assert "truncated" not in run({"find": "series_3"}, max_rows=3).out
    assert mongo.status()["metrics"]["cursor"]["open"]["total"] == 0


def test_batches_are_as_the_command_says(run):
    for command in ({"find": "series_2500", "batchSize": 7}, {"find": "series_2500", "limit": 1999},
                    {"find": "series_2500", "singleBatch": True, "batchSize": 5}):
        done = run(command, format="jsonl")
        expected = command.get("limit") or (5 if "singleBatch" in command else 2500)
        assert [row["_id"] for row in done.rows] == list(range(expected))


def test_other_commands_show_their_reply(run, shop):
    shop.a.insert_many([{"x": 1}, {"x": 2}])
    assert run({"count": "a"}, format="jsonl").rows == [{"n": 2, "ok": 1.0}]
    assert run({"distinct": "a", "key": "x"}).out == '{\n  "values": [\n    1,\n    2\n  ],\n  "ok": 1.0\n}\n'
    done = run({"listCollections": 1}, {"listIndexes": "a"}, {"aggregate": "a", "cursor": {}, "pipeline": [{"$match": {"x": 2}}]},
               format="jsonl")
    assert [row.get("name", row.get("x")) for row in done.rows] == ["a", "_id_", 2]
    done = run({"listDatabases": 1, "$db": "admin"}, format="jsonl")
    assert "shop" in [entry["name"] for entry in done.rows[0]["databases"]]


def test_a_tailable_cursor_shows_documents_as_they_come(start, shop):
    shop.events.insert_one({"n": 1})
    work = start({"find": "events", "tailable": True, "awaitData": True})
    work.until_output('"n" : 1')
    shop.events.insert_one({"n": 2})
    work.until_output('"n" : 2')
    work.cancel()
    assert work.ended().state == "canceled"


# Changing

def test_changes_are_counted(run, shop):
    done = run(
        {"insert": "a", "documents": [{"_id": 1, "x": 1}, {"_id": 2, "x": 1}, {"_id": 3, "x": 2}]},
        {"update": "a", "updates": [{"q": {"x": 1}, "u": {"$set": {"y": True}}, "multi": True},
                                    {"q": {"_id": 9}, "u": {"$set": {"x": 9}}, "upsert": True},
                                    {"q": {"_id": 3}, "u": {"$set": {"x": 2}}}]},
        {"findAndModify": "a", "query": {"_id": 9}, "update": {"$set": {"x": 10}}, "new": True},
        {"delete": "a", "deletes": [{"q": {"x": 1}, "limit": 0}]})
    assert done.state == "succeeded", done
    assert {name: value for name, value in done.result.items() if name != "duration_ms"} == {
        "commands": 4, "documents": 0, "inserted": 3, "matched": 4, "modified": 3, "deleted": 2, "upserted": 1}
    assert done.out.startswith(
        "[1] insert a\ninserted 3\n\n[2] update a\nmatched 3, modified 2, upserted 1\n\n[3] findAndModify a\n{\n")
    assert done.out.endswith("\n\n[4] delete a\ndeleted 2\n")
    assert sorted(shop.a.find(), key=lambda row: row["_id"]) == [{"_id": 3, "x": 2}, {"_id": 9, "x": 10}]


def test_a_failure_in_the_middle_is_named_and_ends_it(run, shop):
    done = run({"insert": "a", "documents": [{"_id": 1}]}, {"insert": "a", "documents": [{"_id": 2}, {"_id": 1}, {"_id": 3}]},
               {"insert": "a", "documents": [{"_id": 4}]})
    assert done.state == "failed" and done.error["code"] == "task_failed", done
    assert done.error["message"].startswith(
        "command 2 of 3 (insert a) failed: 1 item failed, first item 2: 11000: E11000 Duplicate Key Error")
    assert done.result["commands"] == 1 and done.result["inserted"] == 2 and sorted(shop.a.distinct("_id")) == [1, 2]
    done = run({"createIndexes": "a", "indexes": "x"}, {"insert": "a", "documents": [{"_id": 5}]})
    assert re.match(r"command 1 of 2 \(createIndexes a\) failed: 9 FailedToParse: ", done.error["message"])


def test_every_item_that_fails_is_shown(run, shop):
    done = run({"insert": "a", "documents": [{"_id": i % 3} for i in range(150)], "ordered": False})
    assert done.state == "failed" and "147 items failed, first item 4: 11000" in done.error["message"]
    lines = done.err.splitlines()
    assert len(lines) == 101 and lines[0].startswith("item 4: 11000: E11000") and lines[100] == "... and 47 more errors"
    assert done.result["inserted"] == 3 and done.out == "inserted 3\n"


def test_a_write_concern_that_fails_is_a_failure(run, mongo, shop):
    mongo.fail("insert", writeConcernError={"code": 64, "codeName": "WriteConcernFailed", "errmsg": "waiting timed out"})
    done = run({"insert": "a", "documents": [{"_id": 1}], "writeConcern": {"w": 3, "wtimeout": 10}}, {"ping": 1})
    assert done.error["message"] == (
        "command 1 of 2 (insert a) failed: write concern: 64 WriteConcernFailed: waiting timed out")
    assert done.result["inserted"] == 1 and done.result["commands"] == 0


def test_bulk_writes_count_and_show_what_failed(run, shop):
    command = {"bulkWrite": 1, "$db": "admin", "nsInfo": [{"ns": "shop.a"}], "ordered": False, "ops": [
        {"insert": 0, "document": {"_id": 1, "x": 1}}, {"insert": 0, "document": {"_id": 1}},
        {"update": 0, "filter": {"_id": 1}, "updateMods": {"$set": {"x": 2}}}, {"delete": 0, "filter": {"_id": 7}},
        {"update": 0, "filter": {"_id": 8}, "updateMods": {"$set": {"x": 8}}, "upsert": True}]}
    done = run(command, format="jsonl")
    assert done.state == "failed" and "1 item failed, first item 2: 11000: E11000" in done.error["message"], done
    assert [row["ok"] for row in done.rows] == [1, 0, 1, 1, 1]
    assert {done.result[name] for name in ("inserted", "matched", "modified", "upserted")} == {1}


def test_nothing_runs_when_one_command_cannot_be_read(run, shop):
    first = {"insert": "a", "documents": [{"_id": 1}]}
    for command, message in (
            ({"insert": "a", "documents": [{"_id": {"$oid": "zz"}}]}, "command 2 (insert a) is not extended JSON: Invalid input"),
            ({"find": "a", "filter": {"n": {"$numberLong": "x"}}}, "command 2 (find a) is not extended JSON: ")):
        done = run(first, command)
        assert done.state == "failed" and done.error["code"] == "start_failed", done
        assert done.error["message"].startswith(message) and shop.a.count_documents({}) == 0
    done = run(first, {"ping": 1}, source="set")
    assert "command 1 (insert a) names no database; give --database" in done.error["message"]


def test_commands_go_to_the_database_they_name(run, mongo, shop):
    run({"insert": "a", "documents": [{"_id": 1}], "$db": "other"}, {"insert": "a", "documents": [{"_id": 2}]}, database="third")
    with mongo.client() as client:
        assert client.other.a.distinct("_id") == [1] and client.third.a.distinct("_id") == [2] and not shop.a.count_documents({})
        client.drop_database("other")
        client.drop_database("third")


def test_a_command_may_read_from_a_secondary(run, members):
    for server, name in zip(members, ("primary", "secondary")):
        with server.client() as client:
            client.shop.where.insert_one({"_id": name})
    find = {"find": "where", "$db": "shop"}
    assert run(find, source="set", format="jsonl").rows == [{"_id": "primary"}]
    assert run(find | {"$readPreference": {"mode": "secondary"}}, source="set", format="jsonl").rows == [{"_id": "secondary"}]


# The guard

def test_the_guard_refuses_before_anything_runs(site, run, agent, shop):
    shop.a.insert_one({"_id": 1})
    for command, rule in (({"drop": "a"}, "mongo.drop"),
                          ({"aggregate": "a", "pipeline": [{"$out": "b"}], "cursor": {}}, "mongo.out"),
                          ({"find": "a", "filter": {"$where": "1"}}, "mongo.javascript"), ({"fnord": 1}, "mongo.unknown"),
                          ('{"find": "a", "find": "b"}', "mongo.syntax"),
                          ({"find": "a", "lsid": {"id": 1}, "startTransaction": True}, "mongo.syntax")):
        with pytest.raises(Refused) as refusal:
            run(command)
        assert refusal.value.error["rule"] == rule
    assert shop.a.count_documents({}) == 1
    # What the task names beside its text counts too, for the Cloud and for the agent.
    with pytest.raises(Refused, match="writes to the database admin"):
        run({"insert": "a", "documents": [{}]}, database="admin")
    agent.set_policy("mode: blacklist-default\n")
    try:
        until(lambda: run({"delete": "a", "deletes": [{"q": {}, "limit": 0}]}).state == "rejected", 60, "the agent's own policy")
    finally:
        agent.set_policy(POLICY)
    until(lambda: run({"delete": "a", "deletes": [{"q": {}, "limit": 0}]}).state == "succeeded", 60, "the agent's policy again")


def test_a_whitelist_sees_the_database(agent, run):
    agent.set_policy("mode: whitelist\nallow: ['\\{\"find\":\"a\",\"\\$db\":\"reports\"\\}']\n")
    try:
        until(lambda: run({"ping": 1}).state == "rejected", 60, "the whitelist")
        assert run({"find": "a"}, database="reports").state == "succeeded"
        assert run({"find": "a", "$db": "reports"}, database="shop").state == "succeeded"
        assert run({"find": "a"}, database="shop").state == run({"find": "a"}).state == "rejected"
    finally:
        agent.set_policy(POLICY)
    until(lambda: run({"ping": 1}).state == "succeeded", 60, "the agent's policy again")


# Connections

def test_an_account_over_tls(run, secured):
    done = run({"insert": "a", "documents": [{"_id": 1}]}, {"find": "a"}, source="safe", database="shop", format="jsonl")
    assert done.state == "succeeded" and done.rows[1] == {"_id": 1}, done
    done = run({"find": "series_50000"}, source="safe", database="shop", format="jsonl", max_rows=50_000)
    assert done.state == "succeeded" and done.out.count("\n") == 50_000


@pytest.mark.parametrize("source, message", [
    ("wrong-password", "refuses the account 'tia': Authentication failed"),
    ("wrong-source", "refuses the account 'tia': Authentication failed"),
    ("wrong-ca", "cannot be reached: 127.0.0.1:PORT: TLS handshake failed: certificate verify failed"),
    ("plain", "cannot be reached: "),
    ("nowhere", "cannot be reached: 127.0.0.1:PORT: Connection refused"),
    ("nameless", "cannot be reached: no-such-host.invalid:27017: its name is not known"),
    ("greedy", "announces messages over 48000000 bytes"),
    ("silent", "cannot be reached: 192.0.2.1:27017: "),
])
def test_work_that_cannot_begin_says_why(run, source, message):
    done = run({"ping": 1}, source=source, database="shop")
    assert done.state == "failed" and done.error["code"] == "start_failed", done
    assert message in re.sub(r"(127\.0\.0\.1:)\d+", r"\1PORT", done.error["message"]) and "falsch" not in repr(done)


def test_without_an_account_the_server_says_what_is_missing(run):
    done = run({"find": "a"}, source="anonymous", database="shop")
    assert done.error["message"] == "command 1 of 1 (find a) failed: 13 Unauthorized: Command find requires authentication"


def test_connections_are_kept_for_a_while_and_made_again(run, mongo):
    run({"ping": 1}, source="brief")
    before = mongo.status()["connections"]["totalCreated"]
    for _ in range(5):
        assert run({"ping": 1}, source="brief").state == "succeeded"
    # One of pymongo's clients makes two connections.
    assert mongo.status()["connections"]["totalCreated"] - before <= 3
    until(lambda: mongo.status()["connections"]["current"] <= 3, 60, "idle connections are closed")
    mongo.restart()
    for source in ("main", "brief"):
        assert run({"ping": 1}, source=source).state == "succeeded"


def test_many_tasks_at_once(start, shop):
    shop.a.insert_one({"_id": 1})
    works = [start({"find": "a"}, {"find": "series_5000"}) for _ in range(30)]
    for work in works:
        done = work.ended()
        assert done.state == "succeeded" and done.result["documents"] == 5001 and done.out.count("\n") == 5001


# Stopping

def slow(mongo, command):
    mongo.fail(command, blockConnection=True, blockTimeMS=120_000)


def running(mongo, name):
    """Waits until the server runs a command of a task, and gives what it shows of it."""
    def found():
        return [op for op in mongo.operations() if next(iter(op["command"])) == name
                and str(op["command"].get("comment", "")).startswith("tiangong ")]
    return until(found, 60, f"{name} runs")[0]


@pytest.mark.parametrize("name, command", [
    ("find", {"find": "a"}), ("update", {"update": "a", "updates": [{"q": {"_id": 1}, "u": {"$set": {"x": 1}}}]}),
    ("getMore", {"find": "series_1000000", "batchSize": 5})])
def test_a_cancel_ends_the_operation_at_the_server(start, mongo, shop, name, command):
    slow(mongo, name)
    work = start(command, {"insert": "a", "documents": [{"_id": "later"}]})
    shown = running(mongo, name)
    assert work.task["id"] in shown["command"]["comment"] and "lsid" in shown
    work.cancel()
    done = work.ended(60)
    assert done.state == "canceled" and not shop.a.count_documents({"_id": "later"}), done
    until(lambda: not [op for op in mongo.operations() if op["opid"] == shown["opid"]], 30, "the server has ended it")


def test_a_command_with_a_comment_of_its_own_is_found_too(start, mongo, shop):
    slow(mongo, "find")
    work = start({"find": "a", "comment": "mine"})
    shown = until(lambda: [op for op in mongo.operations() if op["command"].get("comment") == "mine"], 60, "it runs")[0]
    work.cancel()
    assert work.ended(60).state == "canceled"
    until(lambda: not [op for op in mongo.operations() if op["opid"] == shown["opid"]], 30, "the server has ended it")


def test_the_time_limit_ends_it_and_the_server_knows_it(start, mongo, shop):
    slow(mongo, "find")
    work = start({"find": "a"}, timeout=5)
    assert 1000 < running(mongo, "find")["command"]["maxTimeMS"] <= 6000
    assert work.ended(60).state == "timed_out"
    until(lambda: not [op for op in mongo.operations() if op["command"].get("find")], 30, "the server is done with it")


def test_a_limit_of_the_command_itself_is_a_failure(run, mongo, shop):
    slow(mongo, "find")
    done = run({"find": "a", "maxTimeMS": 100}, timeout=60)
    assert done.error["message"] == "command 1 of 1 (find a) failed: 50 MaxTimeMSExpired: operation exceeded time limit"


def test_a_stream_can_be_canceled(start, mongo):
    work = start({"find": "series_100000000"})
    work.until_output('"_id" : 500')
    work.cancel()
    assert work.ended(60).state == "canceled"
    until(lambda: mongo.status()["metrics"]["cursor"]["open"]["total"] == 0, 30, "the cursor is closed")


def test_a_server_that_hangs_holds_nobody(start, run, mongo, shop):
    slow(mongo, "find")
    work = start({"find": "a"})
    running(mongo, "find")
    mongo.process.send_signal(signal.SIGSTOP)
    try:
        work.cancel()
        assert work.ended(60).state == "canceled"
    finally:
        mongo.process.send_signal(signal.SIGCONT)
    assert run({"ping": 1}).state == "succeeded"


def test_a_server_that_goes_away_is_a_failure_and_may_come_back(start, run, mongo, shop):
    slow(mongo, "find")
    work = start({"find": "a"})
    running(mongo, "find")
    mongo.restart(kill=True)
    done = work.ended(60)
    assert done.state == "failed" and "command 1 of 1 (find a) failed: the connection broke: " in done.error["message"], done
    assert run({"ping": 1}).state == "succeeded"
    mongo.fail("find", closeConnection=True)
    assert "the connection broke" in run({"find": "a"}).error["message"]
    assert run({"find": "a"}).state == "succeeded"


# The manual

EXAMPLE = """_id | name   | stock
----+--------+------
  7 | hammer |    12
  9 | saw    |     0
(2 documents)
"""


def test_the_example_of_the_manual(run, shop):
    shop.items.insert_many([{"_id": 7, "name": "hammer", "stock": 12}, {"_id": 8, "name": "nail", "stock": 900},
                            {"_id": 9, "name": "saw", "stock": 0}])
    done = run('{"find": "items", "filter": {"stock": {"$lt": 100}}, "sort": {"_id": 1}}')
    assert done.out == EXAMPLE
