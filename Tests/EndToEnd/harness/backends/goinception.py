# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Starts the stand-in for goInception (see goinception_server.py); the databases behind it are real."""

import pathlib
import sys

from .server import Server

PROGRAM = pathlib.Path(__file__).with_name("goinception_server.py")


class GoInception(Server):
    name = "goinception"

    def __init__(self, directory, backup=None, columns=13, password=None, authority=None, name="goinception"):
        self.name = name
        super().__init__(directory)
        self.options = ["--columns", columns]
        if backup:
            self.options += ["--backup-port", backup.port, "--backup-user", "app", "--backup-password", backup.password]
        if password:
            self.options += ["--password", password]
        if authority:
            self.options += ["--certificate", *authority.server(self.directory)]

    def command(self):
        return [sys.executable, PROGRAM, "--port", self.port, "--log", self.directory / "requests", *self.options]

    @property
    def requests(self):
        """Every text it was sent, as it came."""
        log = self.directory / "requests"
        return log.read_text().split("\0") if log.exists() else []
