# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Tasks of any type, made over an operator's link, with what came of them."""

import json
import time

import zstandard

from . import wire

FINAL = {"succeeded", "failed", "timed_out", "canceled", "rejected", "interrupted"}


class Done:
    """A task that has ended, and its output by stream."""

    def __init__(self, task, streams):
        self.task, self.streams = task, streams
        self.state, self.error, self.result = task["state"], task.get("error") or {}, task.get("result") or {}

    @property
    def out(self):
        return self.streams["stdout"].decode()

    @property
    def err(self):
        return self.streams["stderr"].decode()

    @property
    def notes(self):
        return self.streams["system"].decode()

    @property
    def rows(self):
        """Rows of a task with format jsonl."""
        return [json.loads(line) for line in self.out.splitlines()]

    def __repr__(self):
        return f"{self.state} {self.error} {self.result}\n{self.out[:2000]}\n{self.err[:1000]}{self.notes[:1000]}"


class Work:
    """One task on one agent; use it as a context, or call `ended()`."""

    def __init__(self, site, agent, kind, command, params=None, **spec):
        self.link = wire.Link(site.cloud, "/ws/operator", site.operator.token, max_size=32 << 20)
        reply = self.link.ask("run_create", {
            "selector": {"agents": [agent]}, "follow": True,
            "spec": {"type": kind, "command": command, "params": params or {}} | spec})
        if reply["type"] == "error":
            self.link.close()
            raise Refused(reply["data"])
        self.task = reply["data"]["tasks"][0]
        self.run = reply["data"]["run"]["id"]
        self.streams = {"stdout": bytearray(), "stderr": bytearray(), "system": bytearray()}
        self.bytes = 0
        self.keeps = True

    def step(self, seconds=60):
        """Takes the next message; the ended task, or None."""
        envelope = self.link.receive(seconds)
        data = envelope["data"]
        if envelope["type"] == "task_log":
            payload = envelope["payload"]
            if data.get("codec") == "zstd":
                payload = zstandard.ZstdDecompressor().decompress(payload, max_output_size=1 << 20)
            self.bytes += len(payload)
            if self.keeps:
                self.streams[data.get("stream", "stdout")] += payload
        elif envelope["type"] == "log_end":
            return data["task"]
        return None

    def until_output(self, text, seconds=60):
        """Waits until the task has written a text."""
        deadline = time.monotonic() + seconds
        while text.encode() not in b"".join(map(bytes, self.streams.values())):
            assert time.monotonic() < deadline, f"{text!r} was not written: {self.streams}"
            assert self.step(seconds) is None, f"it ended before it wrote {text!r}: {self.streams}"

    def cancel(self):
        """Asks another link, so that what this one follows stays in order."""
        self.link.send("task_cancel", {"task_id": self.task["id"]}, id="cancel")

    def ended(self, seconds=120):
        deadline = time.monotonic() + seconds
        try:
            while True:
                task = self.step(max(1, deadline - time.monotonic()))
                if task and task["state"] in FINAL:
                    return Done(task, {name: bytes(data) for name, data in self.streams.items()})
        finally:
            self.link.close()


class Refused(AssertionError):
    """The Cloud refused the run."""

    def __init__(self, error):
        super().__init__(f"{error['code']}: {error['message']}")
        self.error = error


def perform(site, agent, kind, command, params=None, seconds=120, **spec):
    """Makes a task and waits for its end."""
    return Work(site, agent, kind, command, params, **spec).ended(seconds)
