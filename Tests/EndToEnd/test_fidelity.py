# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Bytes in are bytes out, per stream, whatever they are."""

import hashlib
import random

import pytest


def digest(data):
    return hashlib.sha256(data).hexdigest()


def noise(size, seed):
    return random.Random(seed).randbytes(size)


def show(operator, command):
    """The two streams of a command, as the run shows them and as `logs --raw` gives them afterwards."""
    run = operator.detach("-a", "demo-1", "--", command)
    done = operator("logs", run, "-f", "--raw", timeout=240)
    assert done.returncode == 0, done.stderr[-500:]
    return (done.stdout, done.stderr), (operator.raw(run, "stdout"), operator.raw(run, "stderr"))


def must_be(operator, command, stdout, stderr=b""):
    live, stored = show(operator, command)
    wanted = digest(stdout), digest(stderr)
    assert tuple(map(digest, live)) == wanted, f"live: {len(live[0])} and {len(live[1])} bytes"
    assert tuple(map(digest, stored)) == wanted, f"stored: {len(stored[0])} and {len(stored[1])} bytes"


def test_fifty_megabytes_of_random_bytes(operator, tmp_path):
    data = noise(50_000_000, 1)
    (tmp_path / "data").write_bytes(data)
    must_be(operator, f"cat {tmp_path}/data", data)


CASES = {
    "nothing": b"",
    "one byte": b"x",
    "one NUL": b"\0",
    "only newlines": b"\n" * 10_000,
    "a line of 8 MB": b"x" * 8_000_000 + b"\n",
    "NULs": b"a\0b\0\0c\n" * 5_000,
    "invalid UTF-8": bytes(range(256)) * 400 + b"\xff\xfe\xc0\x80\xed\xa0\x80\xf5",
    "no final newline": b"first\nlast",
    "half a character at the end": "天".encode()[:2],
    "terminal sequences": b"\x1b]52;c;aGk=\x07\x1b[2J\x1b[31mred\x9b1m\r\b",
    "carriage returns": b"10%\r20%\r100%\r\n",
    "one chunk exactly": b"y" * 65_536,
    "one chunk and a byte": b"y" * 65_537,
}


@pytest.mark.parametrize("data", CASES.values(), ids=CASES.keys())
def test_awkward_bytes(operator, tmp_path, data):
    (tmp_path / "data").write_bytes(data)
    must_be(operator, f"cat {tmp_path}/data; cat {tmp_path}/data >&2", data, data)


INTERLEAVED = """
i=0
while [ $i -lt 400 ]; do
    echo "out $i"; echo "err $i" >&2; printf 'o%d' $i; printf 'e%d\\n' $i >&2; i=$((i+1))
done
"""


def test_two_streams_written_in_turns(operator):
    must_be(operator, INTERLEAVED,
            "".join(f"out {i}\no{i}" for i in range(400)).encode(),
            "".join(f"err {i}\ne{i}\n" for i in range(400)).encode())


def test_fifty_runs_in_a_row(operator, tmp_path, full):
    size = 4_000_000 if full else 500_000
    for turn in range(50):
        out, err = noise(size, 2 * turn), noise(size // 10, 2 * turn + 1)
        (tmp_path / "out").write_bytes(out)
        (tmp_path / "err").write_bytes(err)
        run = operator.detach("-a", "demo-1", "--", f"cat {tmp_path}/err >&2 & cat {tmp_path}/out; wait")
        done = operator("logs", run, "-f", "--raw", timeout=120)
        assert (digest(done.stdout), digest(done.stderr)) == (digest(out), digest(err)), f"turn {turn}"
        if turn % 10 == 0:
            assert digest(operator.raw(run, "stdout")) == digest(out), f"turn {turn}, stored"
            assert digest(operator.raw(run, "stderr")) == digest(err), f"turn {turn}, stored"


def test_stored_chunks_have_no_hole(site, operator, tmp_path):
    (tmp_path / "data").write_bytes(noise(700_000, 3))
    run = operator.detach("-a", "demo-1", "--", f"cat {tmp_path}/data; seq 1 20000 >&2")
    task, = operator.ended(run)
    chunks = site.cloud.query(
        "SELECT seq, stream, byte_offset, raw_length FROM log_chunks WHERE task_id = ? ORDER BY seq", task["id"])
    assert [chunk[0] for chunk in chunks] == list(range(task["log_seq"]))
    next_byte = {}
    for _, stream, offset, length in chunks:
        assert offset == next_byte.get(stream, 0)
        next_byte[stream] = offset + length
    assert next_byte["stdout"] == 700_000


def test_output_over_its_limit_is_cut_visibly(operator):
    run = operator.detach("-a", "demo-1", "--log-limit", "100000", "--", "head -c 3000000 /dev/zero; echo done > /dev/null")
    task, = operator.ended(run)
    assert task["state"] == "succeeded"
    done = operator("logs", run)
    assert 0 < len(done.stdout) <= 200_000
    assert b"trunc" in done.stderr.lower() or b"cut" in done.stderr.lower() or b"dropped" in done.stderr.lower()
