# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""A real PostgreSQL with TLS, an account with a password, and a database for each test."""

import glob
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

from ..certificates import Authority
from .server import Server

PROGRAMS = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[4]), reverse=True)
PASSWORD = "correct horse 'battery' \\ 天工"


class Postgres(Server):
    """The account `app` has the password PASSWORD over TCP; `postgres` may do everything over the socket."""

    name = "postgres"

    def __init__(self, directory=None):
        # The server does not run as root, and must get to its data from the top.
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="tiangong-"))
        self.scratch.chmod(0o711)
        super().__init__(self.scratch)
        self.programs = pathlib.Path(PROGRAMS[0])
        self.account = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        self.data = self.directory / "data"
        self.authority = Authority()
        self.databases = 0

    def as_account(self, *command):
        drop = ["setpriv", f"--reuid={self.account}", f"--regid={self.account}", "--init-groups"]
        return [str(word) for word in [*(drop if os.geteuid() == 0 else []), *command]]

    def prepare(self):
        certificate, key = self.authority.server(self.directory)
        self.authority_file = self.directory / "ca.pem"
        self.authority_file.write_text(self.authority.pem())
        self.other_authority_file = self.directory / "other.pem"
        self.other_authority_file.write_text(Authority().pem())
        for path in [self.directory, certificate, key]:
            shutil.chown(path, self.account)
        subprocess.run(
            self.as_account(self.programs / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "--no-sync",
                            "-E", "UTF8", "--locale=C.UTF-8"), check=True, capture_output=True, timeout=60)
        with open(self.data / "postgresql.conf", "a") as file:
            file.write(
                f"listen_addresses = '127.0.0.1'\nport = {self.port}\nunix_socket_directories = '{self.directory}'\n"
                "fsync = off\nfull_page_writes = off\nsynchronous_commit = off\nshared_buffers = 32MB\n"
                "max_connections = 40\nmax_prepared_transactions = 2\n"
                f"ssl = on\nssl_cert_file = '{certificate}'\nssl_key_file = '{key}'\n")
        (self.data / "pg_hba.conf").write_text(
            "local all all trust\nhost all app 127.0.0.1/32 scram-sha-256\nhost all postgres 127.0.0.1/32 trust\n")

    def command(self):
        return self.as_account(self.programs / "postgres", "-D", self.data)

    def is_ready(self):
        return subprocess.run(
            [self.programs / "pg_isready", "-q", "-h", self.directory, "-p", str(self.port)], timeout=60).returncode == 0

    def start(self):
        super().start()
        quoted = PASSWORD.replace("'", "''")
        self.sql(f"create role app login password '{quoted}'")
        return self

    def stop(self, kill=False, seconds=60):
        # SIGINT: sessions are ended, not waited for.
        if self.process and self.process.poll() is None and not kill:
            self.process.send_signal(2)
            self.process.wait(seconds)
        super().stop(kill, seconds)

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def sql(self, text, database="postgres", user="postgres"):
        """What psql prints, unaligned."""
        return subprocess.run(
            [self.programs / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.directory,
             "-p", str(self.port), "-U", user, "-d", database, "-c", text],
            check=True, capture_output=True, text=True, timeout=60).stdout.strip()

    def database(self):
        """A new one, which `app` owns."""
        self.databases += 1
        name = f"test{self.databases}"
        self.sql(f"create database {name} owner app template template0 strategy file_copy")
        return name

    def sessions(self, where="true"):
        """How many sessions of the agent there are."""
        return int(self.sql(
            f"select count(*) from pg_stat_activity where application_name = 'tiangong-agent' and {where}"))
