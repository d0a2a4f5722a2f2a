#!/usr/bin/env python3
# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""A plugin that does what its command says, good and bad; DESCRIBE tells how it answers when it is asked what it takes."""

import base64
import json
import os
import random
import signal
import subprocess
import sys
import time

SCHEMA = {
    "summary": "For tests.", "command": {"label": "act", "help": "What to do.", "maximum": 262144},
    "parameters": [
        {"name": "word", "kind": "word", "words": ["a", "b"]}, {"name": "password", "kind": "secret"},
        {"name": "pairs", "kind": "pairs"}, {"name": "any", "kind": "json"}, {"name": "count", "kind": "integer", "minimum": 0},
        {"name": "format", "kind": "word", "words": ["table", "jsonl"]}, {"name": "max_rows", "kind": "integer"},
    ],
}


def send(**message):
    print(json.dumps(message), flush=True)


def raw(data):
    os.write(1, data) if len(data) < 4096 else sys.stdout.buffer.write(data)
    sys.stdout.flush()


def describe():
    how = os.environ.get("DESCRIBE", "ok")
    if how == "hang":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    elif how == "crash":
        sys.exit("no such library: libdemo.so")
    elif how == "rubbish":
        raw(b"hello, I am a program\n")
    elif how == "long":
        raw(b"x" * (2 << 20))
    elif how == "wrong":
        send(type="log", text="x")
    elif how == "version":
        send(type="schema", protocol=2, schema=SCHEMA)
    elif how == "invalid":
        send(type="schema", protocol=1, schema=SCHEMA | {"parameters": [{"name": "Bad Name", "kind": "text"}]})
    elif how == "kind":
        send(type="schema", protocol=1, schema=SCHEMA | {"parameters": [{"name": "a", "kind": "colour"}]})
    elif how == "fat":
        send(type="schema", protocol=1, schema=SCHEMA | {"parameters": [
            {"name": f"p{n}", "kind": "word", "words": ["w" * 60] * 60} for n in range(60)]})
    else:
        send(type="schema", protocol=1, schema=SCHEMA)


def flood(mib):
    line = json.dumps({"type": "log", "text": ("x" * 1000 + "\n") * 60}) + "\n"
    for _ in range(mib * (1 << 20) // 60_060 + 1):
        sys.stdout.write(line)
    sys.stdout.flush()


def fuzz(seed):
    """Messages that are nearly right, with something broken in the last of them."""
    generator = random.Random(seed)
    good = ['{"type":"log","text":"x"}', '{"type":"columns","columns":["a"]}', '{"type":"row","values":[1]}', '{"type":"progress"}',
            '{"type":"log","base64":"AAAA"}', '{"type":"row","row":{"a":null}}']
    for _ in range(generator.randrange(8)):
        raw(generator.choice(good[:1] + good[3:5]).encode() + b"\n")
    line = bytearray(generator.choice(good).encode() * generator.randrange(1, 3))
    for _ in range(generator.randrange(1, 6)):
        place = generator.randrange(len(line) + 1)
        line[place:place + generator.randrange(3)] = generator.randbytes(generator.randrange(4))
    raw(bytes(line) + generator.choice([b"\n", b"", b"\n\n\0\n", b"\n" + generator.randbytes(5000)]))


def main():
    message = json.loads(sys.stdin.readline())
    if message["type"] == "describe":
        return describe()
    act, *rest = message["command"].split()
    params = message["params"]
    if act == "echo":
        send(type="result", result={"message": message, "argv": sys.argv[1:], "env": dict(os.environ), "pid": os.getpid()})
    elif act == "logs":
        send(type="log", text="out 天\n")
        send(type="log", stream="stderr", text="err\n")
        send(type="log", base64=base64.b64encode(bytes(range(256))).decode())
        print("own stderr", file=sys.stderr, flush=True)
        send(type="result")
    elif act == "rows":
        if rest[1:]:
            send(type="columns", columns=["id", {"name": "name", "kind": "text"}, "x"])
        for number in range(int(rest[0])):
            if rest[1:]:
                send(type="row", values=[number, f"天工 {number}", None])
            else:
                send(type="row", row={"id": number, "b": {"base64": "AP8="}, "j": [1, True], "f": 1.5, "t": True, "n": None})
        send(type="result", result={"done": True})
    elif act == "progress":
        for number in range(200):
            send(type="progress", done=number, total=200, text="copying")
        send(type="result")
    elif act == "fail":
        send(type="error", code=rest[0], message=" ".join(rest[1:]))
    elif act == "polite":
        send(type="log", text="ready\n")
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        assert json.loads(sys.stdin.readline())["type"] == "cancel"
        send(type="log", text="cleaned up\n")
        send(type="error", code="canceled", message="as you wish")
    elif act == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        send(type="log", text=f"ready {os.getpid()}\n")
        while True:
            time.sleep(600)
    elif act == "child":
        child = subprocess.Popen(["sleep", "600"])
        send(type="log", text=f"ready {child.pid}\n")
        time.sleep(0 if "ends" in rest else 600)
        send(type="result")
    elif act == "exit":
        sys.exit(int(rest[0]))
    elif act == "die":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif act == "shut":
        os.close(1)
        time.sleep(600)
    elif act == "linger":
        send(type="result", result={"said": True})
        time.sleep(600)
    elif act == "babble":
        send(type="result", result={"said": True})
        flood(64)
    elif act == "held":
        subprocess.Popen(["sleep", "600"], start_new_session=True)
    elif act == "rubbish":
        raw({"text": b"hello\n", "binary": b"\xff\xfe\x00\n", "list": b"[1]\n", "type": b'{"type":"dance"}\n', "deep": b"[" * 9999 + b"\n",
             "long": b'{"type":"log","text":"' + b"x" * (2 << 20) + b'"}\n', "row": b'{"type":"row","values":[1]}\n',
             "schema": b'{"type":"schema","protocol":1,"schema":{}}\n', "result": b'{"type":"result","result":7}\n', "number": b'{"type":7}\n',
             "code": b'{"type":"error","code":"../x","message":"m"}\n', "base64": b'{"type":"log","base64":"%%"}\n',
             "huge": json.dumps({"type": "result", "result": {"x": "y" * 300_000}}).encode() + b"\n"}[rest[0]])
        time.sleep(600)
    elif act == "endless":
        block = b"x" * 65536
        while True:
            raw(block)
    elif act == "flood":
        flood(int(rest[0]))
        send(type="result")
    elif act == "fuzz":
        fuzz(int(rest[0]))
    elif act == "hurry":
        raw(b'{"type":"log","text":"a\\n"}\n{"type":"result"}')


def hurry():
    """Answers without reading anything."""
    if os.environ["TIANGONG_TASK_ID"].startswith("describe-"):
        send(type="schema", protocol=1, schema=SCHEMA)
    else:
        send(type="result", result={"read": False})


if __name__ == "__main__":
    hurry() if "--hurry" in sys.argv else main()
