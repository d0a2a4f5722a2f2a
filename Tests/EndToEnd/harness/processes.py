# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Finds the processes of a task by a mark in their environment: nothing they do can take it away."""

import pathlib
import uuid


class Mark:
    """Give it to a task with `--env`; afterwards every process of the task carries it."""

    def __init__(self):
        self.text = f"TIANGONG_TEST_MARK={uuid.uuid4().hex}"

    def processes(self):
        """The command lines of those alive, by pid; what the test itself started (the command line) is left out."""
        found = {}
        for directory in pathlib.Path("/proc").iterdir():
            if not directory.name.isdigit():
                continue
            try:
                if self.text.encode() not in (directory / "environ").read_bytes().split(b"\0"):
                    continue
                state = (directory / "stat").read_text().rsplit(")", 1)[1].split()[0]
                if state != "Z":
                    found[int(directory.name)] = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                pass
        return found


def alive(pid):
    """Whether the process runs; one that has ended and waits to be collected does not."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
