# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Every attempt is on record on both sides; whoever changes a record is found out; without the record, no act."""

import collections
import json
import os
import sqlite3
import subprocess
import time

import pytest

from harness.programs import BIN
from harness.waiting import until
from harness.wire import Link, refusal

UNWRITABLE = b"the audit cannot be written"


def rows(cloud, *actions):
    """The records of these actions, oldest first."""
    marks = ",".join("?" * len(actions))
    where = f"WHERE action IN ({marks})" if actions else ""
    return [json.loads(text) for text, in cloud.query(f"SELECT record FROM audit {where} ORDER BY seq", *actions)]


def change(cloud, *statements):
    """Somebody works on the database beside the server."""
    with sqlite3.connect(cloud.data / "cloud.db", timeout=20, isolation_level=None) as database:
        for statement in statements:
            database.execute(statement)


def lines(agent):
    return [json.loads(line) for line in (agent.data / "audit" / "audit.jsonl").read_text().splitlines()]


def verify(operator, *options):
    """The findings as `CHAIN KIND SEQ`, and the exit status."""
    done = operator("audit", "verify", "-o", "jsonl", *options, timeout=120)
    chains = [json.loads(line) for line in done.stdout.splitlines()]
    assert chains or done.returncode, done.stderr
    found = [f"{chain['chain']} {finding['kind']} {finding['seq']}" for chain in chains for finding in chain["findings"]]
    return found, done.returncode


def offline(program, data):
    """What a program finds by itself in its own data directory."""
    done = subprocess.run([BIN / program, "audit", "verify", "--data-dir", data], capture_output=True, text=True, timeout=60)
    return done.stdout, done.returncode


def forge(record):
    """A record changed and hashed anew, as somebody who knows the format can."""
    import hashlib
    body = {name: value for name, value in record.items() if name != "hash"}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return record | {"hash": hashlib.sha256(text.encode()).hexdigest()}


def text_of(record):
    return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@pytest.fixture
def busy(own_site):
    """A Cloud and an agent that have something to tell; every checkpoint is signed and on both sides."""
    agent = own_site.agent("demo-1")
    for number in range(6):
        assert own_site.operator("run", "-a", "demo-1", "--", f"echo {number}").returncode == 0
    settle(own_site)
    return own_site


def settle(site):
    """Both sides sign what they have at their end, and hand it to the other when they meet again."""
    agent = site.agents["demo-1"]
    agent.stop()
    site.cloud.stop()
    site.cloud.start()
    agent.start()
    site.wait_online("demo-1")
    assert verify(site.operator) == ([], 0)


# What is on record

def test_every_start_is_on_record_on_both_sides(own_site):
    """I6, and what else happened on the way."""
    own_site.agent("demo-1")
    operator = own_site.operator
    for number in range(5):
        operator("run", "-a", "demo-1", "--", f"exit {number}")
    waiting = operator.detach("-a", "demo-1", "--", "sleep 600")
    operator.in_state(waiting, "running")
    operator("task", "cancel", waiting)
    operator.ended(waiting)
    operator("logs", waiting)
    agent = own_site.agents["demo-1"]
    started = [line for line in lines(agent) if line["action"] == "task.start"]
    created = {row["task"]: row for row in rows(own_site.cloud, "task.create")}
    known = {task for task, in own_site.cloud.query("SELECT id FROM tasks WHERE started_at IS NOT NULL")}
    assert {line["task"] for line in started} == set(created) == known and len(known) == 6
    assert all(row["agent"] == "demo-1" and row["actor"] == "olga" and row["run"] for row in created.values())
    ends = {row["task"]: row for row in rows(own_site.cloud, "task.end")}
    assert collections.Counter(row["result"] for row in ends.values()) == {"failed": 4, "succeeded": 1, "canceled": 1}
    assert all(row["actor"] == "agent demo-1" for row in ends.values())
    runs = rows(own_site.cloud, "run.create")
    assert [row["command"] for row in runs] == [f"exit {number}" for number in range(5)] + ["sleep 600"]
    assert all(row["verdict"] == "allow" and row["detail"]["tasks"] == 1 and row["source"] for row in runs)
    for action in ["sign_in", "agent.connect", "task.cancel", "log.read", "policy.write"]:
        assert rows(own_site.cloud, action), action
    assert [line["action"] for line in lines(agent)][:2] == ["agent.start", "policy.loaded"]
    assert {"task.cancel", "task.end"} <= {line["action"] for line in lines(agent)}
    assert verify(operator) == ([], 0)


def test_every_refusal_is_on_record(own_site):
    operator, cloud = own_site.operator, own_site.cloud
    own_site.agent("demo-1")
    assert operator("run", "-a", "demo-1", "--", "rm -rf /").returncode == 5
    assert operator("run", "-a", "nobody", "--", "true").returncode == 6
    refused = rows(cloud, "run.create")
    assert [(row["verdict"], row["result"]) for row in refused] == [("deny", "policy_denied"), ("deny", "not_found")]
    assert refused[0]["command"] == "rm -rf /" and refused[0]["rule"] == "D1"
    assert refusal(cloud, "/ws/operator", "tg_operator_0123456789abcdef_" + "0" * 64) == 401
    viewer = cloud.token("operator", "vera", role="viewer")
    with Link(cloud, "/ws/operator", viewer) as link:
        assert link.ask("run_create", {"selector": {"agents": ["demo-1"]}, "spec": {"command": "true"}})["type"] == "error"
        assert link.ask("audit_list", {})["type"] == "error"
    assert [row["result"] for row in rows(cloud, "sign_in") if row["verdict"] == "deny"] == ["unauthenticated"]
    by_vera = [row for row in rows(cloud) if row["actor"] == "vera" and row["verdict"] == "deny"]
    assert [(row["action"], row["result"]) for row in by_vera] == [("run.create", "forbidden"), ("audit.read", "forbidden")]
    assert verify(operator) == ([], 0)


def test_the_agents_own_refusal_is_on_its_record(own_site):
    agent = own_site.agent("demo-1", policy="mode: whitelist\nallow: ['uptime']\n")
    run = own_site.operator.detach("-a", "demo-1", "--", "echo no")
    assert own_site.operator.ended(run)[0]["state"] == "rejected"
    line = next(line for line in lines(agent) if line["action"] == "task.refused")
    assert line["command"] == "echo no" and line["verdict"] == "deny" and line["result"] == "policy_denied"
    agent.set_policy("mode: blacklist-default\n")
    assert own_site.operator("run", "-a", "demo-1", "--", "echo yes").stdout == b"yes\n"
    changed = until(lambda: [line for line in lines(agent) if line["action"] == "policy.changed"], 30, "the change is on record")
    assert changed[0]["detail"]["mode"] == "blacklist-default"


def test_values_of_variables_and_standard_input_are_never_on_record(own_site):
    agent = own_site.agent("demo-1")
    canary = "canary-4711-value"
    done = own_site.operator("run", "-a", "demo-1", "--env", f"PASSWORD={canary}", "--stdin", "--", "cat >/dev/null",
                             input=canary.encode())
    assert done.returncode == 0, done.stderr
    text = (agent.data / "audit" / "audit.jsonl").read_text() + "".join(text_of(row) for row in rows(own_site.cloud))
    assert canary not in text and "PASSWORD" in text


# Who changes a record is found out

CLOUD = [
    ("changed", "UPDATE audit SET record = replace(record, 'olga', 'otto') WHERE seq = {middle}", "changed {middle}"),
    ("moved to somebody else", "UPDATE audit SET actor = 'otto' WHERE seq = {middle}", "changed {middle}"),
    ("deleted", "DELETE FROM audit WHERE seq = {middle}", "deleted {middle}"),
    ("no record", "UPDATE audit SET record = '{{}}' WHERE seq = {middle}", "unreadable {middle}"),
]


@pytest.mark.parametrize("statement, finding", [row[1:] for row in CLOUD], ids=[row[0] for row in CLOUD])
def test_a_record_in_the_database_is_changed(busy, statement, finding):
    cloud = busy.cloud
    middle = cloud.query("SELECT max(seq) FROM audit")[0][0] // 2
    cloud.stop()
    change(cloud, statement.format(middle=middle))
    text, status = offline("tiangong-cloud", cloud.data)
    assert status == 9 and f"cloud: {finding.split()[0]}: " in text and str(middle) in text, text
    cloud.start()
    busy.wait_online("demo-1")
    found, status = verify(busy.operator)
    assert status == 9 and "cloud " + finding.format(middle=middle) in found, found
    done = busy.operator("audit", "verify")
    assert done.returncode == 9 and b"demo-1: whole" in done.stdout


def test_the_end_of_the_database_is_cut_off(busy):
    cloud = busy.cloud
    middle = cloud.query("SELECT max(seq) FROM audit")[0][0] // 2
    cloud.stop()
    change(cloud, f"DELETE FROM audit WHERE seq > {middle}")
    text, status = offline("tiangong-cloud", cloud.data)
    assert status == 9 and f"cloud: truncated: the chain ends with record {middle}," in text, text
    change(cloud, f"DELETE FROM audit_checkpoints WHERE seq > {middle}")
    assert offline("tiangong-cloud", cloud.data)[1] == 0, "alone it cannot know"
    cloud.start()  # and goes on as if nothing had been
    busy.wait_online("demo-1")
    found, status = verify(busy.operator)
    assert status == 9 and any(line.startswith(("cloud truncated", "cloud checkpoint")) for line in found), found
    assert rows(cloud, "audit.alarm"), "said at once when the agent came back"


def test_rows_of_the_database_change_places(busy):
    middle = busy.cloud.query("SELECT max(seq) FROM audit")[0][0] // 2
    change(busy.cloud, f"UPDATE audit SET seq = -1 WHERE seq = {middle}",
           f"UPDATE audit SET seq = {middle} WHERE seq = {middle + 3}", f"UPDATE audit SET seq = {middle + 3} WHERE seq = -1")
    assert verify(busy.operator) == ([f"cloud reordered {middle}", f"cloud reordered {middle + 3}"], 9)


def test_the_cloud_is_stamped_anew_with_all_it_has(busy):
    """Somebody with the whole server rewrites history: rows, hashes, checkpoints, even with the true key. The agent knows."""
    cloud = busy.cloud
    cloud.stop()
    middle = cloud.query("SELECT max(seq) FROM audit")[0][0] // 2
    previous = cloud.query("SELECT hash FROM audit WHERE seq = ?", middle - 1)[0][0]
    with sqlite3.connect(cloud.data / "cloud.db", isolation_level=None) as database:
        for seq, text in database.execute("SELECT seq, record FROM audit WHERE seq >= ? ORDER BY seq", (middle,)).fetchall():
            record = json.loads(text) | {"prev": previous}
            if seq == middle:
                record["actor"] = "otto"
            record = forge(record)
            previous = record["hash"]
            database.execute("UPDATE audit SET record = ?, hash = ?, actor = ? WHERE seq = ?",
                             (text_of(record), previous, record["actor"], seq))
        database.execute("DELETE FROM audit_checkpoints WHERE chain = 'cloud'")
    # The server itself signs the forged head when it starts.
    assert offline("tiangong-cloud", cloud.data)[1] == 0
    cloud.start()
    busy.wait_online("demo-1")
    found, status = verify(busy.operator)
    assert status == 9 and any(line.startswith("cloud checkpoint ") for line in found), found
    assert rows(cloud, "audit.alarm"), "said at once when the agent came back"


def test_the_key_of_the_cloud_is_replaced(busy):
    busy.cloud.stop()
    (busy.cloud.data / "audit" / "key").unlink()
    busy.cloud.start()
    busy.wait_online("demo-1")
    found, status = verify(busy.operator)
    assert status == 9 and {line.split()[1] for line in found} == {"checkpoint"}, found
    assert rows(busy.cloud, "audit.alarm")
    assert until(lambda: [line for line in lines(busy.agents["demo-1"]) if line["action"] == "audit.alarm"], 30, "the alarm")


AGENT = [
    ("changed", lambda texts, at: [*texts[:at], texts[at].replace("echo", "rm -rf"), *texts[at + 1:]], "changed"),
    ("deleted", lambda texts, at: [*texts[:at], *texts[at + 1:]], "deleted"),
    ("swapped", lambda texts, at: [*texts[:at], texts[at + 1], texts[at], *texts[at + 2:]], "reordered"),
    ("garbage", lambda texts, at: [*texts[:at], "\x00garbage", *texts[at + 1:]], "unreadable"),
]


@pytest.mark.parametrize("tamper, kind", [row[1:] for row in AGENT], ids=[row[0] for row in AGENT])
def test_a_line_of_the_agent_is_changed(busy, tamper, kind):
    agent = busy.agents["demo-1"]
    path = agent.data / "audit" / "audit.jsonl"
    texts = path.read_text().splitlines()
    at = next(index for index, text in enumerate(texts) if index > 6 and '"action":"task.start"' in text)
    path.write_text("\n".join(tamper(texts, at)) + "\n")
    text, status = offline("tiangong-agent", agent.data)
    assert status == 9 and f"agent: {kind}: " in text and str(at + 1) in text, text
    found, status = verify(busy.operator)
    assert status == 9 and f"demo-1 {kind} {at + 1}" in found, found
    assert not [line for line in found if line.startswith("cloud")]


def test_the_end_of_the_agents_audit_is_cut_off(busy):
    agent = busy.agents["demo-1"]
    agent.stop()
    path = agent.data / "audit" / "audit.jsonl"
    texts = path.read_text().splitlines()
    path.write_text("\n".join(texts[:-4]) + "\n")
    points = agent.data / "audit" / "checkpoints.jsonl"
    kept = [line for line in points.read_text().splitlines() if json.loads(line)["seq"] <= len(texts) - 4]
    points.write_text("".join(line + "\n" for line in kept))
    assert offline("tiangong-agent", agent.data)[1] == 0, "alone it cannot know"
    busy.wait_offline("demo-1")
    agent.start()
    busy.wait_online("demo-1")
    found, status = verify(busy.operator)
    assert status == 9 and any(line.startswith("demo-1 ") for line in found), found
    assert rows(busy.cloud, "audit.alarm")


def test_the_agent_is_stamped_anew(busy):
    agent = busy.agents["demo-1"]
    agent.stop()
    path = agent.data / "audit" / "audit.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    for index, record in enumerate(records):
        if index == 5:
            record["actor"] = "otto"
        if index >= 5:
            records[index] = forge(record | {"prev": records[index - 1]["hash"]})
    path.write_text("".join(text_of(record) + "\n" for record in records))
    (agent.data / "audit" / "checkpoints.jsonl").unlink()
    assert offline("tiangong-agent", agent.data)[1] == 0, "alone it cannot know"
    busy.wait_offline("demo-1")
    agent.start()
    busy.wait_online("demo-1")
    found, status = verify(busy.operator)
    assert status == 9 and any(line.startswith("demo-1 checkpoint ") for line in found), found


def test_a_torn_end_is_mended_with_a_note(busy):
    agent = busy.agents["demo-1"]
    agent.kill()
    path = agent.data / "audit" / "audit.jsonl"
    with path.open("a") as file:
        file.write('{"action":"task.st')
    assert offline("tiangong-agent", agent.data)[1] == 9
    busy.wait_offline("demo-1")
    agent.start()
    busy.wait_online("demo-1")
    assert next(line for line in lines(agent) if line["action"] == "audit.repair")["detail"]["problem"].startswith("a torn line")
    assert verify(busy.operator) == ([], 0)


# Without the record, no act

def test_an_agent_that_cannot_write_its_audit_refuses_tasks(own_site, tmp_path):
    agent = own_site.agent("demo-1")
    operator = own_site.operator
    directory = agent.data / "audit"
    aside = agent.data / "aside"

    def refused():
        marker = tmp_path / "ran"
        done = operator("run", "-a", "demo-1", "--", f"touch {marker}")
        assert done.returncode != 0 and UNWRITABLE in done.stderr, done.stderr
        assert not marker.exists()

    def runs():
        assert operator("run", "-a", "demo-1", "--", "echo back").stdout == b"back\n"

    directory.rename(aside)
    directory.write_text("in the way")
    refused()
    agent.stop()  # and so it is after a restart
    own_site.wait_offline("demo-1")
    agent.start()
    own_site.wait_online("demo-1")
    refused()
    directory.unlink()
    aside.rename(directory)
    runs()
    if os.geteuid() == 0 and subprocess.run(["chattr", "+i", directory], capture_output=True).returncode == 0:
        try:
            refused()
        finally:
            subprocess.run(["chattr", "-i", directory], check=True)
        runs()
    assert verify(operator) == ([], 0)


def test_an_agent_with_a_full_disk_refuses_tasks(own_site, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    disk = tmp_path / "demo-1" / "audit"
    disk.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        own_site.agent("demo-1")
        filler = disk / "filler"
        with pytest.raises(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 512)
        done = own_site.operator("run", "-a", "demo-1", "--", "echo " + "x" * 5000)
        assert done.returncode != 0 and UNWRITABLE in done.stderr and b"space" in done.stderr, done.stderr
        filler.unlink()
        assert own_site.operator("run", "-a", "demo-1", "--", "echo back").stdout == b"back\n"
        assert verify(own_site.operator) == ([], 0)
    finally:
        own_site.agents["demo-1"].stop()
        subprocess.run(["umount", disk], check=True)


def test_a_cloud_that_cannot_write_its_audit_refuses_every_act(own_site):
    operator, cloud = own_site.operator, own_site.cloud
    agent = own_site.agent("demo-1")
    run = operator.detach("-a", "demo-1", "--", "sleep 2; echo kept")
    operator.in_state(run, "running")
    link = Link(cloud, "/ws/operator", operator.token)
    counts = cloud.row_counts()
    change(cloud, "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no room'); END")
    for kind, data in [
        ("run_create", {"selector": {"agents": ["demo-1"]}, "spec": {"command": "true"}}), ("task_cancel", {"run_id": run}),
        ("policy_put", {"name": "x", "policy": {"mode": "audit"}}), ("log_open", {"task_id": operator_task(cloud), "from_seq": 0, "follow": False}),
        ("audit_list", {}), ("audit_export", {}), ("audit_verify", {}), ("operator_put", {"name": "x", "role": "viewer"}),
        ("token_create", {"name": "olga"}), ("agent_remove", {"id": "demo-1"}),
    ]:
        answer = link.ask(kind, data)
        assert answer["type"] == "error" and answer["data"]["code"] == "unavailable", (kind, answer)
        assert answer["data"]["message"].encode().startswith(UNWRITABLE) and answer["data"]["hint"], (kind, answer)
    done = operator("agent", "list")
    assert done.returncode == 7, "nobody signs in without a record"
    same = {"runs", "tasks", "policies", "operators", "tokens", "audit"}
    assert {name: count for name, count in cloud.row_counts().items() if name in same} == \
        {name: count for name, count in counts.items() if name in same}
    time.sleep(2)
    change(cloud, "DROP TRIGGER full")
    # The task went on meanwhile; its end comes in once it can be recorded.
    assert operator.ended(run, 90)[0]["state"] == "succeeded"
    assert operator.raw(run, "stdout") == b"kept\n"
    link.close()
    assert agent.running and verify(operator) == ([], 0)


def operator_task(cloud):
    return cloud.query("SELECT id FROM tasks ORDER BY created_at DESC LIMIT 1")[0][0]


# Reading it

def test_list_show_and_export(own_site, tmp_path):
    operator = own_site.operator
    own_site.agent("demo-1")
    operator("run", "-a", "demo-1", "--", "printf '\\033[31mred'; echo 天工")
    task, = operator.lines("task", "list")
    own = operator.lines("audit", "list", "--task", task["id"][:8])
    assert [record["action"] for record in own] == ["task.end", "task.create"]
    table = operator("audit", "list", "--action", "run.create", "--since", "1h").stdout.decode()
    assert "run.create" in table and "olga" in table and "\x1b" not in table
    shown = operator.lines("audit", "show", str(own[0]["seq"]))[0]
    assert shown == own[0]
    assert operator("audit", "show", "999999").returncode == 6
    refused, = operator.lines("audit", "list", "--verdict", "deny")
    assert refused["action"] == "audit.read" and refused["result"] == "not_found"
    assert operator.lines("audit", "list", "--until", "1d") == []

    file = tmp_path / "audit.jsonl"
    assert operator("audit", "export", "--file", str(file)).returncode == 0
    assert file.stat().st_mode & 0o777 == 0o600
    stored = [text for text, in own_site.cloud.query("SELECT record FROM audit ORDER BY seq")]
    exported = file.read_text().splitlines()
    assert exported == stored[:len(exported)] and len(exported) > 10
    assert operator("audit", "verify", "--file", str(file)).returncode == 0
    file.write_text("\n".join(exported[:4] + exported[5:]) + "\n")
    done = operator("audit", "verify", "--file", str(file))
    assert done.returncode == 9 and b"deleted: record 5 is missing" in done.stdout
    assert operator("audit", "verify", "--file", str(file), "--partial").returncode == 0
    file.write_bytes(operator("audit", "export", "--action", "task").stdout)
    assert operator("audit", "verify", "--file", str(file), "--partial").returncode == 0
    done = operator("audit", "verify", "-a", "nobody")
    assert done.returncode == 6


def test_an_approver_of_one_environment_sees_its_own_only(own_site):
    cloud = own_site.cloud
    own_site.agent("demo-1", token=cloud.token("agent", "demo-1", environment="test"))
    own_site.agent("demo-2", token=cloud.token("agent", "demo-2", environment="stage"))
    for name in ["demo-1", "demo-2"]:
        own_site.operator("run", "-a", name, "--", f"echo on {name}")
    token = cloud.token("operator", "ann", role="approver", environment="test")
    with Link(cloud, "/ws/operator", token) as link:
        seen = link.ask("audit_list", {"limit": 200})["data"]["items"]
        assert {record.get("env") for record in seen} == {"test"} and {"run.create", "task.create"} <= {r["action"] for r in seen}
        hidden = cloud.query("SELECT seq FROM audit WHERE env = 'stage' LIMIT 1")[0][0]
        assert link.ask("audit_show", {"id": str(hidden)})["data"]["code"] == "not_found"
        chains = link.ask("audit_verify", {}, seconds=60)["data"]["chains"]
        assert [chain["chain"] for chain in chains] == ["cloud", "demo-1"]
        assert link.ask("audit_verify", {"agents": ["demo-2"]})["data"]["code"] == "not_found"


def test_replay_plays_what_was_recorded_and_runs_nothing(own_site, tmp_path):
    operator = own_site.operator
    own_site.agent("demo-1")
    starts = tmp_path / "starts"
    command = f"echo x >> {starts}; echo one; sleep 1.5; printf 'tw\\033]52;c;AAAA\\007o\\n' >&2; sleep 1; echo 天工"
    run = operator.detach("-a", "demo-1", "--", command)
    task = operator.ended(run)[0]["id"]
    # From the first to the last output, as it was recorded: on a busy machine a little less, or more, than it slept.
    span = own_site.cloud.query("SELECT max(at) - min(at) FROM log_chunks WHERE task_id = ?", task)[0][0] / 1000
    assert span > 1.5
    began = time.monotonic()
    done = operator("audit", "replay", task)
    took = time.monotonic() - began
    assert took >= span - 0.1
    assert done.stdout == "one\n天工\n".encode()
    for faster in (["--speed", "0"], ["--idle-limit", "100ms"]):
        began = time.monotonic()
        assert operator("audit", "replay", task, *faster).stdout == done.stdout
        assert time.monotonic() - began < took
    assert starts.read_text() == "x\n"
    file = tmp_path / "task.cast"
    assert operator("audit", "replay", task, "--asciicast", str(file), "--idle-limit", "2s").returncode == 0
    header, *events = [json.loads(line) for line in file.read_text().splitlines()]
    assert header["version"] == 2 and header["width"] > 0 and header["idle_time_limit"] == 2 and "demo-1" in header["title"]
    times = [event[0] for event in events]
    assert times == sorted(times) and times[-1] - times[0] >= span - 0.1 and {event[1] for event in events} == {"o"}
    text = "".join(event[2] for event in events)
    assert text == "one\r\ntwo\r\n天工\r\n"
    assert operator("audit", "replay", "nothing0").returncode == 6
    assert [row["action"] for row in rows(own_site.cloud, "log.read")] == ["log.read"] * 4
