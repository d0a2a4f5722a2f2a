# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""What comes in is bounded: in time, in size, in number. Who has a good credential is not made to wait for others."""

import base64
import contextlib
import json
import socket
import ssl
import struct
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from conftest import running
from harness import wire
from harness.programs import BIN
from harness.waiting import until

UPGRADE = ("Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
           "Sec-WebSocket-Version: 13\r\n")


def limited(directory, **limits):
    return running(directory, settings={f"TIANGONG_LIMITS_{key.upper()}": str(value) for key, value in limits.items()})


def opened(cloud):
    """A TLS connection that has said nothing yet."""
    raw = socket.create_connection(("127.0.0.1", cloud.port), timeout=60)
    return wire.trust(cloud).wrap_socket(raw, server_hostname="127.0.0.1")


def answer(cloud, text):
    """The head of the answer to raw bytes; empty when the connection is ended without one."""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        with opened(cloud) as tls:
            tls.sendall(text.encode() if isinstance(text, str) else text)
            return tls.recv(65536).decode("latin1").split("\r\n\r\n")[0]
    return ""


def status(head):
    return int(head.split(" ")[1]) if head else None


def refused(cloud, path, token):
    """Status and headers of a refused upgrade, None when it was accepted."""
    try:
        wire.open_link(cloud, path, token).close()
    except InvalidStatus as error:
        return error.response.status_code, error.response.headers
    return None


class Slow(threading.Thread):
    """Sends a byte a second until the server ends the connection."""

    def __init__(self, cloud, is_tls, start=b"", drip=None):
        super().__init__(daemon=True)
        self.cloud, self.is_tls, self.begin, self.drip, self.seconds = cloud, is_tls, start, drip, None
        self.start()

    def run(self):
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", self.cloud.port), timeout=90) as raw:
            stream = wire.trust(self.cloud).wrap_socket(raw, server_hostname="127.0.0.1") if self.is_tls else raw
            stream.settimeout(1)
            with contextlib.suppress(ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
                stream.sendall(self.begin)
                while time.monotonic() - began < 80:
                    try:
                        if self.drip:
                            stream.sendall(self.drip)
                        while stream.recv(4096):
                            pass
                        break
                    except TimeoutError:
                        continue
        self.seconds = time.monotonic() - began


def test_whoever_takes_his_time_is_cut_off(site):
    """At once, since each of them takes its time."""
    token = site.cloud.token("operator", "slow")
    post = (f"POST /api/v1/runs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
            "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{").encode()
    first = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    slow = {
        "silent before TLS": (Slow(site.cloud, False), 4, 12),
        "half a ClientHello": (Slow(site.cloud, False, b"\x16\x03\x01\x02\x00\x01"), 4, 12),
        "silent after TLS": (Slow(site.cloud, True), 9, 18),
        "half a request line": (Slow(site.cloud, True, b"GET /"), 9, 18),
        "a header a second": (Slow(site.cloud, True, b"GET / HTTP/1.1\r\n", b"X-A: b\r\n"), 9, 18),
        "a second request's header a second": (Slow(site.cloud, True, first + b"GET / HTTP/1.1\r\n", b"X-A: b\r\n"), 9, 18),
        "a byte of the body a second": (Slow(site.cloud, True, post, b" "), 25, 45),
        "no body": (Slow(site.cloud, True, post), 25, 45),
    }
    token_works = site.operator("agent", "list")
    assert token_works.returncode == 0, "others are served meanwhile"
    found = {}
    for name, (thread, least, most) in slow.items():
        thread.join(90)
        found[name] = (thread.seconds, thread.seconds is not None and least <= thread.seconds <= most)
    assert all(good for _, good in found.values()), found


@pytest.mark.parametrize("head, statuses", [
    ("GET /healthz?" + "a" * 8100 + " HTTP/1.1\r\nHost: x\r\n\r\n", {200, 400}),
    ("GET /healthz?" + "a" * 9000 + " HTTP/1.1\r\nHost: x\r\n\r\n", {400, 414, 431, None}),
    ("GET /healthz HTTP/1.1\r\nHost: x\r\n" + "".join(f"X-{n}: y\r\n" for n in range(98)) + "\r\n", {200}),
    ("GET /healthz HTTP/1.1\r\nHost: x\r\n" + "".join(f"X-{n}: y\r\n" for n in range(101)) + "\r\n", {400, 431, None}),
    ("GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + "y" * 8000 + "\r\n\r\n", {200}),
    ("GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + "y" * 8300 + "\r\n\r\n", {400, 431, None}),
    ("GET /healthz HTTP/1.1\r\nHost: x\r\n" + "".join(f"X-{n}: {'y' * 3900}\r\n" for n in range(4)) + "\r\n", {200}),
    ("GET /healthz HTTP/1.1\r\nHost: x\r\n" + "".join(f"X-{n}: {'y' * 4200}\r\n" for n in range(4)) + "\r\n", {400, 431, None}),
], ids=["line of 8 KiB", "longer line", "100 fields", "more fields", "field of 8 KiB", "longer field", "16 KiB", "more"])
def test_the_size_of_a_head(site, head, statuses):
    assert status(answer(site.cloud, head)) in statuses


class TestConnections:
    def test_those_who_have_not_signed_in_are_counted(self, tmp_path):
        with limited(tmp_path, unauthenticated=20, unauthenticated_per_address=4) as site:
            token = site.cloud.token("operator", "otto")
            signed_in = [wire.Link(site.cloud, "/ws/operator", token) for _ in range(6)]
            silent = [socket.create_connection(("127.0.0.1", site.cloud.port), timeout=30) for _ in range(4)]
            assert silent[3].getsockname()
            one_more = socket.create_connection(("127.0.0.1", site.cloud.port), timeout=30)
            assert one_more.recv(1) == b"", "ended at once"
            for link in signed_in:
                assert link.ask("server_info")["data"]["actor"] == "otto"
            for connection in silent:
                connection.close()
            until(lambda: site.operator("agent", "list").returncode == 0, 30, "there is room again")
            for link in signed_in:
                link.close()

    def test_all_addresses_together(self, tmp_path):
        with limited(tmp_path, unauthenticated=5, unauthenticated_per_address=4) as site:
            def from_address(host):
                return socket.create_connection(("127.0.0.1", site.cloud.port), timeout=30, source_address=(host, 0))
            silent = [from_address("127.0.0.2") for _ in range(4)] + [from_address("127.0.0.3")]
            assert from_address("127.0.0.4").recv(1) == b""
            for connection in silent:
                connection.close()

    def test_links_of_one_token(self, tmp_path):
        with limited(tmp_path, sessions_per_token=3) as site:
            token, other = site.cloud.token("operator", "otto"), site.cloud.token("operator", "anna")
            links = [wire.Link(site.cloud, "/ws/operator", token) for _ in range(3)]
            code, headers = refused(site.cloud, "/ws/operator", token)
            assert code == 429 and int(headers["Retry-After"]) >= 1
            assert refused(site.cloud, "/ws/operator", other) is None
            links.pop().close()
            until(lambda: refused(site.cloud, "/ws/operator", token) is None, 30, "there is room again")
            for link in links:
                link.close()


class TestSignIns:
    def test_a_good_credential_is_never_locked_out(self, tmp_path):
        with limited(tmp_path, failed_sign_ins=5, failed_sign_ins_total=1000) as site:
            token = site.cloud.token("operator", "otto")
            wrong = token[:-1] + ("0" if token[-1] != "0" else "1")
            codes = [refused(site.cloud, "/ws/operator", wrong)[0] for _ in range(12)]
            assert codes[:5] == [401] * 5 and codes[7:] == [429] * 5, codes
            code, headers = refused(site.cloud, "/ws/operator", wrong)
            assert code == 429 and 1 <= int(headers["Retry-After"]) <= 60
            assert refused(site.cloud, "/ws/operator", token) is None
            assert site.operator("agent", "list").returncode == 0
            rows = site.cloud.query("SELECT record FROM audit WHERE action = 'sign_in' AND verdict = 'deny'")
            assert 5 <= len(rows) <= 7, "the rest is only counted"
            assert not any(wrong in row[0] or wrong.split("_")[-1] in row[0] for row in rows)

    def test_all_addresses_together(self, tmp_path):
        with limited(tmp_path, failed_sign_ins=1000, failed_sign_ins_total=3) as site:
            codes = [refused(site.cloud, "/ws/agent", f"tg_agent_nobody_{n}")[0] for n in range(8)]
            assert codes[:3] == [401] * 3 and codes[-1] == 429, codes

    @pytest.mark.parametrize("limit", ["requests_per_token", "requests_per_address"])
    def test_requests_have_a_rate(self, tmp_path, limit):
        with limited(tmp_path, **{limit: 3}) as site:
            token = site.cloud.token("operator", "otto")
            # Several at a time, so that they come faster than the rate also while the machine is busy.
            with ThreadPoolExecutor(8) as pool:
                answers = list(pool.map(lambda _: refused(site.cloud, "/ws/operator", token), range(40)))
            accepted = [item for item in answers if item is None]
            limited_ones = [item for item in answers if item and item[0] == 429]
            assert len(accepted) >= 12 and limited_ones and len(accepted) + len(limited_ones) == 40
            assert all(int(headers["Retry-After"]) >= 1 for _, headers in limited_ones)
            until(lambda: refused(site.cloud, "/ws/operator", token) is None, 30, "it is let in again")


def masked(opcode, payload=b"", fin=True, rsv=0, mask=True, length=None):
    """One frame as bytes, right or wrong."""
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    size = len(payload) if length is None else length
    flag = 0x80 if mask else 0
    if size < 126:
        head += bytes([flag | size])
    elif size < 65536:
        head += bytes([flag | 126]) + struct.pack(">H", size)
    else:
        head += bytes([flag | 127]) + struct.pack(">Q", size)
    key = b"\x01\x02\x03\x04"
    return head + (key + bytes(b ^ key[i % 4] for i, b in enumerate(payload)) if mask else payload)


FRAMES = {
    "no mask": ([masked(1, b"{}", mask=False)], {1002}),
    "RSV1": ([masked(1, b"{}", rsv=4)], {1002}), "RSV2": ([masked(1, b"{}", rsv=2)], {1002}),
    "RSV3": ([masked(2, b"", rsv=1)], {1002}),
    **{f"opcode {code}": ([masked(code)], {1002}) for code in (3, 4, 7, 11, 12, 15)},
    "control frame in parts": ([masked(9, b"a", fin=False)], {1002}),
    "control frame of 126 bytes": ([masked(9, b"a" * 126)], {1002}),
    "continuation without a start": ([masked(0, b"x")], {1002}),
    "a start in the middle": ([masked(1, b"{", fin=False), masked(1, b"}")], {1002}),
    "text that is not UTF-8": ([masked(1, b"\xff\xfe")], {1007}),
    "text cut in a character": ([masked(1, "天".encode()[:2], fin=False), masked(0, b"x")], {1007}),
    "a surrogate": ([masked(1, b"\xed\xa0\x80")], {1007}),
    "a length with the top bit": ([bytes([0x81, 0xFF]) + b"\xff" * 8 + b"\x00" * 4], {1002, 1009}),
    "a length of 2^62": ([masked(1, length=1 << 62)], {1002, 1009}),
    "a frame of 1 MiB": ([masked(2, b"x" * 1_000_000)], {1009}),
    "a message over 1 MiB": ([masked(1, b"x" * 200_000, fin=False)] + [masked(0, b"x" * 200_000, fin=False)] * 6, {1009}),
    "65 fragments": ([masked(1, b"{", fin=False)] + [masked(0, b" ", fin=False)] * 65, {1009}),
    "a close of one byte": ([masked(8, b"\x03")], {1002}), "close 1005": ([masked(8, struct.pack(">H", 1005))], {1002}),
    "close 1006": ([masked(8, struct.pack(">H", 1006))], {1002}), "close 999": ([masked(8, struct.pack(">H", 999))], {1002}),
    "close 5000": ([masked(8, struct.pack(">H", 5000))], {1002}),
    "a close reason that is not UTF-8": ([masked(8, struct.pack(">H", 1000) + b"\xff")], {1007}),
    "eleven pings": ([masked(9, b"p")] * 30, {1008}),
    "a close is answered": ([masked(8, struct.pack(">H", 1000))], {1000}),
}


@pytest.fixture(scope="module")
def framing(site):
    return site.cloud.token("agent", "framer")


@pytest.mark.parametrize("frames, codes", FRAMES.values(), ids=FRAMES.keys())
@pytest.mark.parametrize("slices", [None, 1], ids=["whole", "byte by byte"])
def test_frames(site, framing, frames, codes, slices):
    data = b"".join(frames)
    if slices and len(data) > 4096:
        pytest.skip("the same, and slow")
    with opened(site.cloud) as tls:
        tls.sendall(f"GET /ws/agent HTTP/1.1\r\n{UPGRADE}Authorization: Bearer {framing}\r\n\r\n".encode())
        buffer = b""
        while b"\r\n\r\n" not in buffer:
            buffer += tls.recv(4096)
        assert buffer.startswith(b"HTTP/1.1 101")
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            for start in range(0, len(data), slices or len(data)):
                tls.sendall(data[start:start + (slices or len(data))])
        buffer = buffer.split(b"\r\n\r\n", 1)[1]
        tls.settimeout(30)
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while part := tls.recv(65536):
                buffer += part
    assert close_code(buffer) in codes
    assert site.cloud.running


def close_code(data):
    """The code of the close frame among frames of a server."""
    while len(data) >= 2:
        size, at = data[1] & 127, 2
        if size == 126:
            size, at = struct.unpack(">H", data[2:4])[0], 4
        elif size == 127:
            size, at = struct.unpack(">Q", data[2:10])[0], 10
        if data[0] & 15 == 8:
            return struct.unpack(">H", data[at:at + 2])[0]
        data = data[at + size:]
    return None


def test_a_reconnect_storm_leaves_nothing_behind(site, full):
    """One identity comes and goes as fast as it can."""
    token = site.cloud.token("agent", "stormy")
    wire.open_link(site.cloud, "/ws/agent", token).close()
    time.sleep(1)
    before, memory = site.cloud.descriptors(), site.cloud.memory()
    for number in range(2000 if full else 300):
        try:
            link = wire.open_link(site.cloud, "/ws/agent", token)
        except InvalidStatus as error:
            assert error.response.status_code in (429, 503)
            continue
        link.send(json.dumps({"type": "agent_register", "data": {"hostname": "h"}}))
        if number % 3 == 0:
            link.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            link.socket.close()
        elif number % 3 == 1:
            link.close()
        else:
            link.socket.shutdown(socket.SHUT_RDWR)
    until(lambda: site.cloud.descriptors() <= before + 2, 60, "all descriptors are closed", every=0.5)
    assert site.cloud.memory() - memory < 32 << 20
    assert site.cloud.running


def test_an_agent_that_stops_reading_is_ended(site):
    """While tasks are sent to it: the queue stays bounded, and the link ends soon after the write deadline."""
    link = wire.Link(site.cloud, "/ws/agent", site.cloud.token("agent", "staller"), max_queue=1)
    link.send("agent_register", {"hostname": "h", "max_concurrency": 1000})
    link.expect("agent_status")
    memory = site.cloud.memory()
    big = base64.b64encode(b"x" * 150_000).decode()
    with wire.Link(site.cloud, "/ws/operator", site.cloud.token("operator", "sender")) as operator:
        for _ in range(120):
            reply = operator.ask("run_create", {
                "selector": {"agents": ["staller"]},
                "spec": {"type": "shell", "command": "cat", "params": {"stdin": big}}})
            assert reply["type"] != "error", reply["data"]
    until(lambda: not site.operator.online("staller"), 90, "the link is ended", every=0.5)
    assert site.cloud.memory() - memory < 64 << 20
    assert "1013" in [line for line in site.cloud.log.read_text().splitlines() if "agent gone" in line and "staller" in line][-1]
    with contextlib.suppress(Exception):
        link.close()


def test_settings_are_checked(tmp_path):
    for name, value in [("TIANGONG_LIMITS_UNAUTHENTICATED", "0"), ("TIANGONG_LIMITS_FAILED_SIGN_INS", "many"),
                        ("TIANGONG_AGENTS_CLIENT_CERTIFICATES", "maybe"), ("TIANGONG_TLS_LIFETIME", "1s"),
                        ("TIANGONG_TLS_CERTIFICATE", "/x.pem"), ("TIANGONG_AGENTS_CERTIFICATE_LIFETIME", "10y")]:
        done = subprocess.run([BIN / "tiangong-cloud", "serve", "--data-dir", tmp_path / "d"], capture_output=True, text=True,
                              env={"PATH": "/usr/bin", "HOME": str(tmp_path), name: value}, timeout=30)
        assert done.returncode == 2 and done.stderr.startswith("tiangong-cloud: "), (name, done.stderr)
