# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Nothing that arrives on a link can bring the server down, and no link suffers for another's mistakes."""

import contextlib
import json
import struct
import time

import pytest
from websockets.exceptions import ConnectionClosed

from harness import wire
from harness.waiting import until

HOST = {"hostname": "h", "version": "1"}
REFUSED = {"invalid_argument", "unsupported", "too_large", "conflict", "not_found", "forbidden", "protocol_error"}
CLOSED = {1002, 1003, 1007, 1008, 1009}


@pytest.fixture(scope="module")
def tokens(site):
    return {"agent": site.cloud.token("agent", "wild"), "operator": site.cloud.token("operator", "wilma"),
            "other": site.cloud.token("agent", "mild")}


@pytest.fixture(scope="module")
def bystander(site, tokens):
    """A link that must not notice anything of what happens to the others."""
    with wire.Link(site.cloud, "/ws/operator", tokens["operator"]) as link:
        yield link


@pytest.fixture(autouse=True)
def others_are_unaffected(site, bystander):
    pid = site.cloud.pid
    yield
    assert site.cloud.running and site.cloud.pid == pid
    assert bystander.ask("server_info")["data"]["actor"] == "wilma"


@pytest.fixture
def agent(site, tokens):
    with wire.Link(site.cloud, "/ws/agent", tokens["agent"]) as link:
        link.send("agent_register", HOST)
        link.expect("agent_status")
        yield link


@pytest.fixture
def link(site, tokens):
    with wire.Link(site.cloud, "/ws/operator", tokens["operator"]) as link:
        yield link


def refused(link):
    kind, code = link.outcome()
    assert code in (REFUSED if kind == "error" else CLOSED), (kind, code)
    return kind


def still_serves(link):
    """After an error answer the link goes on."""
    link.send("agent_heartbeat", {"running": 0})
    link.send("say_that_you_read_this", {})
    while "say_that_you_read_this" not in link.expect("error")["data"]["message"]:
        pass


def nested(levels):
    return "[" * levels + "]" * levels


TEXTS = {
    "empty": "", "null": "null", "a number": "17", "a string": '"x"', "an array": "[]", "an empty object": "{}",
    "cut short": '{"type": "task_log", "data": {"task', "trailing text": '{"type":"agent_heartbeat","data":{}} x',
    "single quotes": "{'type':'task_log'}", "NaN": '{"type":"agent_heartbeat","data":{"load":NaN}}',
    "type is null": '{"type":null,"data":{}}', "type is a number": '{"type":5,"data":{}}',
    "type is an object": '{"type":{"a":1},"data":{}}', "type is missing": '{"data":{}}', "type is empty": '{"type":"","data":{}}',
    "type is long": json.dumps({"type": "x" * 5000, "data": {}}),
    "unknown type": '{"type":"open_the_door","data":{}}', "no data": '{"type":"task_complete"}',
    "data is a string": '{"type":"task_complete","data":"x"}', "data is null": '{"type":"task_complete","data":null}',
    "id is an object": '{"type":"agent_heartbeat","id":{},"data":{}}',
    "task_id is an object": '{"type":"task_log","data":{"task_id":{"a":1},"content":"x"}}',
    "task_id is markup": '{"type":"task_log","data":{"task_id":"<img src=x>","content":"x"}}',
    "seq is text": '{"type":"task_log","data":{"task_id":"aaaaaaaaaaaaaaaa","seq":"1","content":"x"}}',
    "seq is huge": '{"type":"task_log","data":{"task_id":"aaaaaaaaaaaaaaaa","seq":1e400,"content":"x"}}',
    "seq is over 64 bits": '{"type":"task_log","data":{"task_id":"aaaaaaaaaaaaaaaa","seq":18446744073709551616,"content":"x"}}',
    "seq is a fraction": '{"type":"task_log","data":{"task_id":"aaaaaaaaaaaaaaaa","seq":1.5,"content":"x"}}',
    "running is huge": '{"type":"agent_heartbeat","data":{"running":99999999999999999999999999}}',
    "running is a list": '{"type":"agent_heartbeat","data":{"running":[]}}',
    "exit code is huge": '{"type":"task_complete","data":{"task_id":"aaaaaaaaaaaaaaaa","status":"failed","exit_code":9999999999}}',
    "status is unknown": '{"type":"task_complete","data":{"task_id":"aaaaaaaaaaaaaaaa","status":"splendid"}}',
    "a task nobody knows": '{"type":"task_complete","data":{"task_id":"aaaaaaaaaaaaaaaa","status":"succeeded"}}',
    "a log nobody asked for": '{"type":"task_log","data":{"task_id":"aaaaaaaaaaaaaaaa","content":"x"}}',
    "no content": '{"type":"task_log","data":{"task_id":"aaaaaaaaaaaaaaaa"}}',
    "33 levels": '{"type":"agent_heartbeat","data":' + nested(32) + "}",
    "400 levels": '{"type":"agent_heartbeat","data":' + nested(400) + "}",
    "100 000 levels": nested(100_000), "never closed": "[" * 100_000,
    "many elements": '{"type":"agent_heartbeat","data":[' + "0," * 300_000 + "0]}",
    "the Cloud's own task_create": '{"type":"task_create","data":{"task_id":"aaaaaaaaaaaaaaaa","type":"shell","command":"id"}}',
    "the Cloud's own agent_status": '{"type":"agent_status","data":{"status":"online"}}',
    "an operator's request": '{"type":"agent_list","id":"1","data":{}}',
    "registered twice": json.dumps({"type": "agent_register", "data": HOST}),
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_texts_of_an_agent(agent, text):
    pieces = [text[start:start + 100_000] for start in range(0, len(text), 100_000)]
    agent.socket.send(iter(pieces) if len(pieces) > 1 else text)
    if refused(agent) == "error":
        still_serves(agent)


@pytest.mark.parametrize("text", [
    "", "null", "[]", "{}", '{"type":"agent_list"}', '{"type":"agent_list","data":{}}', '{"type":"agent_list","id":"1","data":7}',
    '{"type":"agent_list","id":7,"data":{}}', '{"type":"agent_list","id":"1","data":{"limit":"x"}}',
    '{"type":"agent_list","id":"1","data":{"limit":1e99}}', '{"type":"task_list","id":"1","data":{"limit":-1}}',
    '{"type":"task_list","id":"1","data":{"cursor":"\\u0000"}}', '{"type":"task_list","id":"1","data":{"state":"sleepy"}}',
    '{"type":"task_show","id":"1","data":{"id":""}}', '{"type":"task_show","id":"1","data":{"id":"%"}}',
    '{"type":"task_show","id":"1","data":{"id":"aaaaaaaaaaaaaaaa"}}', '{"type":"log_open","id":"1","data":{"task_id":"*"}}',
    '{"type":"log_open","id":"1","data":{"task_id":"aaaaaaaaaaaaaaaa","from_seq":-9223372036854775808,"follow":true}}',
    '{"type":"run_create","id":"1","data":{"selector":{},"spec":{"command":"true"}}}',
    '{"type":"run_create","id":"1","data":{"selector":{"all":true},"spec":{}}}',
    '{"type":"run_create","id":"1","data":{"selector":{"all":true},"spec":{"command":""}}}',
    '{"type":"run_create","id":"1","data":{"selector":{"all":true},"spec":{"type":"alchemy","command":"x"}}}',
    '{"type":"run_create","id":"1","data":{"selector":{"all":true},"spec":{"command":"true","timeout":-1}}}',
    '{"type":"run_create","id":"1","data":{"selector":{"all":true},"spec":{"command":"true","timeout":1e308}}}',
    '{"type":"run_create","id":"1","data":{"selector":{"all":true},"spec":{"command":"a\\u0000b"}}}',
    '{"type":"task_cancel","id":"1","data":{}}', '{"type":"task_complete","id":"1","data":{"task_id":"aaaaaaaaaaaaaaaa"}}',
    '{"type":"agent_register","id":"1","data":{}}', '{"type":"subscribe","id":"1","data":{"task_id":"*"}}',
], ids=lambda text: text[:70])
def test_texts_of_an_operator(site, link, text):
    before = site.cloud.row_counts()
    link.socket.send(text)
    if refused(link) == "error":
        assert link.ask("server_info")["type"] == "reply"
    assert site.cloud.row_counts() == before


def frame(opcode, payload=b"", fin=True, rsv=0, mask=True, length=None):
    """A frame as bytes, also one that no library would send."""
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    size = len(payload) if length is None else length
    head = bytes([first]) + (bytes([(0x80 if mask else 0) | size]) if size < 126 else
                             bytes([(0x80 if mask else 0) | 126]) + struct.pack(">H", size) if size < 65536 else
                             bytes([(0x80 if mask else 0) | 127]) + struct.pack(">Q", size))
    return head + (bytes(4) if mask else b"") + payload


FRAMES = {
    "RSV1 without an extension": (frame(1, b"{}", rsv=4), {1002}),
    "a reserved opcode": (frame(3), {1002}),
    "a reserved control opcode": (frame(11), {1002}),
    "a continuation of nothing": (frame(0, b"x"), {1002}),
    "a message inside a message": (frame(1, b"{", fin=False) + frame(1, b"{}"), {1002}),
    "text that is not UTF-8": (frame(1, b"\xff\xee"), {1007}),
    "a close frame of one byte": (frame(8, b"\3"), {1002}),
    "close code 1005": (frame(8, struct.pack(">H", 1005)), {1002}),
    "close code 70": (frame(8, struct.pack(">H", 70)), {1002}),
    "a close reason that is not UTF-8": (frame(8, struct.pack(">H", 1000) + b"\xff"), {1007, 1002}),
    "a fragmented ping": (frame(9, b"x", fin=False), {1002}),
    "a ping of 126 bytes": (frame(9, b"x" * 126), {1002}),
    "not masked": (frame(1, b"{}", mask=False), {1002}),
    "a frame of 300 kB": (frame(1, b" " * 300_000), {1009}),
    "a frame that claims 2^62 bytes": (frame(2, b"", length=1 << 62), {1009, 1002}),
    "a frame that claims 2^63 bytes": (frame(2, b"", length=1 << 63), {1009, 1002}),
    "a message of 65 fragments": (frame(1, b" ", fin=False) + frame(0, b" ", fin=False) * 64 + frame(0, b" "), {1009, 1002}),
    "fragments of 1.2 MB together": (frame(1, b" " * 200_000, fin=False) + frame(0, b" " * 200_000, fin=False) * 5, {1009}),
    "a flood of pings": (frame(9) * 50, {1008}),
}


@pytest.mark.parametrize("path, token", [("/ws/agent", "agent"), ("/ws/operator", "operator")])
@pytest.mark.parametrize("data, codes", FRAMES.values(), ids=FRAMES.keys())
def test_frames_that_break_the_rules(site, tokens, path, token, data, codes):
    with wire.Link(site.cloud, path, tokens[token]) as link:
        if token == "agent":
            link.send("agent_register", HOST)
            link.expect("agent_status")
        memory = site.cloud.memory()
        with contextlib.suppress(OSError):  # the server may hang up before it has read everything
            link.socket.socket.sendall(data)
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                link.receive()
        assert closed.value.rcvd and closed.value.rcvd.code in codes, closed.value
        assert site.cloud.memory() - memory < 32 << 20


def binary(header, payload=b"", length=None):
    return struct.pack(">I", len(header) if length is None else length) + header + payload


@pytest.mark.parametrize("data", [
    b"", b"\0", b"\0\0\0", binary(b"{}"), binary(b"{}", length=2**32 - 1), binary(b"{}", length=2**31), binary(b"x" * 70_000),
    binary(b'{"type":"task_log","data":{"task_id":"aaaaaaaaaaaaaaaa","attempt":1,"seq":0,"offset":0,"stream":"stdout"}}', b"x"),
    binary(b'{"type":"task_log","data":{"task_id":"aaaaaaaaaaaaaaaa","attempt":1,"seq":0,"offset":0,"codec":"zstd","raw_length":99999999}}', b"x"),
], ids=["empty", "one byte", "three bytes", "no type", "length 2^32-1", "length 2^31", "long header", "unknown task", "zstd of 100 MB"])
def test_binary_frames_of_an_agent(agent, data):
    agent.socket.send(data)
    if refused(agent) == "error":
        still_serves(agent)


def test_fragments_are_joined(agent):
    agent.socket.send(iter(['{"type":"no_such', '_type",', '"data":{}}']))
    assert "no_such_type" in agent.expect("error")["data"]["message"]


def test_an_agent_cannot_end_the_task_of_another(site, tokens, agent, operator, tmp_path):
    gate = tmp_path / "gate"
    run = operator.detach("-a", "demo-1", "--", f"until [ -e {gate} ]; do sleep 0.05; done; exit 5")
    task = operator.in_state(run, "running")
    for status in ("succeeded", "failed"):
        agent.send("task_complete", {"task_id": task["id"], "attempt": 1, "status": status, "exit_code": 0})
        assert agent.outcome()[1] in REFUSED
    agent.send("task_log", {"task_id": task["id"], "content": "forged\n"})
    assert agent.outcome()[1] in REFUSED
    gate.touch()
    ended, = operator.ended(run)
    assert (ended["state"], ended["exit_code"]) == ("failed", 5)
    assert operator.raw(run, "stdout") == b""


def test_an_agent_cannot_claim_another_identity(site, tokens, operator):
    other = operator.agent("mild")["id"]
    with wire.Link(site.cloud, "/ws/agent", tokens["agent"]) as link:
        link.send("agent_register", HOST | {"agent_id": other, "name": "mild"})
        assert refused(link)
    assert operator.agent("mild")["status"] == "offline"


def test_the_first_message_must_register(site, tokens):
    with wire.Link(site.cloud, "/ws/agent", tokens["agent"]) as link:
        link.send("agent_heartbeat", {"running": 1})
        assert refused(link)
    assert site.operator.agent("wild")["running"] == 0


def test_a_link_that_never_registers_is_closed(site, tokens):
    with wire.Link(site.cloud, "/ws/agent", tokens["other"]) as link:
        assert link.outcome() == ("close", 1008)


def test_hostile_words_of_an_agent_do_not_reach_the_terminal(site, tokens, operator):
    with wire.Link(site.cloud, "/ws/agent", tokens["other"]) as link:
        link.send("agent_register", {"hostname": "\x1b[2J\x1b]52;c;eA==\x07evil", "os": "a\u202eb\u009bm", "version": "1\r\n2"})
        link.expect("agent_status")
        for arguments in (["agent", "list"], ["agent", "show", "mild"], ["agent", "list", "-o", "json"]):
            shown = operator(*arguments).stdout
            assert not set(shown.decode()) & set("\x1b\x07\u202e\u009b\r"), arguments


def test_the_newer_link_of_one_identity_wins(site, tokens):
    with wire.Link(site.cloud, "/ws/agent", tokens["agent"]) as older:
        older.send("agent_register", HOST)
        first = older.expect("agent_status")["data"]["epoch"]
        with wire.Link(site.cloud, "/ws/agent", tokens["agent"]) as newer:
            newer.send("agent_register", HOST)
            assert newer.expect("agent_status")["data"]["epoch"] > first
            assert older.outcome() == ("close", 1008)
            still_serves(newer)
            until(lambda: site.operator.online("wild"), 30, "the agent is online")


def test_many_short_links_leave_nothing_behind(site, tokens):
    def come_and_go(count):
        for _ in range(count):
            link = wire.Link(site.cloud, "/ws/agent", tokens["agent"])
            link.send("agent_register", HOST)
            link.expect("agent_status")
            link.socket.socket.close()
    come_and_go(10)
    until(lambda: not site.operator.online("wild"), 60, "the last one is gone")
    before = site.cloud.descriptors()
    come_and_go(100)
    until(lambda: site.cloud.descriptors() <= before + 3, 60, "its descriptors are back")


def test_an_agent_that_does_not_read_is_cut_off(site, tokens, operator):
    """A link whose peer takes nothing ends; tasks for it stay, and the server's memory does not grow with them."""
    with wire.Link(site.cloud, "/ws/agent", tokens["other"]) as link:
        link.send("agent_register", HOST | {"protocol": 1, "journal": []})
        link.expect("agent_status")
        link.socket.socket.setsockopt(1, 8, 4096)
        memory = site.cloud.memory()
        begun = time.monotonic()
        for _ in range(20):
            link.send("agent_heartbeat", {"running": 1})
        until(lambda: time.monotonic() - begun > 0.5, 5)
        assert site.cloud.memory() - memory < 32 << 20
