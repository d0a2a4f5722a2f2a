# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""A thousand tasks of all kinds at once on one agent, which is afterwards as it was before."""

import itertools
import json
import pathlib
import shutil
import time

import pytest

from conftest import running
from harness import wire
from harness.backends.clickhouse import PASSWORD as CLICKHOUSE
from harness.backends.clickhouse import ClickHouse
from harness.backends.elasticsearch import Elasticsearch
from harness.backends.mariadb import MariaDB
from harness.backends.mongodb import MongoDB
from harness.backends.postgres import PASSWORD as POSTGRES
from harness.backends.postgres import Postgres
from harness.backends.web import Web
from harness.waiting import until
from harness.work import FINAL

COUNT = 1000


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    top = tmp_path_factory.mktemp("servers")
    with (Postgres() as postgres, MariaDB(top) as mysql, ClickHouse(top) as clickhouse, MongoDB(top) as mongo,
          Elasticsearch(top) as elastic, Web() as web):
        elastic.ask("PUT", "/books/_doc/1", {"title": "Faust"})
        yield {"postgres": postgres, "mysql": mysql, "clickhouse": clickhouse, "mongo": mongo, "elasticsearch": elastic, "web": web}


@pytest.fixture(scope="module")
def site(tmp_path_factory, servers):
    directory = tmp_path_factory.mktemp("mixed")
    (directory / "files").mkdir()
    (directory / "files" / "a").write_text("a")
    program = directory / "demo"
    shutil.copy(pathlib.Path(__file__).parent / "harness" / "demo_plugin.py", program)
    program.chmod(0o755)
    postgres, clickhouse = servers["postgres"], servers["clickhouse"]
    with running(directory) as site:
        site.files = directory / "files"
        agent = site.agent("mixed", wait=False, plugins={"demo": {"command": [str(program)], "max-concurrency": 8}}, executors={
            "postgres": {"max-concurrency": 20, "datasources": {"main": {
                "host": "127.0.0.1", "port": postgres.port, "user": "app", "database": "postgres", "password": {"secret_ref": "pg"}}}},
            "mysql": {"max-concurrency": 20, "datasources": {"main": servers["mysql"].source()}},
            "clickhouse": {"max-concurrency": 20, "datasources": {"main": {
                "url": f"http://127.0.0.1:{clickhouse.port}", "user": "app", "password": {"secret_ref": "ch"}}}},
            "mongo": {"max-concurrency": 20, "datasources": {"main": {"uri": servers["mongo"].uri, "database": "shop"}}},
            "elasticsearch": {"max-concurrency": 20, "datasources": {"main": {"url": servers["elasticsearch"].url}}},
            "api": {"max-concurrency": 20, "allow": ["127.0.0.1"]}, "file": {"roots": [str(site.files)]}})
        agent.secret("pg", POSTGRES.encode())
        agent.secret("ch", CLICKHOUSE.encode())
        agent.secret("db", servers["mysql"].password.encode())
        site.wait_online("mixed")
        yield site


def work(site, servers):
    """Tasks of each type in turn, without end."""
    rows = {"datasource": "main", "format": "jsonl"}
    kinds = [
        ("shell", "head -c 100000 /dev/zero | tr '\\0' x", {}),
        ("postgres", "SELECT i, repeat('x', 100) FROM generate_series(1, 500) AS i", rows),
        ("mysql", "SELECT 1 AS a, repeat('天', 50) AS b", rows),
        ("clickhouse", "SELECT number, toString(number) FROM system.numbers LIMIT 500", rows),
        ("mongo", json.dumps({"ping": 1}), rows),
        ("elasticsearch", "GET /books/_search", {"datasource": "main"}),
        ("api", f"GET {servers['web'].url('/')}", {}),
        ("file", f"stat {site.files}/a", {}),
        ("shell", "exit 3", {}),
        ("demo", "echo", {}),
    ]
    return itertools.cycle(kinds)


def begin(link, site, servers, count):
    """Asks for so many runs at once, without waiting for any; their ids by the state their task is to end in."""
    wanted = {}
    asked = {}
    for number, (kind, command, params) in zip(range(count), work(site, servers)):
        id = f"run-{number}-{time.monotonic_ns()}"
        asked[id] = "failed" if command == "exit 3" else "succeeded"
        link.send("run_create", {"selector": {"agents": ["mixed"]}, "spec": {"type": kind, "command": command, "params": params}}, id=id)
    while len(wanted) < count:
        answer = link.receive(60)
        if answer.get("id") in asked:
            assert answer["type"] == "reply", answer
            wanted[answer["data"]["tasks"][0]["id"]] = asked[answer["id"]]
    return wanted


def ended(link, wanted):
    """Whether all have ended; those that ended otherwise than wanted fail it."""
    states, cursor = {}, None
    while True:
        answer = link.ask("task_list", {"limit": 200} | ({"cursor": cursor} if cursor else {}))["data"]
        states |= {task["id"]: task for task in answer["items"]}
        cursor = answer.get("next")
        if not cursor:
            break
    for task, state in wanted.items():
        found = states[task]
        assert found["state"] not in FINAL or found["state"] == state, found
    return all(states[task]["state"] in FINAL for task in wanted)


def settled(agent, seconds=90):
    """The least memory that is seen while nothing is done."""
    least = agent.memory()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(1)
        least = min(least, agent.memory())
    return least


def test_a_thousand_tasks_of_all_kinds_leave_the_agent_as_it_was(site, servers, full):
    agent = site.agents["mixed"]
    with wire.Link(site.cloud, "/ws/operator", site.operator.token, max_size=64 << 20) as link:
        # Each type has worked once, with its libraries and connections: that is the agent's idle level.
        warm = begin(link, site, servers, 200)
        until(lambda: ended(link, warm), 180, "the first have ended", every=0.5)
        idle = settled(agent, 70 if full else 5)
        descriptors = agent.descriptors()
        wanted = begin(link, site, servers, COUNT)
        assert len(wanted) == COUNT
        until(lambda: ended(link, wanted), 300, "all have ended", every=1)
    until(lambda: agent.memory() <= idle * 1.1, 120, f"memory is at most {idle / 1e6 * 1.1:.1f} MB again", every=1)
    until(lambda: agent.descriptors() <= descriptors + 8, 90, "connections are closed", every=1)
    until(lambda: (shown := site.operator.agent("mixed"))["running"] == 0 and shown["queued"] == 0, 30, "it says that it does nothing")
