# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""A cluster, a Cloud, and an agent that reaches the cluster in every way there is."""

import itertools
import json

from harness.site import Site
from harness.waiting import until
from harness.work import Work, perform

# What scenarios do and policies refuse unless told otherwise.
LIFTED = ["k8s.exec", "k8s.secrets", "k8s.delete-namespace", "k8s.cluster-resource", "k8s.delete-cluster-resource", "k8s.all"]


class Bench:
    serial = itertools.count(1)

    def __init__(self, directory, cluster):
        self.cluster = cluster
        self.site = Site(directory)
        self.site.policy("tests", mode="blacklist-default", statements=LIFTED)
        access, url = cluster.access, cluster.url
        chain, key = access.authority.client(access.directory, "agent")
        chain.chmod(0o600)
        self.account = directory / "account"
        self.account.mkdir()
        (self.account / "ca.crt").write_bytes(access.authority_file.read_bytes())
        (self.account / "namespace").write_text("kube-system")
        self.set_token("agent")
        sources = {
            "admin": {"kubeconfig": str(access.kubeconfig(url, "admin", namespace="default"))},
            "agent": {"kubeconfig": str(access.kubeconfig(url, "agent", inline=True)), "context": "main", "namespace": "default"},
            "certificate": {"kubeconfig": str(access.kubeconfig(
                url, "somebody", name="certificate", **{"client-certificate": str(chain), "client-key": str(key)}))},
            "token": {"server": url, "token": {"secret_ref": "k8s-admin"}, "ca-file": str(access.authority_file)},
            "pod": {"in-cluster": True, "service-account-directory": str(self.account)},
            "plugin": {"kubeconfig": str(access.kubeconfig(url, "somebody", name="plugin", exec={"command": "/bin/false"}))},
            "changing": {"kubeconfig": str(access.kubeconfig(url, "admin", name="changing"))},
            "wrong-ca": {"server": url, "token": {"secret_ref": "k8s-admin"}, "ca-file": str(self.site.cloud.authority)},
            "wrong-token": {"server": url, "token": {"secret_ref": "k8s-wrong"}, "ca-file": str(access.authority_file)},
            "closed": {"server": "https://127.0.0.1:1", "ca-file": str(access.authority_file)},
            "silent": {"server": "https://192.0.2.1:6443", "connect-timeout": "300ms"},
        }
        agent = self.site.agent(
            "k8s-1", wait=False, executors={"k8s": {"datasources": sources}},
            policy="mode: blacklist-default\nstatements: [" + ", ".join(LIFTED) + "]\n",
            settings={"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": url.rsplit(":", 1)[1]})
        agent.secret("k8s-admin", access.tokens["admin"].encode())
        agent.secret("k8s-wrong", b"not-a-token-of-this-cluster")
        self.agent = agent
        # An agent of an administrator who lifts nothing.
        self.site.agent("strict", wait=False, executors={"k8s": {"datasources": {"main": sources["admin"]}}})
        for name in ("k8s-1", "strict"):
            self.site.wait_online(name)

    def stop(self):
        self.site.stop()

    def set_token(self, user, text=None):
        """Renews the token of the service account, as Kubernetes does: by renaming."""
        new = self.account / "token.new"
        new.write_text(text or self.cluster.access.tokens[user])
        new.rename(self.account / "token")

    # Tasks

    def run(self, command, datasource="admin", params=None, **spec):
        return perform(self.site, "k8s-1", "k8s", command, {"datasource": datasource} | (params or {}), **spec)

    def done(self, command, *arguments, **options):
        """A task that must succeed."""
        done = self.run(command, *arguments, **options)
        assert done.state == "succeeded", done
        return done

    def work(self, command, datasource="admin", **spec):
        return Work(self.site, "k8s-1", "k8s", command, {"datasource": datasource}, **spec)

    # The cluster, as somebody else sees it

    def namespace(self):
        name = f"t{next(self.serial)}"
        self.cluster.api("/api/v1/namespaces", "POST", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        return name

    def get(self, kind, name, namespace):
        """An object, by kubectl where there is a real cluster; None when there is none."""
        if self.cluster.is_real:
            done = self.cluster.kubectl("get", kind, name, "-n", namespace, "-o", "json", "--ignore-not-found")
            return json.loads(done.stdout) if done.stdout else None
        group = {"deployments": "/apis/apps/v1"}.get(kind, "/api/v1")
        one = self.cluster.api(f"{group}/namespaces/{namespace}/{kind}/{name}", check=False)
        return None if one["kind"] == "Status" else one

    def post(self, kind, namespace, body):
        group = {"roles": "/apis/rbac.authorization.k8s.io/v1", "rolebindings": "/apis/rbac.authorization.k8s.io/v1",
                 "deployments": "/apis/apps/v1", "daemonsets": "/apis/apps/v1", "statefulsets": "/apis/apps/v1"}.get(kind, "/api/v1")
        return self.cluster.api(f"{group}/namespaces/{namespace}/{kind}", "POST", body)

    def rolled_out(self, name, namespace):
        """Waits until a deployment has what it wants, without the agent."""
        def is_there():
            one = self.cluster.api(f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}")
            status = one.get("status", {})
            return (status.get("observedGeneration", 0) >= one["metadata"]["generation"]
                    and status.get("availableReplicas", 0) == status.get("updatedReplicas", 0) == status.get("replicas", 0)
                    == one["spec"]["replicas"])
        until(is_there, 60, f"{name} is rolled out", every=0.1)

    def pods(self, namespace):
        return self.cluster.api(f"/api/v1/namespaces/{namespace}/pods")["items"]


def config_map(name, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def deployment(name="web", image="x:1", replicas=2, container="app", **spec):
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": {
                "metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": container, "image": image}]}}} | spec}


def pod(name, container="app", image="x:1", **labels):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels},
            "spec": {"containers": [{"name": container, "image": image}]}}


def manifests(*objects):
    """Objects below a first line; JSON is YAML."""
    return "\n" + "\n---\n".join(json.dumps(one, ensure_ascii=False) for one in objects)


def table(text):
    """The rows of a table as dictionaries."""
    lines = text.splitlines()
    names = [name.strip() for name in lines[0].split(" | ")]
    return [dict(zip(names, (cell.strip() for cell in line.split(" | ")))) for line in lines[2:]]
