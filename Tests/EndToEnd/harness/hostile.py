# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Text that attacks terminals, a server in the middle that puts it into every answer, and a terminal that watches."""

import fcntl
import json
import os
import pty
import re
import select
import ssl
import struct
import subprocess
import termios
import threading
import time

import pyte
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

from .programs import BIN
from .wire import open_link

# What no terminal may ever get from us: controls, C1, DEL, bidi, zero-width, line separators, tags.
FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e0fff]")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")

TEXT = ("x\x1b[2J\x1b[1;1H\x1b]0;owned\x07\x1b]52;c;cm0gLXJm\x1b\\\x1b]8;;http://evil\x1b\\\x1bP$qm\x1b\\\x1b_G\x1b\\\x1b[5n\x1b[c"
        "\x1b[?1049l\x1b[?25l\x1b[?1000h\x1b(0\x9b31m\x9d0;t\x9c\x85\u202egnp\u2066\u200b\u200d\ufeff\U000e0041\u2028"
        "\x00\x08\x0b\x0c\r\x0e\x0f\n\t\x7f\u0301" + "\u0336" * 40 + "\x18\x1a中END")

KEPT = re.compile(r"(^|_)id$|_at$|_mode$|^(type|state|status|role|mode|verdict|kind|stream|codec|code|ts|clock|next|last_seen|since|until|"
                  r"held_by|seq|sha256)$")
TIME = re.compile(r"^\d{4}-\d\d-\d\dT")

FRAGMENT = 100_000  # a larger frame is refused


def poison(value, key="", inside=False):
    """The value with hostile text in place of every text that is not an id, a time or a word from a fixed list."""
    if isinstance(value, dict):
        free = key in ("labels", "assigned_labels", "params", "env", "detail")
        return {(TEXT if free else name): poison(member, name, inside or free) for name, member in value.items()}
    if isinstance(value, list):
        return [poison(item, key, inside) for item in value]
    if isinstance(value, str) and (inside or not KEPT.search(key) and not TIME.match(value)):
        return TEXT
    return value


class HostileCloud:
    """Speaks for a real Cloud and poisons what it says."""

    def __init__(self, cloud):
        self.cloud = cloud
        self.answers = 0
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cloud.data / "tls" / "server.pem", cloud.data / "tls" / "server.key")
        self.server = serve(self._serve, "127.0.0.1", 0, ssl=context, compression=None, max_size=8 << 20)
        self.port = self.server.socket.getsockname()[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"https://127.0.0.1:{self.port}"

    def stop(self):
        self.server.shutdown()

    def _serve(self, client):
        token = client.request.headers["Authorization"].removeprefix("Bearer ")
        with open_link(self.cloud, client.request.path, token, max_size=8 << 20) as link:
            def upward():
                try:
                    for frame in client:
                        link.send(frame)
                except ConnectionClosed:
                    pass
                link.close()
            threading.Thread(target=upward, daemon=True).start()
            try:
                for frame in link:
                    client.send(self._poisoned(frame))
            except ConnectionClosed:
                pass

    def _poisoned(self, frame):
        if isinstance(frame, bytes):
            return [frame]
        envelope = json.loads(frame)
        if envelope["type"] == "error":
            envelope["data"] |= {"message": TEXT, "hint": TEXT}
        elif "data" in envelope:
            envelope["data"] = poison(envelope["data"])
        self.answers += 1
        text = json.dumps(envelope)
        return [text[at:at + FRAGMENT] for at in range(0, len(text), FRAGMENT)]


class Tty:
    """A program on a terminal of its own; all its bytes, and what a terminal made of them."""

    def __init__(self, arguments, environment, columns=100, rows=30):
        self.columns, self.rows = columns, rows
        self.bytes = b""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen(
            [str(BIN / "tiangong"), *map(str, arguments)], stdin=slave, stdout=slave, stderr=slave,
            env=environment | {"TERM": "xterm-256color"}, start_new_session=True)
        os.close(slave)
        self.master = master

    def finish(self, seconds=60):
        """The exit status once everything was read."""
        until = time.monotonic() + seconds
        try:
            while time.monotonic() < until:
                if select.select([self.master], [], [], 0.2)[0]:
                    block = os.read(self.master, 1 << 16)
                    if not block:
                        break
                    self.bytes += block
        except OSError:  # the other side was closed
            pass
        finally:
            os.close(self.master)
            if self.process.poll() is None:
                try:
                    self.process.wait(max(1, until - time.monotonic()))
                except subprocess.TimeoutExpired:
                    self.process.kill()
                    raise AssertionError(f"it did not end; it wrote:\n{self.bytes[-2000:]!r}") from None
        return self.process.wait()

    @property
    def text(self):
        return self.bytes.decode()

    def judge(self):
        """Fails when a byte could have changed the terminal beyond lines of coloured text."""
        plain = COLOUR.sub("", self.text).replace("\r\n", "\n")
        found = FORBIDDEN.search(plain) or re.search("\r", plain)
        assert not found, f"U+{ord(found[0]):04X} in {plain[max(0, found.start() - 60):found.end() + 20]!r}"
        unstyled = re.sub(r"\x1b\[0?m[^\x1b]*$", "", self.text)
        assert not COLOUR.search(self.text) or re.search(r"\x1b\[0?m", self.text), unstyled[-80:]
        changed = terminal_changes(self.bytes, self.columns, self.rows)
        assert not changed, changed
        return plain


def terminal_changes(data, columns=100, rows=30):
    """How a terminal differs, beside the lines it shows, from one that nothing was written to."""
    screen = pyte.HistoryScreen(columns, rows, history=100_000)
    answers = []
    screen.write_process_input = answers.append
    stream = pyte.ByteStream(screen)
    fresh = pyte.HistoryScreen(columns, rows, history=100_000)
    stream.feed(b"above\r\n")
    stream.feed(data)
    before = {"title": fresh.title, "icon": fresh.icon_name, "modes": fresh.mode, "margins": fresh.margins,
              "charset": fresh.charset, "attributes": fresh.cursor.attrs, "hidden": fresh.cursor.hidden,
              "tabs": fresh.tabstops}
    after = {"title": screen.title, "icon": screen.icon_name, "modes": screen.mode, "margins": screen.margins,
             "charset": screen.charset, "attributes": screen.cursor.attrs, "hidden": screen.cursor.hidden,
             "tabs": screen.tabstops}
    changed = {name: after[name] for name in before if before[name] != after[name]}
    if answers:
        changed["answers"] = answers
    first = screen.history.top[0] if screen.history.top else screen.buffer[0]
    if "".join(first[column].data for column in range(5)) != "above":
        changed["above"] = "".join(first[column].data for column in range(columns)).rstrip()
    return changed
