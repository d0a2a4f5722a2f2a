# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""A stand-in for MongoDB: the wire protocol is mockupdb's, storage and queries are mongomock's.

usage: mongodb.py PORT [--user NAME:PASSWORD] [--tls CERTIFICATE KEY] [--set NAME PRIMARY SECONDARY] [--hello JSON]

What a server has beside that is here: cursors, operations that can be listed and killed, time limits, SCRAM-SHA-256, TLS,
the handshake of a replica set, `failCommand`. Of every database a collection `series_N` holds N documents that are made as
they are read. There are no transactions and no change streams."""

import argparse
import datetime
import itertools
import json
import select
import socket
import ssl
import threading
import time

import bson
import mockupdb
import mongomock
from bson import Int64
from mongomock.filtering import filter_applies
from pymongo.errors import DuplicateKeyError, OperationFailure, PyMongoError

from scram import Conversation

NAMES = {2: "BadValue", 9: "FailedToParse", 11: "UserNotFound", 13: "Unauthorized", 18: "AuthenticationFailed",
         26: "NamespaceNotFound", 43: "CursorNotFound", 48: "NamespaceExists", 50: "MaxTimeMSExpired",
         59: "CommandNotFound", 64: "WriteConcernFailed", 73: "InvalidNamespace", 91: "ShutdownInProgress",
         11000: "DuplicateKey", 11601: "Interrupted", 13435: "NotPrimaryNoSecondaryOk"}
OPEN_TO_ALL = {"hello", "isMaster", "ismaster", "ping", "saslStart", "saslContinue", "buildInfo", "endSessions", "logout"}


class Failure(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code, self.message = code, message


class Operation:
    """One command that runs, as `currentOp` shows it."""

    def __init__(self, number, request, command):
        self.number, self.command, self.began = number, command, time.monotonic()
        self.name = next(iter(command))
        self.space = f"{command.get('$db', 'admin')}.{command[self.name]}"
        self.connection = request._client
        self.is_killed = False
        self.origin = None
        limit = command.get("maxTimeMS")
        self.deadline = self.began + limit / 1000 if limit and self.name != "getMore" else None

    def check(self):
        if self.is_killed:
            raise Failure(11601, "operation was interrupted")
        if self.deadline and time.monotonic() > self.deadline:
            raise Failure(50, "operation exceeded time limit")

    def sleep(self, seconds):
        """As a slow server would: a time limit, `killOp` and a client that is gone end it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.check()
            if select.select([self.connection], [], [], 0.02)[0]:
                try:
                    if not isinstance(self.connection, ssl.SSLSocket) and not self.connection.recv(1, socket.MSG_PEEK):
                        raise Failure(11601, "the client has gone")
                except OSError:
                    raise Failure(11601, "the client has gone")

    def shown(self):
        command = {name: value for name, value in self.command.items() if name not in ("documents", "updates", "deletes", "ops")}
        entry = {"type": "op", "opid": Int64(self.number), "op": "getmore" if self.name == "getMore" else "command",
                 "ns": self.space, "command": command, "active": True,
                 "secs_running": Int64(time.monotonic() - self.began)}
        if "lsid" in command:
            entry["lsid"] = command["lsid"]
        if self.origin:
            entry["cursor"] = {"originatingCommand": self.origin}
        return entry


class Cursor:
    def __init__(self, space, documents, origin, tailable=False):
        self.space, self.documents, self.origin, self.tailable = space, iter(documents), origin, tailable

    def batch(self, size, operation):
        """The next documents, and whether there are no more."""
        batch = []
        while len(batch) < size:
            operation.check()
            try:
                batch.append(next(self.documents))
            except StopIteration:
                return batch, not self.tailable
        return batch, False


class Server:
    def __init__(self, options):
        self.options = options
        self.client = mongomock.MongoClient()
        self.cursors, self.operations, self.conversations, self.accounts = {}, {}, {}, {}
        self.numbers = itertools.count(1)
        self.cursor_numbers = itertools.count(4_000_000_001)
        self.failpoint, self.door = {}, None
        self.commands = {name[3:].lower(): getattr(self, name) for name in dir(self) if name.startswith("do_")}

    # One request

    def answer(self, request):
        command = dict(request.doc)
        operation = Operation(next(self.numbers), request, command)
        database = self.client[command.get("$db") or "admin"]
        self.operations[operation.number] = operation
        failing = self.failing(operation.name)
        try:
            self.authorize(request, operation.name)
            if failing.get("blockConnection"):
                operation.sleep(failing["blockTimeMS"] / 1000)
            if failing.get("closeConnection"):
                return None
            if failing.get("errorCode"):
                raise Failure(failing["errorCode"], "Failing command via 'failCommand' failpoint")
            run = self.commands.get(operation.name.lower())
            if not run:
                raise Failure(59, f"no such command: '{operation.name}'")
            reply = {**run(database, command, operation), "ok": 1.0}
            if "writeConcernError" in failing:
                reply["writeConcernError"] = failing["writeConcernError"]
            return reply
        except Failure as failure:
            return self.refusal(failure.code, failure.message)
        except DuplicateKeyError as error:
            return self.refusal(11000, str(error))
        except (PyMongoError, NotImplementedError, ValueError, TypeError, KeyError, AttributeError) as error:
            return self.refusal(getattr(error, "code", None) or 9, f"{type(error).__name__}: {error}")
        finally:
            del self.operations[operation.number]

    @staticmethod
    def refusal(code, message):
        return {"ok": 0.0, "errmsg": message, "code": code, "codeName": NAMES.get(code, f"Location{code}")}

    def failing(self, name):
        point = self.failpoint
        if name not in point.get("failCommands", ()) or point["left"] <= 0:
            return {}
        point["left"] -= 1
        return dict(point)

    def authorize(self, request, name):
        if self.options.user and name not in OPEN_TO_ALL and request._client not in self.accounts:
            raise Failure(13, f"Command {name} requires authentication")

    # The connection

    def do_hello(self, database, command, operation):
        reply = {"helloOk": True, "maxBsonObjectSize": 16 << 20, "maxMessageSizeBytes": 48_000_000,
                 "maxWriteBatchSize": 100_000, "logicalSessionTimeoutMinutes": 30, "minWireVersion": 0,
                 "maxWireVersion": 25, "readOnly": False, "isWritablePrimary": True, "ismaster": True,
                 "localTime": datetime.datetime.now(datetime.timezone.utc)}
        if self.options.set:
            name, *hosts = self.options.set
            is_primary = hosts[0].endswith(f":{self.options.port}")
            reply |= {"setName": name, "hosts": hosts, "primary": hosts[0], "me": hosts[0 if is_primary else 1],
                      "setVersion": 1, "isWritablePrimary": is_primary, "ismaster": is_primary, "secondary": not is_primary}
        if command.get("saslSupportedMechs"):
            reply["saslSupportedMechs"] = ["SCRAM-SHA-256"]
        return reply | self.options.hello

    do_isMaster = do_hello

    def do_saslStart(self, database, command, operation):
        if not self.options.user or command["mechanism"] != "SCRAM-SHA-256":
            raise Failure(2, f"Received authentication for mechanism {command['mechanism']} which is not enabled")
        return self.converse(Conversation(*self.options.user.split(":", 1)), database, command, operation)

    def do_saslContinue(self, database, command, operation):
        return self.converse(self.conversations.pop(operation.connection), database, command, operation)

    def converse(self, conversation, database, command, operation):
        reply = conversation.step(bytes(command["payload"])) if database.name == "admin" else None
        if reply is None:
            raise Failure(18, "Authentication failed.")
        self.conversations[operation.connection] = conversation
        if conversation.is_done:
            self.accounts[operation.connection] = conversation.user
        return {"conversationId": 1, "done": conversation.is_done, "payload": reply}

    def do_ping(self, database, command, operation):
        return {}

    do_endSessions = do_ping

    def do_buildInfo(self, database, command, operation):
        return {"version": "8.0.0", "versionArray": [8, 0, 0, 0], "maxBsonObjectSize": 16 << 20, "modules": []}

    def do_serverStatus(self, database, command, operation):
        return {"version": "8.0.0", "connections": {"current": self.door.connections, "totalCreated": self.door.total},
                "metrics": {"cursor": {"open": {"total": len(self.cursors)}}}}

    # Operations

    def do_currentOp(self, database, command, operation):
        wanted = {name: value for name, value in command.items() if name.split(".")[0] in ("command", "cursor", "$or", "ns")}
        shown = [other.shown() for other in list(self.operations.values()) if other is not operation]
        return {"inprog": [entry for entry in shown if filter_applies(wanted, entry)]}

    def do_killOp(self, database, command, operation):
        other = self.operations.get(int(command["op"]))
        if other:
            other.is_killed = True
        return {"info": "attempting to kill op"}

    def do_configureFailPoint(self, database, command, operation):
        mode = command["mode"]
        left = mode["times"] if isinstance(mode, dict) else 0 if mode == "off" else 1 << 30
        self.failpoint = {**command.get("data", {}), "left": left}
        return {}

    # Reading

    def cursor(self, space, documents, command, operation, size, tailable=False):
        cursor = Cursor(space, documents, {n: v for n, v in command.items() if n != "lsid"}, tailable)
        batch, is_done = cursor.batch(101 if size is None else int(size), operation)
        number = 0
        if not is_done and not command.get("singleBatch"):
            number = next(self.cursor_numbers)
            self.cursors[number] = cursor
        return {"cursor": {"firstBatch": batch, "id": Int64(number), "ns": space}}

    def do_find(self, database, command, operation):
        name = command["find"]
        space = f"{database.name}.{name}"
        if name.startswith("series_"):
            count = min(int(name[7:]), int(command.get("limit") or 1 << 60))
            documents = ({"_id": i, "name": f"row {i}", "value": i * 0.5, "天": "工"} for i in range(count))
            return self.cursor(space, documents, command, operation, command.get("batchSize"))
        condition = dict(command.get("filter") or {})
        script = condition.pop("$where", None)
        if script:
            # {$where: "sleep(MS) || true"} sleeps, as it would in the server's script engine.
            operation.sleep(float(str(script).split("sleep(")[1].split(")")[0]) / 1000)
        found = database[name].find(condition, command.get("projection") or None)
        if command.get("sort"):
            found = found.sort(list(command["sort"].items()))
        found = found.skip(int(command.get("skip", 0))).limit(abs(int(command.get("limit", 0))))
        documents = self.tail(found, database[name]) if command.get("tailable") else list(found)
        return self.cursor(space, documents, command, operation, command.get("batchSize"), command.get("tailable"))

    @staticmethod
    def tail(found, collection):
        """What there is, and later what has come since: a collection that only grows."""
        class Tail:
            seen = 0

            def __iter__(self):
                return self

            def __next__(self):
                documents = list(collection.find())
                if self.seen >= len(documents):
                    time.sleep(0.05)
                    raise StopIteration
                self.seen += 1
                return documents[self.seen - 1]
        return Tail()

    def do_aggregate(self, database, command, operation):
        name = command["aggregate"]
        size = (command.get("cursor") or {}).get("batchSize")
        return self.cursor(f"{database.name}.{name}", list(database[name].aggregate(command["pipeline"])), command, operation, size)

    def do_getMore(self, database, command, operation):
        number = int(command["getMore"])
        cursor = self.cursors.get(number)
        if not cursor:
            raise Failure(43, f"cursor id {number} not found")
        operation.origin = cursor.origin
        batch, is_done = cursor.batch(int(command.get("batchSize") or 100_000), operation)
        if is_done:
            del self.cursors[number]
        return {"cursor": {"nextBatch": batch, "id": Int64(0 if is_done else number), "ns": cursor.space}}

    def do_killCursors(self, database, command, operation):
        known = [number for number in command["cursors"] if self.cursors.pop(int(number), None)]
        missing = [number for number in command["cursors"] if number not in known]
        return {"cursorsKilled": known, "cursorsNotFound": missing, "cursorsAlive": [], "cursorsUnknown": []}

    def do_count(self, database, command, operation):
        return {"n": database[command["count"]].count_documents(command.get("query") or {})}

    def do_distinct(self, database, command, operation):
        return {"values": database[command["distinct"]].distinct(command["key"], command.get("query") or {})}

    def do_listDatabases(self, database, command, operation):
        names = self.client.list_database_names()
        return {"databases": [{"name": name, "sizeOnDisk": Int64(1), "empty": False} for name in names], "totalSize": Int64(1)}

    def do_listCollections(self, database, command, operation):
        found = [{"name": name, "type": "collection", "options": {}, "info": {"readOnly": False}}
                 for name in sorted(database.list_collection_names())]
        found = [entry for entry in found if filter_applies(command.get("filter") or {}, entry)]
        return self.cursor(f"{database.name}.$cmd.listCollections", found, command, operation, None)

    def do_listIndexes(self, database, command, operation):
        known = database[command["listIndexes"]].index_information()
        found = [{"v": 2, "key": dict(index["key"]), "name": name} for name, index in known.items()]
        return self.cursor(f"{database.name}.{command['listIndexes']}", found, command, operation, None)

    # Changing

    def each(self, items, change, is_ordered):
        """Changes item by item; how many it touched, and an error for each that failed."""
        count, errors = 0, []
        for index, item in enumerate(items):
            try:
                count += change(index, item)
            except (DuplicateKeyError, OperationFailure, mongomock.WriteError, Failure, ValueError) as error:
                code = getattr(error, "code", None) or (11000 if isinstance(error, DuplicateKeyError) else 2)
                errors.append({"index": index, "code": code, "errmsg": str(error)})
                if is_ordered:
                    break
        return {"n": count, **({"writeErrors": errors} if errors else {})}

    def do_insert(self, database, command, operation):
        def change(index, document):
            database[command["insert"]].insert_one(document)
            return 1
        return self.each(command["documents"], change, command.get("ordered", True))

    def do_update(self, database, command, operation):
        modified, new = 0, []

        def change(index, item):
            nonlocal modified
            result = self.update(database[command["update"]], item["q"], item["u"], item)
            modified += result.modified_count or 0
            if result.upserted_id is not None:
                new.append({"index": index, "_id": result.upserted_id})
                return 1
            return result.matched_count
        reply = self.each(command["updates"], change, command.get("ordered", True))
        return {**reply, "nModified": modified, **({"upserted": new} if new else {})}

    @staticmethod
    def update(collection, condition, change, item):
        if isinstance(change, list):
            raise Failure(9, "updates by pipeline are not in the stand-in")
        options = {"upsert": bool(item.get("upsert"))}
        if not any(name.startswith("$") for name in change):
            return collection.replace_one(condition, change, **options)
        if item.get("arrayFilters"):
            options["array_filters"] = item["arrayFilters"]
        return (collection.update_many if item.get("multi") else collection.update_one)(condition, change, **options)

    def do_delete(self, database, command, operation):
        collection = database[command["delete"]]

        def change(index, item):
            return (collection.delete_one if item.get("limit") else collection.delete_many)(item["q"]).deleted_count
        return self.each(command["deletes"], change, command.get("ordered", True))

    def do_bulkWrite(self, database, command, operation):
        if database.name != "admin":
            raise Failure(13, "bulkWrite may only be run against the admin database.")
        totals = dict.fromkeys(("nErrors", "nInserted", "nMatched", "nModified", "nUpserted", "nDeleted"), 0)
        results = []
        for index, item in enumerate(command["ops"]):
            kind = next(iter(item))
            collection = self.client.get_database(command["nsInfo"][item[kind]]["ns"].split(".", 1)[0])[
                command["nsInfo"][item[kind]]["ns"].split(".", 1)[1]]
            try:
                results.append({"ok": 1.0, "idx": index, "n": self.bulk_item(kind, collection, item, totals)})
            except (DuplicateKeyError, mongomock.WriteError) as error:
                totals["nErrors"] += 1
                results.append({"ok": 0.0, "idx": index, "code": 11000, "errmsg": str(error), "n": 0})
                if command.get("ordered", True):
                    break
        if command.get("errorsOnly"):
            results = [result for result in results if not result["ok"]]
        return {**self.cursor("admin.$cmd.bulkWrite", results, command, operation, None), **totals}

    def bulk_item(self, kind, collection, item, totals):
        if kind == "insert":
            collection.insert_one(item["document"])
            totals["nInserted"] += 1
            return 1
        if kind == "delete":
            count = (collection.delete_many if item.get("multi") else collection.delete_one)(item["filter"]).deleted_count
            totals["nDeleted"] += count
            return count
        result = self.update(collection, item["filter"], item["updateMods"], item)
        totals["nMatched"] += result.matched_count
        totals["nModified"] += result.modified_count or 0
        totals["nUpserted"] += result.upserted_id is not None
        return result.matched_count

    def do_findAndModify(self, database, command, operation):
        collection = database[command.get("findAndModify") or command.get("findandmodify")]
        condition, options = command.get("query") or {}, {}
        if command.get("sort"):
            options["sort"] = list(command["sort"].items())
        if command.get("remove"):
            value = collection.find_one_and_delete(condition, **options)
            return {"value": value, "lastErrorObject": {"n": int(value is not None)}}
        change = command["update"]
        is_change = any(name.startswith("$") for name in change)
        value = (collection.find_one_and_update if is_change else collection.find_one_and_replace)(
            condition, change, upsert=bool(command.get("upsert")), return_document=bool(command.get("new")), **options)
        return {"value": value, "lastErrorObject": {"n": int(value is not None), "updatedExisting": value is not None}}

    def do_create(self, database, command, operation):
        if command["create"] in database.list_collection_names():
            raise Failure(48, f"Collection {database.name}.{command['create']} already exists.")
        database.create_collection(command["create"])
        return {}

    def do_drop(self, database, command, operation):
        if command["drop"] not in database.list_collection_names():
            raise Failure(26, "ns not found")
        database.drop_collection(command["drop"])
        return {"ns": f"{database.name}.{command['drop']}", "nIndexesWas": 1}

    def do_dropDatabase(self, database, command, operation):
        self.client.drop_database(database.name)
        return {"dropped": database.name}

    def do_createIndexes(self, database, command, operation):
        collection = database[command["createIndexes"]]
        for index in command["indexes"]:
            collection.create_index(list(index["key"].items()), name=index["name"], unique=bool(index.get("unique")))
        return {"numIndexesAfter": len(collection.index_information())}


class Door(mockupdb.MockupDB):
    """mockupdb's server on loopback, with TLS where it is asked for."""

    def __init__(self, server, options):
        super().__init__(port=options.port, request_timeout=int(1e6))
        self._address = ("127.0.0.1", options.port)
        self.server, self.tls, self.connections, self.total = server, None, 0, 0
        server.door = self
        if options.tls:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*options.tls)
        self.autoresponds(self.respond)

    def _accept_loop(self):
        if self.tls:
            self._listening_sock = self.tls.wrap_socket(
                self._listening_sock, server_side=True, do_handshake_on_connect=False)
        super()._accept_loop()

    def _server_loop(self, client, address):
        self.connections += 1
        self.total += 1
        try:
            super()._server_loop(client, address)
        except OSError as error:
            print(f"{address}: {error}", flush=True)
        finally:
            self.connections -= 1

    def respond(self, request):
        # Requests of several connections run at once, as in a server; mockupdb serves one at a time.
        with self._unlock():
            reply = self.server.answer(request)
            if reply is None:
                request.hangup()
            elif isinstance(request, mockupdb.OpMsg):
                if not request.flags & mockupdb.OP_MSG_FLAGS["moreToCome"]:
                    # Not `request.replies`, which also makes a text of each reply.
                    request._client.sendall(mockupdb.make_op_msg_reply(reply).reply_bytes(request))
            else:
                request.replies(reply)
        return True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--user")
    parser.add_argument("--tls", nargs=2)
    parser.add_argument("--set", nargs=3)
    parser.add_argument("--hello", type=json.loads, default={})
    options = parser.parse_args()
    Door(Server(options), options).run()
    print("ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
