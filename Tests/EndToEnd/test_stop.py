# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Cancel and timeout end everything a task started, within grace + 2 seconds, and the record says which it was."""

import time

import pytest

from harness.processes import Mark
from harness.waiting import until

GRACE = 1
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
    until(mark.processes, 5, "its processes are there")
    return run, task, mark


@pytest.mark.parametrize("command", FAMILIES.values(), ids=FAMILIES.keys())
def test_cancel_ends_all(operator, command):
    run, task, mark = start(operator, command)
    until(lambda: any("sleep" in line for line in mark.processes().values()), 5, "it sleeps")
    asked = time.monotonic()
    assert operator("task", "cancel", task["id"]).returncode == 0
    ended, = operator.ended(run)
    took = time.monotonic() - asked
    assert ended["state"] == "canceled"
    assert mark.processes() == {}
    assert took < GRACE + 2 + 0.5, took


@pytest.mark.parametrize("command", FAMILIES.values(), ids=FAMILIES.keys())
def test_timeout_ends_all(operator, command):
    run, _, mark = start(operator, command, "--timeout", "1s")
    begun = time.monotonic()
    ended, = operator.ended(run)
    took = time.monotonic() - begun
    assert ended["state"] == "timed_out"
    assert mark.processes() == {}
    assert took < 1 + GRACE + 2 + 0.5, took


def test_what_ends_on_TERM_is_not_kept_waiting(operator):
    run, task, mark = start(operator, "sleep 600", "--grace", "30s")
    asked = time.monotonic()
    operator("task", "cancel", run)
    ended, = operator.ended(run)
    assert ended["state"] == "canceled" and time.monotonic() - asked < 3
    assert mark.processes() == {}


def test_nothing_is_left_behind_by_a_task_that_ends(operator):
    mark = Mark()
    done = operator("run", "-a", "demo-1", "--env", mark.text, "--grace", "1s", "--", "true & sleep 600 &", timeout=20)
    assert done.returncode == 0
    until(lambda: not mark.processes(), 5, "the sleeper is gone")


def test_words_before_the_end_are_kept(operator):
    run, task, _ = start(operator, "echo begun; trap 'echo cleaning; exit 0' TERM; while :; do sleep 0.05; done")
    until(lambda: operator.raw(run, "stdout"), 5, "its first words")
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
    assert run.wait(10) in (3, 130)
    until(lambda: not mark.processes(), 5, "its processes are gone")
    assert operator.lines("task", "list", "--limit", "1")[0]["state"] == "canceled"
