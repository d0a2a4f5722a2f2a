# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""A stand-in for Elasticsearch: storage and queries are openmock's, the HTTP around them is here, with aiohttp.

usage: elasticsearch.py PORT [--user NAME:PASSWORD] [--api-key KEY] [--tls CERTIFICATE KEY] [--version 8.11.0]

It has indices, documents, _bulk, searches with sorting, search_after, points in time (from version 7.10 on) and scrolls, _msearch,
_mget, _count, by-query also in the background, _cat, and tasks that are listed and cancelled. An index `series-N` holds N
documents that are made as they are read. `POST /_standin` makes the next requests fail, wait or break, see `Faults`."""

import argparse
import asyncio
import base64
import itertools
import json
import ssl
import time
import weakref

from aiohttp import web
from openmock.fake_opensearch import FakeOpenSearch
from opensearchpy.exceptions import ConflictError, NotFoundError, RequestError, TransportError

NODE = "standin-node"


def refusal(status, kind, reason, **more):
    cause = {"type": kind, "reason": reason, **more}
    return reply({"error": {"root_cause": [cause], **cause}, "status": status}, status)


def reply(value, status=200):
    # As compact as the server's own, and not escaped.
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return web.Response(
        text=text, status=status, content_type="application/json", headers={"X-elastic-product": "Elasticsearch"})


async def body_of(request):
    raw = await request.read()
    if not raw.strip():
        return {}
    try:
        return json.loads(raw)
    except ValueError as error:
        raise RequestError(400, "parsing_exception", f"Unexpected character: {error}")


class Faults:
    """What a test wants to go wrong: {"path": TEXT, "times": N} and one of `status` (with `retry_after`), `sleep` (seconds, which
    a cancelled task cuts short), `hangup` (after so many bytes), `items` (every so many items of a bulk are refused with 429),
    `shards` (so many have failed), `answer` (anything)."""

    def __init__(self):
        self.waiting = []

    def take(self, path, *kinds):
        for fault in self.waiting:
            if fault["path"] in path and any(kind in fault for kind in kinds):
                fault["times"] -= 1
                if fault["times"] <= 0:
                    self.waiting.remove(fault)
                return fault
        return {}


class Task:
    """Work that is listed under _tasks and can be cancelled there."""

    numbers = itertools.count(1)
    running, ended = {}, {}

    def __init__(self, request, action):
        self.number, self.action, self.began = next(Task.numbers), action, time.time()
        self.marker, self.cancelled, self.status = request.headers.get("X-Opaque-Id", ""), asyncio.Event(), {}

    def __enter__(self):
        Task.running[self.id] = self
        return self

    def __exit__(self, *_):
        Task.running.pop(self.id, None)

    @property
    def id(self):
        return f"{NODE}:{self.number}"

    async def sleep(self, seconds):
        try:
            await asyncio.wait_for(self.cancelled.wait(), seconds)
        except asyncio.TimeoutError:
            return
        raise TransportError(400, "task_cancelled_exception", "task cancelled [by user request]")

    def shown(self):
        return {"node": NODE, "id": self.number, "type": "transport", "action": self.action, "cancellable": True,
                "cancelled": self.cancelled.is_set(), "start_time_in_millis": int(self.began * 1000), "status": self.status,
                "headers": {"X-Opaque-Id": self.marker} if self.marker else {}}


class Server:
    def __init__(self, options):
        self.options, self.engine, self.faults = options, FakeOpenSearch(), Faults()
        self.documents = self.engine._FakeOpenSearch__documents_dict
        self.mappings, self.points, self.scrolls = {}, {}, {}
        self.numbers = itertools.count(1)
        self.transports, self.opened = weakref.WeakSet(), 0
        self.background = set()

    # Around every request

    @web.middleware
    async def guard(self, request, handler):
        if request.transport not in self.transports:
            self.transports.add(request.transport)
            self.opened += 1
        fault = {} if request.path == "/_standin" else self.faults.take(request.path, "status", "hangup", "answer")
        if "status" in fault:
            answer = refusal(fault["status"], fault.get("type", "es_rejected_execution_exception"), "rejected execution of request")
            if "retry_after" in fault:
                answer.headers["Retry-After"] = str(fault["retry_after"])
            return answer
        if "answer" in fault:
            return web.Response(body=fault["answer"].encode(), content_type="application/json")
        if not self.is_allowed(request):
            return refusal(401, "security_exception", f"unable to authenticate user for REST request [{request.path}]")
        if request.can_read_body and "json" not in request.content_type:
            kind = f"Content-Type header [{request.content_type}] is not supported"
            return web.json_response({"error": kind, "status": 406}, status=406)
        try:
            answer = await handler(request)
        except NotFoundError as error:
            more = error.info if isinstance(error.info, dict) else {}
            if "index" in more:
                return refusal(404, "index_not_found_exception", f"no such index [{more['index']}]", **more)
            return refusal(404, str(error.error), str(error.info))
        except ConflictError as error:
            return refusal(409, "version_conflict_engine_exception", str(error.error))
        except TransportError as error:
            return refusal(error.status_code, str(error.error), str(error.info))
        except NotImplementedError as error:
            return refusal(400, "parsing_exception", str(error))
        if "hangup" in fault:
            await self.break_off(request, answer, fault["hangup"])
        return answer

    async def break_off(self, request, answer, after):
        stream = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(answer.body))})
        await stream.prepare(request)
        await stream.write(answer.body[:after])
        await asyncio.sleep(0.05)
        request.transport.abort()

    def is_allowed(self, request):
        given = request.headers.get("Authorization", "")
        if self.options.user:
            return given == "Basic " + base64.b64encode(self.options.user.encode()).decode() or (
                self.options.api_key and given == f"ApiKey {self.options.api_key}")
        return True

    async def standin(self, request):
        self.faults.waiting.append({"times": 1, "path": ""} | await body_of(request))
        return reply({})

    # The cluster

    async def root(self, request):
        return reply({"name": "standin", "cluster_name": "standin", "version": {"number": self.options.version},
                      "tagline": "You Know, for Search"})

    async def health(self, request):
        return reply({"cluster_name": "standin", "status": "green", "number_of_nodes": 1})

    async def stats(self, request):
        current = sum(not transport.is_closing() for transport in self.transports)
        return reply({"nodes": {NODE: {
            "indices": {"search": {"open_contexts": len(self.points) + len(self.scrolls), "scroll_current": len(self.scrolls)}},
            "http": {"current_open": current, "total_opened": self.opened}}}})

    async def cat(self, request):
        rows = [{"health": "green", "index": name, "docs.count": str(len(found))} for name, found in sorted(self.documents.items())]
        if request.match_info["what"] != "indices":
            return refusal(400, "illegal_argument_exception", "unknown cat api")
        if request.query.get("format") == "json":
            return reply(rows)
        head = ["health index docs.count"] if "v" in request.query else []
        return web.Response(text="".join(line + "\n" for line in head + [" ".join(row.values()) for row in rows]))

    # Tasks

    async def tasks(self, request):
        return reply({"tasks": [task.shown() for task in Task.running.values()]})

    async def task(self, request):
        number = request.match_info["task"]
        if number in Task.running:
            return reply({"completed": False, "task": Task.running[number].shown()})
        if number in Task.ended:
            return reply({"completed": True} | Task.ended[number])
        return refusal(404, "resource_not_found_exception", f"task [{number}] isn't running and hasn't stored its results")

    async def cancel(self, request):
        task = Task.running.get(request.match_info["task"])
        if not task:
            return refusal(404, "resource_not_found_exception", f"task [{request.match_info['task']}] is not found")
        task.cancelled.set()
        return reply({"nodes": {NODE: {"tasks": {task.id: task.shown()}}}})

    # Searching

    def names(self, text):
        if text in (None, "", "_all", "*"):
            return sorted(self.documents)
        found = []
        for name in text.split(","):
            hits = [known for known in sorted(self.documents) if "*" in name and known.startswith(name.split("*")[0])]
            for hit in hits or [name]:
                if hit not in self.documents and not hit.startswith("series-"):
                    raise NotFoundError(404, "index_not_found_exception", {"index": hit})
                found.append(hit)
        return found

    def hits(self, names, query):
        """All hits, each with its place as the last resort of sorting."""
        if len(names) == 1 and names[0].startswith("series-"):
            name, count = names[0], int(names[0][7:])
            return Series(name, count)
        if not names:
            return []
        found = self.engine.search(index=",".join(names), body={"query": query} if query else {}, params={})
        keep = ("_index", "_id", "_score", "_source")
        return [{name: hit[name] for name in keep} | {"place": place} for place, hit in enumerate(found["hits"]["hits"], 1)]

    @staticmethod
    def sorted(hits, order, after):
        keys = []
        for entry in order if isinstance(order, list) else [order]:
            for name, how in ([(entry, "asc")] if isinstance(entry, str) else entry.items()):
                keys.append((name, how if isinstance(how, str) else how.get("order", "asc")))
        if isinstance(hits, Series):
            return hits.after(after)

        def value(hit, name):
            return hit["place"] if name in ("_shard_doc", "_doc") else hit["_id"] if name == "_id" else hit["_source"].get(name)
        if not any(name == "_shard_doc" for name, _ in keys):
            keys.append(("_shard_doc", "asc"))
        for name, how in reversed(keys):
            hits = sorted(hits, key=lambda hit: value(hit, name), reverse=how == "desc")
        hits = [hit | {"_score": None, "sort": [value(hit, name) for name, _ in keys]} for hit in hits]
        if after is not None:
            while after and hits and hits[0]["sort"][:len(after)] != after:
                hits = hits[1:]
            hits = hits[1:]
        return hits

    async def search(self, request):
        return reply(await self.found(request, await body_of(request), request.match_info.get("index"), request.query))

    async def found(self, request, body, index, query):
        point = body.get("pit")
        if point and point["id"] not in self.points:
            raise NotFoundError(404, "search_phase_execution_exception", f"No search context found for id [{point['id']}]")
        names = self.names(self.points[point["id"]] if point else index)
        size, start = (int(body.get(name, query.get(name, standard))) for name, standard in (("size", 10), ("from", 0)))
        if start + size > 10000:
            raise RequestError(400, "illegal_argument_exception", "Result window is too large, from + size must be at most 10000")
        condition = body.get("query")
        if ":" in query.get("q", ""):
            condition = {"match": dict([query["q"].split(":", 1)])}
        with Task(request, "indices:data/read/search") as task:
            await task.sleep(self.faults.take(request.path, "sleep").get("sleep", 0))
            hits = self.hits(names, condition)
            if body.get("sort") or point:
                hits = self.sorted(hits, body.get("sort") or ["_shard_doc"], body.get("search_after"))
        failed = self.faults.take(request.path, "shards").get("shards", 0)
        cause = {"shard": 0, "index": index, "reason": {"type": "query_shard_exception", "reason": "shard went away"}}
        shards = {"total": 5, "successful": 5 - failed, "skipped": 0, "failed": failed, **({"failures": [cause]} if failed else {})}
        answer = {"took": 1, "timed_out": False, "_shards": shards, "hits": {
            "total": {"value": len(hits), "relation": "eq"}, "max_score": None, "hits": self.page(hits, start, size)}}
        if point:
            answer["pit_id"] = point["id"]
        if query.get("scroll"):
            answer["_scroll_id"] = f"scroll-{next(self.numbers)}"
            self.scrolls[answer["_scroll_id"]] = (hits, size, size)
        return answer

    @staticmethod
    def page(hits, start, size):
        return [{name: value for name, value in hit.items() if name != "place"}
                for hit in itertools.islice(hits, start, start + size)]

    async def scroll(self, request):
        body = await body_of(request)
        number = body.get("scroll_id")
        if request.method == "DELETE":
            numbers = [number] if isinstance(number, str) else number
            freed = sum(self.scrolls.pop(one, None) is not None for one in numbers)
            return reply({"succeeded": True, "num_freed": freed}, 200 if freed else 404)
        if number not in self.scrolls:
            return refusal(404, "search_context_missing_exception", f"No search context found for id [{number}]")
        hits, start, size = self.scrolls[number]
        self.scrolls[number] = (hits, start + size, size)
        return reply({"_scroll_id": number, "took": 1, "timed_out": False, "_shards": {"total": 5, "failed": 0},
                      "hits": {"total": {"value": len(hits)}, "hits": self.page(hits, start, size)}})

    async def point(self, request):
        if tuple(map(int, self.options.version.split(".")[:2])) < (7, 10):
            return refusal(405, "method_not_allowed", "no handler found for uri [/_pit] and method [POST]")
        if request.method == "DELETE":
            freed = self.points.pop((await body_of(request)).get("id"), None)
            return reply({"succeeded": True, "num_freed": int(freed is not None)}, 200 if freed else 404)
        index = request.match_info["index"]
        self.names(index)
        number = f"point-{next(self.numbers)}"
        self.points[number] = index
        return reply({"id": number})

    async def msearch(self, request):
        lines = [json.loads(line) for line in (await request.read()).decode().splitlines() if line.strip()]
        responses = []
        for head, body in zip(lines[::2], lines[1::2]):
            try:
                responses.append(await self.found(request, body, head.get("index"), {}) | {"status": 200})
            except NotFoundError as error:
                cause = {"type": "index_not_found_exception", "reason": f"no such index [{error.info['index']}]"}
                responses.append({"error": {"root_cause": [cause], **cause}, "status": 404})
        return reply({"took": 1, "responses": responses})

    async def count(self, request):
        names = self.names(request.match_info.get("index"))
        return reply({"count": len(self.hits(names, (await body_of(request)).get("query"))), "_shards": {"total": 5, "failed": 0}})

    # Changing

    async def bulk(self, request):
        raw = (await request.read()).decode()
        if not raw.endswith("\n"):
            return refusal(400, "illegal_argument_exception", "The bulk request must be terminated by a newline [\\n]")
        lines = iter([line for line in raw.split("\n") if line.strip()])
        busy = self.faults.take(request.path, "items").get("items")
        items = []
        for number, line in enumerate(lines):
            (kind, action), = json.loads(line).items()
            source = next(lines) if kind != "delete" else None
            index = action.get("_index", request.match_info.get("index"))
            if busy and number % busy == 0:
                cause = {"type": "es_rejected_execution_exception", "reason": "rejected execution of coordinating operation"}
                items.append({kind: {"_index": index, "_id": action.get("_id"), "status": 429, "error": cause}})
            else:
                items.append({kind: self.item(kind, index, action, line, source)})
        if "filter_path" in request.query:
            return reply({"took": 1})
        return reply({"took": 1, "errors": any("error" in next(iter(item.values())) for item in items), "items": items})

    def item(self, kind, index, action, line, source):
        for name, field in self.mappings.get(index, {}).items():
            if source and field.get("type") == "integer" and not isinstance(json.loads(source).get(name, 0), int):
                cause = {"type": "document_parsing_exception", "reason": f"failed to parse field [{name}] of type [integer]"}
                return {"_index": index, "_id": action.get("_id"), "status": 400, "error": cause}
        made = self.engine.bulk("\n".join(part for part in (line, source) if part) + "\n", index=index)["items"][0][kind]
        item = {name: value for name, value in made.items() if name in ("_index", "_id", "_version", "status", "result")}
        if "error" in made:
            types = {409: "version_conflict_engine_exception", 404: "document_missing_exception"}
            item["error"] = {"type": types.get(made["status"], "exception"), "index": index,
                             "reason": f"[{made['_id']}]: {made['error']}"}
        return item

    async def document(self, request):
        index, number = request.match_info["index"], request.match_info.get("id")
        if request.method in ("GET", "HEAD"):
            self.names(index)
            found = next((document for document in self.documents[index] if document["_id"] == number), None)
            if not found:
                return reply({"_index": index, "_id": number, "found": False}, 404)
            return reply({"_index": index, "_id": number, "found": True, "_source": found["_source"]})
        if request.method == "DELETE":
            made = self.engine.delete(index, number, params={})
        else:
            made = self.engine.index(index=index, body=await body_of(request), id=number, params={})
        return reply({name: value for name, value in made.items() if name != "_type"}, 201 if made["result"] == "created" else 200)

    async def by_query(self, request):
        kind, body = request.path.rsplit("/", 1)[1], await body_of(request)
        names = self.names(request.match_info["index"])

        def change():
            run = self.engine.delete_by_query if "delete" in kind else self.engine.update_by_query
            made = run(index=",".join(names), body=body, params={})
            return made | ({"total": made["updated"]} if "update" in kind else {})
        pause = self.faults.take(request.path, "sleep").get("sleep", 0)
        task = Task(request, "indices:data/write/" + kind.strip("_").replace("_by_query", "/byquery"))
        if request.query.get("wait_for_completion") != "false":
            with task:
                await task.sleep(pause)
                return reply(change())

        async def work():
            with task:
                try:
                    await task.sleep(pause)
                    Task.ended[task.id] = {"task": task.shown(), "response": change()}
                except TransportError as error:
                    Task.ended[task.id] = {"task": task.shown(), "error": {"type": str(error.error), "reason": str(error.info)}}
        job = asyncio.create_task(work())
        self.background.add(job)
        await asyncio.sleep(0)
        return reply({"task": task.id})

    async def index(self, request):
        name = request.match_info["index"]
        if request.method == "PUT":
            if name in self.documents:
                return refusal(400, "resource_already_exists_exception", f"index [{name}/x] already exists", index=name)
            body = await body_of(request)
            self.documents.setdefault(name, [])
            self.mappings[name] = body.get("mappings", {}).get("properties", {})
            return reply({"acknowledged": True, "shards_acknowledged": True, "index": name})
        names = self.names(name)
        if request.method == "DELETE":
            for one in names:
                self.documents.pop(one)
            return reply({"acknowledged": True})
        return reply({one: {"aliases": {}, "mappings": {"properties": self.mappings.get(one, {})}} for one in names})

    def application(self):
        app = web.Application(middlewares=[self.guard], client_max_size=1 << 28)
        for method, path, handler in (
                ("POST", "/_standin", self.standin), ("GET", "/", self.root), ("GET", "/_cluster/health", self.health),
                ("GET", "/_nodes/stats", self.stats), ("GET", "/_cat/{what}", self.cat), ("GET", "/_tasks", self.tasks),
                ("GET", "/_tasks/{task}", self.task), ("POST", "/_tasks/{task}/_cancel", self.cancel),
                ("*", "/_search", self.search), ("*", "/_search/scroll", self.scroll), ("*", "/{index}/_search", self.search),
                ("POST", "/{index}/_pit", self.point), ("DELETE", "/_pit", self.point), ("*", "/_msearch", self.msearch),
                ("*", "/_bulk", self.bulk), ("*", "/{index}/_bulk", self.bulk), ("*", "/_count", self.count),
                ("*", "/{index}/_count", self.count), ("POST", "/{index}/_delete_by_query", self.by_query),
                ("POST", "/{index}/_update_by_query", self.by_query), ("*", "/{index}/_doc", self.document),
                ("*", "/{index}/_doc/{id}", self.document), ("*", "/{index}", self.index)):
            app.router.add_route(method, path, handler)
        return app


class Series:
    """Documents of an index that is never stored."""

    def __init__(self, name, count, start=0):
        self.name, self.count, self.start = name, count, start

    def after(self, values):
        return Series(self.name, self.count, values[0] + 1 if values else 0)

    def __len__(self):
        return self.count

    def __iter__(self):
        return map(self.hit, range(self.start, self.count))

    def hit(self, number):
        return {"_index": self.name, "_id": str(number), "_score": None,
                "_source": {"n": number, "name": f"row {number}", "天": "工"}, "sort": [number]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--user")
    parser.add_argument("--api-key")
    parser.add_argument("--tls", nargs=2)
    parser.add_argument("--version", default="8.11.0")
    options = parser.parse_args()
    tls = None
    if options.tls:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*options.tls)
    web.run_app(Server(options).application(), host="127.0.0.1", port=options.port, ssl_context=tls, handler_cancellation=True,
                print=lambda *_: print("ready", flush=True))


if __name__ == "__main__":
    main()
