# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""A small HTTP(S) server that does what a test says and keeps what it was asked, and a name server that may lie."""

import base64
import http.server
import json
import socket
import socketserver
import ssl
import struct
import threading
import time
import urllib.parse


class Request:
    """What a client sent: as it came over the wire, nothing decoded."""

    def __init__(self, method, target, headers, body, server_name):
        self.method, self.target, self.headers, self.body, self.server_name = method, target, headers, body, server_name

    def __repr__(self):
        return f"{self.method} {self.target} {dict(self.headers)} {self.body[:200]!r}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self):
        web = self.server.web
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        web.requests.append(Request(self.command, self.path, self.headers, body, web.names.get(self.client_address)))
        path, _, query = self.path.partition("?")
        parameters = dict(urllib.parse.parse_qsl(query))
        name = path.strip("/").split("/")[0] or "index"
        getattr(self, f"on_{name}", self.on_missing)(path, parameters, body)

    def do_GET(self):
        self.answer()

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_PURGE = do_GET

    def send(self, status, body=b"", kind="text/plain", headers=()):
        body = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def on_missing(self, *_):
        self.send(404, "no such page\n")

    def on_index(self, *_):
        self.send(200, "welcome to 天工\n", "text/plain; charset=utf-8", [("Set-Cookie", "session=5"), ("X-Zone", "a")])

    def on_who(self, *_):
        self.send(200, self.server.web.label)

    def on_status(self, path, *_):
        self.send(int(path.split("/")[2]), "status page\n")

    def on_json(self, *_):
        self.send(200, json.dumps({"status": "ok", "items": [{"id": 7, "a/b": None}], "load": 1.0}), "application/json")

    def on_echo(self, path, parameters, body):
        value = {"method": self.command, "target": self.path, "headers": dict(self.headers), "body": body.decode()}
        self.send(200, json.dumps(value), "application/json")

    def on_bytes(self, *_):
        self.send(200, bytes(range(256)), "application/octet-stream")

    def on_private(self, *_):
        given = self.headers.get("Authorization", "")
        wanted = "Basic " + base64.b64encode(b"olga:p:s-wort-4711").decode()
        self.send(200 if given == wanted else 401, "in\n", headers=[("WWW-Authenticate", "Basic")])

    def on_redirect(self, path, parameters, _):
        self.send(int(parameters.get("status", 302)), "elsewhere\n", headers=[("Location", parameters["to"])])

    def on_loop(self, *_):
        self.send(302, headers=[("Location", f"/loop/{time.monotonic_ns()}")])

    def on_flaky(self, path, parameters, _):
        """Fails so many times, then is well."""
        web = self.server.web
        key = parameters["key"]
        web.counts[key] = web.counts.get(key, 0) + 1
        isWell = web.counts[key] > int(parameters["fails"])
        self.send(200 if isWell else 503, "well\n" if isWell else "ill\n")

    def on_cut(self, *_):
        """Promises more than it sends."""
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        self.wfile.write(b"half")
        self.close_connection = True

    def on_rubbish(self, *_):
        self.wfile.write(b"\x00\x01 not HTTP at all\r\n\r\n")
        self.close_connection = True

    def on_heads(self, *_):
        """A head without an end."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        try:
            while True:
                self.wfile.write(b"X-Filler: " + b"x" * 8000 + b"\r\n")
        except OSError:
            self.server.web.gone.set()
        self.close_connection = True

    def on_big(self, path, parameters, _):
        """So many MiB of zeros."""
        count = int(parameters["mib"])
        self.send_response(200)
        self.send_header("Content-Length", str(count << 20))
        self.end_headers()
        block = bytes(1 << 20)
        for _ in range(count):
            self.wfile.write(block)

    def on_drip(self, *_):
        """A line now and then, for ever, in chunks."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for number in range(1_000_000):
                line = f"drop {number}\n".encode()
                self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                time.sleep(0.02)
        except OSError:
            self.server.web.gone.set()
        self.close_connection = True

    def on_hang(self, *_):
        """Says nothing, and notes when the client has gone."""
        self.server.web.hanging.set()
        self.connection.settimeout(60)
        try:
            if not self.connection.recv(1):
                self.server.web.gone.set()
        except OSError:
            self.server.web.gone.set()
        self.close_connection = True


class Web:
    """Listens on an address of loopback; `certificate` is a pair of files, for HTTPS."""

    def __init__(self, address="127.0.0.1", port=0, certificate=None, label="web"):
        self.label, self.requests, self.counts, self.names = label, [], {}, {}
        self.hanging, self.gone = threading.Event(), threading.Event()
        family = socket.AF_INET6 if ":" in address else socket.AF_INET

        class Listener(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            address_family = family
            request_queue_size = 128

            def handle_error(self, *_):
                pass  # clients that go away are what is tested

        self.server = Listener((address, port), Handler)
        self.server.web = self
        self.address, self.port = address, self.server.server_address[1]
        self.scheme = "http"
        if certificate:
            self.scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*map(str, certificate))
            context.sni_callback = lambda connection, name, _: self.names.update({connection.getpeername(): name})
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def url(self, path="/", host=None):
        host = host or (f"[{self.address}]" if ":" in self.address else self.address)
        return f"{self.scheme}://{host}:{self.port}{path}"

    @property
    def last(self):
        return self.requests[-1]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Names:
    """A name server on UDP. Answers are lists of addresses, the next one for each question about a name; the last stays.
    A name in `silent` is not answered."""

    def __init__(self, address, port=53):
        self.answers, self.asked, self.silent = {}, [], set()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, port))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                question, client = self.socket.recvfrom(2048)
            except OSError:
                return
            answer = self.reply(question)
            if answer:
                self.socket.sendto(answer, client)

    def reply(self, question):
        labels, place = [], 12
        while question[place]:
            labels.append(question[place + 1:place + 1 + question[place]].decode())
            place += 1 + question[place]
        name = ".".join(labels).lower()
        kind, = struct.unpack(">H", question[place + 1:place + 3])
        family = {1: socket.AF_INET, 28: socket.AF_INET6}.get(kind)
        self.asked.append((name, kind))
        if name in self.silent:
            return None
        found = []
        queue = self.answers.get((name, kind))
        if queue:
            found = queue.pop(0) if len(queue) > 1 else queue[0]
        records = b"".join(
            b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 0, len(packed)) + packed
            for packed in (socket.inet_pton(family, text) for text in found))
        isKnown = any(name == known for known, _ in self.answers)
        flags = 0x8180 if isKnown else 0x8183
        return question[:2] + struct.pack(">HHHHH", flags, 1, len(found), 0, 0) + question[12:place + 5] + records

    def stop(self):
        self.socket.close()
