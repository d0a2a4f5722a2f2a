# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""The console in a real terminal, driven by keys."""

import os
import signal

import pytest

from harness.proxy import Proxy
from harness.screen import Screen
from harness.waiting import until

SIZES = [(80, 24), (120, 40)]
LEFT = "0 1 0"  # what Screen.facts says of a terminal nobody uses


@pytest.fixture
def screens(site, tmp_path):
    opened = []

    def open_screen(columns=80, rows=24, where=site):
        screen = Screen(where.operator.environment | {"TERM": "xterm-256color"}, tmp_path, columns, rows)
        opened.append(screen)
        return screen
    yield open_screen
    for screen in opened:
        screen.stop()


@pytest.fixture
def console(screens):
    """The console on the agents list."""
    screen = screens()
    screen.shell("tiangong")
    screen.shows("Agents", "demo-1", "live")
    return screen


@pytest.mark.parametrize("columns, rows", SIZES)
def test_agents_appear_and_disappear(site, screens, columns, rows):
    screen = screens(columns, rows)
    screen.shell("tiangong")
    screen.shows("demo-1", "online", "live")
    name = f"late-{columns}"
    agent = site.agent(name)
    until(lambda: any(name in line and "+ online" in line for line in screen.text().splitlines()), 30, f"{name} is online")
    agent.stop()
    until(lambda: any(name in line and "offline" in line for line in screen.text().splitlines()), 30, f"{name} is offline")
    assert max(map(len, screen.text().splitlines())) <= columns
    screen.keys("Q")
    screen.shows("ready>")


@pytest.mark.parametrize("columns, rows", SIZES)
def test_a_task_is_composed_and_watched(site, screens, operator, columns, rows):
    screen = screens(columns, rows)
    screen.shell("tiangong")
    screen.shows("demo-1", "live")
    screen.keys("/")
    screen.type("demo-1")
    screen.keys("Enter", "t")
    screen.shows("New task", "demo-1", "Command")
    screen.type("echo begun; sleep 1; seq 1 300; echo the end")
    screen.keys("C-r")
    screen.shows("[2 Review]", "echo begun")
    before = operator.lines("task", "list", "--limit", "1")
    screen.keys("Enter")
    screen.shows("[1 Write]")
    assert operator.lines("task", "list", "--limit", "1") == before, "Enter alone never means yes"
    screen.keys("C-r")
    screen.shows("[2 Review]", "echo begun")
    screen.keys("Tab", "Enter")
    until(lambda: operator.lines("task", "list", "--limit", "1") != before, 30, "the task is made")
    screen.shows("demo-1", "succeeded", seconds=30)
    screen.keys("l")
    screen.shows("the end", "300")
    screen.keys("g", "g")
    screen.shows("begun")
    screen.keys("/")
    screen.type("27")
    screen.keys("Enter")
    screen.shows("27")
    screen.keys("G")
    screen.shows("the end")
    screen.keys("Q")
    screen.shows("ready>")


def test_help_and_palette_come_from_the_same_table(console):
    console.keys("?")
    console.shows("Compose a task", "Mark and go down")
    console.type("jjjjjjjjjjjj")
    console.shows("Runs and their tasks")
    console.keys("Escape")
    console.shows("demo-1")
    console.keys(":")
    console.type("contexts")
    console.shows("Contexts")
    console.keys("Escape")
    console.shows("demo-1")


def test_suspend_and_return(console):
    console.keys("C-z")
    console.shows("Stopped", "ready>")
    assert console.facts() == LEFT
    console.shell("echo between")
    console.shows("between")
    console.shell("fg")
    console.shows("Agents", "demo-1", "live")
    console.keys("Q")
    console.shows("ready>")


def test_resize_while_it_runs(console):
    for columns, rows in [(120, 40), (60, 16), (200, 50), (20, 5), (1, 1), (80, 24)]:
        console.resize(columns, rows)
        if columns >= 60:
            console.shows("Agents", "demo-1")
            assert max(map(len, console.text().splitlines())) <= columns
    for size in range(200):
        console.resize(40 + size % 80, 10 + size % 30)
    console.resize(80, 24)
    console.shows("Agents", "demo-1", "? help")
    console.keys("Q")
    console.shows("ready>")


def test_cloud_stops_and_starts_again(own_site, screens):
    own_site.agent("demo-1")
    screen = screens(where=own_site)
    screen.shell("tiangong")
    screen.shows("demo-1", "online", "live")
    assert own_site.cloud.stop() == 0
    away = screen.lacks("live")
    assert "demo-1" in away, "what was known stays on the screen"
    own_site.cloud.start()
    screen.shows("live", "demo-1", "online", seconds=60)
    screen.keys("Q")
    screen.shows("ready>")


def test_output_at_full_speed_stays_usable(site, console, operator):
    run = operator.detach("-a", "demo-1", "--log-limit", "1GiB", "--",
                          "i=0; while [ $i -lt 150 ]; do seq -f 'line %09.0f of a fast log that fills the screen' 1 10000; i=$((i+1)); sleep 0.02; done")
    operator.in_state(run, "running")
    console.keys("g", "r")
    console.shows("Runs", run[:8])
    console.keys("l")
    console.shows("of a fast log")
    for line in console.text().splitlines():
        assert line.count("line 0") <= 1, line
    console.keys("?")
    console.shows("Newest line, and follow")
    console.keys("Escape")
    console.keys("f")
    first = console.shows("of a fast log")
    assert first
    operator("task", "cancel", run)
    console.keys("Q")
    console.shows("ready>")


def run_and_leave(screen, leave):
    """Runs the console, leaves it as told; the exit status, after the terminal was found as it was before."""
    screen.shell("stty -g > before; tiangong; echo $? > status; stty -g > after")
    screen.shows("Agents", "demo-1", "live")
    assert screen.facts().startswith("1 ")
    leave()
    status = screen.file("status")
    screen.shows("ready>")
    assert screen.file("after") == screen.file("before")
    assert screen.facts() == LEFT
    screen.shell("echo typed | tr a-z A-Z")
    screen.shows("TYPED")
    return int(status)


@pytest.fixture
def shell(screens, tmp_path):
    screen = screens()
    screen.shell(f"cd {tmp_path}; ulimit -c 0; clear")
    screen.shows("ready>")
    return screen


@pytest.mark.parametrize("keys", [["q"], ["Q"]])
def test_leaving_by_key(shell, keys):
    assert run_and_leave(shell, lambda: shell.keys(*keys)) == 0


@pytest.mark.parametrize("name", ["TERM", "HUP", "INT", "QUIT", "SEGV", "ABRT", "BUS"])
def test_leaving_by_signal(shell, name):
    number = signal.Signals[f"SIG{name}"]
    assert run_and_leave(shell, lambda: os.kill(shell.console_pid(), number)) == 128 + number


def test_stopped_by_a_signal_and_continued(shell):
    def leave():
        pid = shell.console_pid()
        os.kill(pid, signal.SIGTSTP)
        shell.shows("Stopped")
        shell.shell("fg > /dev/tty")
        shell.shows("demo-1", "live")
        shell.keys("Q")
    shell.shell("stty -g > before")
    shell.shell("tiangong")
    shell.shows("demo-1", "live")
    leave()
    shell.shows("ready>")
    shell.shell("stty -g > after")
    assert shell.file("after") == shell.file("before")


def test_without_a_terminal_it_says_what_to_do(operator):
    done = operator()
    assert done.returncode == 2 and done.stdout == b"" and b"run" in done.stderr


def test_a_full_screen_program_is_not_started_on_a_dumb_terminal(screens):
    screen = screens()
    screen.shell("TERM=dumb tiangong; echo status $?")
    screen.shows("tiangong:", "status")
    assert screen.facts() == LEFT


@pytest.mark.parametrize("columns, rows", SIZES)
def test_a_file_is_uploaded_and_watched(site, screens, operator, tmp_path, columns, rows):
    """Over a slow link that is cut on the way, while everything else on the console answers."""
    proxy = Proxy(site.cloud.port)
    proxy.bytes_per_second = 1_500_000
    path = tmp_path / f"release-{columns}.bin"
    path.write_bytes(os.urandom(24_000_000))
    (tmp_path / f"second-{columns}.conf").write_text("small")
    screen = screens(columns, rows)
    try:
        screen.shell(f"cd {tmp_path}; TIANGONG_SERVER={proxy.url} tiangong")
        screen.shows("demo-1", "live")
        screen.keys("g", "f")
        screen.shows("Files")
        screen.keys("u")
        screen.shows("upload:")
        screen.type(f"release-{columns}")
        screen.keys("Tab")
        screen.shows(f"release-{columns}.bin")
        screen.keys("Enter", "u")
        screen.type(f"second-{columns}.conf")
        screen.keys("Enter")
        screen.shows("Uploads of this console", "MB/s", "%", "waits for its turn")
        screen.keys("g", "r")
        screen.shows("Runs")
        screen.keys("g", "a")
        screen.shows("Agents", "demo-1")
        screen.keys("g", "f")
        screen.shows("MB/s")
        proxy.cut()
        screen.shows("waiting: ")
        screen.keys("q", "q")
        screen.shows("Leave", "tiangong file resume")
        screen.keys("Escape", "g", "f")
        proxy.mend()
        screen.shows("live", "MB/s", seconds=60)
        proxy.bytes_per_second = None
        until(lambda: len(operator.lines("file", "list", "--name", f"second-{columns}.conf")) == 1, 60, "both are there")
        file, = operator.lines("file", "list", "--name", path.name)
        assert file["size"] == 24_000_000
        screen.shows(path.name, f"second-{columns}.conf")
        screen.lacks("Uploads of this console")
        screen.keys("x")
        screen.shows("Remove file")
        screen.keys("Tab", "Enter")
        screen.shows("is removed")
        assert operator.lines("file", "list", "--name", f"second-{columns}.conf") == []
        screen.keys("Q")
        screen.shows("ready>")
    finally:
        proxy.stop()
