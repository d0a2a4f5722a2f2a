# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""The measures; README.md says what each number is."""

import asyncio
import os
import pathlib
import random
import subprocess
import sys
import threading
import time

import guard
import rows
from files import Files
from harness import Broken, World, cpu_seconds, percentile, resident, run_milliseconds, sync_milliseconds
from report import Report, size
from rows import count_and_drop

HERE = pathlib.Path(__file__).resolve().parent
AGENT = "b-agent"


class Bench:
    """The measures in the order of `Benchmarks/run`, over one Cloud and one agent that all but `startup` share."""

    def __init__(self, programs, quick):
        self.programs = programs
        self.quick = quick
        self.report = Report(quick)
        self.world = World(programs, HERE.parent / ".run")
        self.cloud = self.agent = None

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.world.close()
        if kind is None:
            self.report.end()

    def pick(self, full, quick):
        return quick if self.quick else full

    def up(self):
        """The Cloud and the one agent, started once."""
        if self.cloud is None:
            self.cloud = self.world.start_cloud()
            self.agent = self.world.start_agent(AGENT)
            asyncio.run(self.online())

    async def online(self):
        async with self.world.operator() as operator:
            await operator.wait_online(AGENT)

    # Start-up

    def startup(self):
        self.report.heading("Start-up")
        count = self.pick(20, 3)
        for name in ["tiangong", "tiangong-agent", "tiangong-cloud"]:
            times = run_milliseconds([self.programs / name, "version"], count)
            self.report.number(f"{name} version, median of {count}", f"{percentile(times, 0.5):.1f} ms")
        self.report.reference("sh -c true", f"{percentile(run_milliseconds(['sh', '-c', 'true'], count), 0.5):.1f} ms")
        python = run_milliseconds([sys.executable, "-c", "pass"], count)
        self.report.reference("python3 -c pass", f"{percentile(python, 0.5):.1f} ms")

        began = time.perf_counter()
        cloud = self.world.start_cloud()
        self.report.number(
            "Cloud to /healthz, first start (makes its CA)", f"{(time.perf_counter() - began) * 1000:.0f} ms")
        self.world.token_file(AGENT, "agent", AGENT)
        self.world.operator_environment()
        self.world.stop(cloud)
        began = time.perf_counter()
        self.cloud = self.world.start_cloud()
        self.report.number("Cloud to /healthz, later starts", f"{(time.perf_counter() - began) * 1000:.0f} ms")
        self.report.number(
            "agent from its start to online", f"{asyncio.run(self.time_to_online()) * 1000:.0f} ms")

    async def time_to_online(self):
        async with self.world.operator() as operator:
            began = time.perf_counter()
            self.agent = self.world.start_agent(AGENT)
            await operator.wait_online(AGENT)
            return time.perf_counter() - began

    # The command guard

    def guard(self):
        guard.measure(self.programs, self.report, self.quick)

    # Files

    def files(self):
        self.up()
        own = self.world.directory / "files-bench/targets"
        own.mkdir(parents=True)
        names = [f"f-agent-{number}" for number in range(self.pick(50, 3))]
        processes = [self.world.start_agent(name, executors={"shell": {}, "file": {"roots": [str(own)]}}, own=own) for name in names]
        asyncio.run(self.all_online(names))
        files = Files(self.world, self.report, self.quick)
        files.measure(self.cloud, processes[0], names)
        for process in processes:
            self.world.stop(process)

    async def all_online(self, names):
        async with self.world.operator() as operator:
            for name in names:
                await operator.wait_online(name)

    # Command to first output

    def latency(self):
        self.up()
        self.report.heading("Command to first output, one agent, warm")
        count = self.pick(200, 20)
        times = asyncio.run(self.first_outputs(count))
        middle, last = percentile(times, 0.5), percentile(times, 0.99)
        self.report.number(
            f"inside one operator link, {count} runs", f"p50 {middle:.2f} ms  p99 {last:.2f} ms", "p50 <= 5 ms",
            middle <= 5)
        echo = percentile(run_milliseconds(["sh", "-c", "echo hi"], self.pick(100, 10)), 0.5)
        sync = sync_milliseconds(self.world.directory)
        self.report.reference("sh -c 'echo hi', spawn to exit", f"p50 {echo:.2f} ms")
        self.report.reference("fdatasync of 4 KiB (three are on the way)", f"p50 {sync:.2f} ms")
        count = self.pick(30, 3)
        command = [self.programs / "tiangong", "run", "-a", AGENT, "--", "echo hi"]
        whole = run_milliseconds(command, count, env=self.world.operator_environment(), stdin=subprocess.DEVNULL)
        middle = percentile(whole, 0.5)
        self.report.number(
            f"whole `tiangong run`, {count} runs", f"p50 {middle:.1f} ms  max {max(whole):.1f} ms", "p50 <= 50 ms",
            middle <= 50)
        python = percentile(run_milliseconds([sys.executable, "-c", "pass"], count), 0.5)
        self.report.reference("python3 -c pass, spawn to exit", f"p50 {python:.1f} ms")

    async def first_outputs(self, count):
        times = []
        async with self.world.operator() as operator:
            for index in range(count + 20):
                began = time.perf_counter()
                await operator.send("run_create", {
                    "selector": {"agents": [AGENT]}, "spec": {"command": "echo hi"}, "follow": True})
                first = None
                while True:
                    message, payload = await operator.next()
                    if message["type"] == "task_log" and first is None:
                        first = time.perf_counter()
                        if payload != b"hi\n":
                            raise Broken(f"the output is {payload!r}")
                    if message["type"] == "log_end":
                        break
                if first is None:
                    raise Broken("a run ended without output")
                if index >= 20:
                    times.append((first - began) * 1000)
        return times

    # Log throughput

    def logs(self):
        self.up()
        length = self.pick(256 << 20, 16 << 20)
        self.report.heading(f"Log throughput, {length >> 20} MiB, pipe -> agent -> committed -> one live viewer, best of 3")
        for kind, make in [("ordinary log text", log_text), ("random bytes", random.Random(2).randbytes)]:
            path = self.world.directory / "input"
            block = make(16 << 20)
            with open(path, "wb") as file:
                for start in range(0, length, len(block)):
                    file.write(block[:length - start])
            peer = self.peer(path)
            speed, shares = max(self.follow(path, length) for _ in range(self.pick(3, 1)))
            text = kind == "ordinary log text"
            floor = max(200, peer / 2)
            self.report.number(
                f"{kind}, live viewer", f"{speed:.0f} MB/s", f">= {floor:.0f} MB/s" if text else None, speed >= floor)
            self.report.reference("cat | zstd -1 > /dev/null", f"{peer:.0f} MB/s")
            self.report.reference("CPU seconds", shares)
            speed = max(asyncio.run(self.unwatched(path, length)) for _ in range(self.pick(3, 1)))
            self.report.number(f"{kind}, nobody watching, committed", f"{speed:.0f} MB/s")
            path.unlink()

    def peer(self, path):
        best = 0
        for _ in range(self.pick(3, 1)):
            began = time.perf_counter()
            subprocess.run(f"cat '{path}' | zstd -1 > /dev/null", shell=True, check=True, stderr=subprocess.DEVNULL)
            best = max(best, path.stat().st_size / 1e6 / (time.perf_counter() - began))
        return best

    def follow(self, path, length):
        """The speed of `tiangong run -- cat FILE` into a pipe that is counted and thrown away without being copied."""
        before = {process.name: cpu_seconds(process.pid) for process in (self.cloud, self.agent)}
        began = time.perf_counter()
        viewer = self.world.start("viewer", [
            self.programs / "tiangong", "run", "--log-limit", "4GiB", "-a", AGENT, "--", f"cat '{path}'"],
            stdout=subprocess.PIPE, env=self.world.operator_environment())
        counted = count_and_drop(viewer.stdout)
        usage = os.wait4(viewer.pid, 0)
        elapsed = time.perf_counter() - began
        viewer.returncode = os.waitstatus_to_exitcode(usage[1])
        self.world.stop(viewer)
        if counted != length or viewer.returncode != 0:
            raise Broken(f"{counted} of {length} bytes came, exit status {viewer.returncode}")
        shares = [
            f"{process.name} {cpu_seconds(process.pid) - before[process.name]:.2f}"
            for process in (self.agent, self.cloud)]
        shares.append(f"tiangong {usage[2].ru_utime + usage[2].ru_stime:.2f}")
        return length / 1e6 / elapsed, "  ".join(shares) + f"  in {elapsed:.2f} s"

    async def unwatched(self, path, length):
        async with self.world.operator() as operator:
            began = time.perf_counter()
            run = await operator.ask("run_create", {
                "selector": {"agents": [AGENT]}, "spec": {"command": f"cat '{path}'", "log_limit": 4 << 30}})
            # A viewer that wants only what comes after the end is told of the end and nothing else.
            await operator.send("log_open", {"task_id": run["tasks"][0]["id"], "from_seq": 1 << 40, "follow": True})
            while (await operator.next())[0]["type"] != "log_end":
                pass
            elapsed = time.perf_counter() - began
            task = (await operator.ask("task_show", {"id": run["tasks"][0]["id"]}))["task"]
        if task["state"] != "succeeded":
            raise Broken(f"the task is {task['state']}: {task.get('error')}")
        return length / 1e6 / elapsed

    # Rows of databases

    def rows(self):
        rows.measure(self, self.report)

    # Idle

    def idle(self):
        self.up()
        seconds = self.pick(30, 3)
        self.report.heading(f"Idle agent, over {seconds} s")
        time.sleep(self.pick(5, 1))
        share = self.busy(self.agent.pid, seconds)
        memory = resident(self.agent.pid)
        self.report.number("CPU of one core", f"{share:.3f} %", "<= 0.1 %", share <= 0.1)
        self.report.number("resident, after the measures above", size(memory), "<= 30 MiB", memory <= 30 << 20)
        fresh = self.world.start_agent("b-fresh")
        time.sleep(self.pick(5, 1))
        memory = resident(fresh.pid)
        self.report.number("resident, just started", size(memory), "<= 30 MiB", memory <= 30 << 20)
        self.world.stop(fresh)

    def busy(self, pid, seconds):
        began, before = time.perf_counter(), cpu_seconds(pid)
        time.sleep(seconds)
        return (cpu_seconds(pid) - before) / (time.perf_counter() - began) * 100

    # Many agents

    def swarm(self):
        """Foreign agents in one process of their own, connected once."""
        if getattr(self, "agents", None) is None:
            self.up()
            self.count, self.few = self.pick((1000, 200), (50, 20))
            names = [f"b-{index}" for index in range(self.count)]
            tokens = self.world.directory / "swarm.tokens"
            tokens.write_text(
                self.world.token("agent", *names[:self.few], "--label", "swarm=all", "--label", "fan=few") + "\n"
                + self.world.token("agent", *names[self.few:], "--label", "swarm=all") + "\n")
            self.before = resident(self.cloud.pid)
            began = time.perf_counter()
            self.agents = self.world.start("swarm", [
                sys.executable, HERE / "swarm.py", self.world.url.replace("https", "wss"),
                self.world.cloud_data / "tls/ca.pem", tokens], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            reader = threading.Timer(120, self.agents.kill)
            reader.start()
            ready = self.agents.stdout.readline()
            reader.cancel()
            if ready != b"ready\n":
                log = (self.world.directory / "swarm.log").read_text()
                raise Broken(f"the {self.count} agents did not connect: {log[-2000:]}")
            self.connecting = time.perf_counter() - began
        return self.agents

    def links(self):
        self.swarm()
        seconds = self.pick(30, 3)
        self.report.heading(f"Cloud with {self.count} idle links that beat every 30 s, over {seconds} s")
        self.report.number(
            "all connected and registered in", f"{self.connecting:.1f} s  {self.count / self.connecting:.0f} a second")
        time.sleep(self.pick(5, 1))
        before = cpu_seconds(self.agents.pid)
        share = self.busy(self.cloud.pid, seconds)
        memory = resident(self.cloud.pid)
        self.report.number(
            "CPU of one core", f"{share:.2f} %", f"<= {self.count / 2000:g} % (5 with 10 000)", share <= self.count / 2000)
        self.report.reference(
            "CPU of the foreign agents' one process", f"{(cpu_seconds(self.agents.pid) - before) / seconds * 100:.2f} %")
        each = (memory - self.before) / self.count / 1024
        self.report.number("resident", f"{size(memory)}, {each:.0f} KiB a link", "<= 60 KiB a link", each <= 60)

    def fanout(self):
        self.swarm()
        self.report.heading("Fan-out: one run, every agent answers with a line, all ends committed and seen")
        for label, count in [({"fan": "few"}, self.few), ({"swarm": "all"}, self.count)]:
            cloud, agents = cpu_seconds(self.cloud.pid), cpu_seconds(self.agents.pid)
            times = [asyncio.run(self.fan(label, count)) for _ in range(3)]
            if count == self.count:
                self.report.number(f"{count} agents, best of 3", f"{min(times):.2f} s", "<= 1 s", min(times) <= 1)
            else:
                self.report.number(f"{count} agents, best of 3", f"{min(times) * 1000:.0f} ms")
            self.report.reference(
                "CPU seconds of one run", f"Cloud {(cpu_seconds(self.cloud.pid) - cloud) / 3:.2f}  "
                f"the foreign agents' process {(cpu_seconds(self.agents.pid) - agents) / 3:.2f}")

    async def fan(self, labels, count):
        async with self.world.operator() as operator:
            began = time.perf_counter()
            await operator.send("run_create", {
                "selector": {"labels": labels}, "spec": {"command": "hello"}, "follow": True})
            logs = ends = 0
            while ends < count:
                message, _ = await operator.next()
                if message["type"] == "reply" and len(message["data"]["tasks"]) != count:
                    raise Broken(f"{len(message['data']['tasks'])} of {count} agents were matched")
                logs += message["type"] == "task_log"
                if message["type"] == "log_end":
                    ends += 1
                    if message["data"]["task"]["state"] != "succeeded":
                        raise Broken(f"a task is {message['data']['task']['state']}")
            if logs != count:
                raise Broken(f"{logs} log frames from {count} agents")
            return time.perf_counter() - began


def log_text(length):
    """Lines as a web service and its database write them, different in every field that differs in life."""
    source = random.Random(1)
    levels = ["INFO", "INFO", "INFO", "DEBUG", "WARN", "ERROR"]
    parts = ["http.server", "db.pool", "auth.session", "cache", "scheduler", "worker"]
    verbs = ["GET /api/v1/items/{0}", "POST /api/v1/orders", "query took {1} ms rows={0}", "session {2} refreshed",
             "evicted {0} keys", "job {2} finished in {1} ms", "connection from 10.{3}.{4}.{5} closed after {1} ms"]
    lines, total, clock = [], 0, 1_700_000_000_000
    while total < length:
        clock += source.randrange(40)
        words = source.choice(verbs).format(
            source.randrange(100_000), source.randrange(2000), f"{source.getrandbits(48):012x}", source.randrange(256),
            source.randrange(256), source.randrange(256))
        line = (f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(clock // 1000))}.{clock % 1000:03d}Z "
                f"{source.choice(levels)} {source.choice(parts)} request_id={source.getrandbits(64):016x} {words}\n")
        lines.append(line)
        total += len(line)
    return "".join(lines).encode()[:length]
