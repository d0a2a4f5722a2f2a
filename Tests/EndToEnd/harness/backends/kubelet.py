# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""A node for a real kube-apiserver without a container runtime: binds pods, says that they run, and serves their logs and
programs as a kubelet does. An image tagged `bad` is never pulled.

    kubelet.py API TOKEN PORT CERTIFICATE KEY
"""

import asyncio
import json
import pathlib
import ssl
import sys

from aiohttp import ClientError, ClientSession, TCPConnector, web

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import containers

NODE = "n1"
MERGE = {"Content-Type": "application/merge-patch+json"}
FACTS = ("machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "containerRuntimeVersion", "kubeletVersion",
         "kubeProxyVersion", "operatingSystem", "architecture")


class Kubelet:
    def __init__(self, api, token, port):
        self.api, self.port = api, port
        self.session = ClientSession(headers={"Authorization": f"Bearer {token}"}, connector=TCPConnector(ssl=False),
                                     read_bufsize=4 << 20)

    async def register(self):
        await self.session.post(f"{self.api}/api/v1/nodes", json={
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE, "labels": {"kubernetes.io/hostname": NODE}}})

    async def beat(self):
        """The node's state, again and again."""
        while True:
            now = containers.now()
            room = {"cpu": "2", "memory": "4Gi", "pods": "110"}
            status = {
                "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": "127.0.0.1"}],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": self.port}}, "capacity": room, "allocatable": room,
                "nodeInfo": dict.fromkeys(FACTS, "none"), "conditions": [
                    {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": now,
                     "lastTransitionTime": now}]}
            try:
                await self.patch(f"/api/v1/nodes/{NODE}/status", {"status": status})
                await self.patch(f"/api/v1/nodes/{NODE}", {"spec": {"taints": None}})
            except ClientError:
                pass
            await asyncio.sleep(10)

    async def patch(self, path, body):
        async with self.session.patch(self.api + path, headers=MERGE, data=json.dumps(body)):
            pass

    async def watch(self):
        while True:
            try:
                async with self.session.get(f"{self.api}/api/v1/pods?watch=1", timeout=None) as events:
                    async for line in events.content:
                        await self.step(json.loads(line))
            except (ClientError, json.JSONDecodeError):
                pass
            await asyncio.sleep(0.5)

    async def step(self, event):
        pod = event["object"]
        if event["type"] in ("DELETED", "ERROR"):
            return
        meta, spec, status = pod["metadata"], pod["spec"], pod.get("status", {})
        path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
        if not spec.get("nodeName"):
            await self.session.post(f"{self.api}{path}/binding", json={
                "apiVersion": "v1", "kind": "Binding", "metadata": {"name": meta["name"]},
                "target": {"kind": "Node", "name": NODE}})
        elif meta.get("deletionTimestamp"):
            await self.session.delete(self.api + path, json={"gracePeriodSeconds": 0})
        elif status.get("phase") == "Pending" and not status.get("containerStatuses"):
            await self.patch(f"{path}/status", {"status": self.started(spec)})

    @staticmethod
    def started(spec):
        now = containers.now()
        is_bad = any(container["image"].endswith(":bad") for container in spec["containers"])
        state = {"waiting": {"reason": "ImagePullBackOff", "message": "there is no such image"}} if is_bad else {
            "running": {"startedAt": now}}
        return {"phase": "Pending" if is_bad else "Running", "podIP": "10.1.0.1", "hostIP": "127.0.0.1", "startTime": now,
                "containerStatuses": [
                    {"name": container["name"], "image": container["image"], "imageID": "none", "restartCount": 0,
                     "containerID": f"none://{container['name']}", "ready": not is_bad, "state": state}
                    for container in spec["containers"]],
                "conditions": [{"type": kind, "status": "False" if is_bad else "True", "lastTransitionTime": now}
                               for kind in ("Initialized", "Ready", "ContainersReady", "PodScheduled")]}


async def logs(request):
    return await containers.write_log(request, request.match_info["pod"], request.match_info["container"])


async def main(api, token, port, certificate, key):
    app = web.Application()
    app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", logs)
    for path in ("/exec/{namespace}/{pod}/{container}", "/exec/{namespace}/{pod}/{uid}/{container}"):
        app.router.add_route("*", path, containers.run_program)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    runner = web.AppRunner(app)
    await runner.setup()
    kubelet = Kubelet(api, token, int(port))
    # Before it can be reached: whoever reaches it finds the node.
    await kubelet.register()
    await web.TCPSite(runner, "127.0.0.1", int(port), ssl_context=tls).start()
    await asyncio.gather(kubelet.beat(), kubelet.watch())


asyncio.run(main(*sys.argv[1:6]))
