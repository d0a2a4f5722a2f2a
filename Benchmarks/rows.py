# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""How fast rows of databases reach a viewer, beside the database's own client printing the same rows."""

import asyncio
import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

from harness import Broken, cpu_seconds

TESTS = pathlib.Path(__file__).resolve().parent.parent / "Tests/EndToEnd/harness"
AGENT = "b-rows"


def backend(name):
    """A server as the end-to-end tests start it. Their package is called as our own module is, so it gets another name."""
    if "tests_harness" not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            "tests_harness", TESTS / "__init__.py", submodule_search_locations=[str(TESTS)])
        sys.modules["tests_harness"] = importlib.util.module_from_spec(spec)
    return importlib.import_module(f"tests_harness.backends.{name}")


class Postgres:
    """An account without a password, over TCP."""

    type = "postgres"
    client = "psql"
    query = ("SELECT i AS id, md5(i::text) AS digest, now() AS stamp, i * 0.25 AS price "
             "FROM (SELECT generate_series(1, {count}) AS i) t")

    @staticmethod
    def is_installed():
        return bool(backend("postgres").PROGRAMS)

    def __init__(self, directory):
        self.server = backend("postgres").Postgres().start()

    def datasource(self):
        return {"host": "127.0.0.1", "port": self.server.port, "user": "postgres", "sslmode": "disable"}

    def command(self, query, format):
        layout = ["-A", "-t"] if format == "jsonl" else []
        return [self.server.programs / "psql", "-X", "-q", *layout, "-h", "127.0.0.1", "-p", str(self.server.port),
                "-U", "postgres", "-c", query]

    def stop(self):
        self.server.__exit__()


class ClickHouse:
    """The account `default`, over HTTP; its own client over the native protocol."""

    type = "clickhouse"
    client = "clickhouse-client"
    query = ("SELECT number AS id, hex(MD5(toString(number))) AS digest, now() AS stamp, toDecimal64(number, 2) / 4 AS price "
             "FROM system.numbers LIMIT {count}")

    @staticmethod
    def is_installed():
        return bool(backend("clickhouse").PROGRAM)

    def __init__(self, directory):
        self.server = backend("clickhouse").ClickHouse(directory).start()

    def datasource(self):
        return {"url": f"http://127.0.0.1:{self.server.port}"}

    def command(self, query, format):
        layout = "JSONEachRow" if format == "jsonl" else "PrettySpace"
        return ["clickhouse-client", "--host", "127.0.0.1", "--port", str(self.server.tcp_port), "--format", layout,
                "--output_format_pretty_max_rows", "1000000000", "--query", query]

    def stop(self):
        self.server.stop(kill=True)


class MySQL:
    """A real MariaDB and an account with a password, over TCP without TLS."""

    type = "mysql"
    client = "mariadb"
    query = ("SELECT seq AS id, md5(seq) AS digest, now() AS stamp, seq * 0.25 AS price FROM seq_1_to_{count}")

    @staticmethod
    def is_installed():
        return shutil.which("mariadbd", path="/usr/sbin:/usr/bin") is not None and shutil.which("mariadb") is not None

    def __init__(self, directory):
        self.server = backend("mariadb").MariaDB(directory).start()
        self.server.root("CREATE USER bench@'127.0.0.1'", "GRANT SELECT ON *.* TO bench@'127.0.0.1'", "CREATE DATABASE bench")

    def datasource(self):
        return {"host": "127.0.0.1", "port": self.server.port, "user": "bench", "database": "bench", "ssl": "off"}

    def command(self, query, format):
        layout = ["--batch", "--skip-column-names"] if format == "jsonl" else ["--table"]
        return ["mariadb", "--no-defaults", "--protocol=tcp", "-h", "127.0.0.1", "-P", str(self.server.port), "-u", "bench",
                "--skip-ssl", "--quick", *layout, "bench", "-e", query]

    def stop(self):
        self.server.stop(kill=True)


# One more database is one more entry.
CASES = [Postgres, MySQL, ClickHouse]


def count_and_drop(pipe):
    """Counts what comes out of a pipe and throws it away inside the kernel."""
    total = 0
    with open(os.devnull, "wb") as nowhere:
        while moved := os.splice(pipe.fileno(), nowhere.fileno(), 1 << 20):
            total += moved
    return total


def printed(command):
    """Seconds in which a client prints, into a pipe that is dropped, and how many bytes."""
    began = time.perf_counter()
    with subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        count = count_and_drop(process.stdout)
        message = process.stderr.read()
    if process.returncode != 0:
        raise Broken(f"{command[0]} ended with {process.returncode}: {message.decode(errors='replace')[:500]}")
    return time.perf_counter() - began, count


async def start(bench, kind, query, format):
    """Starts a task; its id."""
    async with bench.world.operator() as operator:
        run = await operator.ask("run_create", {"selector": {"agents": [AGENT]}, "spec": {
            "type": kind, "command": query, "log_limit": 4 << 30,
            "params": {"datasource": "bench", "format": format, "max_rows": 10**12}}})
        return run["tasks"][0]["id"]


async def result(bench, task):
    async with bench.world.operator() as operator:
        return (await operator.ask("task_show", {"id": task}))["task"]


def viewed(bench, agent, kind, query, format, count):
    """Seconds from the request to a viewer's end, bytes, and who used the CPU."""
    world = bench.world
    before = {process.name: cpu_seconds(process.pid) for process in (bench.cloud, agent)}
    began = time.perf_counter()
    task = asyncio.run(start(bench, kind, query, format))
    viewer = world.start("viewer", [bench.programs / "tiangong", "logs", "--follow", "--raw", "--stream", "stdout", task],
                         stdout=subprocess.PIPE, env=world.operator_environment())
    length = count_and_drop(viewer.stdout)
    viewer.wait(60)
    elapsed = time.perf_counter() - began
    world.stop(viewer)
    ended = asyncio.run(result(bench, task))
    if ended["state"] != "succeeded" or ended["result"]["rows"] != count:
        raise Broken(f"the task is {ended['state']}: {ended.get('error')} {ended.get('result')}")
    shares = "  ".join(f"{process.name} {cpu_seconds(process.pid) - before[process.name]:.2f}" for process in (agent, bench.cloud))
    return elapsed, length, shares


def measure(bench, report):
    """All databases that are installed."""
    bench.up()
    count = bench.pick(1_000_000, 20_000)
    report.heading(f"Rows of databases, {count} rows of four columns to a viewer that drops them")
    for case in CASES:
        if not case.is_installed():
            report.reference(f"{case.type}: no server is installed", "skipped")
            continue
        directory = bench.world.directory / f"rows-{case.type}"
        directory.mkdir()
        database = case(directory)
        try:
            agent = start_agent(bench.world, case.type, database.datasource())
            asyncio.run(online(bench))
            one(bench, report, case, database, agent, count)
            bench.world.stop(agent)
        finally:
            database.stop()


def one(bench, report, case, database, agent, count):
    query = case.query.format(count=count)
    asyncio.run(start(bench, case.type, case.query.format(count=1), "jsonl"))
    for format in ["jsonl", "table"]:
        times = [viewed(bench, agent, case.type, query, format, count) for _ in range(bench.pick(3, 1))]
        elapsed, length, shares = min(times)
        peers = [printed(database.command(query, format)) for _ in range(bench.pick(3, 1))]
        peer, bytes_of_peer = min(peers)
        report.number(f"{case.type}, {format}", f"{count / elapsed / 1000:.0f} thousand rows/s  {length / 1e6 / elapsed:.0f} MB/s")
        report.reference(case.client, f"{count / peer / 1000:.0f} thousand rows/s  {bytes_of_peer / 1e6 / peer:.0f} MB/s")
        report.reference("CPU seconds", f"{shares}  in {elapsed:.2f} s")


async def online(bench):
    async with bench.world.operator() as operator:
        await operator.wait_online(AGENT)


def start_agent(world, kind, datasource):
    settings = world.directory / f"{AGENT}.yaml"
    settings.write_text(json.dumps({"executors": {kind: {"datasources": {"bench": datasource}}}}))
    return world.start_agent(AGENT, "--config", settings)
