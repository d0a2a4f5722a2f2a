# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Where tasks of type api may go: addresses that are closed, names that lead there, and a name server that lies."""

import os

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from harness.backends.server import free_port
from harness.backends.web import Names, Web
from harness.certificates import Authority, name
from harness.work import perform

A, AAAA = 1, 28


@pytest.fixture(scope="module")
def closed(site):
    """An agent that opens nothing."""
    site.agent("closed-1", executors={"api": {}})
    return lambda command, params=None: perform(site, "closed-1", "api", command, params)


@pytest.mark.parametrize("host, kind", [
    ("127.0.0.1", "loopback"), ("127.255.255.254", "loopback"), ("[::1]", "loopback"), ("localhost", "loopback"),
    ("169.254.169.254", "link-local"), ("169.254.1.1", "link-local"), ("[fe80::1]", "link-local"),
    ("[fd00:ec2::254]", "metadata"), ("100.100.100.200", "metadata"), ("192.0.0.192", "metadata"), ("10.0.0.1", "private"),
    ("172.31.255.255", "private"), ("192.168.1.1", "private"), ("100.64.0.1", "shared"), ("[fd12::1]", "unique-local"),
    ("224.0.0.1", "multicast"), ("[ff02::1]", "multicast"), ("0.0.0.0", "this host"), ("0.1.2.3", "this host"),
    ("255.255.255.255", "reserved"), ("[::]", "this host"), ("[::ffff:127.0.0.1]", "written as IPv6"),
    ("[::127.0.0.1]", "written as IPv6"), ("[64:ff9b::7f00:1]", "NAT64"), ("[2002:7f00:1::]", "6to4"),
    ("[2001:0:1::1]", "Teredo"), ("[fec0::1]", "site-local"), ("[100::1]", "outside"), ("[4000::1]", "outside"),
])
def test_closed_addresses_are_not_connected_to(closed, host, kind):
    with Web() as web:
        done = closed(f"GET http://{host}:{web.port}/")
        assert done.state == "failed" and done.error["code"] == "forbidden", done
        assert kind in done.error["message"] and "executors.api.allow" in done.error["message"]
        assert web.requests == []


def test_naming_a_host_opens_it_and_not_its_address(site):
    site.agent("named-1", executors={"api": {"allow": ["localhost", "10.0.0.0/8"]}})
    with Web(address="127.0.0.1") as web:
        done = perform(site, "named-1", "api", f"GET http://localhost:{web.port}/who")
        assert (done.state, done.out) == ("succeeded", "web"), done
        assert web.last.headers["Host"] == f"localhost:{web.port}"
        done = perform(site, "named-1", "api", f"GET {web.url('/who')}")
        assert done.error["code"] == "forbidden" and len(web.requests) == 1


def test_addresses_of_ipv6(site):
    try:
        web = Web(address="::1")
    except OSError:
        pytest.skip("this host has no IPv6")
    with web:
        site.agent("six-1", executors={"api": {"allow": ["::1"]}})
        done = perform(site, "six-1", "api", f"GET {web.url('/who')}")
        assert (done.state, done.out) == ("succeeded", "web"), done
        assert web.last.headers["Host"] == f"[::1]:{web.port}"


def test_wrong_settings_keep_the_agent_from_starting(site):
    for settings, text in [({"allow": ["10.0.0.0/40"]}, "executors.api.allow"), ({"allow": ["*"]}, "executors.api.allow"),
                           ({"ca-file": "/no/such.pem"}, "executors.api.ca-file"), ({"max-body": "9TiB"}, "executors.api.max-body"),
                           ({"proxy": "http://x"}, "executors.api.proxy is not a setting")]:
        agent = site.agent("wrong-1", wait=False, executors={"api": settings}, token="x")
        assert agent.process.wait(60) != 0 and text in agent.log.read_text(), agent.log.read_text()[-500:]


# A name server that lies

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="a resolver of one's own needs root")


@pytest.fixture(scope="module")
def names():
    try:
        names = Names("127.0.0.153")
    except PermissionError:
        pytest.skip("port 53 needs root")
    yield names
    names.stop()


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture(scope="module")
def lied_to(site, names, authority, tmp_path_factory):
    """An agent whose name server is ours, which may reach 127.0.0.5 and 127.0.0.6."""
    directory = tmp_path_factory.mktemp("resolver")
    # One attempt: a question that is asked again because the answer took its time would be counted twice.
    (directory / "resolv.conf").write_text("nameserver 127.0.0.153\noptions timeout:10 attempts:1\n")
    (directory / "ca.pem").write_text(authority.pem())
    agent = site.agent("lied-1", wait=False, executors={
        "api": {"allow": ["127.0.0.5", "127.0.0.6"], "ca-file": str(directory / "ca.pem"), "connect-timeout": "5s"}})
    agent.stop()
    script = f'mount --bind {directory}/resolv.conf /etc/resolv.conf && exec "$@"'
    agent.arguments = ["unshare", "--mount", "sh", "-c", script, "sh", *agent.arguments]
    agent.start()
    site.wait_online("lied-1")
    return lambda command, params=None, **spec: perform(site, "lied-1", "api", command, params, **spec)


def two_webs():
    port = free_port()
    return Web(address="127.0.0.5", port=port, label="first"), Web(address="127.0.0.1", port=port, label="closed")


@needs_root
def test_a_name_is_looked_up_once_and_that_address_is_connected_to(lied_to, names):
    first, closed = two_webs()
    with first, closed:
        names.answers |= {("rebind.test", A): [["127.0.0.5"], ["127.0.0.1"]], ("rebind.test", AAAA): [[]]}
        names.asked.clear()
        done = lied_to(f"GET http://rebind.test:{first.port}/who")
        assert (done.state, done.out, done.result["address"]) == ("succeeded", "first", "127.0.0.5"), done
        assert names.asked.count(("rebind.test", A)) == 1
        assert first.last.headers["Host"] == f"rebind.test:{first.port}"
        done = lied_to(f"GET http://rebind.test:{first.port}/who")
        assert done.error["code"] == "forbidden" and "rebind.test is at 127.0.0.1, which is loopback" in done.error["message"]
        assert closed.requests == []


@needs_root
def test_one_closed_address_closes_the_name(lied_to, names):
    first, closed = two_webs()
    with first, closed:
        for answer, six in [(["127.0.0.5", "169.254.169.254"], []), (["127.0.0.5"], ["::ffff:127.0.0.1"])]:
            names.answers |= {("mixed.test", A): [answer], ("mixed.test", AAAA): [six]}
            done = lied_to(f"GET http://mixed.test:{first.port}/who")
            assert done.error["code"] == "forbidden", done
        assert first.requests == closed.requests == []


@needs_root
def test_a_redirect_s_name_is_judged_too(lied_to, names):
    first, closed = two_webs()
    with first, closed:
        names.answers |= {("good.test", A): [["127.0.0.5"]], ("good.test", AAAA): [[]], ("bad.test", A): [["127.0.0.1"]], ("bad.test", AAAA): [[]]}
        done = lied_to(f"GET http://good.test:{first.port}/redirect?to=http://bad.test:{first.port}/who", {"follow_redirects": True})
        assert done.error["code"] == "forbidden" and "bad.test is at 127.0.0.1" in done.error["message"]
        assert closed.requests == []


@needs_root
def test_the_next_address_is_tried_when_one_refuses(lied_to, names):
    with Web(address="127.0.0.6", label="second") as second:
        names.answers |= {("both.test", A): [["127.0.0.5", "127.0.0.6"]], ("both.test", AAAA): [[]]}
        done = lied_to(f"POST http://both.test:{second.port}/who")
        assert (done.state, done.out, done.result["address"]) == ("succeeded", "second", "127.0.0.6"), done


@needs_root
def test_tls_is_for_the_name_though_the_address_is_connected_to(lied_to, names, authority, tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = authority.sign(name("web"), key.public_key(), ExtendedKeyUsageOID.SERVER_AUTH, [x509.DNSName("web.test")])
    names.answers |= {(host, A): [["127.0.0.5"]] for host in ("web.test", "other.test")}
    names.answers |= {(host, AAAA): [[]] for host in ("web.test", "other.test")}
    with Web(address="127.0.0.5", certificate=authority.write(tmp_path, "web", certificate, key), label="secure") as web:
        done = lied_to(f"GET {web.url('/who', host='web.test')}")
        assert (done.state, done.out) == ("succeeded", "secure"), done
        assert web.last.server_name == "web.test"
        done = lied_to(f"GET {web.url('/who', host='other.test')}")
        assert done.error["code"] == "unreachable" and "certificate is for another host" in done.error["message"], done
        assert len(web.requests) == 1


@needs_root
def test_a_name_that_nobody_knows(lied_to, names):
    done = lied_to("GET http://nobody.test/")
    assert done.error["code"] == "unreachable" and "the address of nobody.test was not found" in done.error["message"]


@needs_root
def test_a_name_server_that_says_nothing_is_not_waited_for(lied_to, names):
    names.silent.add("slow.test")
    done = lied_to("GET http://slow.test/", timeout=2, grace=30)
    assert done.state == "timed_out" and ("slow.test", A) in names.asked
    done = lied_to("GET http://slow.test/")
    assert done.error["code"] == "unreachable" and "the address of slow.test was not found" in done.error["message"]
