# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""What every measure needs: a Cloud and an agent on loopback with scratch data, an operator's link, and what the
kernel says of a process."""

import asyncio
import contextlib
import http.client
import json
import os
import pathlib
import resource
import shutil
import signal
import ssl
import struct
import subprocess
import tempfile
import time

import websockets

PAGE = os.sysconf("SC_PAGE_SIZE")


class Broken(Exception):
    """Something did not work; there is no number to print."""


def percentile(values, share):
    """The value below which `share` (0 to 1) of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def resident(pid):
    """Bytes of memory a process occupies."""
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE


def cpu_seconds(pid):
    """Seconds all threads of a living process have run, those included that have ended; to the nanosecond."""
    return time.clock_gettime((~pid << 3) | 2)  # the kernel's number for the CPU clock of another process


def sync_milliseconds(directory, count=50):
    """The median time of one small fdatasync there: the limit under every acknowledgement."""
    times = []
    with tempfile.NamedTemporaryFile(dir=directory) as file:
        for _ in range(count):
            os.pwrite(file.fileno(), b"x" * 4096, 0)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - began) * 1000)
    return percentile(times, 0.5)


def run_milliseconds(command, count, **options):
    """Wall times of a whole process, from spawn to exit."""
    times = []
    for _ in range(count):
        began = time.perf_counter()
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, **options)
        times.append((time.perf_counter() - began) * 1000)
        if done.returncode != 0:
            raise Broken(f"{command} ended with {done.returncode}: {done.stderr.decode(errors='replace')}")
    return times


# All links of a measure come from one address.
ONE_ADDRESS = {f"TIANGONG_LIMITS_{name}": "100000" for name in (
    "UNAUTHENTICATED", "UNAUTHENTICATED_PER_ADDRESS", "REQUESTS_PER_ADDRESS", "REQUESTS_PER_TOKEN")}


class World:
    """One Cloud, agents, tokens; everything below one scratch directory, everything ended with it."""

    def __init__(self, programs, parent):
        parent.mkdir(parents=True, exist_ok=True)
        self.programs = programs
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir=parent))
        self.cloud_data = self.directory / "cloud"
        self.processes = []
        self.has_policy = False
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(limits[1], 65536), limits[1]))

    def close(self):
        for process in reversed(self.processes):
            self.stop(process)
        shutil.rmtree(self.directory, ignore_errors=True)

    def start(self, name, command, **options):
        """Starts a program whose words go to NAME.log."""
        with open(self.directory / f"{name}.log", "ab") as log:
            options = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, **options}
            process = subprocess.Popen([str(part) for part in command], start_new_session=True, **options)
        process.name = name
        self.processes.append(process)
        return process

    def stop(self, process):
        if process in self.processes:
            self.processes.remove(process)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def wait(self, what, condition, process, seconds=60):
        """Waits until `condition` gives something true, every half millisecond; returns that."""
        deadline = time.monotonic() + seconds
        while True:
            found = condition()
            if found:
                return found
            if process.poll() is not None or time.monotonic() > deadline:
                log = (self.directory / f"{process.name}.log").read_text(errors="replace")
                raise Broken(f"{what} failed; the end of its log:\n{log[-2000:]}")
            time.sleep(0.0005)

    def start_cloud(self):
        """Starts the Cloud and returns it once /healthz answers."""
        address = self.cloud_data / "address"
        address.unlink(missing_ok=True)
        cloud = self.start("cloud", [
            self.programs / "tiangong-cloud", "serve", "--listen", "127.0.0.1:0", "--data-dir", self.cloud_data],
            env=os.environ | ONE_ADDRESS)
        text = self.wait("start of the Cloud", lambda: address.exists() and address.read_text().strip(), cloud)
        self.url = text
        self.tls = ssl.create_default_context(cafile=str(self.cloud_data / "tls/ca.pem"))
        self.wait("the Cloud's health", self.healthy, cloud)
        return cloud

    def healthy(self):
        host, port = self.url.removeprefix("https://").rsplit(":", 1)
        connection = http.client.HTTPSConnection(host, int(port), timeout=5, context=self.tls)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def token(self, *arguments):
        """What `tiangong-cloud token create` prints."""
        done = subprocess.run(
            [self.programs / "tiangong-cloud", "token", "create", *arguments, "--data-dir", self.cloud_data],
            text=True, capture_output=True, timeout=120)
        if done.returncode != 0:
            raise Broken(f"token create {arguments[0]}: {done.stderr}")
        return done.stdout.strip()

    def token_file(self, name, *arguments):
        path = self.directory / f"{name}.token"
        path.write_text(self.token(*arguments) + "\n")
        path.chmod(0o600)
        return path

    def policy_file(self):
        """A policy of agents under which the programs of the measures run."""
        path = self.directory / "policy.yaml"
        if not path.exists():
            path.write_text("mode: blacklist-default\n")
            path.chmod(0o600)
        return path

    def start_agent(self, name, *options, executors=None, own=None):
        """Starts an agent. `own` is a directory that it alone sees there, as if it were a host of its own; only root can do that."""
        token = self.directory / f"{name}.token"
        if not token.exists():
            self.token_file(name, "agent", name)
        command = [
            self.programs / "tiangong-agent", "run", "--server", self.url, "--ca-file", self.cloud_data / "tls/ca.pem",
            "--token-file", token, "--data-dir", self.directory / name, *options]
        if executors:
            settings = self.directory / f"{name}.yaml"
            settings.write_text(json.dumps({"executors": executors}))
            command += ["--config", settings]
        if own:
            private = self.directory / f"{name}.own"
            private.mkdir(exist_ok=True)
            command = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" "$1" && shift && exec "$@"', private, own, *command]
        return self.start(name, command, env=os.environ | {"TIANGONG_POLICY_FILE": str(self.policy_file())})

    def operator_environment(self):
        token = self.directory / "operator.token"
        if not token.exists():
            self.token_file("operator", "operator", "bench", "--role", "admin")
        return {
            **os.environ, "TIANGONG_SERVER": self.url, "TIANGONG_CA_FILE": str(self.cloud_data / "tls/ca.pem"),
            "TIANGONG_TOKEN_FILE": str(token), "TIANGONG_CONFIG_DIR": str(self.directory / "config")}

    @contextlib.asynccontextmanager
    async def operator(self):
        self.operator_environment()
        token = (self.directory / "operator.token").read_text().strip()
        async with websockets.connect(
            self.url.replace("https", "wss") + "/ws/operator", ssl=self.tls, compression=None, max_size=None,
            ping_interval=None, additional_headers={"Authorization": f"Bearer {token}"},
        ) as socket:
            operator = Operator(socket)
            if not self.has_policy:
                self.has_policy = True
                await operator.ask("policy_put", {"name": "bench", "policy": {"mode": "blacklist-default"}})
            yield operator


class Operator:
    """One open operator link. Frames that answer no question are given by `next`."""

    def __init__(self, socket):
        self.socket = socket
        self.number = 0

    async def send(self, kind, data):
        self.number += 1
        await self.socket.send(json.dumps({"type": kind, "id": str(self.number), "data": data}))
        return str(self.number)

    async def next(self, seconds=60):
        """The next message as (envelope, payload)."""
        frame = await asyncio.wait_for(self.socket.recv(), seconds)
        if isinstance(frame, str):
            message, payload = json.loads(frame), b""
        else:
            (length,) = struct.unpack_from(">I", frame)
            message, payload = json.loads(frame[4:4 + length]), frame[4 + length:]
        if message["type"] == "error":
            raise Broken(f"the Cloud answers: {message['data']}")
        return message, payload

    async def ask(self, kind, data):
        """Asks and waits for the answer; meant for links on which nothing is followed."""
        number = await self.send(kind, data)
        while True:
            message, _ = await self.next()
            if message["type"] == "reply" and message.get("id") == number:
                return message["data"]

    async def wait_online(self, name, seconds=60):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if (await self.ask("agent_show", {"id": name}))["status"] == "online":
                return
            await asyncio.sleep(0.001)
        raise Broken(f"agent {name} did not come online")
