# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Files under way while links are cut, programs are killed and disks are full: whole, or not there."""

import contextlib
import hashlib
import os
import pathlib
import random
import shutil
import subprocess
import threading
import time

import pytest

from harness import wire
from harness.stored import content, digest, put, size_of, store, store_stream, uploading
from harness.waiting import until
from harness.work import FINAL, Work, perform

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
MIB = 1 << 20


class Pattern:
    """Bytes that can be made again, of any size."""

    def __init__(self, size):
        self.size, self.block = size, os.urandom(MIB)
        self.sha256 = hashlib.sha256()
        for piece in self.pieces():
            self.sha256.update(piece)
        self.sha256 = self.sha256.hexdigest()

    def pieces(self):
        for index in range(0, self.size, MIB):
            yield (index.to_bytes(8, "big") + self.block[8:])[:min(MIB, self.size - index)]

    def store(self, site):
        return store_stream(site, self.pieces(), self.size, "pattern.bin")["id"]

    def write(self, path):
        with path.open("wb") as file:
            file.writelines(self.pieces())
        return path


def file_digest(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def part(directory):
    """The size of the only part in a directory; nothing when there is none."""
    found = [entry for entry in directory.iterdir() if entry.name.endswith(".tiangong-part")]
    assert len(found) <= 1
    return size_of(found[0]) if found else None


def begin(site, agent, command, params=None, **spec):
    """Makes a task that is looked at from outside, since the link to it may be cut; its run."""
    work = Work(site, agent, "file", command, params, **spec)
    work.link.close()
    return work.run


def ended(site, run, seconds=300):
    task, = site.operator.ended(run, seconds)
    return task


def succeeded(task):
    assert task["state"] == "succeeded", task
    return task["result"]


@pytest.fixture
def place(tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    return place


# -- cuts and kills ---------------------------------------------------------------------------------------------------

def test_link_cut_again_and_again(own_site, proxy, place, full):
    """Each connection is reset after a few bytes; what arrived is not sent again, and no byte is lost."""
    own_site.agent("cut", url=proxy.url, executors={"file": {"roots": [str(place)]}})
    pattern = Pattern(1024 * MIB if full else 24 * MIB)
    proxy.cut_after = 100_000_000 if full else 5_000_000
    result = succeeded(ended(own_site, begin(own_site, "cut", f"put {place}/x", file_id=pattern.store(own_site))))
    assert file_digest(place / "x") == pattern.sha256 and result["cuts"] >= 4 and part(place) is None
    result = succeeded(ended(own_site, begin(own_site, "cut", f"fetch {place}/x")))
    assert result["sha256"] == pattern.sha256 == digest(own_site, result["file_id"]) and result["cuts"] >= 4
    assert proxy.cuts >= 8


def test_cloud_killed(own_site, place, full):
    """The agent waits for the Cloud and goes on where it stood, both ways."""
    # What is under way in buffers, some 10 MiB, comes without the Cloud.
    size, rate = (1024 * MIB, "100MiB") if full else (48 * MIB, "16MiB")
    own_site.agent("waits", executors={"file": {"roots": [str(place)], "bandwidth": rate}})
    pattern = Pattern(size)
    file = pattern.store(own_site)
    run = begin(own_site, "waits", f"put {place}/x", file_id=file)
    for quarter in (1, 2):
        until(lambda: (part(place) or 0) > quarter * size // 4, 60, "a part has arrived")
        own_site.cloud.kill()
        before = part(place)
        own_site.cloud.start()
    result = succeeded(ended(own_site, run))
    assert file_digest(place / "x") == pattern.sha256 and result["cuts"] >= 2 and before <= size
    run = begin(own_site, "waits", f"fetch {place}/x")

    def arrived():
        return sum(uploading(own_site.cloud).values())
    until(lambda: arrived() > size // 3, 60, "a part has arrived at the Cloud")
    own_site.cloud.kill()
    assert arrived() > size // 3
    own_site.cloud.start()
    result = succeeded(ended(own_site, run))
    assert result["sha256"] == pattern.sha256 == digest(own_site, result["file_id"])
    assert len(own_site.cloud.query("SELECT id FROM files")) == 2 and arrived() == 0


def test_agent_killed(own_site, place, full):
    """The task is interrupted and not run again; a new one goes on with what is there."""
    size, rate = (1024 * MIB, "100MiB") if full else (24 * MIB, "8MiB")
    agent = own_site.agent("dies", executors={"file": {"roots": [str(place)], "bandwidth": rate}})
    pattern = Pattern(size)
    file = pattern.store(own_site)
    run = begin(own_site, "dies", f"put {place}/x", file_id=file)
    until(lambda: (part(place) or 0) > size // 2, 60, "half has arrived")
    agent.kill()
    before = part(place)
    assert not (place / "x").exists() and before > size // 2
    agent.start()
    assert ended(own_site, run)["state"] == "interrupted"
    assert part(place) == before
    result = succeeded(ended(own_site, begin(own_site, "dies", f"put {place}/x", file_id=file)))
    assert result["resumed_bytes"] >= before and file_digest(place / "x") == pattern.sha256 and part(place) is None


def test_damaged_part(own_site, place):
    """What a loss of power has made of a part is not believed."""
    own_site.agent("files", executors={"file": {"roots": [str(place)]}})
    data = os.urandom(3 * MIB)
    file = store(own_site, data)
    name = f".x.{file['sha256'][:12]}.tiangong-part"

    def leave(content, mode=0o600):
        (place / name).write_bytes(content)
        (place / name).chmod(mode)

    for content, mode in [(bytes(2 * MIB), 0o600), (data[:MIB] + bytes(5 * MIB), 0o600), (data[:MIB], 0o666)]:
        leave(content, mode)
        result = perform(own_site, "files", "file", f"put {place}/x", file_id=file["id"])
        assert result.state == "succeeded" and (place / "x").read_bytes() == data, result
        assert result.result["resumed_bytes"] == 0 and part(place) is None
        (place / "x").unlink()
    leave(data[:MIB])
    result = perform(own_site, "files", "file", f"put {place}/x", file_id=file["id"])
    assert result.result["resumed_bytes"] == MIB and (place / "x").read_bytes() == data
    assert f"going on at byte {MIB}" in result.out
    # A link in the place of a part leads nowhere, and is left alone.
    (place / "x").unlink()
    (place / "canary").write_text("canary")
    (place / name).symlink_to("canary")
    result = perform(own_site, "files", "file", f"put {place}/x", file_id=file["id"])
    assert (place / "x").read_bytes() == data and (place / "canary").read_text() == "canary", result
    assert (place / name).is_symlink()


# -- full disks -------------------------------------------------------------------------------------------------------

@contextlib.contextmanager
def small_disk(directory, size):
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tiangong-test", directory], check=True)
    try:
        yield directory
    finally:
        subprocess.run(["umount", "-l", directory], check=True)


def note(site, run):
    return (site.operator.task(run).get("progress") or {}).get("note") or ""


def fill(directory):
    """Takes all the room there is."""
    # Without a buffer: what did not fit any more would be written again, and fail, when the file is closed.
    with (directory / "filler").open("wb", buffering=0) as filler:
        with contextlib.suppress(OSError):
            while True:
                filler.write(bytes(65536))
    return directory / "filler"


@ROOT_ONLY
def test_disk_full_before_and_meanwhile(own_site, place):
    """A task waits for room, says so, and goes on with what it has."""
    with small_disk(place, 24 * MIB):
        own_site.agent("full", executors={"file": {"roots": [str(place)], "bandwidth": "4MiB"}})
        pattern = Pattern(12 * MIB)
        file = pattern.store(own_site)
        filler = fill(place)
        run = begin(own_site, "full", f"put {place}/a/x", {"parents": True}, file_id=file)
        until(lambda: "no room" in note(own_site, run), 30, "the task says what it waits for")
        filler.unlink()
        until(lambda: part(place / "a"), 30, "it goes on")
        until(lambda: part(place / "a") > 4 * MIB, 30, "it has come some way")
        filler = fill(place)
        until(lambda: "no room" in note(own_site, run), 30, "the task says it again")
        before = part(place / "a")
        assert before > 4 * MIB and not (place / "a" / "x").exists()
        filler.unlink()
        task = ended(own_site, run)
        result = succeeded(task)
        assert file_digest(place / "a" / "x") == pattern.sha256 and "note" not in task["progress"], task
        assert result["resumed_bytes"] == 0
        logs = own_site.operator("logs", run)
        notes = (logs.stdout + logs.stderr).decode()
        assert notes.count("waiting until there is") == 2 and notes.count("there is room again") == 2, notes
        # What is already there needs no room, and a directory that cannot be made is waited for as well.
        fill(place)
        run = begin(own_site, "full", f"put {place}/a/x", file_id=file)
        assert succeeded(ended(own_site, run))["skipped"] == 1


# -- limits -----------------------------------------------------------------------------------------------------------

def test_bandwidth(own_site, place):
    """All tasks of an agent share its bytes a second; a lower bound on time, since an upper one is the machine's."""
    own_site.agent("slow", executors={"file": {"roots": [str(place)], "bandwidth": "2MiB"}})
    file = store(own_site, os.urandom(6 * MIB))["id"]
    begun = time.monotonic()
    runs = [begin(own_site, "slow", f"put {place}/{name}", file_id=file) for name in ("a", "b")]
    for run in runs:
        succeeded(ended(own_site, run))
    assert time.monotonic() - begun > (12 - 0.5) / 2 - 0.5
    begun = time.monotonic()
    succeeded(ended(own_site, begin(own_site, "slow", f"fetch {place}/a")))
    assert time.monotonic() - begun > (6 - 0.5) / 2 - 0.5


def peak(agent):
    text = pathlib.Path(f"/proc/{agent.pid}/status").read_text()
    return int(text.split("VmHWM:")[1].split()[0]) * 1024


def test_memory(own_site, place, full):
    """The size of a file is nothing that an agent's memory knows of."""
    agent = own_site.agent("lean", executors={"file": {"roots": [str(place)]}})
    succeeded(ended(own_site, begin(own_site, "lean", f"put {place}/first", file_id=store(own_site, b"x")["id"])))
    pattern = Pattern((1024 if full else 192) * MIB)
    file = pattern.store(own_site)
    programs = [agent, own_site.cloud]
    idle = [program.memory() for program in programs]
    for program in programs:
        pathlib.Path(f"/proc/{program.pid}/clear_refs").write_text("5")
    result = succeeded(ended(own_site, begin(own_site, "lean", f"put {place}/x", file_id=file)))
    assert file_digest(place / "x") == pattern.sha256 and result["bytes"] == pattern.size
    fetched = succeeded(ended(own_site, begin(own_site, "lean", f"fetch {place}/x")))
    assert fetched["sha256"] == pattern.sha256
    grown = [peak(program) - before for program, before in zip(programs, idle)]
    print(f"put {result['duration_ms']} ms, fetch {fetched['duration_ms']} ms, memory +{[more >> 20 for more in grown]} MiB")
    assert max(grown) < 64 * MIB


def test_many_small_files_to_many_agents(own_site, place, full):
    count, agents = (1000, 50) if full else (150, 4)
    names = [f"many-{index}" for index in range(agents)]
    for name in names:
        (place / name).mkdir()
        own_site.agent(name, wait=False, executors={"file": {"roots": [str(place / name)]}})
    for name in names:
        own_site.wait_online(name)
    contents = {f"f{index}": os.urandom(4096) for index in range(count)}
    with wire.Link(own_site.cloud, "/ws/operator", own_site.operator.token) as link:
        files = [{"file_id": put(link, data), "path": name} for name, data in contents.items()]
        files = [entry | {"file_id": entry["file_id"]["id"]} for entry in files]
        runs = []
        for name in names:
            answer = link.ask("run_create", {"selector": {"agents": [name]}, "spec": {
                "type": "file", "command": f"put {place / name}", "params": {"files": files}}})
            assert answer["type"] == "reply", answer
            runs.append(answer["data"]["run"]["id"])
    for run, name in zip(runs, names):
        result = succeeded(ended(own_site, run))
        assert result["files"] == count and result["cuts"] == 0
        assert {entry.name: entry.read_bytes() for entry in (place / name).iterdir()} == contents


# -- races ------------------------------------------------------------------------------------------------------------

def test_pushes_to_one_path(own_site, place, full):
    """However many bring files to one path at once, with and without an agent that dies in between: whoever looks always
    finds one of them, whole."""
    agent = own_site.agent("race", executors={"file": {"roots": [str(place)], "backups": 3}})
    contents = [os.urandom(size) for size in (1, 4096, 300_000, 2_000_000, 2_000_001, 3_000_000)]
    known = {hashlib.sha256(data).hexdigest() for data in contents}
    files = [store(own_site, data)["id"] for data in contents]
    target = place / "target"
    succeeded(ended(own_site, begin(own_site, "race", f"put {target}", file_id=files[0])))
    problems, looks, states = [], 0, []
    stop = threading.Event()

    def look():
        nonlocal looks
        while not stop.is_set():
            try:
                found = hashlib.sha256(target.read_bytes()).hexdigest()
            except OSError as problem:
                found = problem
            if found not in known:
                problems.append(found)
            looks += 1

    def push(seed, seconds):
        chance = random.Random(seed)
        deadline = time.monotonic() + seconds
        # On a slow machine it takes longer until there were enough of them.
        while time.monotonic() < deadline or len(states) <= 20:
            task = perform(own_site, "race", "file", f"put {target}",
                           {"backup": True} if chance.random() < 0.4 else {}, file_id=chance.choice(files))
            states.append((task.state, task.error.get("code"), task.error.get("message")))

    watcher = threading.Thread(target=look)
    watcher.start()
    seed = random.randrange(1 << 30)
    print("seed", seed)
    pushers = [threading.Thread(target=push, args=(seed + index, 60 if full else 6)) for index in range(6)]
    for pusher in pushers:
        pusher.start()
    for _ in range(10 if full else 1):
        time.sleep(3)
        agent.kill()
        agent.start()
    for pusher in pushers:
        pusher.join()
    stop.set()
    watcher.join()
    assert not problems, problems[:5]
    assert looks > 50 and len(states) > 20
    # A part may be taken for a leftover just when another has put it in its place: then the task says so and is run again.
    assert {state for state, _, _ in states} <= {"succeeded", "interrupted"}, states
    succeeded(ended(own_site, begin(own_site, "race", f"put {target}", {"backup": True}, file_id=files[1])))
    assert target.read_bytes() == contents[1]
    backups = [entry for entry in place.iterdir() if entry.name.endswith("~")]
    assert len(backups) == 3 and all(hashlib.sha256(entry.read_bytes()).hexdigest() in known for entry in backups)
    assert target.stat().st_nlink == 1


def test_directories_swapped_for_links(own_site, place, full):
    """While a directory is now itself and now a link to another place, nothing there is written, read or removed."""
    outside = place.parent / "outside"
    (outside / "sub").mkdir(parents=True)
    (outside / "sub" / "secret").write_text("canary")
    own_site.agent("swap", executors={"file": {"roots": [str(place)]}})
    (place / "dir" / "sub").mkdir(parents=True)
    file = store(own_site, b"brought")["id"]
    stop = threading.Event()

    def swap():
        while not stop.is_set():
            os.rename(place / "dir", place / "aside")
            # A task may make one of that name meanwhile, here as well.
            with contextlib.suppress(OSError):
                os.symlink(outside, place / "dir")
                time.sleep(0.0005)
                os.unlink(place / "dir")
            while (place / "aside").exists():
                with contextlib.suppress(OSError):
                    os.rename(place / "aside", place / "dir")
                    break
                # A task has made one of that name meanwhile.
                shutil.rmtree(place / "dir", ignore_errors=True)
            (place / "dir" / "sub").mkdir(exist_ok=True)
            time.sleep(0.0005)

    swapper = threading.Thread(target=swap)
    swapper.start()
    states, fetched = [], []
    try:
        deadline = time.monotonic() + (60 if full else 8)
        acts = [("put", "dir/new", {}, {"file_id": file}), ("put", "dir/sub/new", {"parents": True}, {"file_id": file}),
                ("delete", "dir/sub", {"recursive": True}, {}), ("delete", "dir/sub/secret", {}, {}),
                ("fetch", "dir/sub/secret", {}, {}), ("mkdir", "dir/made/here", {"parents": True}, {}),
                ("list", "dir", {"recursive": True}, {}), ("stat", "dir/sub/secret", {}, {})]
        wanted = {("put", "succeeded"), ("put", "failed")}
        # On a slow machine it takes longer until both have happened.
        while time.monotonic() < deadline or not wanted <= set(states) and time.monotonic() < deadline + 60:
            for act, path, params, spec in acts:
                task = perform(own_site, "swap", "file", f"{act} {place}/{path}", params, **spec)
                states.append((act, task.state))
                assert act not in ("fetch", "stat") or task.state != "succeeded", task
                assert "secret" not in task.out or act != "list", task
    finally:
        stop.set()
        swapper.join()
    assert sorted(str(entry.relative_to(outside)) for entry in outside.rglob("*")) == ["sub", "sub/secret"]
    assert (outside / "sub" / "secret").read_text() == "canary"
    assert wanted <= set(states)
