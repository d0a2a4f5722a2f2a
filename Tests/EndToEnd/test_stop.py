# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Cancel and timeout end everything a task started, within grace + 2 seconds, and the record says which it was."""

import datetime
import time

import pytest

from harness.processes import Mark
from harness.waiting import until

GRACE = 1
TIMEOUT = 3
STUBBORN = "trap '' TERM HUP INT; sleep 600; sleep 600; sleep 600"

# Each leaves other kinds of descendants behind: all must go.
FAMILIES = {
    "the shell itself ignores TERM": STUBBORN,
    "a child ignores TERM": f"sh -c \"{STUBBORN}\"; true",
    "a grandchild in the background": f"sh -c \"(({STUBBORN}) & ({STUBBORN}) & wait)\" & wait",
    "a child in its own process group": f"set -m; sh -c \"{STUBBORN}\" & wait",
    "an orphan": f"sh -c \"sh -c '{STUBBORN.replace(chr(39), chr(39) + chr(92) + chr(39) + chr(39))}' & exit 0\"; sleep 600",
    "a child in its own session": f"setsid sh -c \"{STUBBORN}\" & sleep 600",
}


def start(operator, command, *options):
    """A run whose processes carry a mark, once it is running."""
    mark = Mark()
    run = operator.detach("-a", "demo-1", "--env", mark.text, "--grace", f"{GRACE}s", *options, "--", command)
    task = operator.in_state(run, "running")
    until(mark.processes, 30, "its processes are there")
    return run, task, mark


def seconds_to_end(task, since):
    """From a moment to the end of a task, whenever that was noticed."""
    return datetime.datetime.fromisoformat(task["finished_at"]).timestamp() - since


@pytest.mark.parametrize("command", FAMILIES.values(), ids=FAMILIES.keys())
def test_cancel_ends_all(operator, command):
    run, task, mark = start(operator, command)
    until(lambda: any("sleep" in line for line in mark.processes().values()), 30, "it sleeps")
    asked = time.time()
    assert operator("task", "cancel", task["id"]).returncode == 0
    ended, = operator.ended(run)
    took = seconds_to_end(ended, asked)
    assert ended["state"] == "canceled"
    assert mark.processes() == {}
    assert took < GRACE + 2 + 0.5, took


@pytest.mark.parametrize("command", FAMILIES.values(), ids=FAMILIES.keys())
def test_timeout_ends_all(operator, command):
    run, _, mark = start(operator, command, "--timeout", f"{TIMEOUT}s")
    begun = time.time()
    ended, = operator.ended(run)
    took = seconds_to_end(ended, begun)
    assert ended["state"] == "timed_out"
    assert mark.processes() == {}
    assert took < TIMEOUT + GRACE + 2 + 0.5, took


def test_what_ends_on_TERM_is_not_kept_waiting(operator):
    run, task, mark = start(operator, "sleep 600", "--grace", "30s")
    asked = time.time()
    operator("task", "cancel", run)
    ended, = operator.ended(run)
    assert ended["state"] == "canceled" and seconds_to_end(ended, asked) < 3
    assert mark.processes() == {}


def test_nothing_is_left_behind_by_a_task_that_ends(operator):
    mark = Mark()
    done = operator("run", "-a", "demo-1", "--env", mark.text, "--grace", "1s", "--", "true & sleep 600 &")
    assert done.returncode == 0
    until(lambda: not mark.processes(), 30, "the sleeper is gone")


def test_words_before_the_end_are_kept(operator):
    run, task, _ = start(operator, "trap 'echo cleaning; exit 0' TERM; echo begun; while :; do sleep 0.05; done")
    until(lambda: operator.raw(run, "stdout"), 30, "its first words")
    operator("task", "cancel", task["id"])
    ended, = operator.ended(run)
    assert ended["state"] == "canceled"
    assert operator.raw(run, "stdout") == b"begun\ncleaning\n"


def test_cancel_twice_and_cancel_of_the_ended_change_nothing(operator):
    run, task, mark = start(operator, STUBBORN)
    assert operator("task", "cancel", task["id"]).returncode == 0
    operator("task", "cancel", task["id"])
    first, = operator.ended(run)
    operator("task", "cancel", task["id"])
    assert operator.task(run) == first
    done = operator.task(operator.detach("-a", "demo-1", "--", "true"))
    ended, = operator.ended(done["run_id"])
    operator("task", "cancel", ended["id"])
    assert operator.task(done["run_id"])["state"] == "succeeded"


def test_interrupting_the_command_line_cancels_its_run(operator):
    mark = Mark()
    run = operator.popen("run", "-a", "demo-1", "--env", mark.text, "--grace", "1s", "--", "echo begun; sleep 600")
    assert run.stdout.readline() == b"begun\n"
    run.send_signal(2)
    assert run.wait(30) in (3, 130)
    until(lambda: not mark.processes(), 30, "its processes are gone")
    until(lambda: operator.lines("task", "list", "--limit", "1")[0]["state"] == "canceled", 30, "it is canceled")
