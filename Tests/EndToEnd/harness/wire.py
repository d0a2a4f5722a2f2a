# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Raw WebSocket links to the Cloud, for what the programs would never send."""

import itertools
import json
import ssl

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect


def trust(cloud, authority=None):
    return ssl.create_default_context(cafile=str(authority or cloud.authority))


def open_link(cloud, path, token=None, headers=None, **options):
    """An upgraded link; raises InvalidStatus when the upgrade is refused."""
    headers = dict(headers or {})
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    context = options.pop("context", None) or trust(cloud)
    options = {"max_size": 4 << 20, "open_timeout": 30, "close_timeout": 2, "compression": None, "proxy": None, "legacy": True} | options
    return connect(f"wss://127.0.0.1:{cloud.port}{path}", ssl=context, additional_headers=headers, **options)


def refusal(cloud, path, token=None, headers=None):
    """The HTTP status of a refused upgrade, or None when it was accepted."""
    try:
        open_link(cloud, path, token, headers).close()
    except InvalidStatus as refused:
        return refused.response.status_code
    return None


class Link:
    """Envelopes over one link."""

    def __init__(self, cloud, path, token, **options):
        self.socket = open_link(cloud, path, token, **options)
        self.ids = itertools.count(1)

    def send(self, kind, data, id=None, payload=None):
        """Sends an envelope; with bytes behind it as a binary frame."""
        envelope = json.dumps({"type": kind, "data": data} | ({"id": id} if id is not None else {}))
        if payload is None:
            self.socket.send(envelope)
        else:
            self.socket.send(len(envelope).to_bytes(4, "big") + envelope.encode() + payload)

    def receive(self, seconds=30):
        """The next envelope; a binary frame's payload is under `payload`."""
        frame = self.socket.recv(seconds)
        if isinstance(frame, str):
            return json.loads(frame)
        length = int.from_bytes(frame[:4], "big")
        return json.loads(frame[4:4 + length]) | {"payload": frame[4 + length:]}

    def expect(self, kind, seconds=30):
        """The next envelope of that type; others are passed over."""
        while True:
            envelope = self.receive(seconds)
            if envelope["type"] == kind:
                return envelope

    def ask(self, kind, data=None, seconds=30, payload=None):
        """The answer to a request."""
        id = f"q{next(self.ids)}"
        self.send(kind, data if data is not None else {}, id, payload)
        while True:
            envelope = self.receive(seconds)
            if envelope.get("id") == id:
                return envelope

    def outcome(self, seconds=30):
        """`("error", code)` of the next error answer, or `("close", code)` when the link was closed instead."""
        try:
            return "error", self.expect("error", seconds)["data"]["code"]
        except ConnectionClosed as closed:
            return "close", closed.rcvd.code if closed.rcvd else 1006

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
