# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Tasks of type api against a real HTTP server: requests, expectations, redirects, retries, limits, TLS, and the guard."""

import contextlib
import hashlib
import json
import re
import socket
import threading

import pytest

from harness.backends.server import free_port
from harness.backends.web import Web
from harness.certificates import Authority
from harness.traces import files
from harness.work import Refused, Work, perform

PASSWORD, TOKEN = "p:s-wort-4711", "canary-token-0815"


@pytest.fixture(scope="module")
def web():
    with Web() as web:
        yield web


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture(scope="module")
def secure(authority, tmp_path_factory):
    with Web(certificate=authority.server(tmp_path_factory.mktemp("tls"))) as web:
        yield web


@pytest.fixture(scope="module")
def agent(site, authority, tmp_path_factory):
    """May reach 127.0.0.1 and nothing else that is not public."""
    ca = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.write_text(authority.pem())
    agent = site.agent("api-1", wait=False, settings={"HTTP_PROXY": "http://127.0.0.1:1", "http_proxy": "http://127.0.0.1:1"},
                       executors={"api": {"allow": ["127.0.0.1"], "ca-file": str(ca), "connect-timeout": "2s"}})
    agent.secret("password", PASSWORD.encode())
    agent.secret("token", TOKEN.encode())
    agent.secret("lines", b"two-lines\r\nX-Evil: 1")
    site.wait_online("api-1")
    return agent


@pytest.fixture
def call(site, agent):
    return lambda command, params=None, **spec: perform(site, "api-1", "api", command, params, **spec)


# Requests

def test_an_answer_is_shown_and_told_of(call, web):
    done = call(f"GET {web.url('/')}")
    assert done.state == "succeeded", done
    assert done.out == "welcome to 天工\n"
    body = "welcome to 天工\n".encode()
    facts = done.result
    assert (facts["status"], facts["bytes"], facts["attempts"]) == (200, len(body), 1)
    assert facts["sha256"] == hashlib.sha256(body).hexdigest()
    assert facts["url"] == web.url("/") and facts["address"] == "127.0.0.1"
    assert facts["headers"]["content-type"] == "text/plain; charset=utf-8" and facts["duration_ms"] >= 0
    assert "set-cookie" not in facts["headers"], "cookies are credentials"
    assert f"tiangong: 200 OK, text/plain; charset=utf-8, {len(body)} bytes in " in done.notes


def test_the_worked_example_of_the_manual(call, web):
    done = call(f"GET {web.url('/json')}", {"retries": 5, "expect_json": {"/status": "ok"}})
    assert done.state == "succeeded" and done.out == '{"status": "ok", "items": [{"id": 7, "a/b": null}], "load": 1.0}'
    assert re.fullmatch(r"tiangong: 200 OK, application/json, 64 bytes in \d+ ms\n", done.notes), done.notes


def test_a_request_is_sent_as_it_was_asked_for(call, web):
    done = call(f"post {web.url('/echo/a%2Fb/%7Euser/x%5By%5D?z=1&q=%C3%BC')}", {
        "headers": {"X-One": "1", "user-agent": "mine/2"}, "query": {"n": "a b&c=1"}, "body": "line\nline 天\n"})
    assert done.state == "succeeded", done
    sent = web.last
    assert sent.method == "POST" and sent.target == "/echo/a%2Fb/~user/x%5By%5D?z=1&q=%C3%BC&n=a%20b%26c%3D1"
    assert sent.body == "line\nline 天\n".encode()
    assert sent.headers["X-One"] == "1" and sent.headers.get_all("User-Agent") == ["mine/2"]
    assert sent.headers["Host"] == f"127.0.0.1:{web.port}" and sent.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "Accept-Encoding" not in sent.headers, "what is compressed could grow without bound"


@pytest.mark.parametrize("method", ["HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"])
def test_methods(call, web, method):
    done = call(f"{method} {web.url('/echo')}")
    assert done.state == "succeeded" and web.last.method == method, done
    assert (done.out == "") == (method == "HEAD")


def test_json_is_sent_with_secrets_in_it(site, call, web):
    done = call(f"POST {web.url('/who')}", {"body_json": {"user": "olga", "deep": [{"password": {"secret_ref": "password"}}]}})
    assert done.state == "succeeded"
    assert json.loads(web.last.body) == {"user": "olga", "deep": [{"password": PASSWORD}]}
    assert web.last.headers["Content-Type"] == "application/json"


def test_secrets_reach_the_server_and_nobody_else(site, call, web, agent):
    params = {"headers": {"X-Api-Key": {"secret_ref": "token"}}, "query": {"token": {"secret_ref": "token"}},
              "basic_user": "olga", "basic_password": {"secret_ref": "password"}}
    done = call(f"GET {web.url('/private')}", params | {"expect_headers": {"X-None": {"secret_ref": "token"}}})
    assert web.last.headers["X-Api-Key"] == TOKEN and web.last.target == f"/private?token={TOKEN}"
    assert done.result["status"] == 200 and done.error["code"] == "task_failed"
    assert done.error["message"] == "there is no header X-None, expected the secret token"
    assert done.result["url"] == web.url("/private?token={token}")
    done = call(f"GET {web.url('/echo')}", {"bearer": {"secret_ref": "token"}})
    assert web.last.headers["Authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in done.out and "[redacted]" in done.out, "a server that tells it is silenced"
    refused = call(f"GET {web.url('/who')}", {"headers": {"X-A": {"secret_ref": "lines"}}})
    assert refused.error["code"] == "start_failed" and "'lines' holds a line break" in refused.error["message"]
    kept = b"".join(data for _, data in files(site.directory, [agent.secrets]))
    assert TOKEN.encode() not in kept and PASSWORD.encode() not in kept and b"X-Evil" not in kept


def test_bytes_stay_bytes(call, web):
    done = call(f"GET {web.url('/bytes')}")
    assert done.streams["stdout"] == bytes(range(256)) and done.result["bytes"] == 256


def test_a_body_need_not_be_shown(call, web):
    done = call(f"GET {web.url('/')}", {"show_body": False, "expect_body": "天工"})
    assert (done.state, done.out, done.result["bytes"]) == ("succeeded", "", 18)


# Expectations

@pytest.mark.parametrize("path, params", [
    ("/status/204", {}), ("/status/404", {"expect_status": ["404"]}), ("/status/503", {"expect_status": ["200", "500-504"]}),
    ("/status/302", {"expect_status": ["3xx"]}), ("/", {"expect_body": "天工", "expect_headers": {"x-zone": "a"}}),
    ("/json", {"expect_json": {"/status": "ok", "/items/0": {"id": 7, "a/b": None}, "/items/0/a~1b": None, "/load": 1}}),
    ("/json", {"expect_matches": '.*"status": "ok".*'}), ("/", {"expect_matches": "welcome to [^a-z]+"}),
])
def test_an_answer_as_expected(call, web, path, params):
    done = call(f"GET {web.url(path)}", params)
    assert done.state == "succeeded", done


@pytest.mark.parametrize("path, params, message", [
    ("/status/503", {}, "the status is 503 Service Unavailable, expected 2xx"),
    ("/", {"expect_status": ["201", "4xx"]}, "the status is 200 OK, expected 201, 4xx"),
    ("/", {"expect_body": "ill"}, "the body does not hold 'ill'"),
    ("/", {"expect_matches": "welcome"}, "no line of the body matches welcome"),
    ("/", {"expect_headers": {"X-Zone": "b"}}, "the header X-Zone is 'a', expected 'b'"),
    ("/", {"expect_headers": {"X-Other": "b"}}, "there is no header X-Other, expected 'b'"),
    ("/", {"expect_headers": {"Set-Cookie": "b"}}, "the header Set-Cookie is another, expected 'b'"),
    ("/json", {"expect_json": {"/status": "ill", "/items/1": 0}},
     'there is no /items/1 in the body, expected 0; /status is "ok", expected "ill"'),
    ("/", {"expect_json": {"/status": "ok"}}, "the body is not JSON that can be checked: not valid JSON"),
    ("/status/500", {"expect_body": "x"}, "the status is 500 Internal Server Error, expected 2xx; the body does not hold 'x'"),
    ("/big?mib=2", {"expect_body": "x", "show_body": False},
     "the body is over 1048576 bytes, more than max_body, and was not checked"),
])
def test_a_difference_is_named(call, web, path, params, message):
    done = call(f"GET {web.url(path)}", params)
    assert done.state == "failed" and done.error == {"code": "task_failed", "message": message}
    assert done.result["status"] >= 200 and "sha256" in done.result and "set-cookie" not in done.result["headers"]


# What is refused before anything is sent

@pytest.mark.parametrize("command, params, message", [
    ("GET", {}, "not a method and a URL"), ("GET http://a/ b", {}, "not a method and a URL"),
    ("GET http://app.example/\nHost: evil", {}, "line break"), ("TRACE http://app.example/", {}, "TRACE is not sent"),
    ("CONNECT http://app.example/", {}, "CONNECT is not sent"), ("G@T http://app.example/", {}, "not a method"),
    ("GET ftp://app.example/", {}, "http:// or https://"), ("GET file:///etc/passwd", {}, "http:// or https://"),
    ("GET http://olga:secret@app.example/", {}, "credentials"), ("GET http://app.example/#x", {}, "fragment"),
    ("GET http://app.example/?access_token=x", {}, "access_token"), ("GET http://app.example/a/../b", {}, ". or .."),
    ("GET http://app.example/%252e%252e/b", {}, ". or .."), ("GET http://app.example/a%0d%0ab", {}, "control character"),
    ("GET http://0x7f.1/", {}, "looks like an IPv4 address"), ("GET http://2130706433/", {}, "looks like an IPv4 address"),
    ("GET http://0177.0.0.1/", {}, "looks like an IPv4 address"), ("GET http://127.1/", {}, "looks like an IPv4 address"),
    ("GET http://１２７.0.0.1/", {}, "percent-encoded"), ("GET http://[fe80::1%25eth0]/", {}, "no IPv6 address"),
    ("GET http://app.example:0/", {}, "1 to 65535"), ("GET http://app.example:70000/", {}, "1 to 65535"),
    ("GET http://a/", {"headers": {"Host": "b"}}, "Host"), ("GET http://a/", {"headers": {"content-length": "1"}}, "content-length"),
    ("GET http://a/", {"headers": {"Transfer-Encoding": "chunked"}}, "Transfer-Encoding"),
    ("GET http://a/", {"headers": {"Connection": "x"}}, "Connection"),
    ("GET http://a/", {"headers": {"X-HTTP-Method-Override": "DELETE"}}, "X-HTTP-Method-Override"),
    ("GET http://a/", {"headers": {"X-A": "1\r\nX-B: 2"}}, "line break"), ("GET http://a/", {"headers": {"X A": "1"}}, "no name"),
    ("GET http://a/", {"headers": {"X-A": "1", "x-a": "2"}}, "twice"), ("GET http://a/", {"body": "x", "body_json": 1}, "exclude"),
    ("GET http://a/", {"basic_password": {"secret_ref": "x"}}, "without basic_user"),
    ("GET http://a/", {"bearer": "text"}, "secret_ref"), ("GET http://a/", {"expect_status": ["20"]}, "no status"),
    ("GET http://a/", {"expect_matches": "(a"}, "expect_matches"), ("GET http://a/", {"expect_json": {"a": 1}}, "JSON pointer"),
    ("GET http://a/", {"retries": -1}, "retries"), ("GET http://a/", {"colour": 1}, "colour"),
])
def test_the_cloud_refuses_what_makes_no_request(site, agent, command, params, message):
    with pytest.raises(Refused) as refused:
        perform(site, "api-1", "api", command, params)
    assert refused.value.error["code"] in ("invalid_argument", "too_large")
    assert message in refused.value.error["message"], refused.value


def test_an_agent_that_does_not_list_it_runs_none(site, web):
    site.agent("plain-1")
    with pytest.raises(Refused) as refused:
        perform(site, "plain-1", "api", f"GET {web.url('/')}")
    assert refused.value.error["code"] == "unsupported"


# Redirects

def test_a_redirect_is_told_and_not_followed(call, web):
    done = call(f"GET {web.url('/redirect?to=/')}")
    assert done.error["message"] == "the status is 302 Found, expected 2xx; it redirects to /, which was not followed"
    assert done.result["headers"]["location"] == "/"


def test_redirects_are_followed_when_asked_for(call, web):
    count = len(web.requests)
    done = call(f"POST {web.url('/redirect?status=303&to=../redirect%3Fto=/who')}", {"body": "x", "follow_redirects": True})
    assert (done.state, done.out) == ("succeeded", "web"), done
    assert done.result["redirects"] == [web.url("/redirect?to=/who"), web.url("/who")] and done.result["url"] == web.url("/who")
    assert [request.method for request in web.requests[count:]] == ["POST", "GET", "GET"]
    assert web.last.body == b"" and "elsewhere" not in done.out
    done = call(f"PUT {web.url('/redirect?status=307&to=/echo')}", {"body": "kept", "follow_redirects": True})
    assert (web.last.method, web.last.body) == ("PUT", b"kept")


def test_three_redirects_are_enough(call, web):
    count = len(web.requests)
    done = call(f"GET {web.url('/loop')}", {"follow_redirects": True, "retries": 3, "retry_delay": 0})
    assert done.state == "failed" and "more than 3 times" in done.error["message"]
    assert len(web.requests) - count == 4 and len(done.result["redirects"]) == 3


@pytest.mark.parametrize("target, code, message", [
    ("http://169.254.169.254/latest/meta-data/", "forbidden", "169.254.169.254 is link-local"),
    ("//127.0.0.2:{port}/who", "forbidden", "127.0.0.2 is loopback"),
    ("http://[::ffff:169.254.169.254]/", "forbidden", "written as IPv6"), ("http://2852039166/", "invalid_argument", "looks like"),
    ("file:///etc/passwd", "invalid_argument", "http:// or https://"), ("http://a:b@127.0.0.1/", "invalid_argument", "credentials"),
])
def test_a_redirect_leads_nowhere_that_is_closed(call, web, target, code, message):
    done = call(f"GET {web.url('/redirect?to=' + target.format(port=web.port).replace('&', '%26'))}", {"follow_redirects": True})
    assert done.state == "failed" and done.error["code"] == code and message in done.error["message"], done


def test_a_redirect_does_not_lose_tls(call, secure, web):
    done = call(f"GET {secure.url('/redirect?to=' + web.url('/who'))}", {"follow_redirects": True})
    assert done.error["code"] == "forbidden" and "from https to http" in done.error["message"]
    done = call(f"GET {web.url('/redirect?to=' + secure.url('/who'))}", {"follow_redirects": True})
    assert done.state == "succeeded"


def test_credentials_and_bodies_stay_with_the_server_they_are_for(call, web):
    with Web(label="other") as other:
        done = call(f"GET {web.url('/redirect?to=' + other.url('/who'))}", {
            "follow_redirects": True, "bearer": {"secret_ref": "token"}, "headers": {"Cookie": "a=b", "X-Key": "k", "Accept": "text/*"}})
        assert done.out == "other"
        assert {"Authorization", "Cookie", "X-Key"} & set(other.last.headers) == set() and other.last.headers["Accept"] == "text/*"
        done = call(f"PUT {web.url('/redirect?status=308&to=' + other.url('/who'))}", {"follow_redirects": True, "body": "x"})
        assert done.error["code"] == "forbidden" and "the body to another server" in done.error["message"]
        assert len(other.requests) == 1


# Retries

def test_it_is_tried_again_until_it_is_well(call, web):
    done = call(f"GET {web.url('/flaky?key=a&fails=2')}", {"retries": 5, "retry_delay": 0.05})
    assert (done.state, done.out, done.result["attempts"]) == ("succeeded", "well\n", 3), done
    assert "attempt 1: the status is 503 Service Unavailable, expected 2xx; again in 0.05 s" in done.notes


def test_the_last_attempt_counts(call, web):
    done = call(f"GET {web.url('/flaky?key=b&fails=9')}", {"retries": 2, "retry_delay": 0})
    assert (done.state, done.out, done.result["attempts"], web.counts["b"]) == ("failed", "ill\n", 3, 3)


def test_what_may_have_been_done_is_not_done_twice(call, web):
    done = call(f"POST {web.url('/flaky?key=c&fails=1')}", {"retries": 5, "retry_delay": 0})
    assert done.state == "failed" and web.counts["c"] == 1
    assert done.error["message"].endswith("; not tried again: POST may have been carried out")


def test_what_was_redirected_has_been_sent(call, web):
    count = len(web.requests)
    done = call(f"POST {web.url(f'/redirect?status=303&to=http://127.0.0.1:{free_port()}/')}", {"follow_redirects": True, "retries": 3, "retry_delay": 0})
    assert done.error["message"].endswith("; not tried again: POST may have been carried out") and len(web.requests) == count + 1


def test_a_server_that_is_not_there_yet_is_waited_for(site, agent):
    port = free_port()
    work = Work(site, "api-1", "api", f"POST http://127.0.0.1:{port}/who", {"retries": 1000, "retry_delay": 0.1})
    work.until_output("Connection refused")
    with Web(port=port, label="late"):
        done = work.ended()
    assert (done.state, done.out) == ("succeeded", "late") and done.result["attempts"] > 1


# Limits

def test_a_large_body_does_not_grow_memory(site, agent, call, web, full):
    mib = 1024 if full else 256
    before = agent.memory()
    peak, stop = [before], threading.Event()

    def watch():
        while not stop.wait(0.02):
            peak.append(agent.memory())
    watcher = threading.Thread(target=watch)
    watcher.start()
    done = call(f"GET {web.url(f'/big?mib={mib}')}", {"max_body": 4096}, seconds=300)
    stop.set()
    watcher.join()
    assert done.state == "succeeded", done
    assert done.out == "\0" * 4096 and done.result["bytes"] == mib << 20
    digest = hashlib.sha256()
    for _ in range(mib):
        digest.update(bytes(1 << 20))
    assert done.result["sha256"] == digest.hexdigest()
    assert f"4096 of {mib << 20} bytes of the body are shown" in done.notes
    assert max(peak) - before < 64 << 20, f"{before >> 20} MiB before, {max(peak) >> 20} MiB at most"


def test_the_agent_bounds_what_is_shown(call, web):
    done = call(f"GET {web.url('/')}", {"max_body": 11 << 20})
    assert done.error["code"] == "start_failed" and "this agent's 10485760 bytes" in done.error["message"]


def test_a_silent_server_is_left(call, web):
    web.hanging.clear(), web.gone.clear()
    done = call(f"GET {web.url('/hang')}", {"idle_timeout": 0.3})
    assert done.error["code"] == "unreachable" and "the server said nothing for 0.3 s" in done.error["message"]
    assert web.gone.wait(30), "the connection was closed"


@pytest.mark.parametrize("path, message", [
    ("/cut", "closed the connection before its answer was complete"), ("/rubbish", "not HTTP"), ("/heads", "not HTTP")])
def test_a_broken_answer_is_an_error(call, web, path, message):
    web.gone.clear()
    done = call(f"GET {web.url(path)}")
    assert done.state == "failed" and done.error["code"] == "unreachable" and message in done.error["message"], done
    assert path != "/heads" or web.gone.wait(30)


def test_a_server_that_is_not_there(call):
    port = free_port()
    done = call(f"GET http://127.0.0.1:{port}/")
    assert done.error == {"code": "unreachable", "message": f"http://127.0.0.1:{port}: Connection refused"}


def test_a_server_that_takes_no_connection(call):
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):  # what the listener's queue holds, and more
            queued = stack.enter_context(socket.socket())
            queued.setblocking(False)
            queued.connect_ex(listener.getsockname())
        done = call(f"GET http://127.0.0.1:{listener.getsockname()[1]}/")
        assert done.error["code"] == "unreachable" and "no connection within 2.0 s" in done.error["message"], done


def test_a_server_that_does_not_speak_tls(call, web):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        done = call(f"GET https://127.0.0.1:{listener.getsockname()[1]}/")
        assert done.error["code"] == "unreachable" and "within 2.0 s" in done.error["message"], done
    done = call(f"GET {web.url('/').replace('http:', 'https:')}")
    assert done.error["code"] == "unreachable" and "TLS failed" in done.error["message"], done


def test_cancel_closes_the_connection_at_once(site, agent, web):
    web.hanging.clear(), web.gone.clear()
    work = Work(site, "api-1", "api", f"GET {web.url('/hang')}", grace=120)
    assert web.hanging.wait(60)
    work.cancel()
    assert web.gone.wait(30)
    assert work.ended().state == "canceled"


def test_a_body_is_shown_as_it_comes_until_the_time_is_over(site, agent, web):
    web.gone.clear()
    work = Work(site, "api-1", "api", f"GET {web.url('/drip')}", timeout=5, grace=120)
    work.until_output("drop 3\n")
    done = work.ended()
    assert done.state == "timed_out" and web.gone.wait(30), "the connection was closed"


def test_canceling_between_attempts_does_not_wait(site, agent):
    work = Work(site, "api-1", "api", f"GET http://127.0.0.1:{free_port()}/", {"retries": 3, "retry_delay": 3600})
    work.until_output("again in 3600.0 s")
    work.cancel()
    assert work.ended(60).state == "canceled"


# TLS

def test_tls_is_checked_by_the_settings_own_authority(call, secure):
    done = call(f"GET {secure.url('/who')}")
    assert (done.state, done.out) == ("succeeded", "web"), done


def test_a_stranger_s_certificate_is_refused(call, tmp_path):
    with Web(certificate=Authority().server(tmp_path)) as stranger:
        done = call(f"GET {stranger.url('/who')}", {"retries": 5})
        assert done.error["code"] == "unreachable" and "no authority that this agent believes" in done.error["message"], done
        assert done.result["attempts"] == 1, "it does not get better"
        assert stranger.requests == []


# The guard

GUARDED = r"""
mode: whitelist
allow:
  - '^api GET http://127\.0\.0\.1:{port}/(echo|who)(\?q=[a-z]+)?$'
  - '^api GET http://127\.0\.0\.1:{port}/redirect\?to=[a-z/%0-9]+( follow_redirects)?$'
  - '^api GET http://127\.0\.0\.1:{port}/echo\?key=\{{token\}}$'
"""


@pytest.fixture(scope="module")
def guarded(site, web):
    agent = site.agent("guarded-1", wait=False, policy=GUARDED.format(port=web.port), executors={"api": {"allow": ["127.0.0.1"]}})
    agent.secret("token", TOKEN.encode())
    site.wait_online("guarded-1")
    return lambda command, params=None: perform(site, "guarded-1", "api", command, params)


def test_a_whitelist_names_requests(guarded, web):
    for command, params in [
        (f"GET {web.url('/echo')}", {}), (f"get HTTP://127.0.0.1.:{web.port}/%65cho", {}), (f"GET {web.url('/echo')}", {"query": {"q": "abc"}}),
        (f"GET {web.url('/echo')}", {"query": {"key": {"secret_ref": "token"}}}),
    ]:
        done = guarded(command, params)
        assert done.state == "succeeded", done
    for command, params in [
        (f"POST {web.url('/echo')}", {}), (f"GET {web.url('/')}", {}), (f"GET {web.url('/echo/x')}", {}),
        (f"GET http://127.0.0.1:{web.port + 1}/echo", {}), (f"GET {web.url('/echo')}", {"query": {"q": "a&b"}}),
        (f"GET {web.url('/echo')}", {"follow_redirects": True}), (f"GET {web.url('/echo')}", {"query": {"key": "{token}"}}),
    ]:
        count = len(web.requests)
        done = guarded(command, params)
        assert done.state == "rejected" and done.error["code"] == "policy_denied", done
        assert "whitelist" in done.error["message"] and len(web.requests) == count


def test_a_whitelist_holds_for_redirects_too(guarded, web):
    done = guarded(f"GET {web.url('/redirect?to=/who')}", {"follow_redirects": True})
    assert (done.state, done.out) == ("succeeded", "web"), done
    count = len(web.requests)
    done = guarded(f"GET {web.url('/redirect?to=/status/200')}", {"follow_redirects": True})
    assert done.state == "failed" and done.error["code"] == "policy_denied" and "/status/200" in done.error["message"]
    assert len(web.requests) == count + 1


def test_the_cloud_judges_the_same_line(site, agent, web):
    site.policy("api", scope={"labels": {"role": "demo"}}, mode="blacklist-default", deny=["^api [A-Z]+ http://127\\.0\\.0\\.1:[0-9]+/who$"])
    try:
        for command, params in [(f"GET {web.url('/who')}", {}), (f"GET {web.url('/%77ho')}", {}), (f"GET {web.url('/who')}", {"follow_redirects": True})]:
            with pytest.raises(Refused) as refused:
                perform(site, "api-1", "api", command, params)
            assert refused.value.error["code"] == "policy_denied" and refused.value.error["rule"] == "deny[0]"
        assert perform(site, "api-1", "api", f"GET {web.url('/echo')}").state == "succeeded"
    finally:
        site.policy("api", scope={"labels": {"role": "nobody"}}, mode="blacklist-default")
