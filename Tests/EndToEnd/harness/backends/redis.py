# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""A Redis server with a password, on a plain port and on one with TLS, and the few words one needs to talk with it."""

import socket

from .server import Server, free_port


class Redis(Server):
    name = "redis"

    def __init__(self, directory, password, authority):
        super().__init__(directory)
        self.password, self.tls_port = password, free_port()
        self.certificate, self.key = authority.server(self.directory)
        self.authority = self.directory / "ca.pem"
        self.authority.write_text(authority.pem())

    def command(self):
        return ["redis-server", "--port", self.port, "--tls-port", self.tls_port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                "--requirepass", self.password, "--dir", self.directory, "--tls-cert-file", self.certificate, "--tls-key-file", self.key,
                "--tls-ca-cert-file", self.authority, "--tls-auth-clients", "no"]

    def ask(self, *words):
        """The first 64 KiB of what the server answers."""
        def packed(words):
            words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
            return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as link:
            link.sendall(packed(["AUTH", self.password]))
            assert link.recv(100) == b"+OK\r\n"
            link.sendall(packed(words))
            return link.recv(65536)
