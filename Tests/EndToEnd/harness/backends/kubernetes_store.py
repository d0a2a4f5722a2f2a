# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""The objects of the recorded API server: their versions, who owns which field, and who watches."""

import asyncio
import copy
import datetime
import pickle
import re
import uuid

RESOURCES = [
    # group, version, plural, kind, in a namespace, short names, categories
    ("", "v1", "pods", "Pod", True, ["po"], ["all"]),
    ("", "v1", "configmaps", "ConfigMap", True, ["cm"], []),
    ("", "v1", "secrets", "Secret", True, [], []),
    ("", "v1", "services", "Service", True, ["svc"], ["all"]),
    ("", "v1", "events", "Event", True, ["ev"], []),
    ("", "v1", "namespaces", "Namespace", False, ["ns"], []),
    ("", "v1", "nodes", "Node", False, ["no"], []),
    ("apps", "v1", "deployments", "Deployment", True, ["deploy"], ["all"]),
    ("apps", "v1", "replicasets", "ReplicaSet", True, ["rs"], ["all"]),
    ("apps", "v1", "daemonsets", "DaemonSet", True, ["ds"], ["all"]),
    ("rbac.authorization.k8s.io", "v1", "roles", "Role", True, [], []),
    ("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", True, [], []),
    # A kind that policies know, behind a name that only this cluster has.
    ("hidden.example.org", "v1", "hiddens", "Secret", True, ["hid"], []),
    ("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", False, ["crd", "crds"], []),
]
VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


class Refusal(Exception):
    """A request that is answered with a Status."""

    def __init__(self, code, reason, message, details=None, **more):
        super().__init__(message)
        self.code = code
        self.status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
                       "reason": reason} | ({"details": details} if details is not None else {}) | {"code": code} | more


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Resource:
    def __init__(self, group, version, plural, kind, namespaced, short=(), categories=()):
        self.group, self.version, self.plural, self.kind, self.namespaced = group, version, plural, kind, namespaced
        self.short, self.categories = list(short), list(categories)

    @property
    def qualified(self):
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def api_version(self):
        return f"{self.group}/{self.version}" if self.group else self.version

    def discovery(self):
        entry = {"name": self.plural, "singularName": "", "namespaced": self.namespaced, "kind": self.kind, "verbs": VERBS}
        return entry | ({"shortNames": self.short} if self.short else {}) | ({"categories": self.categories} if self.categories else {})

    def missing(self, name):
        details = {"name": name} | ({"group": self.group} if self.group else {}) | {"kind": self.plural}
        return Refusal(404, "NotFound", f'{self.qualified} "{name}" not found', details)


class Store:
    def __init__(self):
        self.resources = [Resource(*entry) for entry in RESOURCES]
        self.objects = {}
        self.version = 100
        self.compacted = 0
        self.log = []
        self.owners = {}
        self.watches = set()

    def save(self, path):
        """What outlives a restart; watches from before it are too old after it."""
        path.write_bytes(pickle.dumps((self.objects, self.version, self.owners, self.resources)))

    def load(self, path):
        self.objects, self.version, self.owners, self.resources = pickle.loads(path.read_bytes())
        self.compact()

    def find(self, group, version, plural):
        for resource in self.resources:
            if (resource.group, resource.version, resource.plural) == (group, version, plural):
                return resource
        raise Refusal(404, "NotFound", "the server could not find the requested resource", {})

    def kind(self, plural):
        return next(resource for resource in self.resources if resource.plural == plural)

    # Reading

    def get(self, resource, namespace, name):
        return self.objects.get(resource.qualified, {}).get((namespace or "", name))

    def require(self, resource, namespace, name):
        found = self.get(resource, namespace, name)
        if found is None:
            raise resource.missing(name)
        return found

    def select(self, resource, namespace=None, labels="", fields=""):
        matches({"metadata": {}}, labels, fields)
        own = self.objects.get(resource.qualified, {})
        keys = sorted(key for key in own if namespace is None or key[0] == namespace)
        return [own[key] for key in keys if not labels and not fields or matches(own[key], labels, fields)]

    def everything(self):
        for resource in list(self.resources):
            for one in list(self.objects.get(resource.qualified, {}).values()):
                yield resource, one

    # Writing

    def put(self, resource, one, event=None):
        """Stores an object as its next version, unless nothing has changed."""
        meta = one["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        own = self.objects.setdefault(resource.qualified, {})
        before = own.get(key)
        if before is None:
            meta.update(uid=str(uuid.uuid4()), creationTimestamp=now())
            if "spec" in one:
                meta["generation"] = 1
        elif same(before, one):
            return before
        elif before.get("spec") != one.get("spec"):
            meta["generation"] = before["metadata"].get("generation", 1) + 1
        self.version += 1
        meta["resourceVersion"] = str(self.version)
        own[key] = one
        self.tell(resource, event or ("MODIFIED" if before else "ADDED"), one)
        return one

    def remove(self, resource, one):
        meta = one["metadata"]
        self.objects.get(resource.qualified, {}).pop((meta.get("namespace", ""), meta["name"]), None)
        self.version += 1
        gone = copy.deepcopy(one)
        gone["metadata"]["resourceVersion"] = str(self.version)
        self.tell(resource, "DELETED", gone)

    def tell(self, resource, event, one):
        entry = (self.version, event, resource.qualified, copy.deepcopy(one))
        self.log.append(entry)
        for queue in self.watches:
            queue.put_nowait(entry)

    def compact(self):
        """Forgets all that happened, as etcd does after a while."""
        self.compacted = self.version
        self.log = []

    def changes(self, version):
        """A queue of what happens after a version; 410 when that is not known any more."""
        if version < self.compacted:
            raise Refusal(410, "Expired", f"too old resource version: {version} ({self.compacted})")
        queue = asyncio.Queue()
        for entry in self.log:
            if entry[0] > version:
                queue.put_nowait(entry)
        self.watches.add(queue)
        return queue


def same(left, right):
    def plain(one):
        return {**one, "metadata": {key: value for key, value in one["metadata"].items()
                                    if key not in ("resourceVersion", "generation", "managedFields")}}
    return plain(left) == plain(right)


# Selectors

def matches(one, labels, fields):
    own = one["metadata"].get("labels") or {}
    for requirement in filter(None, re.split(r",(?![^()]*\))", labels)):
        requirement = requirement.strip()
        if found := re.fullmatch(r"([\w./-]+)\s+(in|notin)\s+\(([^)]*)\)", requirement):
            values = [value.strip() for value in found[3].split(",")]
            if (own.get(found[1]) in values) != (found[2] == "in"):
                return False
        elif found := re.fullmatch(r"([\w./-]+)\s*(==|=|!=)\s*([\w.-]*)", requirement):
            if (own.get(found[1]) == found[3]) != (found[2] != "!="):
                return False
        elif found := re.fullmatch(r"(!?)([\w./-]+)", requirement):
            if (found[2] in own) == bool(found[1]):
                return False
        else:
            raise Refusal(400, "BadRequest", f"unable to parse requirement: found '{requirement[:1]}', expected: identifier")
    for requirement in filter(None, fields.split(",")):
        name, _, value = requirement.partition("=")
        if name not in ("metadata.name", "metadata.namespace", "status.phase", "spec.nodeName", "type", "reason") and not (
                name.startswith("involvedObject.")):
            raise Refusal(400, "BadRequest", f"field label not supported: {name}")
        node = one
        for part in name.split("."):
            node = node.get(part, "") if isinstance(node, dict) else ""
        if node != value.lstrip("="):
            return False
    return True


# Field ownership, in as much of its rules as the scenarios need

def leaves(node, path=()):
    """Paths of the values of an object; items of lists by their name where they have one."""
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from leaves(value, (*path, key))
    elif isinstance(node, list) and node and all(isinstance(item, dict) and "name" in item for item in node):
        for item in node:
            yield from leaves(item, (*path, ("name", item["name"])))
    else:
        yield path


def at(node, path):
    for step in path:
        if isinstance(step, tuple):
            node = next((item for item in node or [] if item.get(step[0]) == step[1]), None)
        else:
            node = node.get(step) if isinstance(node, dict) else None
    return node


def set_at(node, path, value):
    for index, step in enumerate(path):
        is_last = index == len(path) - 1
        if isinstance(step, tuple):
            found = next((item for item in node if item.get(step[0]) == step[1]), None)
            if found is None:
                found = {step[0]: step[1]}
                node.append(found)
            node = found
        elif is_last:
            node[step] = value
        else:
            following = path[index + 1]
            node = node.setdefault(step, [] if isinstance(following, tuple) else {})


def remove_at(node, path):
    holder = at(node, path[:-1])
    if isinstance(holder, dict):
        holder.pop(path[-1], None)


def name_of(path):
    return "".join(f'[{step[0]}="{step[1]}"]' if isinstance(step, tuple) else f".{step}" for step in path)


IDENTITY = {("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace")}


def apply(live, owners, wanted, manager, force):
    """Server-side apply: the object and the owners of its fields after it."""
    paths = {path for path in leaves(wanted) if path and path not in IDENTITY}
    conflicts = [(path, other) for other, owned in sorted(owners.items()) if other != manager
                 for path in sorted(paths & owned, key=str) if at(live, path) != at(wanted, path)]
    if conflicts and not force:
        word = "conflict" if len(conflicts) == 1 else "conflicts"
        if len(conflicts) == 1:
            text = f'conflict with "{conflicts[0][1]}": {name_of(conflicts[0][0])}'
        else:
            text = "conflicts with " + "\n".join(f'"{other}":\n- {name_of(path)}' for path, other in conflicts)
        raise Refusal(409, "Conflict", f"Apply failed with {len(conflicts)} {word}: {text}", {"causes": [
            {"reason": "FieldManagerConflict", "message": f'conflict with "{other}"', "field": name_of(path)}
            for path, other in conflicts]})
    result = copy.deepcopy(live) if live else {"metadata": {}}
    owners = {other: set(owned) for other, owned in owners.items()}
    for path in owners.get(manager, set()) - paths:
        if not any(path in owned for other, owned in owners.items() if other != manager):
            remove_at(result, path)
    for path in sorted(paths, key=len):
        set_at(result, path, copy.deepcopy(at(wanted, path)))
    for key in ("apiVersion", "kind"):
        result[key] = wanted[key]
    for path, other in conflicts:
        owners[other].discard(path)
    owners[manager] = paths
    return result, owners


def merge(node, patch):
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    result = dict(node) if isinstance(node, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def strategic(node, patch):
    """As merge, but lists of named items are merged by name."""
    if isinstance(patch, list) and isinstance(node, list) and all(isinstance(item, dict) and "name" in item for item in patch + node):
        result = list(node)
        for item in patch:
            index = next((number for number, own in enumerate(result) if own["name"] == item["name"]), None)
            if index is None:
                result.append(item)
            else:
                result[index] = strategic(result[index], item)
        return result
    if not isinstance(patch, dict):
        return patch
    result = dict(node) if isinstance(node, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = strategic(result.get(key), value)
    return result


def json_patch(node, steps):
    """RFC 6902, as far as add, replace, remove and test go."""
    node = copy.deepcopy(node)
    for step in steps:
        *path, last = [part.replace("~1", "/").replace("~0", "~") for part in step["path"].split("/")[1:]]
        holder = node
        for part in path:
            holder = holder[int(part)] if isinstance(holder, list) else holder.get(part)
            if holder is None:
                raise Refusal(422, "Invalid", "the server rejected our request due to an error in our request", {})
        if isinstance(holder, list):
            if step["op"] == "add":
                holder.insert(len(holder) if last == "-" else int(last), step["value"])
            elif step["op"] == "remove":
                holder.pop(int(last))
            else:
                holder[int(last)] = step["value"]
        elif step["op"] == "remove":
            holder.pop(last, None)
        elif step["op"] == "test":
            if holder.get(last) != step["value"]:
                raise Refusal(422, "Invalid", "the server rejected our request due to an error in our request", {})
        else:
            holder[last] = step["value"]
    return node
