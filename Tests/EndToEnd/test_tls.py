# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""TLS as strangers see it: what is offered, the certificate, and that it is replaced while the server runs."""

import json
import shutil
import signal
import subprocess
import sys

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from conftest import running
from harness import wire
from harness.certificates import Authority, context, presented, request
from harness.waiting import holds, until

# What testssl.sh says beyond LOW, and why it stays so (see docs/threat-model.md).
ACCEPTED = {
    "cipher_order": "every suite is a good one; the client takes what its hardware is fast at, as Mozilla recommends",
    "engine_problem": "about the openssl that testssl.sh uses here, not about the server",
    "cert_revocation": "leaves of the own authority live 90 days, and clients pin; there is no OCSP responder",
}


def test_sslyze_finds_mozillas_intermediate_set(site):
    sslyze = shutil.which("sslyze", path=str(__import__("pathlib").Path(sys.executable).parent))
    done = subprocess.run([sslyze, f"--certinfo_ca_file={site.cloud.authority}", f"localhost:{site.cloud.port}"],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "OK - Compliant" in done.stdout


@pytest.mark.skipif(not shutil.which("testssl"), reason="testssl.sh is not installed")
def test_testssl_finds_nothing_more(site, tmp_path):
    report = tmp_path / "report.json"
    subprocess.run(["testssl", "--quiet", "--color", "0", "--warnings", "off", "--add-ca", site.cloud.authority,
                    "--ip", "127.0.0.1", "--jsonfile", report, "-p", "-s", "-S", "-U",
                    f"https://localhost:{site.cloud.port}"], capture_output=True, timeout=300)
    findings = json.loads(report.read_text())
    assert len(findings) > 30, "it has looked"
    bad = {row["id"]: row["finding"] for row in findings if row["severity"] not in ("OK", "INFO", "LOW", "DEBUG")}
    assert not {key: value for key, value in bad.items() if key.split(" ")[0] not in ACCEPTED}


def test_the_leaf_says_what_it_is_for(site):
    leaf, authority = presented(site.cloud.port), x509.load_pem_x509_certificate(site.cloud.authority.read_bytes())
    leaf.verify_directly_issued_by(authority)
    extension = leaf.extensions.get_extension_for_class
    assert extension(x509.BasicConstraints).value.ca is False
    usage = extension(x509.KeyUsage)
    assert usage.critical and usage.value.digital_signature and not usage.value.key_cert_sign
    assert list(extension(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]
    names = extension(x509.SubjectAlternativeName).value
    assert "localhost" in names.get_values_for_type(x509.DNSName)
    assert "127.0.0.1" in map(str, names.get_values_for_type(x509.IPAddress))
    above = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert extension(x509.AuthorityKeyIdentifier).value.key_identifier == above
    assert (leaf.not_valid_after_utc - leaf.not_valid_before_utc).days <= 90
    assert 2 ** 100 < leaf.serial_number < 2 ** 159, "random, and at most 20 octets"
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(True, 0)


@pytest.mark.parametrize("files, mode", [("server.key", 0o640), ("ca.key", 0o604)])
def test_a_key_that_others_can_read_is_refused(own_site, files, mode):
    own_site.cloud.stop()
    (own_site.cloud.data / "tls" / files).chmod(mode)
    program = subprocess.run(own_site.cloud.arguments, env=own_site.cloud.environment, capture_output=True, text=True, timeout=30)
    assert program.returncode == 5 and "readable by others" in program.stderr, program.stderr


@pytest.fixture
def custom(tmp_path):
    """A Cloud with a certificate that others made."""
    authority = Authority()
    certificate, key = authority.server(tmp_path, "given")
    (tmp_path / "site").mkdir()
    (tmp_path / "other-ca.pem").write_text(authority.pem())
    with running(tmp_path / "site", authority=tmp_path / "other-ca.pem", settings={
            "TIANGONG_TLS_CERTIFICATE": str(certificate), "TIANGONG_TLS_KEY": str(key)}) as site:
        yield site, authority, certificate, key


def errors(cloud):
    return [line for line in cloud.log.read_text().splitlines() if "certificate not loaded" in line]


@pytest.mark.parametrize("how", ["signal", "files"])
def test_a_given_certificate_is_replaced_while_links_stay_open(custom, tmp_path, how):
    site, authority, certificate, key = custom
    first = presented(site.cloud.port)
    assert first.issuer == authority.certificate.subject
    (tmp_path / "next").mkdir()
    new_certificate, new_key = authority.server(tmp_path / "next", "given")
    with wire.Link(site.cloud, "/ws/operator", site.cloud.token("operator", "oscar")) as link:
        new_key.replace(key)
        new_certificate.replace(certificate)
        if how == "signal":
            site.cloud.signal(signal.SIGHUP)
        until(lambda: presented(site.cloud.port).serial_number != first.serial_number, 30, "the new one is shown")
        assert link.ask("server_info")["data"]["actor"] == "oscar"
    assert not errors(site.cloud)


@pytest.mark.parametrize("break_it, word", [
    (lambda certificate, key, _: certificate.write_text("no certificate\n"), "tls.certificate"),
    (lambda certificate, key, _: key.write_text("no key\n"), "tls.key"),
    (lambda certificate, key, other: shutil.copy(other[1], key), "together"),
    (lambda certificate, key, other: key.chmod(0o644), "readable by others"),
    (lambda certificate, key, other: certificate.unlink(), "tls.certificate"),
], ids=["not PEM", "no key", "another's key", "open to others", "gone"])
def test_bad_files_leave_the_old_certificate(custom, tmp_path, break_it, word):
    site, authority, certificate, key = custom
    before = presented(site.cloud.port).serial_number
    (tmp_path / "other").mkdir()
    break_it(certificate, key, authority.server(tmp_path / "other"))
    site.cloud.signal(signal.SIGHUP)
    until(lambda: errors(site.cloud), 30, "it says so")
    holds(lambda: presented(site.cloud.port).serial_number == before, 12, "the old one stays", every=1)
    assert len(errors(site.cloud)) == 1 and word in errors(site.cloud)[0]


def test_an_expired_certificate_is_not_put_in_place(custom, tmp_path):
    site, authority, certificate, key = custom
    import datetime
    before = presented(site.cloud.port).serial_number
    (tmp_path / "old").mkdir()
    stale, stale_key = authority.server(
        tmp_path / "old", start=-datetime.timedelta(days=2), end=-datetime.timedelta(days=1))
    stale_key.replace(key)
    stale.replace(certificate)
    site.cloud.signal(signal.SIGHUP)
    until(lambda: errors(site.cloud), 30, "it says so")
    assert "expired" in errors(site.cloud)[0] and presented(site.cloud.port).serial_number == before


def test_the_own_leaf_is_renewed_while_the_server_runs(tmp_path):
    with running(tmp_path, settings={"TIANGONG_TLS_LIFETIME": "15s"}) as site:
        first = presented(site.cloud.port).serial_number
        until(lambda: presented(site.cloud.port).serial_number != first, 60, "a new leaf is shown", every=0.5)
        assert "200" in request(site.cloud, context(site.cloud))[0]
        assert site.cloud.running
