# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""A real Kubernetes API server with etcd and controllers, as `make k8s-testbed` builds it, and a kubelet that stands in."""

import os
import pathlib
import shutil
import subprocess
import sys

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from .kubernetes import AccessFiles
from .server import Server, free_port

BINARIES = pathlib.Path(os.environ.get("K8S_TESTBED") or pathlib.Path(
    os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "tiangong-k8s" / "1.20.2")


def missing():
    """Why there is no real cluster here; None when there can be one."""
    for name in ("kube-apiserver", "kube-controller-manager"):
        if not (BINARIES / name).exists():
            return f"SKIP kubernetes: no {name} (make k8s-testbed builds it, 6-8 min)"
    for name in ("etcd", "kubectl"):
        if shutil.which(name) is None:
            return f"SKIP kubernetes: no {name} (Scripts/install-packages k8s)"
    return None


class Etcd(Server):
    name = "etcd"

    def command(self):
        url, peer = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{free_port()}"
        return ["etcd", "--data-dir", self.directory / "data", "--listen-client-urls", url, "--advertise-client-urls", url,
                "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
                "--unsafe-no-fsync", "--logger", "zap", "--log-outputs", "stderr"]


class APIServer(Server):
    name = "kube-apiserver"
    patience = 120

    def __init__(self, directory, etcd, access):
        super().__init__(directory)
        self.etcd, self.access = etcd, access

    def prepare(self):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        (self.directory / "sa.key").write_bytes(key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()))
        (self.directory / "sa.pub").write_bytes(key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
        (self.directory / "tokens.csv").write_text(
            f'{self.access.tokens["admin"]},admin,1,"system:masters"\n{self.access.tokens["agent"]},agent,2,"tiangong"\n')

    def command(self):
        files = self.directory
        return [BINARIES / "kube-apiserver", f"--etcd-servers=http://127.0.0.1:{self.etcd.port}", "--bind-address=127.0.0.1",
                "--advertise-address=127.0.0.1", f"--secure-port={self.port}", "--insecure-port=0",
                f"--tls-cert-file={self.access.certificate}", f"--tls-private-key-file={self.access.key}",
                f"--client-ca-file={self.access.authority_file}", f"--cert-dir={files}/certs",
                "--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={files}/sa.pub",
                f"--service-account-signing-key-file={files}/sa.key", f"--token-auth-file={files}/tokens.csv",
                "--authorization-mode=RBAC", "--service-cluster-ip-range=10.99.0.0/24", "--allow-privileged=true",
                "--kubelet-preferred-address-types=Hostname,InternalIP", "--endpoint-reconciler-type=none",
                "--disable-admission-plugins=ServiceAccount", "--enable-priority-and-fairness=false"]

    def is_ready(self):
        if not super().is_ready():
            return False
        try:
            return self.access.request(self.url, "/readyz", raw=True, check=False) == b"ok"
        except OSError:
            return False

    @property
    def url(self):
        return f"https://127.0.0.1:{self.port}"


class Controllers(Server):
    name = "kube-controller-manager"

    def __init__(self, directory, kubeconfig):
        super().__init__(directory)
        self.kubeconfig = kubeconfig

    def command(self):
        wanted = ("deployment", "replicaset", "daemonset", "statefulset", "job", "garbagecollector", "namespace", "endpoint",
                  "serviceaccount", "podgc")
        return [BINARIES / "kube-controller-manager", f"--kubeconfig={self.kubeconfig}", "--leader-elect=false", "--port=0",
                f"--secure-port={self.port}", "--bind-address=127.0.0.1", f"--cert-dir={self.directory}/certs",
                "--use-service-account-credentials=false", f"--controllers={','.join(wanted)}"]


class Kubelet(Server):
    name = "kubelet"

    def __init__(self, directory, api):
        super().__init__(directory)
        self.api = api

    def command(self):
        access = self.api.access
        return [sys.executable, pathlib.Path(__file__).parent / "kubelet.py", self.api.url, access.tokens["admin"], self.port,
                access.certificate, access.key]


class RealCluster:
    """All of it, started in order and stopped in reverse."""

    is_real = True

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.access = AccessFiles(self.directory)
        self.etcd = Etcd(directory)
        self.server = APIServer(directory, self.etcd, self.access)
        self.parts = []

    def start(self):
        self.kubeconfig = self.access.kubeconfig(self.server.url, "admin", name="oracle")
        try:
            for part in (self.etcd, self.server, Controllers(self.directory, self.kubeconfig),
                         Kubelet(self.directory, self.server)):
                self.parts.append(part)
                part.start()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self):
        for part in reversed(self.parts):
            part.stop()

    @property
    def url(self):
        return self.server.url

    def api(self, path, method="GET", body=None, **options):
        return self.access.request(self.url, path, method, body, **options)

    def kubectl(self, *arguments, input=None, check=True):
        """The oracle: what kubectl says."""
        environment = {"KUBECONFIG": str(self.kubeconfig), "PATH": os.environ["PATH"], "HOME": str(self.directory)}
        done = subprocess.run(["kubectl", *arguments], input=input, capture_output=True, text=True, env=environment, timeout=60)
        assert not check or done.returncode == 0, done.stderr
        return done

    def bounce(self):
        """Kills the API server and starts it again; etcd keeps what it held."""
        self.server.restart(kill=True)
