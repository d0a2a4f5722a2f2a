# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""What the API does for those who may: runs, logs, events, sessions of browsers, the audit."""

import http.client
import json
import subprocess

import pytest

from harness import wire
from harness.programs import BIN
from harness.rest import API
from harness.site_rest import SilentSite
from harness.waiting import until


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = SilentSite(tmp_path_factory.mktemp("work"))
    try:
        yield site
    finally:
        site.stop()


@pytest.fixture(scope="module")
def worker(site):
    """The agent `worker-1`, played by the test."""
    with wire.Link(site.cloud, "/ws/agent", site.cloud.token("agent", "worker-1")) as link:
        link.send("agent_register", {"hostname": "w", "max_concurrency": 100})
        link.expect("agent_status")
        yield link


def started(site, worker, command="echo"):
    """A task that runs on the worker."""
    answer = site.api("operator")("POST", "/tasks", {"agent_id": "worker-1", "type": "shell", "command": command})
    assert answer.status == 201, answer
    assert worker.expect("task_create")["data"]["task_id"] == answer.json["id"]
    worker.send("task_status", {"task_id": answer.json["id"], "state": "running"})
    return answer.json["id"]


def end(site, worker, task):
    """Ends a task; what the Cloud has to tell of it is told then."""
    worker.send("task_complete", {"task_id": task, "status": "success", "exit_code": 0})
    until(lambda: site.api("operator").get(f"/tasks/{task}")["task"]["state"] == "succeeded", 30, "the task has ended")


def stored(site, task, count):
    until(lambda: site.cloud.query("SELECT count(*) FROM log_chunks WHERE task_id = ?", task)[0][0] == count, 30, "the log is stored")


def test_a_run_from_beginning_to_end(site, worker):
    operator = site.api("operator")
    answer = operator("POST", "/runs", {"selector": {"agents": ["worker-1", "silent-1"]}, "spec": {"command": "uptime", "timeout": 60}})
    assert answer.status == 201 and len(answer.json["tasks"]) == 2, answer
    run = answer.json["run"]["id"]
    # How many of its tasks are in which state changes by itself.
    assert answer.headers["Location"] == f"/api/v1/runs/{run}"
    assert operator.get(f"/runs/{run}")["run"] | {"counts": None} == answer.json["run"] | {"counts": None}
    task = worker.expect("task_create")["data"]["task_id"]
    end(site, worker, task)
    assert operator.get("/tasks?state=succeeded&limit=1")["items"][0]["id"] == task
    assert {item["id"] for item in operator.get(f"/tasks?run_id={run}")["items"]} == {item["id"] for item in answer.json["tasks"]}
    canceled = operator("POST", f"/runs/{run}/cancel")
    assert {item["state"] for item in canceled.json["tasks"]} == {"succeeded", "canceled"}


def test_pages_go_on_where_the_last_ended(site):
    operator = site.api("operator")
    for _ in range(5):
        assert operator("POST", "/tasks", {"agent_id": site.agent_id, "type": "shell", "command": "true"}).status == 201
    whole = [item["id"] for item in operator.get("/tasks?limit=200")["items"]]
    seen, cursor = [], None
    while cursor is not None or not seen:
        page = operator.get("/tasks?limit=2" + (f"&cursor={cursor}" if cursor else ""))
        seen += [item["id"] for item in page["items"]]
        cursor = page.get("next")
    assert seen == whole and len(set(seen)) == len(seen)


def test_a_key_gives_the_same_task_again(site):
    operator, body = site.api("operator"), {"agent_id": site.agent_id, "type": "shell", "command": "uptime"}
    first, second = (operator("POST", "/tasks", body, {"Idempotency-Key": "once"}) for _ in range(2))
    assert first.status == second.status == 201 and first.json["id"] == second.json["id"]
    other = operator("POST", "/tasks", body | {"command": "id"}, {"Idempotency-Key": "once"})
    assert other.status == 409 and other.code == "conflict"


PIECES = [b"one\n", b"\x1b[31mtwo\x00\xff\n", "天工\n".encode(), b"x" * 60_000]


def test_a_log_is_the_bytes_that_were_written(site, worker):
    task, viewer = started(site, worker), site.api("viewer")
    for piece in PIECES:
        envelope = json.dumps({"type": "task_log", "data": {"task_id": task}}).encode()
        worker.socket.send(len(envelope).to_bytes(4, "big") + envelope + piece)
    stored(site, task, len(PIECES))
    answer = viewer("GET", f"/tasks/{task}/logs")
    assert answer.status == 200 and answer.headers["Content-Type"] == "text/plain" and answer.body == b"".join(PIECES)
    lines = viewer("GET", f"/tasks/{task}/logs", headers={"Accept": "application/x-ndjson"})
    chunks = [json.loads(line) for line in lines.body.splitlines()]
    import base64
    content = [chunk["text"].encode() if "text" in chunk else base64.b64decode(chunk["base64"]) for chunk in chunks]
    assert content == PIECES and [chunk["seq"] for chunk in chunks] == list(range(len(PIECES)))
    assert [chunk["length"] for chunk in chunks] == [len(piece) for piece in PIECES]
    assert viewer("GET", f"/tasks/{task}/logs?from_seq=2").body == b"".join(PIECES[2:])
    assert viewer("GET", f"/tasks/{task}/logs?limit=20").body == b"".join(PIECES[:2]), "whole chunks up to the limit"
    assert viewer("GET", f"/tasks/{task}/logs?from_seq=3&limit=1").body == PIECES[3], "at least one chunk"
    assert viewer("GET", f"/tasks/{task}/logs?stream=stderr").body == b""
    assert viewer("GET", f"/tasks/{task}/logs?from_seq=99").body == b""
    end(site, worker, task)


def test_a_log_is_followed_to_its_end(site, worker):
    task = started(site, worker)
    response = site.api("viewer").stream(f"/tasks/{task}/logs?follow=true")
    for word in ("first", "second"):
        worker.send("task_log", {"task_id": task, "content": word})
        assert response.read(len(word)) == word.encode()
    end(site, worker, task)
    assert response.read() == b""
    response.close()


def test_a_followed_log_that_is_cut_is_not_taken_for_whole(site, worker):
    token = site.cloud.token("operator", "vera", role="viewer")
    task = started(site, worker)
    response = API(site.cloud, token).stream(f"/tasks/{task}/logs?follow=true")
    worker.send("task_log", {"task_id": task, "content": "before"})
    assert response.read(6) == b"before"
    id, = [row[0] for row in site.cloud.query("SELECT id FROM tokens WHERE name = 'vera'")]
    assert site.admin("DELETE", f"/tokens/{id}").status == 204
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        response.read()
    response.close()
    end(site, worker, task)


def test_a_reader_who_hangs_up_leaves_nothing_behind(site, worker):
    task = started(site, worker)
    before = site.cloud.descriptors()
    streams = [site.api("viewer").stream(path) for path in [f"/tasks/{task}/logs?follow=true", "/events"] * 10]
    assert site.cloud.descriptors() >= before + 10, "the streams are open"
    for stream in streams:
        stream.close()
    until(lambda: site.cloud.descriptors() <= before + 2, 30, "the connections are gone")
    end(site, worker, task)


def test_one_token_reads_so_many_streams(site):
    api = API(site.cloud, site.cloud.token("operator", "many", role="viewer"))
    streams = [api.stream("/events") for _ in range(32)]
    assert all(stream.status == 200 for stream in streams)
    assert api("GET", "/events").status == 429
    for stream in streams:
        stream.close()
    until(lambda: api.stream("/events").status == 200, 30, "there is room again")


def event(response):
    """The next event: its type and data."""
    kind = None
    while line := response.readline():
        if line.startswith(b"event: "):
            kind = line[7:].strip().decode()
        elif line.startswith(b"data: "):
            return kind, json.loads(line[6:])
    raise AssertionError("the stream ended")


def test_events_tell_what_changes_within_reach(site, worker):
    response = site.api("viewer").stream("/events")
    assert response.headers["Content-Type"] == "text/event-stream" and response.readline().startswith(b":")
    foreign = site.api("foreign").stream("/events")
    assert foreign.readline().startswith(b":")
    task = started(site, worker)
    kinds = []
    while not kinds or kinds[-1][1]["state"] != "running":
        kind, data = event(response)
        assert kind == "task_changed" and data["id"] == task
        kinds.append((kind, data))
    end(site, worker, task)
    answer = site.admin("PATCH", "/agents/guarded-1", {"environment": "elsewhere"})
    assert answer.status == 200 and answer.json["environment"] == "elsewhere"
    kind, data = event(foreign)
    assert kind == "agent_changed" and data["id"] == site.guarded_id, "nothing of the task was told"
    site.admin("PATCH", "/agents/guarded-1", {"environment": "guarded"})
    assert event(foreign) == ("agent_removed", {"id": site.guarded_id})
    for each in (response, foreign):
        each.close()


# -- browsers ---------------------------------------------------------------------------------------------------------

def cookie(answer):
    value = answer.headers["Set-Cookie"]
    assert value.startswith("__Host-tiangong=") and {part.strip() for part in value.split(";")[1:]} >= {"Path=/", "Secure", "HttpOnly", "SameSite=Strict"}
    return value.split(";")[0]


def test_the_session_of_a_browser(site):
    opened = site.api("operator")("POST", "/session")
    assert opened.status == 201 and opened.json["role"] == "operator"
    assert site.tokens["operator"] not in opened.headers["Set-Cookie"], "the token itself is never a cookie"
    session, browser = cookie(opened), API(site.cloud)
    origin = {"Cookie": session, "Origin": site.cloud.url}
    assert browser("GET", "/server", headers=origin).json["actor"] == "operator-1"
    assert browser("GET", "/server", headers=origin | {"Origin": f"https://localhost:{site.cloud.port}"}).status == 200
    assert browser("GET", "/audit", headers=origin).status == 403, "no stronger than its token"
    for wrong in ({"Cookie": session}, origin | {"Origin": "https://evil.example"}, origin | {"Origin": "null"}):
        assert browser("GET", "/server", headers=wrong).status == 403
        assert wire.refusal(site.cloud, "/ws/operator", headers=wrong) == 403
    assert wire.refusal(site.cloud, "/ws/operator", headers=origin) is None
    assert wire.refusal(site.cloud, "/ws/agent", headers=origin) == 403
    assert browser("POST", "/session", headers=origin).status == 403, "a session opens no session"
    ended = browser("DELETE", "/session", headers=origin)
    assert ended.status == 204 and "Max-Age=0" in ended.headers["Set-Cookie"]
    assert browser("GET", "/server", headers=origin).status == 401
    assert site.api("operator")("GET", "/server").status == 200, "the token lives on"
    assert site.api("operator")("DELETE", "/session").status == 400


def test_a_session_does_not_outlive_its_token(site):
    token = site.cloud.token("operator", "brief", role="viewer")
    origin = {"Cookie": cookie(API(site.cloud, token)("POST", "/session")), "Origin": site.cloud.url}
    link = wire.open_link(site.cloud, "/ws/operator", headers=origin)
    id, = [row[0] for row in site.cloud.query("SELECT id FROM tokens WHERE name = 'brief' AND opened_with IS NULL")]
    subprocess.run([BIN / "tiangong-cloud", "token", "revoke", id, "--data-dir", site.cloud.data],
                   env=site.cloud.environment, check=True, timeout=30)
    assert API(site.cloud)("GET", "/server", headers=origin).status == 401
    with pytest.raises(Exception) as closed:
        link.recv(30)
    assert closed.value.rcvd.code == 1008


def test_configured_origins_replace_the_names(tmp_path):
    site = SilentSite(tmp_path, {"TIANGONG_ORIGINS": "https://deploy.example.org,https://other.example.org:444"})
    try:
        session = cookie(site.api("viewer")("POST", "/session"))
        for origin, status in [("https://deploy.example.org", 200), ("https://other.example.org:444", 200), (site.cloud.url, 403),
                               ("https://deploy.example.org:443", 403), ("http://deploy.example.org", 403)]:
            assert API(site.cloud)("GET", "/server", headers={"Cookie": session, "Origin": origin}).status == status, origin
    finally:
        site.stop()


# -- the audit --------------------------------------------------------------------------------------------------------

def test_what_was_refused_is_in_the_audit(site):
    assert site.api("viewer")("POST", "/tasks", {"agent_id": "silent-1", "type": "shell", "command": "uptime"}).status == 403
    assert site.api("foreign")("DELETE", f"/agents/{site.agent_id}").status == 404
    records = site.api("approver").get("/audit?verdict=deny")["items"]
    tried = {(record["actor"], record["action"], record["result"]) for record in records}
    assert {("viewer-1", "run.create", "forbidden"), ("fred", "agent.remove", "not_found")} <= tried
    assert all(record["source"] == "127.0.0.1" for record in records if record["actor"] == "viewer-1")


def test_the_audit_is_exported_whole(site):
    for _ in range(30):
        site.api("viewer")("GET", "/audit")
    answer = site.api("approver")("GET", "/audit/export")
    assert answer.status == 200 and answer.headers["Content-Type"] == "application/x-ndjson"
    records = [json.loads(line) for line in answer.body.splitlines()]
    assert [record["seq"] for record in records] == list(range(1, len(records) + 1)) and len(records) > 50
    assert all(earlier["hash"] == later["prev"] for earlier, later in zip(records, records[1:]))
    assert site.api("approver").get("/audit/1") == records[0]
    verified = site.api("approver")("POST", "/audit/verify", {"agents": []}).json["chains"][0]
    assert verified["chain"] == "cloud" and verified["findings"] == [] and verified["records"] >= len(records)
