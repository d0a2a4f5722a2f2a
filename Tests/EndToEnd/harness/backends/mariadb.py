# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""A real MariaDB with scratch data, on loopback, with TLS and a binary log."""

import getpass
import os
import shutil
import subprocess

import pymysql
import pymysql.cursors

from .server import Server


class MariaDB(Server):
    """The account `app` may do everything, `reader` may read; `root` has no password and comes by the socket."""

    name = "mariadb"
    password = "app-secret-1A=天"
    reader_password = "reader-secret-2B"

    def __init__(self, directory, name="mariadb", authority=None, options=()):
        self.name = name
        super().__init__(directory)
        self.data = self.directory / "data"
        # The path of a socket has at most 107 bytes; those of tests are long.
        self.socket = f"/tmp/tiangong-{os.getpid()}-{self.port}.sock"
        self.options = list(options)
        if authority:
            certificate, key = authority.server(self.directory)
            self.options += [f"--ssl-cert={certificate}", f"--ssl-key={key}"]

    def prepare(self):
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", *self.account, f"--datadir={self.data}", "--skip-test-db",
             "--auth-root-authentication-method=normal"], check=True, capture_output=True, timeout=120)

    @property
    def account(self):
        """Without this option the server does not run as root."""
        return [f"--user={getpass.getuser()}"] if os.geteuid() == 0 else []

    def command(self):
        program = shutil.which("mariadbd") or "/usr/sbin/mariadbd"
        return [program, "--no-defaults", *self.account, f"--datadir={self.data}", f"--socket={self.socket}",
                f"--port={self.port}", "--bind-address=127.0.0.1", f"--pid-file={self.directory}/pid",
                "--character-set-server=utf8mb4", "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=32M",
                "--innodb-log-file-size=16M", "--innodb-doublewrite=0", "--skip-name-resolve", "--performance-schema=0",
                f"--log-bin={self.directory}/binlog", "--binlog-format=ROW", "--server-id=1", "--max-allowed-packet=256M",
                *self.options]

    def is_ready(self):
        try:
            self.root("SELECT 1")
            return True
        except pymysql.err.OperationalError:
            return False

    def start(self):
        super().start()
        self.root(
            f"CREATE OR REPLACE USER app@'%' IDENTIFIED BY '{self.password}'", "GRANT ALL ON *.* TO app@'%'",
            f"CREATE OR REPLACE USER reader@'%' IDENTIFIED BY '{self.reader_password}'",
            "GRANT SELECT ON *.* TO reader@'%'")
        return self

    def stop(self, kill=False, seconds=20):
        super().stop(kill, seconds)
        if os.path.exists(self.socket):
            os.unlink(self.socket)

    def connect(self, **options):
        return pymysql.connect(unix_socket=self.socket, user="root", charset="utf8mb4", autocommit=True, **options)

    def root(self, *statements, database=None):
        """Runs statements as root; the rows of the last one as dictionaries."""
        with self.connect(database=database, cursorclass=pymysql.cursors.DictCursor) as connection:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return list(cursor.fetchall())

    def database(self, name):
        self.root(f"CREATE OR REPLACE DATABASE `{name}`")
        return name

    def processes(self, user="app"):
        return self.root(f"SELECT id, command, info, db FROM information_schema.processlist WHERE user = '{user}'")

    def source(self, secret="db", **settings):
        """The settings of a datasource for agent.yaml."""
        return {"host": "127.0.0.1", "port": self.port, "user": "app", "password": {"secret_ref": secret}} | settings
