# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Stored files as an operator handles them: uploads over links that break and to a server that dies or is full, downloads
that go on, names, and who sees what."""

import hashlib
import json
import os
import pathlib
import random
import signal
import subprocess
import time
from datetime import datetime, timedelta

import pytest

from conftest import running
from harness import wire
from harness.hostile import Tty
from harness.programs import BIN, Operator
from harness.proxy import Proxy
from harness.stored import uploading
from harness.waiting import until


def noise(count, seed=1):
    """Bytes without a pattern, the same each time."""
    return random.Random(seed).randbytes(count)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with running(tmp_path_factory.mktemp("files")) as site:
        yield site


def stored(operator, *arguments, **options):
    """The files that `file put` has stored."""
    done = operator("file", "put", *arguments, "-o", "json", timeout=180, **options)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def content(operator, id):
    done = operator("file", "get", id, "--to", "-", timeout=180)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def make(directory, name, data):
    path = pathlib.Path(directory) / name
    path.write_bytes(data)
    return path


def parts(cloud):
    return sorted(uploading(cloud))


# -- put, list, show, get, remove -------------------------------------------------------------------------------------

@pytest.mark.parametrize("size", [0, 1, 196_608, 196_609, 5_000_000])
def test_a_file_is_stored_and_comes_back(operator, tmp_path, size):
    data = noise(size, size)
    path = make(tmp_path, f"data-{size}.bin", data)
    file, = stored(operator, path)
    assert (file["name"], file["size"], file["sha256"], file["actor"]) == (path.name, size, sha256(data), "olga")
    assert content(operator, file["id"]) == data
    shown, = operator.lines("file", "show", file["id"][:8])
    assert shown["id"] == file["id"]
    target = tmp_path / "copy"
    done = operator("file", "get", file["id"], "--to", str(target))
    assert done.returncode == 0 and target.read_bytes() == data and done.stdout == b""
    assert target.stat().st_mode & 0o777 == 0o600 and not (tmp_path / "copy.part").exists()
    assert operator("file", "remove", file["id"]).returncode == 0
    done = operator("file", "show", file["id"])
    assert done.returncode == 6 and b"no file" in done.stderr


def test_several_files_are_listed_newest_first(operator, tmp_path):
    paths = [make(tmp_path, f"listed-{number}", noise(number + 1)) for number in range(5)] + [make(tmp_path, "listed-big", noise(400_000))]
    done = operator("file", "put", *map(str, paths), "-q")
    assert done.returncode == 0 and done.stderr == b""
    ids = done.stdout.decode().split()
    assert len(set(ids)) == 6
    names = [file["name"] for file in operator.lines("file", "list", "--limit", "6")]
    assert sorted(names) == sorted(path.name for path in paths)
    only, = operator.lines("file", "list", "--name", "listed-3")
    assert only["id"] == ids[3]
    table = operator("file", "list", "--limit", "2").stdout.decode().splitlines()
    assert table[0].split() == ["ID", "NAME", "SIZE", "SHA-256", "ENV", "BY", "AGE", "KEPT"] and len(table) == 3
    done = operator("file", "remove", ids[0], "nothere12345", ids[1])
    assert done.returncode == 6 and b"nothere1" in done.stderr
    left = {file["id"] for file in operator.lines("file", "list", "--limit", "200")}
    assert not {ids[0], ids[1]} & left and set(ids[2:]) <= left, "one that is not there does not keep the others"


def test_a_stream_without_a_size(operator):
    data = noise(3_000_000)
    file, = stored(operator, "-", "--name", "dump.sql", "--keep", "2h", input=data)
    assert file["name"] == "dump.sql" and file["sha256"] == sha256(data)
    kept = datetime.fromisoformat(file["expires_at"]) - datetime.fromisoformat(file["created_at"])
    assert kept == timedelta(hours=2)
    assert content(operator, file["id"]) == data
    empty, = stored(operator, "-", input=b"")
    assert (empty["name"], empty["size"]) == ("stdin", 0)


def test_a_pipe_by_name(operator, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = subprocess.Popen(["sh", "-c", f"seq 1 100000 > {pipe}"])
    file, = stored(operator, pipe)
    assert writer.wait(30) == 0
    assert content(operator, file["id"]).split()[-1] == b"100000"


def test_many_small_files_share_the_servers_syncs(operator, tmp_path):
    paths = [make(tmp_path, f"small-{number:04}", b"content %d" % number) for number in range(400)]
    files = stored(operator, *map(str, paths))
    assert [file["name"] for file in files] == [path.name for path in paths]
    assert {file["sha256"] for file in files} == {sha256(b"content %d" % number) for number in range(400)}
    assert operator("file", "remove", *[file["id"] for file in files]).returncode == 0


# -- names ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["x" * 255, "天工部署.bin", "\U0001F600 \U0001F680.tar", " leading and trailing ", "-rf", ".hidden", "a'b\"c$d`e;f|g&h*", "%2e%2e"])
def test_names_that_are_only_odd_are_kept(operator, tmp_path, name):
    file, = stored(operator, make(tmp_path, "plain", b"x"), "--name=" + name)
    assert file["name"] == name
    assert operator.lines("file", "show", file["id"])[0]["name"] == name


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/etc/passwd", "a\\b", "a\nb", "a\rb", "a\tb", "a\x1b[2Jb", "a\x7fb", "x" * 256,
                                  "天" * 86, "a\u202eb", "a\u200bb", "a\u2028b", "   ", "\u00a0"])
def test_names_that_mean_something_are_refused_at_both_ends(operator, site, tmp_path, name):
    path = make(tmp_path, "plain", b"x")
    before = len(operator.lines("file", "list", "--limit", "200"))
    done = operator("file", "put", str(path), "--name=" + name)
    assert done.returncode == 2 and b"name" in done.stderr, done
    with wire.Link(site.cloud, "/ws/operator", operator.token) as link:
        for answer in (link.ask("file_begin", {"name": name, "size": 1}), link.ask("file_put", {"name": name}, payload=b"x")):
            assert answer["type"] == "error" and answer["data"]["code"] == "invalid_argument", answer
    assert len(operator.lines("file", "list", "--limit", "200")) == before


def test_a_name_with_a_nul_never_gets_there(operator, site):
    with wire.Link(site.cloud, "/ws/operator", operator.token) as link:
        for name in ("a\0b", "\0"):
            assert link.ask("file_begin", {"name": name})["data"]["code"] == "invalid_argument"


def test_what_is_no_file_is_refused_by_name(operator, tmp_path):
    for argument, word in [(tmp_path, b"directory"), (tmp_path / "missing", b"No such file"), ("/proc/self/mem", b"read")]:
        done = operator("file", "put", str(argument))
        assert done.returncode in {2, 6} and word in done.stderr and str(argument).encode() in done.stderr, done
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "link").symlink_to("/etc/passwd")
    done = operator("file", "push", str(tmp_path / "tree"), "/srv", "--all")
    assert done.returncode == 2 and b"tree/link is a symbolic link" in done.stderr


# -- get --------------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def large(site, tmp_path_factory):
    """A stored file of some megabytes, and its bytes."""
    data = noise(6_000_000, 7)
    file, = stored(site.operator, make(tmp_path_factory.mktemp("large"), "large.bin", data))
    return file, data


def test_nothing_is_overwritten_unless_told(operator, large, tmp_path):
    file, data = large
    target = make(tmp_path, "there", b"precious")
    done = operator("file", "get", file["id"], "--to", str(target))
    assert done.returncode == 9 and b"--force" in done.stderr and target.read_bytes() == b"precious"
    assert operator("file", "get", file["id"], "--to", str(target), "--force").returncode == 0
    assert target.read_bytes() == data
    link = tmp_path / "link"
    link.symlink_to(target)
    assert operator("file", "get", file["id"], "--to", str(link)).returncode == 9
    assert operator("file", "get", file["id"], "--to", str(tmp_path)).returncode == 9
    part = tmp_path / "elsewhere"
    (tmp_path / "new.part").symlink_to(part)
    assert operator("file", "get", file["id"], "--to", str(tmp_path / "new")).returncode != 0
    assert not part.exists(), "a link that lies in wait is not followed"


@pytest.mark.parametrize("left", ["nothing", "half", "all", "too much", "another"])
def test_a_download_goes_on_with_what_is_there(operator, large, tmp_path, left):
    file, data = large
    part = {"nothing": b"", "half": data[:3_000_000], "all": data, "too much": data + b"x", "another": b"\0" * 3_000_000}[left]
    make(tmp_path, "copy.part", part)
    done = operator("file", "get", file["id"], "--to", str(tmp_path / "copy"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "copy").read_bytes() == data and not (tmp_path / "copy.part").exists()


def test_a_download_over_a_link_that_breaks(site, operator, large, tmp_path):
    file, data = large
    proxy = Proxy(site.cloud.port)
    proxy.bytes_per_second = 4_000_000
    # However fast it is, no connection brings more than this.
    proxy.cut_after = 2_500_000
    try:
        target = tmp_path / "copy"
        process = operator.popen("file", "get", file["id"], "--to", str(target), "--server", proxy.url)
        assert process.wait(60) == 0, process.stderr.read()
        notes = process.stderr.read()
        assert proxy.cuts >= 2
        assert b"waiting" in notes and b"going on" in notes and b"%" not in notes
        assert target.read_bytes() == data
    finally:
        proxy.stop()


def test_raw_bytes_are_not_written_to_a_terminal(operator, large):
    tty = Tty(("file", "get", large[0]["id"], "--to", "-"), operator.environment)
    assert tty.finish() == 2
    assert "--force" in tty.text


def test_a_name_that_a_program_may_believe_is_not_taken_by_itself(operator, tmp_path):
    file, = stored(operator, make(tmp_path, "x", b"evil"), "--name", ".bashrc")
    done = subprocess.run([BIN / "tiangong", "file", "get", file["id"]], cwd=tmp_path, env=operator.environment, capture_output=True, timeout=30)
    assert done.returncode == 2 and b"--to" in done.stderr and not (tmp_path / ".bashrc").exists()


# -- uploads that are disturbed ---------------------------------------------------------------------------------------

def test_an_upload_goes_on_after_its_link_was_cut(own_site, proxy, tmp_path):
    data = noise(12_000_000, 3)
    path = make(tmp_path, "cut.bin", data)
    proxy.bytes_per_second = 4_000_000
    # However fast it is, no connection brings more than this.
    proxy.cut_after = 3_500_000
    process = own_site.operator.popen("file", "put", str(path), "-o", "table", "--server", proxy.url)
    assert process.wait(120) == 0, process.stderr.read()
    assert len(parts(own_site.cloud)) == 0
    notes = process.stderr.read().decode()
    assert 3 <= notes.count("waiting") == notes.count("going on") <= proxy.cuts, notes
    assert "%" not in notes, "no progress where there is no terminal"
    file, = own_site.operator.lines("file", "list")
    assert file["sha256"] == sha256(data)
    assert content(own_site.operator, file["id"]) == data


@pytest.mark.parametrize("kind", ["file", "stream"])
def test_an_upload_goes_on_after_the_server_was_killed(own_site, tmp_path, kind):
    data = noise(30_000_000, 4)
    path = make(tmp_path, "killed.bin", data)
    proxy = Proxy(own_site.cloud.port)
    proxy.bytes_per_second = 10_000_000
    try:
        arguments = ["file", "put", str(path) if kind == "file" else "-", "-q", "--server", proxy.url]
        with path.open("rb") as source:
            process = own_site.operator.popen(*arguments, stdin=source)
        until(lambda: sum(uploading(own_site.cloud).values()) > 8_000_000, 60, "a third has arrived", every=0.01)
        own_site.cloud.kill()
        own_site.cloud.start()
        assert process.wait(120) == 0, process.stderr.read()
        id = process.stdout.read().decode().strip()
        assert sha256(content(own_site.operator, id)) == sha256(data)
        assert parts(own_site.cloud) == []
    finally:
        proxy.stop()


def begun(site, path, *options):
    """An upload left with ^C after some of it has arrived: its id."""
    proxy = Proxy(site.cloud.port)
    proxy.bytes_per_second = 1_000_000
    try:
        process = site.operator.popen("file", "put", str(path), "--server", proxy.url, *options)
        until(lambda: sum(uploading(site.cloud).values()) > 1_000_000, 30, "some has arrived", every=0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        notes = process.stderr.read().decode()
        line = next(line for line in notes.splitlines() if "tiangong file resume" in line)
        assert line.endswith(f" {path}"), line
        return line.split()[-2]
    finally:
        proxy.stop()


def test_an_upload_that_was_left_goes_on_in_another_process(own_site, tmp_path):
    operator = own_site.operator
    data = noise(9_000_000, 5)
    path = make(tmp_path, "left.bin", data)
    upload = begun(own_site, path)
    listed, = operator.lines("file", "list", "--uploads")
    assert listed["id"] == upload and listed["size"] == len(data) and 0 < listed["offset"] < len(data)
    assert upload in operator("file", "list", "--uploads").stdout.decode()
    for other, code in [(data[:-1], 9), (data + b"x", 9), (b"", 9)]:
        done = operator("file", "resume", upload, str(make(tmp_path, "other", other)))
        assert done.returncode == code, done
    done = operator("file", "resume", upload)
    assert done.returncode == 6 and b"resume ID FILE" in done.stderr
    assert operator("file", "resume", upload, str(path), "-q").returncode == 0
    file, = operator.lines("file", "list")
    assert (file["name"], file["sha256"]) == ("left.bin", sha256(data))
    assert operator.lines("file", "list", "--uploads") == []
    assert operator("file", "resume", upload, str(path)).returncode == 6, "it is complete"


def test_an_upload_is_not_completed_with_another_content_of_its_size(own_site, tmp_path):
    data = noise(5_000_000, 6)
    upload = begun(own_site, make(tmp_path, "a.bin", data))
    other = bytearray(data)
    other[0] ^= 1
    done = own_site.operator("file", "resume", upload, str(make(tmp_path, "b.bin", bytes(other))))
    assert done.returncode == 2 and b"SHA-256" in done.stderr
    assert own_site.operator.lines("file", "list") == []


def test_an_upload_is_given_up(own_site, tmp_path):
    upload = begun(own_site, make(tmp_path, "a.bin", noise(5_000_000)))
    assert own_site.operator("file", "remove", "--upload", upload).returncode == 0
    assert own_site.operator.lines("file", "list", "--uploads") == [] and parts(own_site.cloud) == []
    assert own_site.operator("file", "remove", "--upload", upload).returncode == 6


def test_a_file_that_changes_while_it_is_read_is_not_stored(own_site, proxy, tmp_path):
    path = make(tmp_path, "growing.log", noise(8_000_000))
    proxy.bytes_per_second = 4_000_000
    process = own_site.operator.popen("file", "put", str(path), "--server", proxy.url)
    until(lambda: parts(own_site.cloud), 30, "it has begun", every=0.01)
    with path.open("ab") as file:
        file.write(b"more")
    assert process.wait(60) == 9
    assert b"changed while it was read" in process.stderr.read()
    assert own_site.operator.lines("file", "list") == []


def test_a_full_disk_is_waited_out(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs a file system of its own: run as root")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)], check=True)
    try:
        ballast = make(disk, "ballast", b"\0" * 10_000_000)
        with running(tmp_path, settings={"TIANGONG_FILES_DIRECTORY": str(disk / "files"), "TIANGONG_FILES_RESERVE": "0"}) as site:
            data = noise(12_000_000, 8)
            path = make(tmp_path, "big.bin", data)
            # Of a stream nobody knows beforehand that it will not fit; of a file the server does.
            for source, word in [("-", b"big"), (str(path), b"big.bin")]:
                with path.open("rb") as stream:
                    process = site.operator.popen("file", "put", source, "--name", "big.bin", "-o", "table", stdin=stream)
                said = b""
                while b"waiting" not in said:
                    line = process.stderr.readline()
                    assert line, said
                    said += line
                assert b"free some space" not in said and process.poll() is None
                assert site.operator("whoami").returncode == 0, "the server goes on"
                ballast.unlink()
                assert process.wait(60) == 0, process.stderr.read()
                assert b"going on" in process.stderr.read()
                file = site.operator.lines("file", "list")[0]
                assert file["sha256"] == sha256(data)
                assert site.operator("file", "remove", file["id"]).returncode == 0
                ballast = make(disk, "ballast", b"\0" * 10_000_000)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_progress_is_one_line_that_goes_away(site, operator, tmp_path):
    path = make(tmp_path, "watched.bin", noise(6_000_000))
    proxy = Proxy(site.cloud.port)
    proxy.bytes_per_second = 3_000_000
    try:
        tty = Tty(("file", "put", str(path), "--server", proxy.url), operator.environment)
        assert tty.finish() == 0, tty.text
        assert "MB/s" in tty.text and "ETA" in tty.text and "%" in tty.text
        assert max(len(line) for line in tty.text.replace("\x1b[K", "").split("\n")) < 400
    finally:
        proxy.stop()


def test_memory_does_not_grow_with_the_file(site, operator, tmp_path):
    path = tmp_path / "sparse.bin"
    with path.open("wb") as file:
        file.truncate(96 << 20)
    process = operator.popen("file", "put", str(path), "-q")
    most = 0
    while process.poll() is None:
        try:
            text = pathlib.Path(f"/proc/{process.pid}/status").read_text()
            most = max(most, int(text.split("VmRSS:")[1].split()[0]) * 1024)
        except (OSError, IndexError):
            pass
        time.sleep(0.02)
    assert process.returncode == 0, process.stderr.read()
    assert 0 < most < 160 << 20, most
    assert operator("file", "remove", process.stdout.read().decode().strip()).returncode == 0


# -- who sees what ----------------------------------------------------------------------------------------------------

def member(site, name, environments, role="operator", **scope):
    """Another operator, on the command line."""
    admin = site.operator
    options = [word for environment in environments for word in ("-e", environment)]
    assert admin("operator", "set", name, "--role", role, *options).returncode == 0
    token = admin("token", "create", name).stdout.decode().strip()
    directory = site.directory / name
    directory.mkdir(exist_ok=True)
    return Operator(site.cloud, directory, token)


def test_another_environments_files_do_not_exist(site, tmp_path):
    lab, prod = member(site, "lena", ["lab"]), member(site, "pia", ["prod"])
    path = make(tmp_path, "lab-secret.bin", b"of the lab")
    file, = stored(lab, path)
    assert file["environment"] == "lab"
    assert [f["id"] for f in lab.lines("file", "list")] == [file["id"]]
    assert prod.lines("file", "list") == []
    for arguments in (["show", file["id"]], ["get", file["id"], "--to", "-"], ["remove", file["id"]],
                      ["push", file["id"], "/srv/x", "--all"], ["show", file["id"][:6]]):
        done = prod("file", *arguments)
        assert done.returncode == 6 and b"of the lab" not in done.stdout and b"lab-secret" not in done.stdout + done.stderr, (arguments, done)
    assert content(lab, file["id"]) == b"of the lab"
    done = prod("file", "put", str(path), "-e", "lab")
    assert done.returncode == 6
    both = member(site, "bo", ["lab", "prod"])
    done = both("file", "put", str(path))
    assert done.returncode == 2 and b"-e" in done.stderr and b"lab, prod" in done.stderr
    assert stored(both, path, "-e", "prod")[0]["environment"] == "prod"
    assert len(both.lines("file", "list")) == 2 and len(prod.lines("file", "list")) == 1


def test_knowing_a_hash_is_not_having_the_content(site, tmp_path):
    lab, prod = member(site, "lars", ["lab"]), member(site, "paul", ["prod"])
    data = b"nobody else may know that this is here"
    stored(lab, make(tmp_path, "x", data))
    with wire.Link(site.cloud, "/ws/operator", prod.token) as link:
        answer = link.ask("file_begin", {"name": "y", "size": len(data), "sha256": sha256(data)})["data"]
        assert answer["offset"] == 0 and "file" not in answer
    with wire.Link(site.cloud, "/ws/operator", lab.token) as link:
        assert link.ask("file_begin", {"name": "y", "size": len(data), "sha256": sha256(data)})["data"]["file"]["name"] == "y"


def test_an_upload_is_its_operators_alone(site, tmp_path):
    first, second = member(site, "ann", ["lab"]), member(site, "ben", ["lab"])
    with wire.Link(site.cloud, "/ws/operator", first.token) as link:
        upload = link.ask("file_begin", {"name": "a", "size": 5})["data"]["id"]
        done = second("file", "resume", upload, str(make(tmp_path, "a", b"12345")))
        assert done.returncode == 6
        with wire.Link(site.cloud, "/ws/operator", second.token) as other:
            assert other.ask("file_commit", {"upload_id": upload})["data"]["code"] == "not_found"
            assert other.ask("file_chunk", {"upload_id": upload, "offset": 0}, payload=b"x")["type"] == "error"


def test_a_viewer_sees_and_does_nothing(site, tmp_path):
    viewer = member(site, "vic", ["lab"], role="viewer")
    file, = stored(member(site, "lea", ["lab"]), make(tmp_path, "x", b"x"))
    assert file["id"] in {f["id"] for f in viewer.lines("file", "list")}
    for arguments in (["put", str(tmp_path / "x")], ["get", file["id"], "--to", "-"], ["remove", file["id"]], ["push", file["id"], "/x", "--all"]):
        assert viewer("file", *arguments).returncode in {5, 6}, arguments
