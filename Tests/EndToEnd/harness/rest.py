# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Plain HTTP to the Cloud, byte by byte where it matters: nothing is repaired on the way."""

import http.client
import json
import socket
import ssl

from . import wire


def connect(cloud, seconds=30):
    plain = socket.create_connection(("127.0.0.1", cloud.port), timeout=seconds)
    return wire.trust(cloud).wrap_socket(plain, server_hostname="127.0.0.1")


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        return self.json["error"]["code"]

    def __repr__(self):
        return f"{self.status} {self.body[:400]!r}"


def exchange(cloud, data, method="GET", seconds=30):
    """The answer to raw bytes; None when the connection is closed without one."""
    with connect(cloud, seconds) as link:
        try:
            link.sendall(data)
            response = http.client.HTTPResponse(link, method=method)
            response.begin()
            return Answer(response)
        except (ConnectionError, ssl.SSLError, http.client.BadStatusLine):
            return None


def head(cloud, method, target, headers):
    """A request's head; headers are a dictionary or a list of pairs."""
    pairs = list(headers.items() if isinstance(headers, dict) else headers)
    if not any(name.lower() == "host" for name, _ in pairs):
        pairs.insert(0, ("Host", f"127.0.0.1:{cloud.port}"))
    lines = "".join(f"{name}: {value}\r\n" for name, value in pairs)
    return f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin1")


class API:
    """The API as one operator, or as nobody."""

    root = "/api/v1"

    def __init__(self, cloud, token=None):
        self.cloud, self.token = cloud, token

    def headers(self, extra=()):
        pairs = [("Authorization", f"Bearer {self.token}")] if self.token is not None else []
        return pairs + list(extra.items() if isinstance(extra, dict) else extra) + [("Connection", "close")]

    def __call__(self, method, path, body=None, headers=(), seconds=30):
        """Sends a request below the root, or of a whole target; a body is sent as JSON unless it is bytes."""
        target = path if path.startswith(("/api", "/ws", "/healthz", "/readyz")) else self.root + path
        pairs = self.headers(headers)
        data = b""
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            if not any(name.lower() == "content-type" for name, _ in pairs):
                pairs.append(("Content-Type", "application/json"))
            pairs.append(("Content-Length", str(len(data))))
        return exchange(self.cloud, head(self.cloud, method, target, pairs) + data, method, seconds)

    def get(self, path, **options):
        answer = self("GET", path, **options)
        assert answer.status == 200, answer
        return answer.json

    def stream(self, path, headers=(), seconds=30):
        """An answer that goes on, to be read and closed."""
        return Stream(self.cloud, head(self.cloud, "GET", self.root + path, self.headers(headers)), seconds)


class Stream:
    def __init__(self, cloud, request, seconds):
        self.link = connect(cloud, seconds)
        self.link.sendall(request)
        self.response = http.client.HTTPResponse(self.link, method="GET")
        self.response.begin()
        self.status, self.headers = self.response.status, self.response.headers
        self.read, self.readline = self.response.read, self.response.readline

    def close(self):
        # The response holds the socket too.
        self.response.close()
        self.link.close()
