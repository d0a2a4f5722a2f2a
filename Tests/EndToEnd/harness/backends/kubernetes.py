# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""A recorded Kubernetes API server: a process that behaves as a real kube-apiserver was seen to, for tests that always run.

`kubernetes_real.py` starts a real one; the same scenarios run against both.
"""

import base64
import json
import pathlib
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request

from ..certificates import Authority
from .server import Server


class AccessFiles:
    """Certificates, tokens and kubeconfigs of a cluster."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.authority = Authority()
        self.authority_file = self.directory / "cluster-ca.pem"
        self.authority_file.write_text(self.authority.pem())
        self.certificate, self.key = self.authority.server(self.directory, "apiserver")
        self.tokens = {"admin": "admin-token-0123456789", "agent": "agent-token-9876543210"}

    def kubeconfig(self, url, user, inline=False, name=None, namespace=None, **changes):
        """A kubeconfig with one context; `changes` go into the user's or the cluster's mapping by their keys."""
        cluster = {"server": url}
        if inline:
            cluster["certificate-authority-data"] = base64.b64encode(self.authority_file.read_bytes()).decode()
        else:
            cluster["certificate-authority"] = str(self.authority_file)
        account = {"token": self.tokens[user]} if user in self.tokens else {}
        for key, value in changes.items():
            (cluster if key in ("server", "insecure-skip-tls-verify", "certificate-authority", "proxy-url") else account)[key] = value
        context = {"cluster": "c", "user": user} | ({"namespace": namespace} if namespace else {})
        path = self.directory / f"{name or user}.kubeconfig"
        path.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": user, "user": account}], "contexts": [{"name": "main", "context": context}],
            "current-context": "main"}))
        path.chmod(0o600)
        return path

    def request(self, url, path, method="GET", body=None, user="admin", raw=False, type="application/json", check=True):
        """One request as somebody else than the agent; the answer as JSON."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url + path, data, method=method, headers={
            "Authorization": f"Bearer {self.tokens[user]}", "Content-Type": type})
        context = ssl.create_default_context(cafile=str(self.authority_file))
        # The test's authority has no key usage, which newer Pythons ask for.
        context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
        try:
            with urllib.request.urlopen(request, context=context, timeout=30) as response:
                content = response.read()
        except urllib.error.HTTPError as error:
            content = error.read()
            assert not check, f"{method} {path}: {error.code} {content.decode(errors='replace')}"
        return content if raw else json.loads(content)


class RecordedCluster(Server):
    name = "kubernetes"
    is_real = False

    def __init__(self, directory):
        super().__init__(directory)
        self.access = AccessFiles(directory)

    def command(self):
        return [sys.executable, pathlib.Path(__file__).parent / "kubernetes_server.py", json.dumps({
            "port": self.port, "certificate": str(self.access.certificate), "key": str(self.access.key),
            "authority": str(self.access.authority_file), "tokens": self.access.tokens, "state": str(self.directory / "state")})]

    @property
    def url(self):
        return f"https://127.0.0.1:{self.port}"

    def api(self, path, method="GET", body=None, **options):
        return self.access.request(self.url, path, method, body, **options)

    def bounce(self):
        """Stops and starts it again, with what it held."""
        self.restart()

    def control(self, **settings):
        """Makes the server misbehave as told; see `Faults` in kubernetes_server.py."""
        return self.api("/_control?" + urllib.parse.urlencode(settings), "POST")
