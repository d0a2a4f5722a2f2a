# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""The program of the recorded API server: answers as a kube-apiserver 1.20 was seen to, over TLS.

`POST /_control?NAME=NUMBER` makes it misbehave: `busy` answers so many requests with 429, `slow` holds every answer back for so
many milliseconds, `compact` forgets what happened (410 for older watches and lists), `cut` ends all watches without a word,
`v4` refuses the exec protocol v5, `many` makes so many config maps in the namespace `many`.
"""

import asyncio
import base64
import copy
import json
import os
import pathlib
import signal
import ssl
import sys
import time

from aiohttp import web

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import containers
import kubernetes_store as stored
from kubernetes_controllers import Controllers
from kubernetes_store import Refusal, Store

VERSION = {"major": "1", "minor": "20", "gitVersion": "v1.20.2", "platform": "linux/amd64"}
COLUMNS = {
    "pods": [("Name", "string", 0), ("Ready", "string", 0), ("Status", "string", 0), ("Restarts", "integer", 0), ("Age", "string", 0),
             ("IP", "string", 1), ("Node", "string", 1)],
    "deployments": [("Name", "string", 0), ("Ready", "string", 0), ("Up-to-date", "string", 0), ("Available", "string", 0),
                    ("Age", "string", 0), ("Containers", "string", 1), ("Images", "string", 1), ("Selector", "string", 1)],
    "configmaps": [("Name", "string", 0), ("Data", "string", 0), ("Age", "string", 0)],
}
PLAIN = [("Name", "string", 0), ("Created At", "date", 0)]


def cells(resource, one):
    meta, spec, status = one["metadata"], one.get("spec", {}), one.get("status", {})
    if resource.plural == "pods":
        states = status.get("containerStatuses", [])
        waiting = [state["state"]["waiting"]["reason"] for state in states if "waiting" in state["state"]]
        phase = "Terminating" if meta.get("deletionTimestamp") else (waiting or [status.get("phase", "Pending")])[0]
        return [meta["name"], f"{sum(state['ready'] for state in states)}/{len(spec['containers'])}", phase, 0, "1s",
                status.get("podIP", "<none>"), spec.get("nodeName", "<none>")]
    if resource.plural == "deployments":
        containers_ = spec["template"]["spec"]["containers"]
        return [meta["name"], f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 1)}", status.get("updatedReplicas", 0),
                status.get("availableReplicas", 0), "1s", ",".join(c["name"] for c in containers_), ",".join(c["image"] for c in containers_),
                ",".join(f"{k}={v}" for k, v in spec["selector"]["matchLabels"].items())]
    if resource.plural == "configmaps":
        return [meta["name"], len(one.get("data", {})) + len(one.get("binaryData", {})), "1s"]
    return [meta["name"], meta["creationTimestamp"]]


class Target:
    """What a path names."""

    def __init__(self, store, path):
        parts = path.strip("/").split("/")
        group, version, rest = ("", parts[1], parts[2:]) if parts[0] == "api" else (parts[1], parts[2], parts[3:])
        self.namespace = None
        if len(rest) > 2 and rest[0] == "namespaces":
            self.namespace, rest = rest[1], rest[2:]
        self.resource = store.find(group, version, rest[0])
        self.name = rest[1] if len(rest) > 1 else None
        self.part = rest[2] if len(rest) > 2 else None


class APIServer:
    def __init__(self, settings):
        self.store = Store()
        self.users = {token: name for name, token in settings["tokens"].items()}
        self.faults = {}
        self.streams = {}
        self.begun = 0
        self.state = pathlib.Path(settings["state"])
        if self.state.exists():
            self.store.load(self.state)
            return
        for name in ("default", "kube-system", "many"):
            self.store.put(self.store.kind("namespaces"), {
                "kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}, "status": {"phase": "Active"}})
        self.store.put(self.store.kind("nodes"), {"kind": "Node", "apiVersion": "v1", "metadata": {"name": "n1"}})

    # Who may do what

    def user(self, request):
        header = request.headers.get("Authorization", "")
        if header:
            name = self.users.get(header.removeprefix("Bearer "))
        else:
            certificate = request.transport.get_extra_info("peercert") or {}
            name = next((value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"), "system:anonymous")
        if name is None:
            raise Refusal(401, "Unauthorized", "Unauthorized")
        return name

    def may(self, user, verb, resource, part, namespace):
        if user == "admin":
            return True
        wanted = resource.plural + (f"/{part}" if part else "")
        for binding in self.store.select(self.store.kind("rolebindings"), namespace or "-"):
            if any(subject["name"] == user for subject in binding["subjects"]):
                role = self.store.get(self.store.kind("roles"), namespace, binding["roleRef"]["name"])
                for rule in (role or {}).get("rules", ()):
                    if resource.group in rule["apiGroups"] and {wanted, "*"} & set(rule["resources"]) and {verb, "*"} & set(rule["verbs"]):
                        return True
        return False

    def allow(self, user, verb, target):
        if self.may(user, verb, target.resource, target.part, target.namespace):
            return
        resource = target.resource
        what = resource.plural + (f"/{target.part}" if target.part else "")
        place = f'in the namespace "{target.namespace}"' if target.namespace else "at the cluster scope"
        subject = resource.qualified + (f' "{target.name}"' if target.name else "")
        raise Refusal(
            403, "Forbidden", f'{subject} is forbidden: User "{user}" cannot {verb} resource "{what}" in API group "{resource.group}" {place}',
            ({"name": target.name} if target.name else {}) | ({"group": resource.group} if resource.group else {}) | {"kind": resource.plural})

    # Requests

    async def handle(self, request):
        try:
            user = self.user(request)
            if request.path == "/_control":
                return self.control(request.query)
            if self.faults.get("slow"):
                await asyncio.sleep(self.faults["slow"] / 1000)
            if self.faults.get("busy", 0) > 0 and request.path != "/version":
                self.faults["busy"] -= 1
                return web.json_response(Refusal(429, "TooManyRequests", "The request has been throttled", {"retryAfterSeconds": 1}).status, status=429)
            return await self.answer(request, user)
        except Refusal as refusal:
            return web.json_response(refusal.status, status=refusal.code)

    def control(self, query):
        for name, text in query.items():
            if name == "compact":
                self.store.compact()
            elif name == "cut":
                for stream in list(self.streams.values()):
                    stream.transport and stream.transport.abort()
            elif name == "many":
                resource = self.store.kind("configmaps")
                for number in range(int(text)):
                    self.store.put(resource, {"kind": "ConfigMap", "apiVersion": "v1", "data": {"text": "天工" * 100}, "metadata": {
                        "name": f"map-{number:07}", "namespace": "many"}})
                self.store.log = []
            else:
                self.faults[name] = int(text)
        return web.json_response(self.faults | {"watching": len(self.streams), "begun": self.begun})

    async def answer(self, request, user):
        path = request.path
        if path in ("/readyz", "/healthz"):
            return web.Response(text="ok")
        if path == "/version":
            return web.json_response(VERSION)
        if path.rstrip("/") == "/api":
            return web.json_response({"kind": "APIVersions", "versions": ["v1"]})
        if path.rstrip("/") == "/apis":
            return web.json_response(self.groups())
        if path.count("/") in (2, 3) and (path.startswith("/apis/") or path == "/api/v1"):
            return self.version(path)
        if path == "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews":
            return await self.review(request, user)
        target = Target(self.store, path)
        if target.part == "log" or target.part == "exec":
            return await self.container(request, user, target)
        if request.method == "GET" and target.name is None:
            self.allow(user, "watch" if request.query.get("watch") in ("true", "1") else "list", target)
            return await (self.watch if request.query.get("watch") in ("true", "1") else self.list)(request, target)
        verb = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}[request.method]
        self.allow(user, verb, target)
        return await getattr(self, verb)(request, target)

    # Discovery

    def groups(self):
        names = {}
        for resource in self.store.resources:
            if resource.group:
                names.setdefault(resource.group, resource.version)
        names["authorization.k8s.io"] = "v1"
        def version(group, number):
            return {"groupVersion": f"{group}/{number}", "version": number}
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [
            {"name": group, "versions": [version(group, number)], "preferredVersion": version(group, number)} for group, number in names.items()]}

    def version(self, path):
        parts = path.split("/")[2:]
        group, number = ("", parts[0]) if len(parts) == 1 else parts
        own = [resource for resource in self.store.resources if (resource.group, resource.version) == (group, number)]
        if not own and group != "authorization.k8s.io":
            return web.Response(text="404 page not found\n", status=404)
        return web.json_response({"kind": "APIResourceList", "groupVersion": "/".join(parts), "resources": [
            entry for resource in own for entry in (resource.discovery(), {"name": f"{resource.plural}/status", "singularName": "",
                                                                         "namespaced": True, "kind": resource.kind, "verbs": ["get"]})]})

    async def review(self, request, user):
        review = await request.json()
        wanted = review["spec"]["resourceAttributes"]
        resource = next((one for one in self.store.resources if one.plural == wanted.get("resource")), None)
        allowed = user == "admin" or resource is not None and self.may(
            user, wanted["verb"], resource, wanted.get("subresource"), wanted.get("namespace"))
        return web.json_response(review | {"status": {"allowed": allowed}}, status=201)

    # Reading

    def shown(self, one):
        """With the owners of its fields."""
        one = copy.deepcopy(one)
        owners = self.store.owners.get(one["metadata"].get("uid"), {})
        if owners:
            one["metadata"]["managedFields"] = [{
                "manager": manager, "operation": "Apply", "apiVersion": one["apiVersion"], "time": stored.now(), "fieldsType": "FieldsV1",
                "fieldsV1": {f"f:{stored.name_of(path)}": {} for path in sorted(paths, key=str)}} for manager, paths in owners.items()]
        return one

    def form(self, request, target, objects, more, single=False):
        """Objects in the form that was asked for: as they are, as a table, or their metadata only."""
        accept, resource = request.headers.get("Accept", ""), target.resource
        if "as=Table" in accept:
            return {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": more, "columnDefinitions": [
                {"name": name, "type": kind, "format": "", "description": "", "priority": priority}
                for name, kind, priority in COLUMNS.get(resource.plural, PLAIN)], "rows": [
                    {"cells": cells(resource, one), "object": {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                                                               "metadata": one["metadata"]}} for one in objects]}
        if single:
            return self.shown(objects[0])
        if "as=PartialObjectMetadataList" in accept:
            return {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": more,
                    "items": [{"metadata": one["metadata"]} for one in objects]}
        # Items of a list say neither their kind nor their version.
        return {"kind": f"{resource.kind}List", "apiVersion": resource.api_version, "metadata": more,
                "items": [{key: value for key, value in one.items() if key not in ("kind", "apiVersion")} for one in objects]}

    async def list(self, request, target):
        query = request.query
        start, version = "", self.store.version
        if "continue" in query:
            place = json.loads(base64.urlsafe_b64decode(query["continue"]))
            start, version = place["start"], place["version"]
            if 0 < version < self.store.compacted:
                # The rest, as it is now.
                token = base64.urlsafe_b64encode(json.dumps({"start": start, "version": -1}).encode()).decode()
                raise Refusal(410, "Expired", "The provided continue parameter is too old to display a consistent list result.",
                              metadata={"continue": token})
        chosen = self.store.select(target.resource, target.namespace, query.get("labelSelector", ""), query.get("fieldSelector", ""))
        key = lambda one: f'{one["metadata"].get("namespace", "")}/{one["metadata"]["name"]}'
        chosen = [one for one in chosen if key(one) > start]
        limit = int(query.get("limit") or 0)
        more = {"resourceVersion": str(self.store.version)}
        if limit and len(chosen) > limit:
            token = json.dumps({"start": key(chosen[limit - 1]), "version": version}).encode()
            more |= {"continue": base64.urlsafe_b64encode(token).decode(), "remainingItemCount": len(chosen) - limit}
            chosen = chosen[:limit]
        return web.json_response(self.form(request, target, chosen, more))

    async def get(self, request, target):
        one = self.store.require(target.resource, target.namespace, target.name)
        if target.part == "scale":
            return web.json_response(self.scale(target, one))
        return web.json_response(self.form(request, target, [one], {}, single=True))

    @staticmethod
    def scale(target, one):
        if target.resource.plural not in ("deployments", "replicasets"):
            raise Refusal(404, "NotFound", "the server could not find the requested resource", {})
        meta = one["metadata"]
        return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": {
            "name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"], "resourceVersion": meta["resourceVersion"]},
            "spec": {"replicas": one["spec"].get("replicas", 1)}, "status": {"replicas": one.get("status", {}).get("replicas", 0)}}

    async def watch(self, request, target):
        query = request.query
        queue = self.store.changes(int(query.get("resourceVersion") or self.store.version))
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        self.streams[id(request)] = request
        self.begun += 1
        end = time.monotonic() + min(float(query.get("timeoutSeconds", 300)), self.faults.get("watch", 300))
        try:
            # The bookmark at the end says that all before it was told.
            while (left := end - time.monotonic()) > 0 or not queue.empty():
                try:
                    version, event, plural, one = queue.get_nowait() if left <= 0 else await asyncio.wait_for(queue.get(), left)
                except asyncio.TimeoutError:
                    continue
                meta = one["metadata"]
                if plural != target.resource.qualified or target.namespace not in (None, meta.get("namespace")):
                    continue
                if not stored.matches(one, query.get("labelSelector", ""), query.get("fieldSelector", "")):
                    continue
                body = self.form(request, target, [one], {"resourceVersion": str(version)}, single=True)
                await response.write(json.dumps({"type": event, "object": body}).encode() + b"\n")
            if query.get("allowWatchBookmarks") == "true":
                await response.write(json.dumps({"type": "BOOKMARK", "object": {
                    "kind": target.resource.kind, "apiVersion": target.resource.api_version,
                    "metadata": {"resourceVersion": str(self.store.version)}}}).encode() + b"\n")
        finally:
            self.store.watches.discard(queue)
            self.streams.pop(id(request), None)
        return response

    async def container(self, request, user, target):
        self.allow(user, "get" if target.part == "log" else "create", target)
        pod = self.store.require(target.resource, target.namespace, target.name)
        name = request.query.get("container", "")
        if name not in [container["name"] for container in pod["spec"]["containers"]]:
            raise Refusal(400, "BadRequest", f"container {name} is not valid for pod {target.name}")
        if target.part == "log":
            return await containers.write_log(request, target.name, name)
        offered = request.headers.get("Sec-WebSocket-Protocol", "")
        if self.faults.get("v4") and "v4.channel" not in offered:
            return web.Response(status=403, text="unable to upgrade: no acceptable protocol\n")
        if self.faults.get("v4"):
            containers.PROTOCOLS = ("v4.channel.k8s.io",)
        return await containers.run_program(request)

    # Writing

    @staticmethod
    def check(resource, one):
        for value in (one.get("data") or {}).values() if resource.plural == "configmaps" else ():
            if not isinstance(value, str):
                raise Refusal(400, "BadRequest", f'ConfigMap in version "v1" cannot be handled as a ConfigMap: v1.ConfigMap.Data: '
                              f'ReadString: expects " or n, but found {str(value)[:1]}')
        if resource.plural == "deployments":
            one["spec"].setdefault("replicas", 1)
            labels, selector = one["spec"]["template"]["metadata"].get("labels", {}), one["spec"]["selector"]["matchLabels"]
            if any(labels.get(key) != value for key, value in selector.items()):
                message = "Invalid value: `selector` does not match template `labels`"
                raise Refusal(422, "Invalid", f'Deployment.apps "{one["metadata"]["name"]}" is invalid: spec.template.metadata.labels: {message}', {
                    "name": one["metadata"]["name"], "group": "apps", "kind": "Deployment",
                    "causes": [{"reason": "FieldValueInvalid", "message": message, "field": "spec.template.metadata.labels"}]})
        if resource.plural == "secrets":
            for key, value in (one.pop("stringData", None) or {}).items():
                one.setdefault("data", {})[key] = base64.b64encode(value.encode()).decode()

    def write(self, request, target, one, code=200):
        self.check(target.resource, one)
        if target.resource.plural == "pods":
            one.setdefault("status", {"phase": "Pending"})
        if target.namespace and self.store.get(self.store.kind("namespaces"), None, target.namespace) is None:
            raise self.store.kind("namespaces").missing(target.namespace)
        one["metadata"].pop("managedFields", None)
        if request.query.get("dryRun") == "All":
            one["metadata"].setdefault("uid", "00000000-0000-0000-0000-000000000000")
            return web.json_response(one, status=code)
        one = self.store.put(target.resource, one)
        if one["metadata"].get("deletionTimestamp") and not one["metadata"].get("finalizers") and target.resource.plural != "pods":
            # The last who held it has let go.
            self.store.remove(target.resource, one)
        return web.json_response(self.shown(one), status=code)

    async def create(self, request, target):
        one = await request.json()
        meta = one.setdefault("metadata", {})
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = f"{meta['generateName']}{self.store.version:05x}"
        if target.namespace:
            meta["namespace"] = target.namespace
        if self.store.get(target.resource, target.namespace, meta["name"]) is not None:
            raise Refusal(409, "AlreadyExists", f'{target.resource.qualified} "{meta["name"]}" already exists', {
                "name": meta["name"], "kind": target.resource.plural})
        return self.write(request, target, one, 201)

    async def update(self, request, target):
        live, one = self.store.require(target.resource, target.namespace, target.name), await request.json()
        given = one["metadata"].get("resourceVersion")
        if given and given != live["metadata"]["resourceVersion"]:
            raise self.changed(target)
        one["metadata"] = {key: live["metadata"][key] for key in ("uid", "creationTimestamp", "generation") if key in live["metadata"]} | one["metadata"]
        return self.write(request, target, one)

    @staticmethod
    def changed(target):
        return Refusal(409, "Conflict", f'Operation cannot be fulfilled on {target.resource.qualified} "{target.name}": the object has been '
                       "modified; please apply your changes to the latest version and try again", {"name": target.name, "kind": target.resource.plural})

    async def patch(self, request, target):
        kind, body = request.content_type, json.loads(await request.text())
        live = self.store.get(target.resource, target.namespace, target.name)
        if kind == "application/apply-patch+yaml":
            return self.apply(request, target, live, body)
        if live is None:
            raise target.resource.missing(target.name)
        version = (body.get("metadata") or {}).pop("resourceVersion", None) if isinstance(body, dict) else None
        if version and version != live["metadata"]["resourceVersion"]:
            raise self.changed(target)
        one = copy.deepcopy(live)
        if target.part == "scale":
            self.scale(target, live)
            one["spec"]["replicas"] = body["spec"]["replicas"]
        elif kind == "application/merge-patch+json":
            one = stored.merge(one, body)
        elif kind == "application/strategic-merge-patch+json":
            if target.resource.group not in {entry[0] for entry in stored.RESOURCES}:
                raise Refusal(415, "UnsupportedMediaType", "the body of the request was in an unknown format - accepted media types include: "
                              "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml", {})
            one = stored.strategic(one, body)
        elif kind == "application/json-patch+json":
            one = stored.json_patch(one, body)
        else:
            raise Refusal(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})
        return self.write(request, target, one)

    def apply(self, request, target, live, body):
        if target.resource.plural == "configmaps":
            unknown = [key for key in body if key not in ("apiVersion", "kind", "metadata", "data", "binaryData", "immutable")]
            if unknown:
                raise Refusal(500, "", f"failed to create typed patch object: .{unknown[0]}: field not declared in schema")
        owners = self.store.owners.get((live or {}).get("metadata", {}).get("uid"), {})
        manager, force = request.query["fieldManager"], request.query.get("force") == "true"
        one, owners = stored.apply(live, owners, body, manager, force)
        one["metadata"]["name"] = target.name
        if target.namespace:
            one["metadata"]["namespace"] = target.namespace
        response = self.write(request, target, one, 200 if live else 201)
        if request.query.get("dryRun") != "All":
            self.store.owners[self.store.get(target.resource, target.namespace, target.name)["metadata"]["uid"]] = owners
        return response

    async def delete(self, request, target):
        one = self.store.require(target.resource, target.namespace, target.name)
        options = json.loads(await request.text() or "{}")
        dry = request.query.get("dryRun") == "All"
        is_held = target.resource.plural in ("pods", "namespaces") or one["metadata"].get("finalizers")
        if is_held and options.get("gracePeriodSeconds") != 0:
            marked = copy.deepcopy(one)
            marked["metadata"]["deletionTimestamp"] = stored.now()
            return web.json_response(self.shown(marked if dry else self.store.put(target.resource, marked)))
        if not dry:
            self.store.remove(target.resource, one)
            if options.get("propagationPolicy") != "Orphan":
                self.collect(one["metadata"]["uid"])
        return web.json_response({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": {
            "name": target.name, "kind": target.resource.plural, "uid": one["metadata"]["uid"]}})

    def collect(self, uid):
        for resource, one in self.store.everything():
            if any(reference["uid"] == uid for reference in one["metadata"].get("ownerReferences", ())):
                self.store.remove(resource, one)
                self.collect(one["metadata"]["uid"])


async def main(settings):
    server = APIServer(settings)
    app = web.Application(client_max_size=8 << 20)
    app.router.add_route("*", "/{path:.*}", server.handle)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(settings["certificate"], settings["key"])
    tls.load_verify_locations(settings["authority"])
    tls.verify_mode = ssl.CERT_OPTIONAL
    # Before it can be reached, so that whoever reaches it can also end it.
    ending = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", settings["port"], ssl_context=tls).start()
    controllers = asyncio.create_task(Controllers(server.store).run())
    await asyncio.wait([controllers, asyncio.create_task(ending.wait())], return_when=asyncio.FIRST_COMPLETED)
    server.store.save(server.state)
    # As when a machine goes down: nobody is told.
    os._exit(0 if ending.is_set() else 1)


asyncio.run(main(json.loads(sys.argv[1])))
