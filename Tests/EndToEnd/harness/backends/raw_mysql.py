# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""A server that greets as MySQL does, lets everybody in, and then answers what no server should."""

import socket
import struct
import threading

OK = b"\x00\x00\x00\x02\x00\x00\x00"
EOF = b"\xfe\x00\x00\x02\x00"


def greeting(capabilities=0x000FA28D):
    """Protocol 10 with mysql_native_password; no TLS unless 0x800 is among the capabilities."""
    return (b"\x0a5.7.0-raw\x00" + struct.pack("<I", 7) + b"12345678\x00" + struct.pack("<H", capabilities & 0xFFFF) +
            b"\x2d\x02\x00" + struct.pack("<H", capabilities >> 16) + b"\x15" + bytes(10) + b"123456789012\x00" +
            b"mysql_native_password\x00")


def text(value):
    return bytes([len(value)]) + value if len(value) < 251 else b"\xfc" + struct.pack("<H", len(value)) + value


def column(name, kind=0xFD, charset=45):
    return (text(b"def") + text(b"") * 3 + text(name) * 2 + b"\x0c" + struct.pack("<HIBHB", charset, 1024, kind, 0, 0) + b"\0\0")


def result(names, rows):
    """The packets of a result; rows are lists of bytes."""
    yield bytes([len(names)])
    yield from map(column, names)
    yield EOF
    for row in rows:
        yield b"".join(map(text, row))
    yield EOF


class RawMySQL:
    """`answer(query)` gives the packets for a query, bytes; `greet` replaces the greeting, or nothing is said at all; `switch`
    names another way to sign in."""

    def __init__(self, answer, greet=greeting, switch=None):
        self.answer, self.greet, self.switch = answer, greet, switch
        self.queries, self.received = [], bytearray()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.sockets = []
        self.done = threading.Event()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.sockets.append(client)
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        try:
            if not self.greet:
                while data := client.recv(4096):
                    self.received += data
                return
            self.send(client, 0, [self.greet()])
            sequence, _ = self.read(client)
            if self.switch:
                self.send(client, sequence + 1, [b"\xfe" + self.switch + b"\x00" + b"1234567890" * 2 + b"\x00"])
                sequence, _ = self.read(client)
            self.send(client, sequence + 1, [OK])
            while True:
                sequence, packet = self.read(client)
                if packet[:1] != b"\x03":
                    self.send(client, sequence + 1, [OK])
                    continue
                query = packet[1:].decode("utf-8", "replace")
                self.queries.append(query)
                if "sql_mode" in query:
                    packets = result([b"m", b"a"], [[b"", b"1"]])
                else:
                    packets = self.answer(query)
                self.send(client, sequence + 1, packets)
        except (OSError, EOFError):
            pass
        finally:
            client.close()

    def send(self, client, sequence, packets):
        for packet in packets:
            client.sendall(struct.pack("<I", len(packet))[:3] + bytes([sequence % 256]) + packet)
            sequence += 1

    def read(self, client):
        def exactly(count):
            data = b""
            while len(data) < count:
                part = client.recv(count - len(data))
                if not part:
                    raise EOFError
                data += part
            return data
        header = exactly(4)
        packet = exactly(int.from_bytes(header[:3], "little"))
        self.received += packet
        return header[3], packet

    def stop(self):
        self.done.set()
        self.listener.close()
        for client in self.sockets:
            client.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
