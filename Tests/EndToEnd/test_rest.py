# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""What the API refuses, row by row of cases/rest.jsonl: each row says what is sent and which answers are right."""

import base64
import json
import pathlib
import time

import pytest

from harness.rest import API, connect, exchange, head
from harness.site_rest import SilentSite

ROWS = [json.loads(line) for line in (pathlib.Path(__file__).parent / "cases/rest.jsonl").read_text("utf-8").splitlines()]
PROTECTION = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
              "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Strict-Transport-Security": "max-age=31536000"}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = SilentSite(tmp_path_factory.mktemp("rest"))
    try:
        yield site
    finally:
        site.stop()


def generated(site, what):
    """A body, or a whole request, of a size."""
    kind, _, count = what.partition(":")
    count = int(count)
    task = {"agent_id": site.agent_id, "type": "shell", "command": "uptime"}
    if kind == "nested":
        return json.dumps(task)[:-1].encode() + b',"params":' + b'{"a":' * (count - 1) + b"1" + b"}" * (count - 1) + b"}"
    if kind == "open":
        return b"[" * count
    if kind == "keys":
        return json.dumps({f"k{index}": index for index in range(count)}).encode()
    if kind == "params":
        return json.dumps(task | {"params": {f"k{index}": index for index in range(count)}}).encode()
    if kind in ("size", "chunked"):
        return json.dumps(task | {"command": "x" * (count - len(json.dumps(task)))}).encode()
    if kind == "headers":
        return head(site.cloud, "GET", "/healthz", [(f"X-{index}", "y") for index in range(count - 1)])
    if kind == "header":
        return head(site.cloud, "GET", "/healthz", {"X": "y" * count})
    assert kind == "target"
    return head(site.cloud, "GET", "/" + "a" * count, {})


def send(site, row):
    """The answer to a row's request; None when the connection was closed without one."""
    if "raw_b64" in row:
        return exchange(site.cloud, base64.b64decode(row["raw_b64"]))
    if "raw_generated" in row:
        return exchange(site.cloud, generated(site, row["raw_generated"]))
    headers = json.loads(site.fill(json.dumps(row.get("headers", []))))
    pairs = [tuple(pair) for pair in (headers.items() if isinstance(headers, dict) else headers)]
    path = site.fill(row["path"])
    body = row.get("body")
    if body is not None:
        body = json.loads(site.fill(json.dumps(body)))
    elif "body_text" in row:
        body = site.fill(row["body_text"]).encode()
    elif "body_b64" in row:
        body = base64.b64decode(row["body_b64"])
    elif "body_generated" in row:
        body = generated(site, row["body_generated"])
    api = site.api(row["as"])
    if "body_untyped" in row or row.get("body_generated", "").startswith("chunked"):
        pairs = api.headers(pairs)
        if "body_untyped" in row:
            data = site.fill(row["body_untyped"]).encode()
            pairs.append(("Content-Length", str(len(data))))
        else:
            pieces = [body[start:start + 60_000] for start in range(0, len(body), 60_000)]
            data = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
            pairs += [("Transfer-Encoding", "chunked"), ("Content-Type", "application/json")]
        return exchange(site.cloud, head(site.cloud, row["method"], api.root + path, pairs) + data, row["method"])
    return api(row["method"], path, body, pairs)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['id']} {row['why']:.60}")
def test_row(site, row):
    pid, before = site.cloud.pid, site.digest()
    answer = send(site, row)
    assert (answer.status if answer else "close") in row["expect"], answer
    assert site.cloud.running and site.cloud.pid == pid
    if answer and answer.status >= 400:
        assert row["method"] == "HEAD" or set(answer.json["error"]) <= {"code", "message", "hint", "retry_after", "rule"}, answer
    if not row.get("creates"):
        assert site.digest() == before
    if answer:
        for name, value in PROTECTION.items():
            assert answer.headers[name] == value, name
        for name in ["X-Request-Id"] + row.get("header", []):
            assert answer.headers[name], name
        for name in row.get("lacks", []) + ["Access-Control-Allow-Origin", "Server", "X-Powered-By", "X-Injected"]:
            assert answer.headers[name] is None, name


def test_a_token_in_a_url_is_not_logged(site):
    API(site.cloud)("GET", f"/tasks?token={site.tokens['operator']}")
    site.api("operator")("GET", f"/tasks/{site.tokens['operator']}")
    log = site.cloud.log.read_text()
    assert site.tokens["operator"] not in log and site.tokens["operator"].rsplit("_", 1)[1] not in log


def test_unknown_members_are_named(site):
    for body, name in [({"agent_id": "x", "type": "shell", "command": "id", "exit_code": 0}, "exit_code"),
                       ({"agent_id": "x", "type": "shell", "command": 7}, "command"), ({"type": "shell", "command": "id"}, "agent_id")]:
        assert f"'{name}'" in site.api("operator")("POST", "/tasks", body).json["error"]["message"]
    answer = site.api("operator")("POST", "/runs", {"selector": {"all": True}, "spec": {"command": "x", "status": 1}})
    assert "'spec.status'" in answer.json["error"]["message"]


def test_health_needs_nothing_and_nothing_else_does_without(site):
    for path in ("/healthz", "/readyz"):
        assert API(site.cloud)("GET", path).status == 200
    for path in ("/", "/metrics", "/ws", "/healthz/", "/readyz/x", "/index.html", "//api/v1/tasks", "/API/v1/tasks"):
        answer = exchange(site.cloud, head(site.cloud, "GET", path, {"Connection": "close"}))
        assert answer.status == 404, (path, answer)


def test_many_requests_on_one_connection(site):
    """A refusal leaves the connection usable when nothing of the request is left over."""
    with connect(site.cloud) as link:
        for path, status in [("/server", 200), ("/nothing", 404), ("/tasks?nope=1", 400), ("/audit", 403), ("/server", 200)]:
            link.sendall(head(site.cloud, "GET", API.root + path, {"Authorization": f"Bearer {site.tokens['operator']}"}))
            import http.client
            response = http.client.HTTPResponse(link, method="GET")
            response.begin()
            assert response.status == status
            response.read()


def test_a_request_behind_a_refused_body_is_not_read(site):
    """What follows a body that was not read could be taken for a request: the connection ends instead."""
    hidden = head(site.cloud, "POST", "/api/v1/session", {"Authorization": f"Bearer {site.tokens['operator']}"})
    first = head(site.cloud, "POST", "/api/v1/tasks", {"Content-Length": str(len(hidden)), "Content-Type": "application/json"})
    before = site.digest()
    with connect(site.cloud) as link:
        link.sendall(first + hidden)
        received = b""
        while data := link.recv(65536):
            received += data
    assert received.count(b"HTTP/1.1 ") == 1 and b" 401 " in received
    assert site.digest() == before


def test_a_body_that_drips_is_cut(site, full):
    if not full:
        pytest.skip("takes a minute: --full")
    with connect(site.cloud, 90) as link:
        pairs = site.api("operator").headers({"Content-Type": "application/json", "Content-Length": "5000"})
        link.sendall(head(site.cloud, "POST", "/api/v1/tasks", pairs))
        started = time.monotonic()
        link.settimeout(1)
        while time.monotonic() - started < 60:
            try:
                link.sendall(b" ")
                if link.recv(4096):
                    break
                break
            except TimeoutError:
                continue
            except OSError:
                break
        assert time.monotonic() - started < 60


def test_bad_tokens_are_slowed_down(tmp_path):
    site = SilentSite(tmp_path, {"TIANGONG_LIMITS_FAILED_SIGN_INS": "10"})
    try:
        statuses = [site.api("bad")("GET", "/server") for _ in range(30)]
        assert {answer.status for answer in statuses} <= {401, 429}
        # One or the other is let through in between, as time goes by.
        told = [answer for answer in statuses if answer.status == 429]
        assert len(told) > 10 and all(int(answer.headers["Retry-After"]) > 0 and answer.code == "rate_limited" for answer in told)
        assert site.api("viewer")("GET", "/server").status == 200, "a good token is always let in"
    finally:
        site.stop()
