# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""An agent written from the six messages of the origin document alone: JSON text frames, nothing of our own wire.

    agent_register  ->    agent_status  <-    task_create  <-    task_log  ->    task_complete  ->    task_cancel  <-
"""

import json
import ssl
import subprocess
import sys
import threading

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect


def message(kind, **data):
    return json.dumps({"type": kind, "data": data})


class ForeignAgent:
    def __init__(self, url, authority, token, hostname, members=None):
        """`members` are what else the registration tells."""
        context = ssl.create_default_context(cafile=authority)
        self.socket = connect(url, ssl=context, additional_headers={"Authorization": f"Bearer {token}"}, proxy=None)
        self.hostname = hostname
        self.members = members or {}
        self.running = {}

    def serve(self):
        self.socket.send(message("agent_register", hostname=self.hostname, ip="192.0.2.7", os="plan9", version="0.1", **self.members))
        try:
            for frame in self.socket:
                self.receive(json.loads(frame))
        except ConnectionClosed:
            pass

    def receive(self, envelope):
        kind, data = envelope["type"], envelope["data"]
        if kind == "task_create":
            threading.Thread(target=self.execute, args=(data["task_id"], data["type"], data["command"])).start()
        elif kind == "task_cancel" and data["task_id"] in self.running:
            self.running[data["task_id"]].kill()

    def execute(self, task, kind, command):
        if kind != "shell":
            return self.socket.send(message("task_complete", task_id=task, status="failed", error="only shell here"))
        process = subprocess.Popen(["/bin/sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.running[task] = process
        for line in process.stdout:
            self.socket.send(message("task_log", task_id=task, content=line))
        code = process.wait()
        status = "success" if code == 0 else "cancelled" if code < 0 else "failed"
        self.socket.send(message("task_complete", task_id=task, status=status, exit_code=max(code, 0)))


if __name__ == "__main__":
    ForeignAgent(*sys.argv[1:]).serve()
