# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""How long the command guard takes: through `tiangong-agent validate --jsonl`, so with JSON and two pipes around each call."""

import json
import subprocess
import time

from harness import Broken, percentile

LARGEST = 16_384
LINE = "test -f /opt/app/current/x && cp -a \"$SRC/conf.d\" /opt/app/releases/20240101/ 2>/dev/null || echo 'no conf; skip'\n"
# What costs most per byte: many commands, many programs in programs, many functions, much to try.
WORST = {
    "one-letter commands": "a;", "substitutions": "$(a)", "wrappers": "sudo ", "functions": "f(){ f|f& };",
    "programs in arguments": "sh -c 'a';", "foreign programs": "python3 -c 'system(\"ls\")';", "lists in braces": "{{a,b},",
    "variables": "X=$X$X;", "open quotes": "\"${x:-", "here-documents": "cat <<E\na\nE\n"}


class Judge:
    def __init__(self, program):
        self.process = subprocess.Popen(
            [program, "validate", "--jsonl"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def milliseconds(self, command, mode, count, verdict=None):
        """The times of that many calls."""
        line = (json.dumps({"mode": mode, "command": command}) + "\n").encode()
        times = []
        for _ in range(count):
            began = time.perf_counter()
            self.process.stdin.write(line)
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
            times.append((time.perf_counter() - began) * 1000)
        answer = json.loads(answer)
        if verdict and answer["verdict"] != verdict:
            raise Broken(f"the guard answers {answer} to {command[:60]!r}")
        return times

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


def fill(piece):
    return (piece * (LARGEST // len(piece)))[:LARGEST]


def measure(programs, report, quick):
    report.heading("Command guard, one call through pipes")
    judge = Judge(programs / "tiangong-agent")
    count = 20 if quick else 200
    try:
        judge.milliseconds("ls", "no-injection", count)
        for name, command, mode in [
                ("systemctl restart nginx", "systemctl restart nginx", "no-injection"),
                ("an ordinary pipeline", "sudo -u app tail -n 500 /var/log/app/app.log | grep -E 'a|b' | wc -l", "no-injection")]:
            middle = percentile(judge.milliseconds(command, mode, count, "allow"), 0.5)
            report.number(name, f"p50 {middle:.2f} ms")
        nothing = percentile(judge.milliseconds("", "no-injection", count, "deny"), 0.5)
        report.reference("an empty command, refused at once", f"p50 {nothing:.2f} ms")
        times = judge.milliseconds(fill(LINE), "blacklist-default", count)
        report.number(
            "a script of 16 KiB", f"p50 {percentile(times, 0.5):.2f} ms  max {max(times):.2f} ms", "p50 <= 5 ms",
            percentile(times, 0.5) <= 5)
        word = "echo " + "x" * (LARGEST - 5)
        middle = percentile(judge.milliseconds(word, "no-injection", count, "allow"), 0.5)
        report.number("one word of 16 KiB", f"p50 {middle:.2f} ms", "p50 <= 5 ms", middle <= 5)
        middle = percentile(judge.milliseconds(word.replace("x", "a"), 'whitelist:["echo (a+)+b"]', count, "deny"), 0.5)
        report.number("(a+)+b on 16 KiB of a", f"p50 {middle:.2f} ms")
        worst = {name: percentile(judge.milliseconds(fill(piece), "blacklist-default", max(3, count // 20)), 0.5)
                 for name, piece in WORST.items()}
        for name, middle in sorted(worst.items(), key=lambda item: -item[1])[:3]:
            report.number(f"16 KiB of {name}", f"p50 {middle:.2f} ms")
    finally:
        judge.close()
