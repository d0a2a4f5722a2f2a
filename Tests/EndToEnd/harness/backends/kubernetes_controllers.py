# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""What goes on by itself in the recorded cluster: deployments make replica sets and pods, pods start and stop, definitions
become resources."""

import asyncio
import copy
import hashlib
import json
import time

from kubernetes_store import Resource, now


class Controllers:
    def __init__(self, store):
        self.store = store
        self.serial = 0
        self.seen = {}

    async def run(self):
        while True:
            await asyncio.sleep(0.05)
            for step in (self.pods, self.deployments, self.daemon_sets, self.namespaces, self.definitions):
                step()

    def all(self, plural):
        return self.store.select(self.store.kind(plural))

    def age(self, one, what):
        """Seconds since this was first asked about an object's version."""
        return time.monotonic() - self.seen.setdefault((one["metadata"]["uid"], what), time.monotonic())

    def update(self, plural, one, change):
        after = copy.deepcopy(one)
        change(after)
        return self.store.put(self.store.kind(plural), after)

    def owned(self, plural, owner):
        return [one for one in self.all(plural) if any(
            reference["uid"] == owner["metadata"]["uid"] for reference in one["metadata"].get("ownerReferences", ()))]

    @staticmethod
    def reference(owner):
        return [{"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"],
                 "uid": owner["metadata"]["uid"], "controller": True, "blockOwnerDeletion": True}]

    # Pods

    def pods(self):
        for pod in self.all("pods"):
            if pod["metadata"].get("deletionTimestamp"):
                if self.age(pod, "end") > 0.3 and not pod["metadata"].get("finalizers"):
                    self.store.remove(self.store.kind("pods"), pod)
            elif pod.get("status", {}).get("phase", "Pending") == "Pending" and not pod.get("status", {}).get("containerStatuses"):
                if self.age(pod, "start") > 0.1:
                    self.update("pods", pod, self.start)

    @staticmethod
    def start(pod):
        is_bad = any(container["image"].endswith(":bad") for container in pod["spec"]["containers"])
        state = {"waiting": {"reason": "ImagePullBackOff", "message": "there is no such image"}} if is_bad else {
            "running": {"startedAt": now()}}
        pod["spec"]["nodeName"] = "n1"
        pod["status"] = {
            "phase": "Pending" if is_bad else "Running", "podIP": "10.1.0.1", "containerStatuses": [
                {"name": container["name"], "image": container["image"], "ready": not is_bad, "restartCount": 0, "state": state}
                for container in pod["spec"]["containers"]],
            "conditions": [{"type": kind, "status": "False" if is_bad else "True", "lastTransitionTime": now()}
                           for kind in ("Initialized", "Ready", "ContainersReady", "PodScheduled")]}

    def make_pod(self, owner, template, labels, name):
        self.serial += 1
        meta = owner["metadata"]
        self.store.put(self.store.kind("pods"), {
            "kind": "Pod", "apiVersion": "v1", "metadata": {
                "name": f"{name}-{self.serial:05x}", "namespace": meta["namespace"], "labels": labels,
                "annotations": dict(template["metadata"].get("annotations", {})), "ownerReferences": self.reference(owner)},
            "spec": copy.deepcopy(template["spec"]), "status": {"phase": "Pending"}})

    def end_pod(self, pod):
        if not pod["metadata"].get("deletionTimestamp"):
            self.update("pods", pod, lambda one: one["metadata"].update(deletionTimestamp=now(), deletionGracePeriodSeconds=30))

    @staticmethod
    def is_ready(pod):
        return any(condition["type"] == "Ready" and condition["status"] == "True"
                   for condition in pod.get("status", {}).get("conditions", ()))

    # Deployments

    def deployments(self):
        for one in self.all("deployments"):
            if not one["spec"].get("paused"):
                self.roll(one)

    def roll(self, one):
        template, wanted = one["spec"]["template"], one["spec"].get("replicas", 1)
        mark = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]
        current = self.replica_set(one, template, mark)
        own = [pod for pod in self.owned("pods", current) if not pod["metadata"].get("deletionTimestamp")]
        for _ in range(wanted - len(own)):
            self.make_pod(current, template, template["metadata"]["labels"] | {"pod-template-hash": mark}, current["metadata"]["name"])
        for pod in own[wanted:]:
            self.end_pod(pod)
        ready = sum(map(self.is_ready, own))
        old = [pod for other in self.owned("replicasets", one) if other is not current for pod in self.owned("pods", other)]
        if ready >= wanted:
            for pod in old:
                self.end_pod(pod)
        old = [pod for pod in old if not pod["metadata"].get("deletionTimestamp")]
        deadline = one["spec"].get("progressDeadlineSeconds", 600)
        late = ready < wanted and self.age(one, ("progress", mark, wanted)) > deadline
        status = {
            "observedGeneration": one["metadata"]["generation"], "replicas": len(own) + len(old), "updatedReplicas": len(own),
            "readyReplicas": ready, "availableReplicas": ready, "conditions": [
                {"type": "Available", "status": "True" if ready >= wanted else "False"},
                {"type": "Progressing", "status": "False" if late else "True",
                 "reason": "ProgressDeadlineExceeded" if late else "NewReplicaSetAvailable",
                 "message": f'ReplicaSet "{current["metadata"]["name"]}" has {"timed out progressing" if late else "successfully progressed"}.'}]}
        revision = current["metadata"]["annotations"]["deployment.kubernetes.io/revision"]

        def change(after):
            after["status"] = {key: value for key, value in status.items() if value != 0}
            after["metadata"].setdefault("annotations", {})["deployment.kubernetes.io/revision"] = revision
        self.update("deployments", one, change)

    def replica_set(self, one, template, mark):
        sets = self.owned("replicasets", one)
        newest = max((int(other["metadata"]["annotations"]["deployment.kubernetes.io/revision"]) for other in sets), default=0)
        name = f"{one['metadata']['name']}-{mark}"
        found = next((other for other in sets if other["metadata"]["name"] == name), None)
        if found is None:
            labelled = copy.deepcopy(template)
            labelled["metadata"]["labels"] = template["metadata"]["labels"] | {"pod-template-hash": mark}
            cause = {key: value for key, value in one["metadata"].get("annotations", {}).items() if key == "kubernetes.io/change-cause"}
            found = self.store.put(self.store.kind("replicasets"), {
                "kind": "ReplicaSet", "apiVersion": "apps/v1", "metadata": {
                    "name": name, "namespace": one["metadata"]["namespace"], "labels": labelled["metadata"]["labels"],
                    "annotations": cause | {"deployment.kubernetes.io/revision": str(newest + 1)}, "ownerReferences": self.reference(one)},
                "spec": {"replicas": one["spec"].get("replicas", 1), "template": labelled}, "status": {}})
            self.event(one, "ScalingReplicaSet", f"Scaled up replica set {name} to {one['spec'].get('replicas', 1)}")
        elif int(found["metadata"]["annotations"]["deployment.kubernetes.io/revision"]) < newest:
            found = self.update("replicasets", found, lambda other: other["metadata"]["annotations"].update(
                {"deployment.kubernetes.io/revision": str(newest + 1)}))
        return found

    def event(self, one, reason, message, kind="Normal"):
        self.serial += 1
        meta = one["metadata"]
        self.store.put(self.store.kind("events"), {
            "kind": "Event", "apiVersion": "v1", "metadata": {"name": f"{meta['name']}.{self.serial:x}", "namespace": meta["namespace"]},
            "involvedObject": {"kind": one["kind"], "namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]},
            "reason": reason, "message": message, "type": kind, "count": 1, "firstTimestamp": now(), "lastTimestamp": now(),
            "eventTime": None})

    def daemon_sets(self):
        for one in self.all("daemonsets"):
            template = one["spec"]["template"]
            mark = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]
            pods = [pod for pod in self.owned("pods", one) if not pod["metadata"].get("deletionTimestamp")]
            fresh = [pod for pod in pods if pod["metadata"]["labels"]["controller-revision-hash"] == mark]
            for pod in pods:
                if pod not in fresh:
                    self.end_pod(pod)
            if not fresh:
                self.make_pod(one, template, template["metadata"]["labels"] | {"controller-revision-hash": mark}, one["metadata"]["name"])
            ready = sum(map(self.is_ready, fresh))
            status = {"observedGeneration": one["metadata"]["generation"], "desiredNumberScheduled": 1,
                      "currentNumberScheduled": 1, "updatedNumberScheduled": len(fresh), "numberAvailable": ready}
            self.update("daemonsets", one, lambda after: after.update(status=status))

    # The rest

    def namespaces(self):
        for one in self.all("namespaces"):
            if one["metadata"].get("deletionTimestamp") and self.age(one, "end") > 0.2:
                for resource, other in self.store.everything():
                    if other["metadata"].get("namespace") == one["metadata"]["name"]:
                        self.store.remove(resource, other)
                self.store.remove(self.store.kind("namespaces"), one)

    def definitions(self):
        for one in self.all("customresourcedefinitions"):
            spec, names = one["spec"], one["spec"]["names"]
            known = any(resource.qualified == f"{names['plural']}.{spec['group']}" for resource in self.store.resources)
            if not known and self.age(one, "serve") > 1:
                self.store.resources.append(Resource(
                    spec["group"], spec["versions"][0]["name"], names["plural"], names["kind"], spec["scope"] == "Namespaced",
                    names.get("shortNames", ()), names.get("categories", ())))
