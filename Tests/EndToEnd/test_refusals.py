# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Who may not come in is refused before the upgrade, and leaves no trace in the database."""

import socket
import ssl

import pytest

from harness import wire
from harness.waiting import until

ENDPOINTS = ["/ws/agent", "/ws/operator"]


@pytest.fixture(scope="module")
def tokens(site):
    expired = site.cloud.token("operator", "gone", expires="1s")
    tokens = {"operator": site.cloud.token("operator", "oscar"), "agent": site.cloud.token("agent", "spare"),
              "expired": expired, "expired agent": site.cloud.token("agent", "late", expires="1s")}
    for path, name in [("/ws/operator", "expired"), ("/ws/agent", "expired agent")]:
        until(lambda: wire.refusal(site.cloud, path, tokens[name]), 30, "it expires", every=0.2)
    return tokens


@pytest.fixture
def nothing_written(site):
    """The tables that hold what people and agents did are the same before and after."""
    def snapshot():
        return site.cloud.row_counts(), site.cloud.query("SELECT id, epoch, status, hostname FROM agents ORDER BY id")
    before = snapshot()
    yield
    assert snapshot() == before


def tampered(token, position):
    return token[:position] + ("a" if token[position] != "a" else "b") + token[position + 1:]


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("headers", [
    {}, {"Authorization": ""}, {"Authorization": "Bearer"}, {"Authorization": "Bearer "},
    {"Authorization": "Basic b3Blbjpzd29yZGZpc2g="}, {"Authorization": "Bearer " + "x" * 4000},
    {"Authorization": "Bearer tg_op_00000000"}, {"Authorization": "Bearer ../../etc/passwd"},
    {"Authorization": "Bearer ' OR 1=1 --"}, {"Cookie": "token=x"}, {"Sec-WebSocket-Protocol": "bearer"}],
    ids=lambda headers: str(headers)[:40])
def test_without_a_good_token(site, nothing_written, path, headers):
    assert wire.refusal(site.cloud, path, headers=headers) == 401


@pytest.mark.parametrize("path, kind", [("/ws/agent", "agent"), ("/ws/operator", "operator")])
def test_a_token_with_one_wrong_character(site, tokens, nothing_written, path, kind):
    token = tokens[kind]
    for position in (0, len(token) // 2, len(token) - 2):
        assert wire.refusal(site.cloud, path, tampered(token, position)) == 401


@pytest.mark.parametrize("path, name, statuses", [
    ("/ws/operator", "expired", {401}), ("/ws/agent", "expired agent", {401}),
    ("/ws/operator", "agent", {401, 403}), ("/ws/agent", "operator", {401, 403})])
def test_a_token_of_the_wrong_kind_or_time(site, tokens, nothing_written, path, name, statuses):
    assert wire.refusal(site.cloud, path, tokens[name]) in statuses


def test_a_revoked_token(site):
    import subprocess
    from harness.programs import BIN
    token = site.cloud.token("operator", "fired")
    assert wire.refusal(site.cloud, "/ws/operator", token) is None
    id, = [row[0] for row in site.cloud.query("SELECT id FROM tokens WHERE name = 'fired'")]
    subprocess.run([BIN / "tiangong-cloud", "token", "revoke", id, "--data-dir", site.cloud.data],
                   env=site.cloud.environment, check=True, timeout=20)
    assert wire.refusal(site.cloud, "/ws/operator", token) == 401


def test_a_good_token_is_let_in(site, tokens):
    """The control: the same client, and nothing but the token is different."""
    assert wire.refusal(site.cloud, "/ws/operator", tokens["operator"]) is None
    assert wire.refusal(site.cloud, "/ws/agent", tokens["agent"]) is None


def test_secrets_are_not_in_the_database_or_the_log(site, tokens):
    secrets = [token.encode() for token in tokens.values()]
    secrets += [token.rsplit(b"_", 1)[-1] for token in secrets]
    wire.refusal(site.cloud, f"/ws/operator?token={tokens['operator']}")
    for path in [*site.cloud.data.glob("cloud.db*"), site.cloud.log]:
        content = path.read_bytes()
        assert not [secret for secret in secrets if secret in content], path


def request(cloud, text):
    """The first line of the answer to raw bytes, empty when the connection is closed without one."""
    with socket.create_connection(("127.0.0.1", cloud.port), timeout=30) as raw:
        with wire.trust(cloud).wrap_socket(raw, server_hostname="127.0.0.1") as tls:
            try:
                tls.sendall(text)
                return tls.makefile("rb").readline().decode("latin1").strip()
            except (ConnectionError, ssl.SSLError):
                return ""


UPGRADE = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"


@pytest.mark.parametrize("line, headers, statuses", [
    ("GET /ws/agent HTTP/1.1", "", {"426", "400"}),
    ("POST /ws/agent HTTP/1.1", UPGRADE, {"400", "404", "405"}),
    ("GET /ws/agent?token={operator} HTTP/1.1", UPGRADE, {"400", "401"}),
    ("GET /ws/../ws/agent HTTP/1.1", UPGRADE, {"400", "404"}),
    ("GET /ws/nothing HTTP/1.1", UPGRADE, {"404"}),
    ("GET /ws/agent HTTP/1.1", UPGRADE.replace("13", "7"), {"400", "426"}),
    ("GET /ws/agent HTTP/1.1", "".join(f"X-{n}: y\r\n" for n in range(5000)), {"400", "431", ""}),
    ("GET /ws/agent HTTP/1.1", f"X: {'y' * 200_000}\r\n", {"400", "431", ""}),
    ("GARBAGE", "", {"400", ""}),
])
def test_odd_requests(site, tokens, nothing_written, line, headers, statuses):
    authorization = f"Authorization: Bearer {tokens['agent']}\r\n"
    text = f"{line.format(**tokens)}\r\nHost: x\r\n{authorization}{headers}\r\n"
    answer = request(site.cloud, text.encode())
    assert (answer.split(" ")[1] if answer else "") in statuses, answer
    assert site.cloud.running


def test_two_authorization_headers(site, tokens, nothing_written):
    text = (f"GET /ws/operator HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {tokens['operator']}\r\n"
            f"Authorization: Bearer {tokens['agent']}\r\n{UPGRADE}\r\n")
    assert " 401 " in request(site.cloud, text.encode())


@pytest.mark.parametrize("sent", [b"", b"GET /"], ids=["nothing", "half a line"])
def test_a_slow_handshake_is_cut(site, sent):
    with socket.create_connection(("127.0.0.1", site.cloud.port), timeout=40) as raw:
        with wire.trust(site.cloud).wrap_socket(raw, server_hostname="127.0.0.1") as tls:
            tls.sendall(sent)
            try:
                tls.recv(4096)
                assert tls.recv(4096) == b""
            except (ConnectionError, ssl.SSLError):
                pass


def test_plain_text_on_the_tls_port(site):
    with socket.create_connection(("127.0.0.1", site.cloud.port), timeout=30) as raw:
        raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" not in raw.makefile("rb").read()
    assert "200" in request(site.cloud, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")


@pytest.mark.parametrize("option, exit_status", [("--token-file", 4), ("--ca-file", 7), ("--server", 7)])
def test_the_command_line_says_what_to_try(site, operator, tmp_path, option, exit_status):
    wrong = {"--token-file": tmp_path / "token", "--ca-file": tmp_path / "other.pem", "--server": "https://127.0.0.1:1"}
    (tmp_path / "token").touch(mode=0o600)
    (tmp_path / "token").write_text("tg_op_wrong\n")
    other = wire.ssl.get_server_certificate(("127.0.0.1", site.cloud.port))
    (tmp_path / "other.pem").write_text(other.replace("A", "B", 0))
    if option == "--ca-file":
        pytest.importorskip("ssl")
        from harness.programs import Cloud
        stranger = Cloud(tmp_path)
        stranger.start()
        stranger.stop()
        wrong[option] = stranger.authority
    done = operator("agent", "list", option, str(wrong[option]))
    assert done.returncode == exit_status, done.stderr
    assert done.stderr.startswith(b"tiangong: ") and b"try:" in done.stderr
