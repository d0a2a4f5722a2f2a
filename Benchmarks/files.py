# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""How fast files go up, down and out, beside nginx with TLS and curl moving the same bytes in the same run."""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import subprocess
import time

from harness import Broken, resident
from report import size

MIB = 1 << 20
NGINX = """
daemon off;
worker_processes 2;
pid {root}/nginx.pid;
error_log {root}/nginx.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {root}/body;
    proxy_temp_path {root}/proxy; fastcgi_temp_path {root}/fastcgi; uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi;
    client_max_body_size 0;
    sendfile on;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {tls}/server.pem;
        ssl_certificate_key {tls}/server.key;
        ssl_protocols TLSv1.3;
        root {root}/www;
        location /up/ {{ dav_methods PUT; create_full_put_path on; }}
    }}
}}
"""


class Files:
    """The measures of one world, with an nginx beside its Cloud that shows the same certificate."""

    def __init__(self, world, report, quick):
        self.world, self.report, self.quick = world, report, quick
        self.root = world.directory / "files-bench"
        for name in ("www", "www/up", "body", "targets"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
            (self.root / name).chmod(0o777)
        world.directory.chmod(0o755)
        self.root.chmod(0o755)
        self.environment = world.operator_environment()
        self.port = self.free_port()
        (self.root / "nginx.conf").write_text(NGINX.format(root=self.root, port=self.port, tls=world.cloud_data / "tls"))
        nginx = world.start("nginx", ["nginx", "-c", self.root / "nginx.conf", "-p", self.root])
        world.wait("start of nginx", lambda: (self.root / "nginx.pid").exists(), nginx)

    @staticmethod
    def free_port():
        import socket
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    # What is run

    def tiangong(self, *arguments):
        done = subprocess.run([self.world.programs / "tiangong", *map(str, arguments)], env=self.environment,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=600)
        if done.returncode != 0:
            raise Broken(f"tiangong {arguments} ended with {done.returncode}: {done.stderr[-2000:]}{done.stdout[-500:]}")
        return done.stdout.strip()

    def curl(self, *arguments):
        done = subprocess.run(
            ["curl", "--silent", "--show-error", "--fail", "--cacert", self.world.cloud_data / "tls/ca.pem", *map(str, arguments)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=600)
        if done.returncode != 0:
            raise Broken(f"curl {arguments} ended with {done.returncode}: {done.stderr}")

    def url(self, path):
        return f"https://localhost:{self.port}/{path}"

    @staticmethod
    def timed(body):
        began = time.perf_counter()
        body()
        return time.perf_counter() - began

    def best(self, ours, theirs, count):
        """The best time of each, one after the other so that neither has the quieter machine."""
        times = [(self.timed(ours), self.timed(theirs)) for _ in range(count)]
        return min(first for first, _ in times), min(second for _, second in times)

    def line(self, what, volume, ours, theirs, beside, floor=None):
        rate, peer = volume / ours / 1e6, volume / theirs / 1e6
        self.report.number(what, f"{rate:.0f} MB/s  {rate / peer:.2f} of it", "0.9 of it" + (f", {floor} MB/s" if floor else ""),
                           rate / peer >= 0.9 and rate >= (floor or 0))
        self.report.reference(beside, f"{peer:.0f} MB/s")

    def make(self, name, length):
        path = self.root / name
        with open(path, "wb") as file:
            piece = os.urandom(8 * MIB)
            left = length
            while left > 0:
                file.write(piece[:min(left, len(piece))] if left == length else hashlib.sha512(str(left).encode()).digest() + piece[64:min(left, len(piece))])
                left -= min(left, len(piece))
        return path

    # The measures

    def measure(self, cloud, agent, agents):
        volume = (64 if self.quick else 1024) * MIB
        count = 1 if self.quick else 3
        self.report.heading(f"Files, {size(volume)}, beside nginx with TLS")
        path = self.make("big", volume)
        memory = resident(cloud.pid), resident(agent.pid)
        ids = []

        def put():
            for old in ids:
                self.tiangong("file", "remove", old)
            ids[:] = [self.tiangong("file", "put", path, "-q")]

        ours, theirs = self.best(put, lambda: self.curl("-T", path, self.url("up/big")), count)
        self.line("upload, hashed, synced", volume, ours, theirs, "curl -T to nginx", 100)

        served = self.root / "www/big"
        os.link(path, served)
        target = self.root / "targets/big"
        # What the first agent alone sees as `targets`.
        private = self.world.directory / f"{agents[0]}.own/big"

        def push():
            private.unlink(missing_ok=True)
            self.tiangong("file", "push", ids[0], target, "-a", agents[0])

        def fetch():
            copy = self.root / "copy"
            copy.unlink(missing_ok=True)
            self.curl("-o", copy, self.url("big"))
            subprocess.run(["sha256sum", copy], check=True, stdout=subprocess.DEVNULL)

        ours, theirs = self.best(push, fetch, count)
        self.line("download to an agent's disk, verified", volume, ours, theirs, "curl from nginx, then sha256sum", 100)
        if hashlib.sha256(private.read_bytes()).digest() != hashlib.sha256(path.read_bytes()).digest():
            raise Broken("the agent has another file")

        def back():
            self.tiangong("file", "fetch", target, "-a", agents[0], "--to", self.root / "back")
            subprocess.run(["rm", "-rf", self.root / "back"], check=True)
        ours = min(self.timed(back) for _ in range(count))
        self.report.number("fetched back: up from the agent, down to here", f"{volume / ours / 1e6:.0f} MB/s")
        grown = [now - then for now, then in zip((resident(cloud.pid), resident(agent.pid)), memory)]
        self.report.number("memory grown meanwhile, Cloud / agent", f"{size(grown[0])} / {size(grown[1])}", "64 MiB",
                           max(grown) <= 64 * MIB)
        private.unlink(missing_ok=True)
        self.fan_out(agents)
        self.small(agents)

    def fan_out(self, agents):
        volume = (4 if self.quick else 64) * MIB
        number = min(20, len(agents))
        path = self.make("fan", volume)
        id = self.tiangong("file", "put", path, "-q")
        os.link(path, self.root / "www/fan")
        roots = self.root / "targets"
        selected = [word for name in agents[:number] for word in ("-a", name)]
        def push():
            self.tiangong("file", "push", id, roots / "fan", *selected)

        def curls():
            with concurrent.futures.ThreadPoolExecutor(number) as pool:
                list(pool.map(lambda n: (self.curl("-o", self.root / f"fan-{n}", self.url("fan")),
                                         subprocess.run(["sha256sum", self.root / f"fan-{n}"], stdout=subprocess.DEVNULL)), range(number)))

        def clean():
            for file in self.root.glob("fan-*"):
                file.unlink()
        ours = self.timed(push)
        theirs = self.timed(curls)
        clean()
        self.line(f"fan-out to {number} agents", volume * number, ours, theirs, f"{number} curls at once, each with sha256sum")

    def small(self, agents):
        number = min(50, len(agents))
        count = 100 if self.quick else 1000
        directory = self.root / "small"
        directory.mkdir()
        for index in range(count):
            (directory / f"{index:04}").write_bytes(hashlib.sha512(str(index).encode()).digest() * 64)
        selected = [word for name in agents[:number] for word in ("-a", name)]
        seconds = self.timed(lambda: self.tiangong("file", "push", directory, self.root / "targets/small", "--parents", *selected))
        self.report.number(f"{count} files of 4 KiB to {number} agents", f"{seconds:.1f} s  {count * number / seconds:.0f} files/s")
