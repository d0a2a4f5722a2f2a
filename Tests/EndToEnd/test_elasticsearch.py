# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Requests to Elasticsearch: what is read, what is changed, what goes wrong, and what it looks like."""

import json
import re
import signal
import urllib.parse

import pytest

from harness.backends.elasticsearch import Elasticsearch
from harness.backends.server import free_port
from harness.certificates import Authority
from harness.waiting import until
from harness.work import Refused, Work, perform

LIFTED = ["es.bulk-delete", "es.delete-index"]
POLICY = "mode: blacklist-default\nstatements: [es.bulk-delete, es.delete-index]\n"


@pytest.fixture(scope="module")
def elastic(tmp_path_factory):
    with Elasticsearch(tmp_path_factory.mktemp("elastic")) as server:
        yield server


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """A server that has no points in time yet."""
    with Elasticsearch(tmp_path_factory.mktemp("old"), version="7.9.0") as server:
        yield server


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    """A server with accounts and TLS, and the file of its authority."""
    directory = tmp_path_factory.mktemp("secured")
    authority = Authority()
    server = Elasticsearch(directory, "tia", "geheim-天", api_key="aWQ6a2V5", tls=authority.server(directory))
    (directory / "ca.pem").write_text(authority.pem())
    with server:
        yield server, directory / "ca.pem"


@pytest.fixture(scope="module")
def agent(site, elastic, old, secured, tmp_path_factory):
    server, authority = secured
    stranger = tmp_path_factory.mktemp("stranger") / "ca.pem"
    stranger.write_text(Authority().pem())
    safe = {"url": server.url, "user": "tia", "password": {"secret_ref": "es"}, "ca-file": str(authority)}
    nowhere = f"http://127.0.0.1:{free_port()}"
    agent = site.agent("es-1", policy=POLICY, settings={"TIANGONG_SHELL_GRACE": "3s"}, executors={"elasticsearch": {
        "datasources": {
            "main": {"url": elastic.url}, "old": {"url": old.url}, "brief": {"url": elastic.url, "idle-timeout": "10s"},
            "safe": safe, "wrong-password": safe | {"password": {"secret_ref": "es-wrong"}},
            "key": {"url": server.url, "api-key": {"secret_ref": "es-key"}, "ca-file": str(authority)},
            "wrong-key": {"url": server.url, "api-key": {"secret_ref": "es-wrong"}, "ca-file": str(authority)},
            "wrong-ca": safe | {"ca-file": str(stranger)},
            "several": {"urls": [nowhere, elastic.url]}, "nowhere": {"urls": [nowhere]},
            "plain": {"url": server.url.replace("https", "http")},
            "silent": {"url": "http://192.0.2.1:9200", "connect-timeout": "1s"},
        }}})
    agent.secret("es", "geheim-天\n".encode())
    agent.secret("es-key", b"aWQ6a2V5\n")
    agent.secret("es-wrong", b"falsch\n")
    site.policy("tests", mode="blacklist-default", statements=LIFTED)
    return agent


@pytest.fixture
def books(elastic):
    """An index of a test."""
    elastic.ask("DELETE", "/books")
    assert elastic.ask("PUT", "/books", {"mappings": {"properties": {"year": {"type": "integer"}}}})[0] == 200
    for number, (title, year) in enumerate([("Krieg", 1869), ("红楼梦", 1791), ("Faust", 1808)], 1):
        elastic.ask("PUT", f"/books/_doc/{number}", {"title": title, "year": year, "tags": ["a", None]})
    return elastic


@pytest.fixture
def run(site, agent):
    def run(line, *body, source="main", **params):
        spec = {name: params.pop(name) for name in ("timeout", "log_limit") if name in params}
        text = "\n".join([line, *(part if isinstance(part, str) else json.dumps(part) for part in body)])
        return perform(site, "es-1", "elasticsearch", text, {"datasource": source} | params, **spec)
    return run


@pytest.fixture
def start(site, agent):
    def start(line, *body, source="main", params={}, **spec):
        text = "\n".join([line, *map(json.dumps, body)])
        return Work(site, "es-1", "elasticsearch", text, {"datasource": source} | params, **spec)
    return start


# One request

def test_json_is_indented_for_people_and_one_line_for_programs(run, books):
    done = run("GET /books/_doc/2")
    assert done.state == "succeeded" and done.out == (
        '{\n  "_index": "books",\n  "_id": "2",\n  "found": true,\n  "_source": {\n    "title": "红楼梦",\n'
        '    "year": 1791,\n    "tags": [\n      "a",\n      null\n    ]\n  }\n}\n'), done
    done = run("GET /books/_doc/2", format="jsonl")
    assert done.out.count("\n") == 1 and done.rows[0]["_source"] == {"title": "红楼梦", "year": 1791, "tags": ["a", None]}
    assert done.result["status"] == 200 and done.result["bytes"] > 80


def test_a_search_tells_how_much_it_found(run, books):
    done = run("POST /books/_search", {"query": {"range": {"year": {"gte": 1800}}}, "sort": [{"year": "asc"}]}, format="jsonl")
    assert [hit["_source"]["title"] for hit in done.rows[0]["hits"]["hits"]] == ["Faust", "Krieg"] and done.result["hits"] == 2
    assert run("GET /books/_search?q=title:Faust&size=1").result["hits"] == 1
    assert run("GET /books/_count", format="jsonl").result["count"] == 3
    source = urllib.parse.quote('{"size": 0}')
    assert run(f"GET /books/_search?source={source}&source_content_type=application/json").result["hits"] == 3


def test_text_is_shown_as_it_is(run, books):
    assert "green books 3\n" in run("GET /_cat/indices?v").out
    assert {"health": "green", "index": "books", "docs.count": "3"} in run("GET /_cat/indices?format=json", format="jsonl").rows[0]


def test_paths_arrive_as_they_were_meant(run, books):
    name = "a%2Fb c+d?天"
    assert run("PUT /books/_doc/a%252Fb".replace("%25", "%"), {"title": name}).state == "succeeded"
    assert run("GET /books/_doc/a%2Fb", format="jsonl").rows[0]["_source"]["title"] == name
    assert run("HEAD /books/_doc/1").out == "HTTP 200\n"


@pytest.mark.parametrize("line, body, message", [
    ("GET /nothing/_search", (), "404 index_not_found_exception: no such index [nothing]"),
    ("PUT /books", (), "400 resource_already_exists_exception: index [books/x] already exists"),
    ("GET /books/_doc/77", (), 'HTTP 404: {"_index":"books","_id":"77","found":false}'),
    ("HEAD /books/_doc/77", (), "HTTP 404"),
    ("POST /books/_search", ({"query": {"fnord": {}}},), "400 parsing_exception"),
    ("GET /books/_search?size=20000", (), "400 illegal_argument_exception: Result window is too large"),
])
def test_a_failure_says_its_root_cause(run, books, line, body, message):
    done = run(line, *body)
    assert done.state == "failed" and done.error["code"] == "task_failed" and done.error["message"].startswith(message), done
    assert '"error": {' in done.err or "HTTP 404" in message


def test_what_is_no_success_behind_a_200_is_a_failure(run, books):
    books.fault(path="_search", shards=2)
    done = run("GET /books/_search")
    assert done.state == "failed" and done.error["message"] == "2 of 5 shards failed: query_shard_exception: shard went away"
    for answer, message in (('{"acknowledged": false}', "not all nodes have acknowledged it in time"),
                            ('{"timed_out": true, "hits": {"hits": []}}', "the server gave up before it was done: timed_out"),
                            ('{"failures": [{"cause": {"type": "x", "reason": "y"}}]}', "1 failure, first x: y")):
        books.fault(path="/books/_search", answer=answer)
        done = run("POST /books/_search")
        assert done.state == "failed" and done.error["message"] == message and done.out
    done = run("GET /_msearch", {"index": "books"}, {"size": 0}, {"index": "gone"}, {})
    assert done.error["message"] == "1 of 2 items failed, first item 2: index_not_found_exception: no such index [gone]"
    assert done.err == "item 2: index_not_found_exception: no such index [gone]\n"


def test_a_busy_server_is_asked_again(run, books):
    books.fault(path="_count", status=429, times=2)
    done = run("GET /books/_count")
    assert done.state == "succeeded" and done.result["retries"] == 2
    books.fault(path="_count", status=429, retry_after=1)
    assert run("GET /books/_count").result["duration_ms"] >= 1000
    books.fault(path="_count", status=429, times=2)
    done = run("GET /books/_count", retries=1)
    assert done.error["message"].startswith("429 es_rejected_execution_exception: rejected") and done.result["retries"] == 1


# Many documents

def action(kind, number, **more):
    return {kind: {"_index": "books", "_id": str(number)} | more}


def test_a_bulk_counts_its_items(run, books):
    done = run("POST /_bulk", action("index", 7), {"title": "x"}, action("create", 8), {"title": "y"}, action("index", 1),
               {"title": "z"}, action("update", 2), {"doc": {"year": 1792}}, action("delete", 3))
    assert done.state == "succeeded" and done.out == "5 items: 2 created, 1 deleted, 2 updated\n", done
    assert done.result["items"] == 5 and done.result["created"] == done.result["updated"] == 2 and done.result["failed"] == 0
    assert books.ask("GET", "/books/_count")[1]["count"] == 4


def test_items_that_fail_under_a_200_are_a_failure(run, books):
    done = run("POST /books/_bulk", action("create", 1), {"title": "x"}, action("index", 7), {"year": "spät"},
               action("index", 8), {"title": "y"}, action("delete", 99))
    assert done.state == "failed" and done.result["items"] == 4 and done.result["failed"] == 3, done
    assert done.error["message"].startswith("3 of 4 items failed, first item 1: books/1: 409 version_conflict_engine_exception: [1]: ")
    assert done.err.splitlines()[1] == (
        "item 2: books/7: 400 document_parsing_exception: failed to parse field [year] of type [integer]")
    assert done.out == "4 items: 1 created, 3 failed\n"
    rows = run("POST /books/_bulk", action("index", 8), {"title": "y"}, action("delete", 99), format="jsonl").rows
    assert [next(iter(row.values()))["status"] for row in rows] == [200, 404]


def test_items_that_a_busy_server_refuses_are_sent_again(run, books):
    books.fault(path="_bulk", items=3, times=2)
    items = [part for number in range(20, 30) for part in (action("create", number), {"title": "x"})]
    done = run("POST /_bulk", *items)
    assert done.state == "succeeded" and done.out == "10 items: 10 created\n" and done.result["retries"] == 2, done
    books.fault(path="_bulk", items=1, times=2)
    done = run("POST /_bulk", action("index", 1), {"title": "x"}, retries=1)
    assert "1 of 1 items failed, first item 1: books/1: 429 es_rejected_execution_exception" in done.error["message"]


def test_a_bulk_whose_answer_hides_its_items_is_a_failure(run, books):
    done = run("POST /_bulk?filter_path=took", action("index", 1), {"title": "x"})
    assert done.error["message"] == "the answer tells of 0 of 1 items; leave filter_path out"


@pytest.mark.parametrize("source", ["main", "old"])
def test_an_export_writes_every_document(run, elastic, old, source):
    server = elastic if source == "main" else old
    server.ask("DELETE", "/many")
    server.ask("PUT", "/many", {})
    for number in range(25):
        server.ask("PUT", f"/many/_doc/{number:02}", {"n": number, "group": number % 3})
    done = run("GET /many/_search", {"size": 3, "query": {"terms": {"group": [0, 1]}}}, source=source, export=True,
               page_size=4, format="jsonl")
    assert done.state == "succeeded"
    assert sorted(row["_source"]["n"] for row in done.rows) == [n for n in range(25) if n % 3 < 2]
    assert done.result["hits"] == 17 and "truncated" not in done.result
    if source == "main":
        done = run("POST /many/_search", {"sort": [{"group": "desc"}, {"n": "asc"}]}, export=True, page_size=2, format="jsonl")
        expected = sorted(range(25), key=lambda n: (-(n % 3), n))
        assert [row["_source"]["n"] for row in done.rows] == expected
    done = run("GET /many/_search", source=source, export=True, page_size=10, max_rows=12, format="jsonl")
    assert len(done.rows) == 13 and done.rows[12] == {"truncated": {"rows": None, "shown": 12}} and done.result["truncated"]
    done = run("GET /many/_search", source=source, export=True, max_rows=1)
    assert done.out.startswith('{\n  "_index": "many",\n') and done.out.endswith("... truncated: the first 1 rows shown\n")
    assert "truncated" not in run("GET /many/_search", source=source, export=True, max_rows=25).out
    assert server.stats()["indices"]["search"]["open_contexts"] == 0


@pytest.mark.parametrize("source", ["main", "old"])
def test_a_million_documents_stream_in_little_memory(site, run, agent, source, full):
    count = 1_000_000 if source == "main" or full else 100_000
    run("GET /")
    before, most = agent.memory(), 0
    work = Work(site, "es-1", "elasticsearch", f"GET /series-{count}/_search", {
        "datasource": source, "export": True, "format": "jsonl", "max_rows": 2_000_000, "page_size": 5000}, log_limit=1 << 30)
    work.keeps = False
    while not (task := work.step(120)):
        most = max(most, agent.memory())
    work.link.close()
    assert task["state"] == "succeeded" and task["result"]["hits"] == count, task
    assert most - before < 64 << 20 and work.bytes > 100 * count, (most - before, work.bytes)


def test_an_export_that_fails_lets_go_of_what_it_has_open(run, elastic):
    elastic.fault(path="/_search", status=500, type="some_exception", times=1)
    done = run("GET /series-100/_search", export=True)
    assert done.error["message"] == "500 some_exception: rejected execution of request"
    assert elastic.stats()["indices"]["search"]["open_contexts"] == 0
    for line, message in (("GET /books/_count", "only a search can be exported"),
                          ("GET /books/_search?scroll=1m", "the parameter scroll does")):
        done = run(line, export=True)
        assert done.error["code"] == "start_failed" and done.error["message"].startswith(message)


# Work that goes on at the server

def test_work_in_the_background_is_followed_to_its_end(run, books):
    books.fault(path="_delete_by_query", sleep=1)
    done = run("POST /books/_delete_by_query?wait_for_completion=false", {"query": {"match": {"title": "Faust"}}}, format="jsonl")
    assert done.state == "succeeded" and done.result["deleted"] == 1 and done.result["task"].startswith("standin-node:"), done
    assert done.rows[0]["deleted"] == 1 and books.ask("GET", "/books/_count")[1]["count"] == 2
    assert run("POST /books/_delete_by_query", {"query": {"match": {"title": "Krieg"}}}).result["deleted"] == 1


def test_work_in_the_background_is_cancelled_at_the_server(start, books):
    books.fault(path="_delete_by_query", sleep=120)
    work = start("POST /books/_delete_by_query?wait_for_completion=false", {"query": {"match": {"title": "Faust"}}})
    until(lambda: running(books, work), 60, "it runs")
    work.cancel()
    assert work.ended(60).state == "canceled"
    until(lambda: not running(books, work), 30, "the server has ended it")
    assert books.ask("GET", "/books/_count")[1]["count"] == 3


def running(server, work):
    return [task for task in server.tasks() if task["headers"].get("X-Opaque-Id") == work.task["id"]]


@pytest.mark.parametrize("line, body", [("GET /books/_search", ()), ("POST /books/_update_by_query", (
    {"query": {"match": {"title": "Faust"}}, "script": {"source": "ctx._source.year = params.y", "params": {"y": 1}}},))])
def test_a_cancel_ends_the_task_of_the_server(start, books, line, body):
    books.fault(path=line.split("/")[-1], sleep=120)
    work = start(line, *body)
    until(lambda: running(books, work), 60, "it runs")
    work.cancel()
    assert work.ended(60).state == "canceled"
    until(lambda: not running(books, work), 30, "the server has ended it")


def test_the_time_limit_ends_it(start, books):
    books.fault(path="_search", sleep=120)
    work = start("GET /books/_search", timeout=1)
    done = work.ended(60)
    assert done.state == "timed_out"
    until(lambda: not running(books, work), 30, "the server has ended it")


@pytest.mark.parametrize("source", ["main", "old"])
def test_an_export_can_be_canceled(start, elastic, old, source):
    server = elastic if source == "main" else old
    work = start("GET /series-100000000/_search", source=source, params={"export": True, "format": "jsonl", "max_rows": 10 ** 9})
    work.until_output('"n":7')
    work.cancel()
    assert work.ended(60).state == "canceled"
    until(lambda: server.stats()["indices"]["search"]["open_contexts"] == 0, 30, "nothing is open at the server")


def test_a_server_that_hangs_holds_nobody(start, run, books):
    books.fault(path="_search", sleep=120)
    work = start("GET /books/_search")
    until(lambda: running(books, work), 60, "it runs")
    books.process.send_signal(signal.SIGSTOP)
    try:
        work.cancel()
        assert work.ended(60).state == "canceled"
    finally:
        books.process.send_signal(signal.SIGCONT)
    assert run("GET /").state == "succeeded"


def test_a_server_that_goes_away_is_a_failure_and_may_come_back(start, run, books):
    books.fault(path="_search", sleep=120)
    work = start("GET /books/_search")
    until(lambda: running(books, work), 60, "it runs")
    books.restart(kill=True)
    done = work.ended(60)
    assert done.state == "failed" and "closed the connection before its answer was complete" in done.error["message"], done
    assert run("GET /").state == "succeeded"
    books.fault(path="/series-3/_search", hangup=40)
    done = run("GET /series-3/_search")
    assert done.state == "failed" and "closed the connection before its answer was complete" in done.error["message"], done


# Connections

@pytest.mark.parametrize("source", ["safe", "key", "several"])
def test_accounts_and_addresses(run, source):
    assert run("PUT /own/_doc/1", {"a": 1}, source=source).state == "succeeded"
    assert run("GET /own/_doc/1", source=source, format="jsonl").rows[0]["_source"] == {"a": 1}


@pytest.mark.parametrize("source, message", [
    ("wrong-password", "https://127.0.0.1:PORT refuses the account: 401 security_exception: unable to authenticate"),
    ("wrong-key", "https://127.0.0.1:PORT refuses the account: 401 security_exception: unable to authenticate"),
    ("wrong-ca", "https://127.0.0.1:PORT: the server's certificate is not trusted"),
    ("nowhere", "http://127.0.0.1:PORT cannot be reached: "),
    ("plain", "http://127.0.0.1:PORT"),
    ("silent", "http://192.0.2.1:9200"),
])
def test_work_that_cannot_begin_says_why(run, source, message):
    done = run("GET /books/_search", source=source)
    assert done.state == "failed" and done.error["code"] == "start_failed", done
    assert re.sub(r"(127\.0\.0\.1:)\d+", r"\1PORT", done.error["message"]).startswith(message), done
    assert "falsch" not in repr(done)


def test_connections_are_kept_for_a_while_and_made_again(run, elastic):
    run("GET /", source="brief")
    before = elastic.stats()["http"]["total_opened"]
    for _ in range(5):
        assert run("GET /_cluster/health", source="brief").state == "succeeded"
    assert elastic.stats()["http"]["total_opened"] - before <= 2
    until(lambda: elastic.stats()["http"]["current_open"] <= 2, 60, "idle connections are closed")
    elastic.restart()
    for source in ("main", "brief"):
        assert run("GET /", source=source).state == "succeeded"


def test_many_tasks_at_once(start):
    works = [start("GET /series-3000/_search", params={"export": True, "format": "jsonl"}) for _ in range(30)]
    for work in works:
        done = work.ended()
        assert done.state == "succeeded" and done.result["hits"] == 3000 and done.out.count("\n") == 3000


# The guard

def test_the_guard_refuses_before_anything_runs(run, agent, books):
    for line, body, rule in (
            ("POST /books/_delete_by_query", {"query": {"match_all": {}}}, "es.delete-by-query"),
            ("PUT /_cluster/settings", {}, "es.cluster"), ("POST /_tasks/x:1/_cancel", "", "es.kill"),
            ("GET /books/_search?q=a&q=b", "", "es.syntax"), ("GET http://elsewhere/_search", "", "es.syntax"),
            ("POST /.security/_doc", {"a": 1}, "es.system")):
        with pytest.raises(Refused) as refusal:
            run(line, body)
        assert refusal.value.error["rule"] == rule
    agent.set_policy("mode: blacklist-default\n")
    try:
        until(lambda: run("POST /_bulk", action("delete", 1)).state == "rejected", 60, "the agent's own policy")
    finally:
        agent.set_policy(POLICY)
    until(lambda: run("GET /").state == "succeeded", 60, "the agent's policy again")
    assert books.ask("GET", "/books/_count")[1]["count"] == 3


# The manual

EXAMPLE = """{"_index":"books","_id":"2","_score":null,"_source":{"title":"Dream","year":1791},"sort":[1791,1]}
{"_index":"books","_id":"3","_score":null,"_source":{"title":"Faust","year":1808},"sort":[1808,2]}
"""


def test_the_example_of_the_manual(run, books):
    books.ask("PUT", "/books/_doc/2", {"title": "Dream", "year": 1791})
    books.ask("PUT", "/books/_doc/3", {"title": "Faust", "year": 1808})
    done = run("GET /books/_search", '{"query": {"range": {"year": {"lt": 1850}}}, "sort": ["year"]}',
               export=True, format="jsonl")
    assert done.out == EXAMPLE
