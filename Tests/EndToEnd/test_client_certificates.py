# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Hosts become agents by an enrolment token, show certificates from then on, and renew them while they work."""

import contextlib
import datetime
import hashlib
import json
import ssl
import stat
import subprocess

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from websockets.exceptions import ConnectionClosed, InvalidStatus

from conftest import running
from harness import wire
from harness.certificates import Authority, context, request
from harness.programs import BIN, Agent, clean_environment
from harness.waiting import until

DAY = datetime.timedelta(days=1)


def secret_file(directory, name, text):
    path = directory / name
    path.touch(mode=0o600)
    path.write_text(text + "\n")
    return path


def enrolment_token(site, *options):
    done = site.operator("enrolment", "create", *options)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().strip()


def enrol(site, directory, name, token, *options, ca=True):
    """`tiangong-agent enrol`; the finished process."""
    trust = ["--ca-file", site.cloud.authority] if ca else []
    return subprocess.run(
        [BIN / "tiangong-agent", "enrol", "--server", site.cloud.url, *trust, "--token-file",
         secret_file(directory, f"{name}.enrolment", token), "--data-dir", directory / name, "--name", name, *options],
        env=clean_environment(directory), capture_output=True, text=True, timeout=30)


class EnrolledAgent(Agent):
    """An agent that has nothing but what it got when it enrolled."""

    def __init__(self, cloud, directory, name, *options):
        super().__init__(cloud, directory, name, "", options=options)
        at = self.arguments.index("--token-file")
        del self.arguments[at:at + 2]

    @property
    def identity(self):
        return self.data / "identity"

    @property
    def certificate(self):
        return x509.load_pem_x509_certificate((self.identity / "agent.pem").read_bytes())

    @property
    def files(self):
        return self.identity / "agent.pem", self.identity / "agent.key"

    @property
    def token(self):
        return (self.identity / "agent.token").read_text().strip()


def start(site, name, *options):
    agent = EnrolledAgent(site.cloud, site.directory, name, *options)
    site.agents[name] = agent
    agent.start()
    site.wait_online(name)
    return agent


@pytest.fixture(scope="module")
def enrolled(site):
    """An agent that was enrolled by hand and runs."""
    done = enrol(site, site.directory, "enna", enrolment_token(site, "-e", "lab", "-l", "role=enrolled"))
    assert done.returncode == 0, done.stderr
    (site.directory / "enna.enrolment").unlink()
    return start(site, "enna")


def refused_in_the_handshake(cloud, settings):
    """The server ends TLS instead of answering a request."""
    return request(cloud, settings)[0] == ""


def upgrade(cloud, token, identity=None, path="/ws/agent"):
    """`(101, "")`, or the status and the body of a refused upgrade."""
    try:
        wire.open_link(cloud, path, token, context=context(cloud, identity)).close()
    except InvalidStatus as refused:
        return refused.response.status_code, refused.response.body.decode()
    return 101, ""


class TestEnrolment:
    def test_the_identity_is_kept_for_the_agent_alone(self, site, enrolled):
        assert stat.S_IMODE(enrolled.identity.stat().st_mode) == 0o700
        for file in ("agent.token", "agent.key", "agent.pem"):
            assert stat.S_IMODE((enrolled.identity / file).stat().st_mode) == 0o600

    def test_the_agent_is_what_the_token_said(self, site, enrolled):
        shown = site.operator.agent("enna")
        assert (shown["environment"], shown["labels"]["role"]) == ("lab", "enrolled")
        assert site.operator("run", "-a", "enna", "--", "echo", "hello").stdout.endswith(b"hello\n")

    def test_the_certificate_names_the_agent_and_nothing_else(self, site, enrolled):
        leaf = enrolled.certificate
        assert [a.value for a in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == [site.operator.agent("enna")["id"]]
        assert list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.CLIENT_AUTH]
        assert leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
        assert 89 <= (leaf.not_valid_after_utc - leaf.not_valid_before_utc).days <= 91
        leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(site.cloud.authority.read_bytes()))
        until(lambda: [line for line in site.cloud.log.read_text().splitlines() if "agent online" in line and "enna" in line],
              30, "the Cloud says that it is here")

    def test_it_is_written_down(self, site, enrolled):
        records = [json.loads(row[0]) for row in site.cloud.query("SELECT record FROM audit WHERE action = 'agent.enrol'")]
        mine, = [record for record in records if record.get("agent") == "enna"]
        assert mine["result"] == "ok" and mine["source"] == "127.0.0.1"

    def test_the_first_start_enrols(self, site):
        file = secret_file(site.directory, "first.enrolment", enrolment_token(site))
        agent = start(site, "first", "--enrolment-token-file", str(file), "--name", "first")
        file.unlink()
        agent.stop()
        site.wait_offline("first")
        agent.start()
        site.wait_online("first")
        assert agent.certificate

    @pytest.mark.parametrize("token", ["tg_enrol_0123456789abcdef_" + "0" * 64, "tg_enrol_x_y", "nonsense"])
    def test_a_wrong_token(self, site, tmp_path, token):
        before = site.cloud.query("SELECT count(*) FROM agents")
        done = enrol(site, tmp_path, "nobody", token)
        assert done.returncode == 4, done.stderr
        assert site.cloud.query("SELECT count(*) FROM agents") == before
        assert not (tmp_path / "nobody" / "identity").exists()

    def test_a_token_that_is_used_up(self, site, tmp_path):
        token = enrolment_token(site)
        assert enrol(site, tmp_path, "once", token).returncode == 0
        done = enrol(site, tmp_path, "twice", token)
        assert done.returncode == 4 and not site.cloud.query("SELECT id FROM agents WHERE name = 'twice'")
        again = enrol(site, tmp_path, "once", enrolment_token(site))
        assert again.returncode == 9 and "enrolled already" in again.stderr

    def test_a_name_that_is_taken_leaves_the_token_as_it_was(self, site, tmp_path, enrolled):
        token = enrolment_token(site)
        assert enrol(site, tmp_path, "enna", token).returncode == 9
        assert enrol(site, tmp_path, "another", token).returncode == 0

    def test_without_saying_whom_to_believe(self, site, tmp_path):
        token = enrolment_token(site)
        done = enrol(site, tmp_path, "trusting", token, ca=False)
        assert done.returncode == 2 and "fingerprint" in done.stderr
        fingerprint = subprocess.run([BIN / "tiangong-cloud", "fingerprint", "--data-dir", site.cloud.data],
                                     env=site.cloud.environment, capture_output=True, text=True, timeout=20).stdout.strip()
        wrong = fingerprint[:-1] + ("0" if fingerprint[-1] != "0" else "1")
        assert enrol(site, tmp_path, "trusting", token, "--fingerprint", wrong, ca=False).returncode == 7
        assert enrol(site, tmp_path, "trusting", token, "--fingerprint", fingerprint, ca=False).returncode == 0

    @pytest.mark.parametrize("kind, data", [
        ("agent_register", {"hostname": "h"}), ("agent_heartbeat", {}), ("certificate_request", {"csr": ""}),
        ("task_complete", {"task_id": "a", "status": "succeeded"}), ("agent_list", {}),
        ("agent_enrol", {"name": "bad", "csr": "not a request"}), ("agent_enrol", {}), ("agent_enrol", {"name": "-x"}),
    ])
    def test_the_link_is_for_nothing_else(self, site, kind, data):
        token = enrolment_token(site)
        before = site.cloud.query("SELECT count(*) FROM agents")
        with wire.Link(site.cloud, "/ws/agent", token) as link:
            link.send(kind, data)
            assert link.outcome()[0] == "error"
            with contextlib.suppress(ConnectionClosed):
                link.send("agent_enrol", {"name": "late"})
            assert link.outcome() == ("close", 1008)
        assert site.cloud.query("SELECT count(*) FROM agents") == before
        assert wire.refusal(site.cloud, "/ws/operator", token) in (401, 403)
        assert wire.refusal(site.cloud, "/ws/agent", token) is None, "the token was not used"

    def test_a_key_that_is_not_the_requests(self, site):
        """A request that somebody else's key has signed proves nothing."""
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        key = ec.generate_private_key(ec.SECP256R1())
        csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
        der = bytearray(csr.public_bytes(serialization.Encoding.DER))
        der[-5] ^= 1
        text = ssl.DER_cert_to_PEM_cert(bytes(der)).replace("CERTIFICATE", "CERTIFICATE REQUEST")
        with wire.Link(site.cloud, "/ws/agent", enrolment_token(site)) as link:
            link.send("agent_enrol", {"name": "forger", "csr": text})
            assert link.outcome() == ("error", "invalid_argument")


class TestHandshake:
    def test_a_good_certificate(self, site, enrolled):
        assert "200" in request(site.cloud, context(site.cloud, enrolled.files))[0]
        assert upgrade(site.cloud, enrolled.token, enrolled.files)[0] == 101

    def test_operators_show_none(self, site):
        assert upgrade(site.cloud, site.cloud.token("operator", "otto"), path="/ws/operator")[0] == 101

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    @pytest.mark.parametrize("what", ["foreign", "foreign with the name of ours", "expired", "not yet", "a server's", "no agent's"])
    def test_others_are_refused(self, site, enrolled, tmp_path, version, what):
        own, agent = Authority.of(site.cloud.data / "tls"), site.operator.agent("enna")["id"]
        stranger = Authority()
        impostor = Authority(own.certificate, stranger.key)
        files = {
            "foreign": lambda: stranger.client(tmp_path, agent),
            "foreign with the name of ours": lambda: impostor.client(tmp_path, agent),
            "expired": lambda: own.client(tmp_path, agent, start=-2 * DAY, end=-DAY),
            "not yet": lambda: own.client(tmp_path, agent, start=DAY, end=2 * DAY),
            "a server's": lambda: own.client(tmp_path, agent, usage=ExtendedKeyUsageOID.SERVER_AUTH),
            "no agent's": lambda: own.client(tmp_path, "../../etc"),
        }[what]()
        assert refused_in_the_handshake(site.cloud, context(site.cloud, files, version))
        good = own.client(tmp_path, agent)
        assert "200" in request(site.cloud, context(site.cloud, good, version))[0], "the control"

    def test_the_certificate_must_be_the_tokens_agents(self, site, enrolled, tmp_path):
        assert enrol(site, site.directory, "second", enrolment_token(site)).returncode == 0
        second = EnrolledAgent(site.cloud, site.directory, "second")
        status, body = upgrade(site.cloud, enrolled.token, second.files)
        assert status == 403 and "another agent" in body
        status, body = upgrade(site.cloud, site.cloud.token("operator", "odo"), second.files, path="/ws/operator")
        assert status == 403

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_a_revoked_certificate_and_the_session_it_had(self, site, version):
        name = f"revoked-{version.name[-1]}"
        assert enrol(site, site.directory, name, enrolment_token(site)).returncode == 0
        agent = start(site, name)
        settings = context(site.cloud, agent.files, version)
        line, session = request(site.cloud, settings)
        assert "200" in line and session is not None
        assert "200" in request(site.cloud, settings, session=session)[0], "it can be resumed"
        revoke(site, f"{agent.certificate.serial_number:032x}")
        until(lambda: refused_in_the_handshake(site.cloud, settings), 30, "the handshake is refused")
        assert request(site.cloud, settings, session=session)[0] == "", "nor resumed"
        site.wait_offline(name)
        until(lambda: "refuses this client's certificate" in agent.log.read_text(), 30, "the agent says why")
        assert "certificate revoked" in agent.log.read_text(), "the live link was ended"


def revoke(site, *arguments):
    done = subprocess.run([BIN / "tiangong-cloud", "certificate", "revoke", *arguments, "--data-dir", site.cloud.data],
                          env=site.cloud.environment, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr


def test_removing_an_agent_revokes_all_it_has(site):
    assert enrol(site, site.directory, "fired", enrolment_token(site)).returncode == 0
    agent = start(site, "fired")
    assert site.operator("agent", "remove", "fired").returncode == 0
    until(lambda: refused_in_the_handshake(site.cloud, context(site.cloud, agent.files)), 30, "refused")
    assert upgrade(site.cloud, agent.token)[0] == 401
    until(lambda: "link ended" in agent.log.read_text(), 30, "the live link was ended")


def test_required(tmp_path):
    with running(tmp_path, settings={"TIANGONG_AGENTS_CLIENT_CERTIFICATES": "required"}) as site:
        status, body = upgrade(site.cloud, site.cloud.token("agent", "bare"))
        assert status == 403 and "client certificate" in body
        assert enrol(site, site.directory, "good", enrolment_token(site)).returncode == 0
        agent = start(site, "good")
        assert upgrade(site.cloud, agent.token)[0] == 403, "its token alone is not enough"
        assert site.operator("agent", "list").returncode == 0
        bare = site.agent("bare", wait=False)
        until(lambda: "agents need a client certificate" in bare.log.read_text(), 30, "the agent says why")


def test_off(tmp_path):
    with running(tmp_path, settings={"TIANGONG_AGENTS_CLIENT_CERTIFICATES": "off"}) as site:
        assert enrol(site, site.directory, "plain", enrolment_token(site)).returncode == 0
        agent = start(site, "plain")
        assert not (agent.identity / "agent.pem").exists()
        # It would take the place of the link below with its next one.
        agent.stop()
        site.wait_offline("plain")
        with wire.Link(site.cloud, "/ws/agent", agent.token) as link:
            link.send("agent_register", {"hostname": "h"})
            link.expect("agent_status")
            link.send("certificate_request", {"csr": "x"})
            assert link.outcome() == ("error", "unsupported")


def test_renewal_while_a_task_runs(tmp_path):
    """The certificate is replaced several times under a running task: it runs once, and every byte arrives."""
    gate = tmp_path / "gate"
    script = f"i=0; while [ ! -e {gate} ]; do i=$((i + 1)); echo \"line $i $(date +%N)\"; echo \"err $i\" >&2; sleep 0.02; done"
    with running(tmp_path, settings={"TIANGONG_AGENTS_CERTIFICATE_LIFETIME": "12s"}) as site:
        assert enrol(site, site.directory, "renna", enrolment_token(site)).returncode == 0
        agent = start(site, "renna")
        starts = tmp_path / "starts"
        truth = tmp_path / "truth"
        run = site.operator.detach("-a", "renna", "--", "sh", "-c", f"echo once >> {starts}; ({script}) | tee {truth}")
        site.operator.in_state(run, "running")
        serials, epochs = set(), set()

        def renewed():
            serials.add(agent.certificate.serial_number)
            epochs.add(site.cloud.query("SELECT epoch FROM agents WHERE name = 'renna'")[0][0])
            return len(serials) >= 3
        until(renewed, 60, "it is renewed twice", every=0.1)
        assert site.operator.task(run)["state"] == "running", "all that while the task ran"
        gate.touch()
        task, = site.operator.ended(run, 120)
        assert task["state"] == "succeeded" and task["exit_code"] == 0
        assert starts.read_text() == "once\n"
        out = site.operator.raw(run, "stdout")
        assert hashlib.sha256(out).digest() == hashlib.sha256(truth.read_bytes()).digest()
        assert site.operator.raw(run, "stderr") == b"".join(b"err %d\n" % (at + 1) for at in range(out.count(b"\n")))
        assert len(epochs) >= 2, "each new certificate is used by a new link"
        # The next renewal may be just now: a new link takes a moment.
        site.wait_online("renna")


def test_a_torn_replacement_is_finished(tmp_path):
    """A power cut between the renames of key and certificate leaves both files of the new pair, or one of them."""
    with running(tmp_path) as site:
        assert enrol(site, site.directory, "torn", enrolment_token(site)).returncode == 0
        agent = start(site, "torn")
        agent.stop()
        site.wait_offline("torn")
        pem, key = (path.read_text() for path in agent.files)
        new_pem, new_key = (path.read_text() for path in
                            Authority.of(site.cloud.data / "tls").client(tmp_path, site.operator.agent("torn")["id"]))
        new_pem = new_pem.split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----"
        for step in ("both there", "key renamed"):
            secret_file(agent.identity, "agent.pem", pem)
            secret_file(agent.identity, "agent.key", key if step == "both there" else new_key)
            secret_file(agent.identity, "next.pem", new_pem)
            if step == "both there":
                secret_file(agent.identity, "next.key", new_key)
            agent.start()
            site.wait_online("torn")
            assert agent.files[1].read_text().strip() == new_key.strip() and not (agent.identity / "next.pem").exists()
            agent.stop()
            site.wait_offline("torn")
