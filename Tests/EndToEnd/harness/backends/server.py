# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""A server of somebody else's, started by the tests on a free port of loopback with scratch data, and stopped by its pid."""

import os
import pathlib
import random
import socket
import subprocess
import time

# What the kernel gives to clients, and to servers that take any port, begins here.
KERNELS = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
PORTS = range(KERNELS // 2, KERNELS) if KERNELS > 8192 else range(8192, 65536)
given = set()


def free_port():
    """A port that nobody has, and that nobody comes by before it is used; each is given once."""
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in given:
            given.add(port)
            return port


class Server:
    """Give `command()` and `is_ready()`; `prepare()` makes the data once."""

    name = "server"
    patience = 120

    def __init__(self, directory):
        self.directory = pathlib.Path(directory) / self.name
        self.directory.mkdir(parents=True, exist_ok=True)
        # Servers that run as another account must get there.
        self.directory.chmod(0o755)
        self.port = free_port()
        self.process = None
        self.log = self.directory / "log"

    def prepare(self):
        pass

    def command(self):
        raise NotImplementedError

    def environment(self):
        return os.environ | {"LC_ALL": "C.UTF-8", "TZ": "UTC"}

    def is_ready(self):
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def start(self):
        self.prepare()
        self.launch()
        return self

    def launch(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [str(word) for word in self.command()], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self.environment(), start_new_session=True)
        deadline = time.monotonic() + self.patience
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{self.name} does not start:\n{self.log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.05)

    def restart(self, kill=False):
        self.stop(kill)
        self.launch()

    def stop(self, kill=False, seconds=20):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.kill() if kill else self.process.terminate()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
