# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Elasticsearch as a process of a test: the stand-in, since there is no server to install."""

import base64
import json
import pathlib
import ssl
import sys
import urllib.error
import urllib.request

from .server import Server


class Elasticsearch(Server):
    name = "elasticsearch"

    def __init__(self, directory, user=None, password=None, api_key=None, tls=None, version="8.11.0"):
        super().__init__(directory)
        self.user, self.password, self.api_key, self.tls, self.version = user, password, api_key, tls, version

    def command(self):
        program = pathlib.Path(__file__).parent / "standins" / "elasticsearch.py"
        words = [sys.executable, program, self.port, "--version", self.version]
        if self.user:
            words += ["--user", f"{self.user}:{self.password}"]
        if self.api_key:
            words += ["--api-key", self.api_key]
        if self.tls:
            words += ["--tls", *self.tls]
        return words

    @property
    def url(self):
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    def ask(self, method, path, body=None):
        """The status and the JSON of an answer, to prepare and to look after."""
        request = urllib.request.Request(self.url + path, method=method, data=None if body is None else json.dumps(body).encode())
        if body is not None:
            request.add_header("Content-Type", "application/json")
        if self.user:
            request.add_header("Authorization", "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode())
        context = ssl._create_unverified_context() if self.tls else None
        try:
            with urllib.request.urlopen(request, timeout=30, context=context) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    def fault(self, **fault):
        """Makes the next requests fail, wait or break; see the stand-in."""
        assert self.ask("POST", "/_standin", fault)[0] == 200

    def stats(self):
        """Counters of its own; the connection that asks is one of those it counts."""
        return self.ask("GET", "/_nodes/stats")[1]["nodes"]["standin-node"]

    def tasks(self):
        """What it does just now."""
        return self.ask("GET", "/_tasks")[1]["tasks"]
