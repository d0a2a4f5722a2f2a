# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""What file tasks do on a host: bring, fetch, remove, make, look, list; and what they refuse."""

import hashlib
import json
import os
import pathlib
import stat
import threading
import time

import pytest

from conftest import running
from harness import wire
from harness.stored import content, put, store
from harness.waiting import until
from harness.work import Refused, Work, perform

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
CORPUS = pathlib.Path(__file__).parent.parent / "Corpus"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Where files may be; `outside` beside it may not."""
    top = tmp_path_factory.mktemp("host")
    (top / "app").mkdir()
    (top / "outside").mkdir()
    (top / "outside" / "secret").write_text("canary")
    return top / "app"


@pytest.fixture(scope="module")
def site(tmp_path_factory, place):
    with running(tmp_path_factory.mktemp("site")) as site:
        site.agent("files", executors={"file": {"roots": [str(place)], "backups": 2, "max-size": "64MiB"}})
        yield site


@pytest.fixture
def run(site, place, request):
    """Runs a file task on a path in a directory of the test's own."""
    directory = place / request.node.name.split("[")[0].removeprefix("test_")
    directory.mkdir(exist_ok=True)

    def run(act, path="", params=None, files=None, **spec):
        target = path if str(path).startswith("/") else f"{directory}/{path}".rstrip("/")
        return perform(site, "files", "file", f"{act} {target}", (params or {}) | ({"files": files} if files else {}), **spec)
    run.directory = directory
    return run


def mode(path):
    return stat.S_IMODE(path.lstat().st_mode)


def parts(directory):
    return [entry for entry in directory.rglob("*") if entry.name.endswith(".tiangong-part")]


def done(task):
    assert task.state == "succeeded", task
    return task


def refused(task, code, words=""):
    assert task.state in ("failed", "rejected") and task.error["code"] == code and words in task.error["message"], task
    return task


# -- put --------------------------------------------------------------------------------------------------------------

def test_put(site, run):
    data = os.urandom(300_000)
    file = store(site, data, "app.conf")["id"]
    target = run.directory / "app.conf"
    task = done(run("put", "app.conf", file_id=file))
    assert target.read_bytes() == data and mode(target) == 0o640
    assert task.result["files"] == 1 and task.result["bytes"] == len(data) and task.result["skipped"] == 0
    assert task.out.startswith(f"{target}: 300000 bytes, new\n")
    before = target.stat()
    task = done(run("put", "app.conf", file_id=file))
    assert task.result["files"] == 0 and task.result["skipped"] == 1 and "identical" in task.out
    assert (target.stat().st_ino, target.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    # An identical file still gets what is asked for.
    done(run("put", "app.conf", {"mode": "0600"}, file_id=file))
    assert mode(target) == 0o600 and target.stat().st_ino == before.st_ino
    # What replaces another file keeps its permissions.
    other = store(site, b"other", "other")["id"]
    task = done(run("put", "app.conf", file_id=other))
    assert target.read_bytes() == b"other" and mode(target) == 0o600 and "replaced" in task.out
    assert task.task["progress"] == {"done": 5, "total": 5}
    assert sorted(entry.name for entry in run.directory.iterdir()) == ["app.conf"]


def test_put_of_nothing(site, run):
    """A file without a byte."""
    file = store(site, b"", "empty")["id"]
    for skipped in (0, 1):
        task = done(run("put", "empty", file_id=file))
        assert (run.directory / "empty").read_bytes() == b"" and task.result["skipped"] == skipped


@ROOT_ONLY
def test_owner(site, run):
    file = store(site, b"one", "a")["id"]
    done(run("put", "a", {"owner": "nobody", "group": "daemon", "mode": "4755"}, file_id=file))
    status = (run.directory / "a").stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (65534, 1, 0o4755)
    # The owner of what is replaced stays, and its permissions with it.
    done(run("put", "a", file_id=store(site, b"two", "a")["id"]))
    status = (run.directory / "a").stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (65534, 1, 0o4755)
    done(run("put", "a", {"owner": "12345", "group": "54321"}, file_id=file))
    status = (run.directory / "a").stat()
    assert (status.st_uid, status.st_gid) == (12345, 54321)
    done(run("mkdir", "x/y", {"owner": "nobody", "mode": "0711", "parents": True}))
    assert mode(run.directory / "x" / "y") == 0o711 and mode(run.directory / "x") == 0o750
    assert (run.directory / "x" / "y").stat().st_uid == 65534 == (run.directory / "x").stat().st_uid
    refused(run("put", "a", {"owner": "nobody-here"}, file_id=file), "start_failed", "nobody-here")
    refused(run("put", "a", {"group": "nobody-here"}, file_id=file), "start_failed", "nobody-here")


def test_put_of_many(site, run):
    contents = {f"d{i % 3}/e/f{i}": os.urandom(4096) for i in range(60)} | {"top": b"x"}
    with wire.Link(site.cloud, "/ws/operator", site.operator.token) as link:
        files = [{"file_id": put(link, data, "f")["id"], "path": path} for path, data in contents.items()]
    files[-1]["mode"] = "0755"
    refused(run("put", "", files=files), "not_found")
    assert not list(run.directory.iterdir())
    task = done(run("put", "", {"parents": True}, files=files))
    assert {str(p.relative_to(run.directory)): p.read_bytes() for p in run.directory.rglob("*") if p.is_file()} == contents
    assert mode(run.directory / "top") == 0o755 and mode(run.directory / "d1/e/f1") == 0o640
    assert task.result["files"] == 61 and task.result["directories"] == 6
    # Some are there, some are not: only what is missing is brought, in whatever order.
    for index in (0, 7, 8, 59):
        (run.directory / f"d{index % 3}/e/f{index}").unlink()
    (run.directory / "d2/e/f20").write_bytes(bytes(4096))
    task = done(run("put", "", {"parents": True}, files=files))
    assert task.result["files"] == 5 and task.result["skipped"] == 56, task
    assert {str(p.relative_to(run.directory)): p.read_bytes() for p in run.directory.rglob("*") if p.is_file()} == contents
    assert "identical" not in task.out.splitlines()[0] and len(task.out.splitlines()) == 6


def test_backups(site, run):
    """The newest two are kept, as the settings say."""
    target = run.directory / "conf.d"
    for index in range(5):
        file = store(site, f"version {index}".encode(), "v")["id"]
        task = done(run("put", "conf.d", {"backup": True}, file_id=file))
        assert task.result["backups"] == (1 if index else 0), task
        assert target.read_text() == f"version {index}"
    backups = sorted((p for p in run.directory.iterdir() if p != target), key=lambda p: p.read_text())
    assert [p.read_text() for p in backups] == ["version 2", "version 3"]
    assert all(p.name.startswith("conf.d.20") and p.name.endswith("~") and p.stat().st_nlink == 1 for p in backups)
    refused(run("put", "n" * 240, {"backup": True}, file_id=file), "invalid_argument", "backup")


def test_put_refuses(site, run, place):
    file = store(site, b"x", "x")["id"]
    (run.directory / "link").symlink_to(place.parent / "outside" / "secret")
    (run.directory / "out").symlink_to(place.parent / "outside")
    (run.directory / "dir").mkdir()
    os.mkfifo(run.directory / "pipe")
    for path in ("link", "out/new", "out/secret", "dir", "pipe", "/tmp/elsewhere", f"{place}", "a\u202eb"):
        task = run("put", path, {"parents": True}, file_id=file)
        refused(task, "invalid_argument" if "\u202e" in path else "forbidden")
    refused(run("put", "missing/x", file_id=file), "not_found", "missing")
    assert (place.parent / "outside" / "secret").read_text() == "canary"
    assert [p.name for p in (place.parent / "outside").iterdir()] == ["secret"]
    big = store(site, bytes(65 << 20), "big")["id"]
    refused(run("put", "big", file_id=big), "too_large", "more than this agent takes")
    assert not parts(run.directory)


def test_names(site, run):
    """Every name that a file system and a log can have."""
    file = store(site, b"named", "n")["id"]
    good = ["天工 报表.txt", "日志😀.log", "-rf", "$(id)", "a'b\"c", "%2e%2e", "...", "é", "e\u0301", "x" * 255, "界" * 85]
    for name in good:
        done(run("put", name, file_id=file))
    assert sorted(os.listdir(run.directory)) == sorted(good)
    listed = done(run("list", "", {"format": "jsonl"}))
    assert sorted(row["name"] for row in listed.rows) == sorted(good)
    for name in ["x" * 256, "a\tb", "a\u200bb", "\u0085", "..", "a/../b", " "]:
        try:
            refused(run("put", name, file_id=file), "invalid_argument")
        except Refused as error:
            assert "invalid_argument" in str(error)
    for name in ["a\nb", "a\0b"]:
        with pytest.raises(Refused):
            run("put", name, file_id=file)
    assert sorted(os.listdir(run.directory)) == sorted(good)


def corpus_rows():
    rows = [json.loads(line) for line in (CORPUS / "paths.jsonl").read_text("utf-8").splitlines()]
    return [row for row in rows if row["kind"] == "target_path"]


@pytest.fixture(scope="module")
def corpus_site(tmp_path_factory):
    """An agent whose roots are those of the corpus."""
    top = tmp_path_factory.mktemp("corpus")
    with running(tmp_path_factory.mktemp("corpus-site")) as site:
        roots = [f"{top}/app", f"{top}/data"]
        site.agent("files", executors={"file": {"roots": roots}})
        site.top, site.file = top, store(site, b"brought", "f")["id"]
        yield site


@pytest.mark.parametrize("row", corpus_rows(), ids=lambda row: row["id"])
def test_corpus(corpus_site, row):
    """Each path of the corpus through a real task: what is refused has changed nothing, what is accepted is below a root."""
    row = json.loads(json.dumps(row).replace("{T}", str(corpus_site.top)))
    os.system(f"rm -rf {corpus_site.top}/*")
    for fixture in row.get("fixtures", []):
        if "dir" in fixture:
            os.makedirs(fixture["dir"], exist_ok=True)
        elif "file" in fixture:
            pathlib.Path(fixture["file"]).write_text(fixture["data"])
        elif "symlink" in fixture:
            os.symlink(fixture["to"], fixture["symlink"])
        elif "fifo" in fixture:
            os.mkfifo(fixture["fifo"])
        elif "hardlink" in fixture:
            os.link(fixture["to"], fixture["hardlink"])
    path = row.get("path")
    if path is None:
        pytest.skip("no task carries bytes that are no text")
    before = snapshot(corpus_site.top)
    act = "fetch" if row.get("op") == "read" else "put"
    spec = {"file_id": corpus_site.file} if act == "put" else {}
    try:
        task = perform(corpus_site, "files", "file", f"{act} {path}", **spec)
        state = task.state
    except Refused:
        state = "refused"
    if row["expect"] == "accept":
        assert state == "succeeded", task
    elif row["expect"] == "reject":
        assert state in ("failed", "rejected", "refused"), task
    if state != "succeeded" or act == "fetch":
        assert snapshot(corpus_site.top) == before
    for canary in row.get("canary", []):
        assert pathlib.Path(canary).read_text() == "canary"


def snapshot(top):
    return sorted((str(p), p.lstat().st_mode, p.lstat().st_ino, p.lstat().st_mtime_ns if not p.is_dir() else 0)
                  for p in top.rglob("*"))


# -- fetch ------------------------------------------------------------------------------------------------------------

def test_fetch(site, run, place):
    for name, data in [("a.log", os.urandom(5_000_000)), ("empty", b""), ("报表", "天工".encode())]:
        (run.directory / name).write_bytes(data)
        task = done(run("fetch", name))
        assert task.result["size"] == len(data) and task.result["sha256"] == hashlib.sha256(data).hexdigest()
        assert task.result["name"] == name and content(site, task.result["file_id"]) == data
        assert task.result["file_id"] in task.out
    (run.directory / "link").symlink_to("a.log")
    os.link(run.directory / "empty", run.directory / "hard")
    for path, code in [("link", "forbidden"), ("hard", "forbidden"), ("missing", "not_found"), ("", "forbidden"),
                       (f"{place.parent}/outside/secret", "forbidden"), ("a\\b", "not_found")]:
        refused(run("fetch", path), code)
    (run.directory / "a\\b").write_text("x")
    refused(run("fetch", "a\\b"), "invalid_argument", "backslash")


def test_fetch_of_what_changes(site, run):
    """Bytes that are added at the end are left out and told; anything else fails, and nothing is stored."""
    target = run.directory / "growing.log"
    target.write_bytes(os.urandom(20_000_000))
    before = target.read_bytes()
    stop = threading.Event()

    def write(body):
        while not stop.is_set():
            body()
            time.sleep(0.001)

    def during(body):
        stop.clear()
        writer = threading.Thread(target=write, args=(body,))
        writer.start()
        try:
            return run("fetch", "growing.log")
        finally:
            stop.set()
            writer.join()

    with target.open("ab", buffering=0) as log:
        task = done(during(lambda: log.write(b"more\n")))
    assert task.result["size"] >= len(before) and task.result["grown_bytes"] > 0 and "grew" in task.out
    assert content(site, task.result["file_id"])[:len(before)] == before
    with target.open("r+b", buffering=0) as log:
        refused(during(lambda: os.pwrite(log.fileno(), os.urandom(8), 10_000_000)), "task_failed", "changed")
        refused(during(lambda: log.truncate(1_000_000)), "task_failed", "")
    assert len(site.operator.lines("file", "list", "--name", "growing.log")) == 1


# -- the rest ---------------------------------------------------------------------------------------------------------

def test_mkdir_stat_list_delete(site, run, place):
    task = done(run("mkdir", "a/b/c", {"parents": True}))
    assert task.result["directories"] == 3 and mode(run.directory / "a/b/c") == 0o750
    assert "already" in done(run("mkdir", "a/b/c/", {"mode": "0700"})).out and mode(run.directory / "a/b/c") == 0o700
    refused(run("mkdir", "q/r"), "not_found")
    (run.directory / "a/b/file").write_bytes(b"hello")
    (run.directory / "a/b/file").chmod(0o604)
    (run.directory / "a/link").symlink_to(place.parent / "outside")
    refused(run("mkdir", "a/link"), "conflict")
    refused(run("mkdir", "a/link/new"), "forbidden")

    facts = done(run("stat", "a/b/file"))
    assert facts.result["type"] == "file" and facts.result["size"] == 5 and facts.result["mode"] == "0604"
    assert facts.result["sha256"] == hashlib.sha256(b"hello").hexdigest() and facts.result["links"] == 1
    assert f"{run.directory}/a/b/file: file, 5 bytes, -rw----r-- 0604" in facts.out
    assert done(run("stat", "a/link")).result["target"] == str(place.parent / "outside")
    assert done(run("stat", f"{place}/")).result["type"] == "directory"
    refused(run("stat", "nothing"), "not_found")
    refused(run("stat", f"{place.parent}/outside/secret"), "forbidden")

    rows = done(run("list", "a", {"format": "jsonl"})).rows
    assert [(row["name"], row["type"]) for row in rows] == [("b", "directory"), ("link", "link")]
    rows = done(run("list", "a", {"format": "jsonl", "recursive": True})).rows
    assert [row["name"] for row in rows] == ["b", "b/c", "b/file", "link"] and rows[2]["size"] == 5
    table = done(run("list", "a", {"recursive": True, "max_rows": 2}))
    assert table.out.splitlines()[0].split() == ["name", "|", "type", "|", "size", "|", "mode", "|", "owner", "|", "group", "|", "modified"]
    assert "2 of 4 rows" in table.out and table.result["entries"] == 4
    refused(run("list", "a/b/file"), "conflict")
    refused(run("list", "a/link"), "conflict")

    refused(run("delete", "a"), "conflict", "directory")
    done(run("delete", "a/b/file"))
    refused(run("delete", "a/b/file"), "not_found")
    assert done(run("delete", "a/b/file", {"missing_ok": True})).result["files"] == 0
    (run.directory / "a/b/c/x").write_bytes(b"x")
    task = done(run("delete", "a/", {"recursive": True}))
    assert task.result == {"files": 2, "directories": 3, "failures": 0} and not (run.directory / "a").exists()
    assert (place.parent / "outside" / "secret").read_text() == "canary"
    refused(run("delete", f"{place}", {"recursive": True}), "forbidden")
    refused(run("delete", f"{place.parent}/outside/secret"), "forbidden")


def test_large_trees(site, run):
    """Ten thousand names, some of them no text, and more levels than one would think of."""
    wide = run.directory / "wide"
    for index in range(100):
        (wide / f"{index:03}").mkdir(parents=True)
        for name in range(100):
            (wide / f"{index:03}" / f"{name:03}").touch()
    os.close(os.open(os.fsencode(wide) + b"/\xff\xfe", os.O_CREAT | os.O_WRONLY))
    task = done(run("list", "wide", {"recursive": True, "format": "jsonl", "max_rows": 20_000}))
    assert task.result == {"entries": 10_101, "shown": 10_101, "unreadable": 0} and len(task.rows) == 10_101
    task = done(run("delete", "wide", {"recursive": True}))
    assert task.result == {"files": 10_001, "directories": 101, "failures": 0} and not wide.exists()
    deep = run.directory / "deep"
    deep.mkdir()
    here = os.open(deep, os.O_RDONLY)
    for _ in range(250):
        os.mkdir("d", dir_fd=here)
        here, above = os.open("d", os.O_RDONLY, dir_fd=here), here
        os.close(above)
    os.close(here)
    refused(run("delete", "deep", {"recursive": True}), "task_failed", "deeper")


def test_guard(site, place, tmp_path):
    """The agent's own policy is asked as well, in the words of the manual."""
    policy = f"mode: whitelist\nallow: ['file put {place}/allowed/.*', 'file list {place}.*']\n"
    site.agent("guarded", executors={"file": {"roots": [str(place)]}}, policy=policy)
    (place / "allowed").mkdir()
    file = store(site, b"x", "x")["id"]
    done(perform(site, "guarded", "file", f"put {place}/allowed/x", file_id=file))
    done(perform(site, "guarded", "file", f"list {place}/allowed"))
    for command in (f"put {place}/x", f"delete {place}/allowed/x"):
        task = perform(site, "guarded", "file", command, **({"file_id": file} if "put" in command else {}))
        assert task.state == "rejected" and task.error["code"] == "policy_denied", task
    with pytest.raises(Refused):
        perform(site, "guarded", "file", "put /etc/passwd", file_id=file)


def test_own_files(own_site):
    """No task reaches the agent's own state, secrets or settings, whatever the roots are."""
    agent = own_site.agent("files", executors={"file": {"roots": [str(own_site.directory)]}})
    agent.secret("password", b"hush")
    top = own_site.directory
    file = store(own_site, b"mode: audit\n", "p")["id"]
    for path in ("files/identity/x", "files/journal", "files.secrets/password", "files.policy.yaml", "files.yaml",
                 "files.token", "cloud/tls/ca.pem"):
        for act, spec in (("fetch", {}), ("put", {"file_id": file}), ("stat", {}), ("delete", {})):
            refused(perform(own_site, "files", "file", f"{act} {top}/{path}", **spec), "forbidden", "agent's own")
    (top / "alias").symlink_to(top / "files.secrets")
    refused(perform(own_site, "files", "file", f"fetch {top}/alias/password"), "forbidden")
    listed = perform(own_site, "files", "file", f"list {top}", {"recursive": True, "format": "jsonl", "max_rows": 5000})
    assert not [row for row in map(json.loads, listed.out.splitlines()) if "password" in row.get("name", "")]
    refused(perform(own_site, "files", "file", f"delete {top}/files", {"recursive": True}), "forbidden", "own")
    assert (top / "files.secrets" / "password").read_bytes() == b"hush"


def test_settings(own_site):
    """Wrong settings are named, and without any there is no such executor."""
    token = own_site.cloud.token("agent", "wrong")
    for settings, words in [({}, "roots is missing"), ({"roots": []}, "roots is missing"),
                            ({"roots": ["relative"]}, "roots"), ({"roots": ["/srv"], "root": "/x"}, "root is not a setting"),
                            ({"roots": ["/srv"], "bandwidth": "1k"}, "bandwidth"),
                            ({"roots": ["/srv"], "backups": 0}, "backups")]:
        agent = own_site.agent("wrong", executors={"file": settings}, wait=False, token=token)
        until(lambda: not agent.running, 30, "the agent refuses to start")
        assert words in "".join(agent.log.read_text().splitlines()[-2:]), agent.log.read_text()
    own_site.agents.clear()
    own_site.agent("plain")
    with pytest.raises(Refused, match="unsupported"):
        perform(own_site, "plain", "file", "stat /srv/x")


def test_cancel(site, run):
    """A task that is canceled while it waits for bytes ends at once."""
    slow = site.agent("slow", executors={"file": {"roots": [str(run.directory)], "bandwidth": "64KiB"}})
    file = store(site, os.urandom(8 << 20), "big")["id"]
    work = Work(site, "slow", "file", f"put {run.directory}/big", file_id=file)
    until(lambda: parts(run.directory), 30, "the part is there")
    begin = time.monotonic()
    work.cancel()
    task = work.ended(30)
    assert task.state == "canceled" and time.monotonic() - begin < 10
    assert not (run.directory / "big").exists()
    slow.stop()
    del site.agents["slow"]
