# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""A stand-in for goInception: its protocol by mysql-mimic, its options by YAML, its statements on a real server.

Started as a program by goinception.py. What it answers follows goInception's documentation: one row for each statement, in 12
columns as of version 1.3.0 or 13 since, and nothing is executed unless all of it was found good."""

import argparse
import asyncio
import logging
import re
import ssl
import time

import pymysql
import sqlglot
import yaml
from mysql_mimic import MysqlServer, ResultColumn
from mysql_mimic.auth import IdentityProvider, NativePasswordAuthPlugin, User
from mysql_mimic.constants import DEFAULT_SERVER_CAPABILITIES
from mysql_mimic.control import LocalControl
from mysql_mimic.session import BaseSession
from mysql_mimic.types import Capabilities, ColumnType
from mysql_mimic.variables import GlobalVariables, SessionVariables

import goinception_backup as backups

COLUMNS = [ResultColumn(name, kind) for name, kind in (
    ("order_id", ColumnType.LONG), ("stage", ColumnType.STRING), ("error_level", ColumnType.SHORT),
    ("stage_status", ColumnType.STRING), ("error_message", ColumnType.STRING), ("sql", ColumnType.STRING),
    ("affected_rows", ColumnType.LONGLONG), ("sequence", ColumnType.STRING), ("backup_dbname", ColumnType.STRING),
    ("execute_time", ColumnType.STRING), ("sqlsha1", ColumnType.STRING), ("backup_time", ColumnType.STRING),
    ("needMerge", ColumnType.TINY))]
PROCESSES = [ResultColumn(name, kind) for name, kind in (
    ("Id", ColumnType.LONGLONG), ("Dest_User", ColumnType.STRING), ("Dest_Host", ColumnType.STRING),
    ("Dest_Port", ColumnType.LONG), ("From_Host", ColumnType.STRING), ("Command", ColumnType.STRING),
    ("STATE", ColumnType.STRING), ("Time", ColumnType.LONGLONG), ("Info", ColumnType.STRING),
    ("Percent", ColumnType.STRING))]
RUNNING = {}


class Invalid(Exception):
    pass


def options(header):
    """The options of a request, read the way goInception does: what YAML makes of a value is what counts."""
    found = {}
    for part in header.replace("remote", "").split(";"):
        key, _, value = part.strip().partition("=")
        key = re.sub("[-_]", "", key).lower()
        if not value and key.startswith("enable"):
            key, value = key[6:], "true"
        elif not value and key.startswith("disable"):
            key, value = key[7:], "false"
        if key:
            try:
                found[key] = yaml.safe_load(f"{key}: {value}")[key]
            except (yaml.YAMLError, TypeError, KeyError) as problem:
                raise Invalid(f"Invalid source infomation({problem})") from problem
    missing = [text for name, text in (("host", "主机名为空"), ("port", "端口为0"), ("user", "用户名为空")) if not found.get(name)]
    if missing:
        raise Invalid(f"Invalid source infomation({','.join(missing)})")
    return {name: "" if value is None else value if isinstance(value, (bool, int)) else str(value) for name, value in found.items()}


def chunks(text):
    """Lines up to one that ends in a semicolon while the number of single quotes is even."""
    gathered, quotes = [], 0
    for line in text.split("\n"):
        gathered.append(line)
        quotes += line.count("'")
        if line.rstrip("\r").endswith(";") and quotes % 2 == 0:
            yield "\n".join(gathered)
            gathered, quotes = [], 0
    if "".join(gathered).strip():
        yield "\n".join(gathered)


def statements(chunk):
    """The statements of a chunk, as its parser cuts them."""
    found, start, place = [], 0, 0
    pattern = re.compile(r"""'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`[^`]*`|/\*.*?\*/|--\s[^\n]*|\#[^\n]*|;|['"`]|/\*""", re.S)
    for token in pattern.finditer(chunk):
        if token[0] in ("'", '"', "`", "/*"):
            raise Invalid(f"line 1 column {token.start()} near \"{chunk[token.start():][:40]}\"")
        if token[0] == ";":
            found.append(chunk[start:token.start()])
            start = token.end()
        place = token.end()
    found.append(chunk[start:])
    return [text.strip() for text in found if text.strip()]


class Record:
    """One row of the answer."""

    def __init__(self, sql, stage="CHECKED"):
        self.sql, self.stage, self.level, self.status = sql, stage, 0, "Audit Completed"
        self.messages, self.rows, self.sequence, self.backup = [], 0, None, None
        self.seconds = self.backup_seconds = "0"

    def say(self, message, level=2):
        self.level = max(self.level, level)
        self.messages.append(message if message.endswith((".", "!")) else message + ".")

    def row(self, number, columns):
        return (number, self.stage, self.level, self.status, "\n".join(self.messages) or None, self.sql, self.rows,
                self.sequence or f"0_0_{number - 1:08d}", self.backup, self.seconds, None, self.backup_seconds, 0)[:columns]


class Work:
    """One request: audit, then perhaps execution."""

    def __init__(self, found, records, session, backup):
        self.options, self.records, self.session, self.backup = found, records, session, backup

    def yes(self, name):
        return self.options.get(name) in (True, 1, "1", "true")

    def run(self):
        target = {name: self.options.get(name, "") for name in ("host", "port", "user", "password")}
        target |= {"host": str(target["host"]), "port": int(target["port"]), "user": str(target["user"]), "password": str(target["password"])}
        encryption = self.options.get("ssl")
        extra = {"ssl_disabled": True}
        if encryption and encryption != "disabled":
            context = ssl.create_default_context(cafile=self.options.get("sslca") or None)
            context.check_hostname = encryption == "verify_identity"
            context.verify_mode = ssl.CERT_REQUIRED if encryption.startswith("verify") else ssl.CERT_NONE
            extra = {"ssl": context}
        try:
            connection = backups.connect(**target, cursorclass=pymysql.cursors.DictCursor, **extra)
        except (pymysql.MySQLError, ssl.SSLError, OSError) as problem:
            self.records[:] = [Record("".join(record.sql for record in self.records), "RERUN")]
            return self.records[0].say(f"Dial: {problem.args[-1]}")
        with connection, connection.cursor() as cursor:
            self.session.state = "CHECKING"
            if self.yes("backup") and not self.backup:
                self.records[0].say("Invalid remote backup information")
            self.audit(cursor)
            worst = max(record.level for record in self.records)
            if not self.yes("execute") or self.yes("check") or worst > (1 if self.yes("ignorewarnings") else 0):
                return
            self.session.state = "EXECUTING"
            self.execute(connection, cursor, target)

    # Audit

    def audit(self, cursor):
        made = set()
        for record in self.records:
            head = record.sql.split(None, 1)[0].lower() if record.sql else ""
            if record.level:
                continue
            try:
                if head == "use":
                    cursor.execute(record.sql)
                elif head in ("insert", "update", "delete", "replace"):
                    self.audit_rows(cursor, record, head, made)
                elif head in ("create", "alter", "drop", "truncate", "rename"):
                    self.audit_definition(cursor, record, head, made)
                elif head in ("select", "show", "explain", "desc"):
                    if self.yes("execute"):
                        record.say("Not supported statement type")
                elif head != "set":
                    record.say("Not supported statement type")
            except pymysql.MySQLError as problem:
                record.say(str(problem.args[-1]))
            except sqlglot.errors.SqlglotError as problem:
                record.say(str(problem).splitlines()[0])

    def audit_rows(self, cursor, record, head, made):
        if head in ("update", "delete") and not re.search(r"\bwhere\b", record.sql, re.I):
            record.say("Please set the where condition", 1)
        table = re.search(r"(?:into|update|from)\s+(?:`?\w+`?\.)?`?(\w+)", record.sql, re.I)
        if table and table[1].lower() in made:
            record.rows = 1
            return
        cursor.execute("EXPLAIN " + record.sql)
        record.rows = max((row.get("rows") or 1) for row in cursor.fetchall())

    def audit_definition(self, cursor, record, head, made):
        sqlglot.parse_one(record.sql, dialect="mysql")
        if head in ("drop", "truncate"):
            name = record.sql.split()[-1].strip("`")
            record.say(f"Drop/truncate '{name}' is not allowed, please replace with alter rename statement")
        table = re.match(r"create\s+table\s+(?:if\s+not\s+exists\s+)?`?(\w+)`?", record.sql, re.I)
        if table:
            cursor.execute("SELECT 1 FROM information_schema.tables WHERE table_schema = database() AND table_name = %s", table[1])
            if cursor.fetchall() and "if not exists" not in record.sql.lower():
                record.say(f"Table '{table[1]}' already exists")
            made.add(table[1].lower())

    # Execution

    def execute(self, connection, cursor, target):
        log = backups.BinaryLog(target, cursor)
        size = self.options.get("trans", 1)
        batch = []
        for number, record in enumerate(self.records):
            self.session.percent, self.session.info = 100 * number / len(self.records), record.sql
            if self.session.killed:
                return record.say("Operation has been killed!")
            joins = size > 1 and record.sql.split(None, 1)[0].lower() in ("insert", "update", "delete", "replace")
            if batch and (not joins or len(batch) >= size):
                connection.commit()
                batch = []
            if joins and not batch:
                connection.begin()
            if joins:
                batch.append(record)
            if not self.one(connection, cursor, record, number, log, target):
                if batch:
                    connection.rollback()
                    for other in batch[:-1]:
                        other.status, other.level, other.messages = "Execute failed", 2, list(record.messages)
                return
            if self.options.get("sleep") and (number + 1) % int(self.options.get("sleeprows") or 1) == 0:
                time.sleep(int(self.options["sleep"]) / 1000)
        if batch:
            connection.commit()

    def one(self, connection, cursor, record, number, log, target):
        began, record.stage = time.time(), "EXECUTED"
        start = log.place()
        try:
            record.rows = cursor.execute(record.sql)
            cursor.fetchall()
        except pymysql.MySQLError as problem:
            record.status, record.seconds = "Execute failed", f"{time.time() - began:.3f}"
            record.say(f"Execute: {problem.args[-1]}")
            return False
        record.status, record.seconds = "Execute Successfully", f"{time.time() - began:.3f}"
        record.sequence = f"{int(began)}_{connection.thread_id()}_{number:08d}"
        if self.yes("backup") and record.sql.split(None, 1)[0].lower() not in ("use", "set"):
            self.store(cursor, record, log, target, start)
        return True

    def store(self, cursor, record, log, target, start):
        began = time.time()
        cursor.execute("SELECT database() AS d")
        database = cursor.fetchone()["d"]
        try:
            end = log.place()
            changes = log.changes(start, end)
            if changes:
                kind, table = changes[0]["kind"], changes[0]["table"]
                undo = list(backups.undo_rows(cursor, changes))
            else:
                kind, table, statement = backups.undo_definition(record.sql, database)
                undo = [statement] if statement else []
            record.backup = self.backup.store(target, record, kind, database, table, undo, start, end)
            record.status = "Execute Successfully\nBackup Successfully"
        except Exception as problem:
            record.status = "Execute Successfully\nBackup failed"
            record.say(f"Backup: {problem}")
        record.backup_seconds = f"{time.time() - began:.3f}"


class Session(BaseSession):
    """One connection."""

    columns, backup, log = 13, None, None
    username = database = None

    def __init__(self):
        self.variables = SessionVariables(GlobalVariables())
        self.variables.set("version", "5.7.10-TiDB-v1.3.0", force=True)
        self.killed, self.state, self.info, self.percent, self.options, self.began = False, "", "", 0, {}, 0

    async def init(self, connection):
        self.connection = connection

    async def handle_query(self, sql, attrs):
        plain = sql.strip().lower().rstrip(";")
        if kill := re.match(r"kill\s+(?:query\s+)?(\d+)$", plain):
            if int(kill[1]) in RUNNING:
                RUNNING[int(kill[1])].killed = True
            return None
        if re.match(r"inc(eption)?\s+(show|get)\s+(full\s+)?processlist", plain):
            return [session.process(id) for id, session in RUNNING.items()], PROCESSES
        with open(self.log, "a") as log:
            log.write(sql + "\0")
        if "inception_magic_start" not in plain:
            if plain.startswith(("set", "use", "rollback", "commit")):
                return None
            if plain.startswith("select"):
                return [("5.7.10-TiDB-v1.3.0",)], ["version()"]
            return self.answer([self.problem(sql, "Must start as begin statement")])
        records = self.records(sql)
        if records and records[-1].stage != "RERUN":
            id = self.connection.connection_id
            RUNNING[id], self.began, self.killed = self, time.time(), False
            try:
                await asyncio.get_running_loop().run_in_executor(None, Work(self.options, records, self, self.backup).run)
            finally:
                RUNNING.pop(id, None)
            if self.killed:
                asyncio.get_running_loop().call_later(0.3, self.connection.stream.writer.close)
        return self.answer(records)

    def process(self, id):
        return (id, self.options.get("user"), self.options.get("host"), self.options.get("port"), "127.0.0.1",
                "EXECUTE" if self.options.get("execute") else "CHECK", self.state, int(time.time() - self.began),
                self.info[:100], f"{self.percent:.2f}%")

    def records(self, sql):
        """The statements of a request, or the row that says what is wrong with it."""
        header = re.match(r"/\*(.*?)\*/", sql)
        if not header:
            return [self.problem(sql, "Invalid source infomation(inception语法格式错误)")]
        records, begun, ended = [], False, False
        try:
            self.options = options(header[1])
            for chunk in chunks(sql[header.end():]):
                try:
                    cut = statements(chunk)
                except Invalid as problem:
                    return [*records, self.problem(chunk, str(problem))]
                for text in cut:
                    if text.lower() == "inception_magic_start":
                        begun = True
                    elif text.lower() == "inception_magic_commit":
                        ended = True
                    elif begun and not ended:
                        records.append(Record(text))
        except Invalid as problem:
            return [self.problem(sql[header.end():], str(problem))]
        if not ended:
            records.append(self.problem("", "Must end with commit"))
        return records

    def problem(self, sql, message):
        record = Record(sql.strip(), "RERUN")
        record.say(message)
        return record

    def answer(self, records):
        return [record.row(number + 1, self.columns) for number, record in enumerate(records)], COLUMNS[:self.columns]


class Accounts(IdentityProvider):
    """As with skip_grant_table: anybody may come, unless there is a password."""

    def __init__(self, password):
        self.secret = NativePasswordAuthPlugin.create_auth_string(password) if password else None

    async def get_user(self, username):
        return User(name=username, auth_string=self.secret, auth_plugin=NativePasswordAuthPlugin.name)


async def serve(arguments):
    Session.columns, Session.log = arguments.columns, arguments.log
    if arguments.backup_port:
        Session.backup = backups.BackupServer(arguments.backup_port, arguments.backup_user, arguments.backup_password)
    context = None
    if arguments.certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*arguments.certificate)
    # goInception does without this one.
    capabilities = DEFAULT_SERVER_CAPABILITIES & ~Capabilities.CLIENT_DEPRECATE_EOF
    server = MysqlServer(
        session_factory=Session, capabilities=capabilities, control=LocalControl(server_id=1), ssl=context,
        identity_provider=Accounts(arguments.password), host="127.0.0.1", port=arguments.port)
    await server.start_server()
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--log", required=True)
    parser.add_argument("--columns", type=int, default=13)
    parser.add_argument("--password")
    parser.add_argument("--certificate", nargs=2)
    parser.add_argument("--backup-port", type=int)
    parser.add_argument("--backup-user")
    parser.add_argument("--backup-password")
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(serve(parser.parse_args()))
