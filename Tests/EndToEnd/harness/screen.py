# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""A terminal of a given size in tmux, with a shell in it, driven by keys."""

import pathlib
import subprocess
import uuid

from .waiting import NeverHappened, until


class Screen:
    def __init__(self, environment, directory, columns, rows):
        self.socket = f"tiangong-{uuid.uuid4().hex[:12]}"
        self.directory = pathlib.Path(directory)
        self.environment = environment | {"PS1": "ready> ", "HISTFILE": "", "ENV": ""}
        # The shell is interactive, for job control; it reads no settings of anybody.
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows), "bash", "--norc", "--noprofile", "-i")
        self.tmux("set-option", "-g", "status", "off")
        self.tmux("resize-window", "-x", str(columns), "-y", str(rows))
        self.shows("ready>")

    def tmux(self, *arguments):
        return subprocess.run(["tmux", "-L", self.socket, *arguments], env=self.environment, check=True,
                              capture_output=True, text=True, timeout=30).stdout

    def stop(self):
        subprocess.run(["tmux", "-L", self.socket, "kill-server"], capture_output=True, timeout=30)

    def text(self):
        return self.tmux("capture-pane", "-p")

    def keys(self, *names):
        """Sends named keys one by one: `Enter`, `C-z`, `j`."""
        for name in names:
            self.tmux("send-keys", name)

    def type(self, text):
        self.tmux("send-keys", "-l", text)

    def shell(self, line):
        self.type(line)
        self.keys("Enter")

    def shows(self, *wanted, seconds=30):
        """The screen once it holds all of that text at the same time."""
        try:
            return until(lambda: (text := self.text()) and all(word in text for word in wanted) and text, seconds)
        except NeverHappened:
            raise AssertionError(f"{wanted} not shown within {seconds} s; the screen:\n{self.text()}") from None

    def lacks(self, *unwanted, seconds=30):
        try:
            return until(lambda: (text := self.text()) and not any(word in text for word in unwanted) and text, seconds)
        except NeverHappened:
            raise AssertionError(f"{unwanted} still shown after {seconds} s; the screen:\n{self.text()}") from None

    def resize(self, columns, rows):
        self.tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def facts(self):
        """(alternate screen, cursor visible, mouse wanted) as the terminal has them."""
        return self.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag} #{mouse_any_flag}").strip()

    def console_pid(self):
        """The console that the shell runs."""
        shell = self.tmux("display-message", "-p", "#{pane_pid}").strip()

        def child():
            found = subprocess.run(["pgrep", "-P", shell, "-x", "tiangong"], capture_output=True, text=True).stdout.split()
            return int(found[0]) if found else None
        return until(child, 30, "the console runs")

    def file(self, name, seconds=30):
        """The text of a file that the shell is going to write."""
        path = self.directory / name
        return until(lambda: path.exists() and path.read_text().strip(), seconds, f"{name} is written")
