# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""How numbers are printed: one line per number, its budget and whether it is met, and the reference below it."""

import os
import pathlib
import platform
import time


def others():
    """The share of the machine that is busy right now, while nothing of ours is: what disturbs the next numbers."""
    def read():
        fields = [int(field) for field in pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        return sum(fields), fields[3] + fields[4]

    total, idle = read()
    time.sleep(0.5)
    total, idle = (after - before for after, before in zip(read(), (total, idle)))
    return 1 - idle / total if total else 0


def size(count):
    return f"{count / (1 << 20):.1f} MiB"


class Report:
    """Prints as it goes; keeps the misses for the end."""

    def __init__(self, quick):
        self.missed = []
        model = next(
            (line.split(":", 1)[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
             if line.startswith("model name")), platform.machine())
        print(f"{os.cpu_count()} cores, {model}, Linux {platform.release()}; load {os.getloadavg()[0]:.2f} at the start")
        if quick:
            print("quick: debug programs and few iterations; these numbers say only that everything works")

    def heading(self, text):
        busy = others()
        print(f"\n{text}" + (f"  (disturbed: {busy:.0%} of the machine is busy)" if busy > 0.1 else ""), flush=True)

    def number(self, what, value, budget=None, met=None):
        """One measured number; `met` says whether it is within its budget."""
        line = f"  {what:<44} {value:<34}"
        if budget is not None:
            line += f" budget {budget:<22} {'met' if met else 'MISSED'}"
            if not met:
                self.missed.append(f"{what}: {value}, budget {budget}")
        print(line.rstrip(), flush=True)

    def reference(self, what, value):
        """A limit or a peer, measured in the same run."""
        print(f"    {'beside: ' + what:<42} {value}", flush=True)

    def end(self):
        print(f"\n{len(self.missed)} budgets missed" + "".join(f"\n  {line}" for line in self.missed), flush=True)
