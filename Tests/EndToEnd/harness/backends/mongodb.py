# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""MongoDB as a process of a test: the stand-in, since there is no server to install."""

import json
import pathlib
import sys

import pymongo

from .server import Server


class MongoDB(Server):
    name = "mongodb"

    def __init__(self, directory, user=None, password=None, tls=None, replica_set=None, hello=None):
        super().__init__(directory)
        self.user, self.password, self.tls, self.replica_set, self.hello = user, password, tls, replica_set, hello

    def command(self):
        program = pathlib.Path(__file__).parent / "standins" / "mongodb.py"
        words = [sys.executable, program, self.port]
        if self.user:
            words += ["--user", f"{self.user}:{self.password}"]
        if self.tls:
            words += ["--tls", *self.tls]
        if self.replica_set:
            words += ["--set", *self.replica_set]
        if self.hello:
            words += ["--hello", json.dumps(self.hello)]
        return words

    @property
    def uri(self):
        return f"mongodb://127.0.0.1:{self.port}/"

    def status(self):
        """Counters of its own; the connection that asks is one of those it counts."""
        with self.client() as client:
            return client.admin.command("serverStatus")

    def client(self):
        """MongoDB's own client for Python, to prepare and to look after."""
        return pymongo.MongoClient(self.uri, username=self.user, password=self.password, directConnection=True)

    def fail(self, *commands, times=1, **data):
        """Makes the next commands of these names fail, wait, or hang up, as `failCommand` of a server does."""
        with self.client() as client:
            client.admin.command("configureFailPoint", "failCommand", mode={"times": times},
                                 data={"failCommands": list(commands), **data})

    def operations(self):
        """What it does just now."""
        with self.client() as client:
            return client.admin.command("currentOp")["inprog"]
