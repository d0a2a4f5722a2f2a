# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""What takes changes back, made from the binary log of a real server and stored as goInception stores it."""

import re
import subprocess

import pymysql
import pymysql.cursors

INDEX = "$_$Inception_backup_information$_$"


def connect(host, port, user, password, **options):
    return pymysql.connect(host=host, port=port, user=user, password=password.encode(), charset="utf8mb4", autocommit=True, **options)


class BinaryLog:
    """The changes of rows between two places, as the server's own program decodes them."""

    def __init__(self, options, cursor):
        self.options, self.cursor = options, cursor

    def place(self):
        self.cursor.execute("SHOW MASTER STATUS")
        row = self.cursor.fetchone()
        return row["File"], row["Position"]

    def changes(self, start, end):
        """Dictionaries with kind, database, table, before and after; values are literals of SQL by column number."""
        text = subprocess.run(
            ["mariadb-binlog", "--no-defaults", "--read-from-remote-server", "--host", self.options["host"],
             "--port", str(self.options["port"]), "--user", self.options["user"],
             f"--password={self.options.get('password', '')}", "--base64-output=DECODE-ROWS", "-v",
             f"--start-position={start[1]}", f"--stop-position={end[1]}", start[0]],
            check=True, capture_output=True, timeout=60).stdout.decode("utf-8", "replace")
        changes, part = [], None
        for line in text.splitlines():
            if head := re.match(r"### (INSERT INTO|UPDATE|DELETE FROM) `(.+)`\.`(.+)`$", line):
                changes.append({"kind": head[1].split()[0], "database": head[2], "table": head[3], "before": {}, "after": {}})
            elif line.startswith("### WHERE"):
                part = "before"
            elif line.startswith("### SET"):
                part = "after"
            elif value := re.match(r"###   @(\d+)=(.*)$", line):
                changes[-1][part][int(value[1])] = value[2]
        return changes


def undo_rows(cursor, changes):
    """A statement for each changed row, the last change first."""
    shapes = {}
    for change in reversed(changes):
        place = change["database"], change["table"]
        if place not in shapes:
            cursor.execute(
                "SELECT column_name AS n, column_key AS k FROM information_schema.columns "
                "WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position", place)
            rows = cursor.fetchall()
            shapes[place] = [r["n"] for r in rows], {i + 1 for i, r in enumerate(rows) if r["k"] == "PRI"}
        names, keys = shapes[place]
        table = f"`{place[0]}`.`{place[1]}`"

        def where(values):
            return " AND ".join(
                f"`{names[i - 1]}` IS NULL" if v == "NULL" else f"`{names[i - 1]}`={v}"
                for i, v in values.items() if not keys or i in keys)

        def sets(values):
            return ", ".join(f"`{names[i - 1]}`={v}" for i, v in values.items())

        if change["kind"] == "INSERT":
            yield f"DELETE FROM {table} WHERE {where(change['after'])};"
        elif change["kind"] == "DELETE":
            columns = ",".join(f"`{names[i - 1]}`" for i in change["before"])
            yield f"INSERT INTO {table}({columns}) VALUES({','.join(change['before'].values())});"
        else:
            yield f"UPDATE {table} SET {sets(change['before'])} WHERE {where(change['after'])};"


def undo_definition(statement, database):
    """(kind, table, statement) for the definitions the tests make."""
    if match := re.match(r"create\s+table\s+(?:if\s+not\s+exists\s+)?(?:`?(\w+)`?\.)?`?(\w+)`?", statement, re.I):
        return "CREATETABLE", match[2], f"DROP TABLE `{match[1] or database}`.`{match[2]}`;"
    if match := re.match(r"alter\s+table\s+`?(\w+)`?\s+add\s+(?:column\s+)?`?(\w+)`?", statement, re.I):
        return "ALTERTABLE", match[1], f"ALTER TABLE `{database}`.`{match[1]}` DROP COLUMN `{match[2]}`;"
    return "UNKNOWN", "unknown", None


class BackupServer:
    """Where it is stored: one schema for each schema of each server, one table for each table."""

    def __init__(self, port, user, password):
        self.place = ("127.0.0.1", port, user, password)

    def store(self, options, record, kind, database, table, statements, start, end):
        schema = re.sub(r"[.\-]", "_", f"{options['host']}_{options['port']}_{database}")[-64:]
        with connect(*self.place) as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE IF NOT EXISTS `{schema}`")
            cursor.execute(
                f"CREATE TABLE IF NOT EXISTS `{schema}`.`{INDEX}` (opid_time varchar(50) PRIMARY KEY, "
                "start_binlog_file varchar(512), start_binlog_pos bigint, end_binlog_file varchar(512), "
                "end_binlog_pos bigint, sql_statement text, host varchar(64), dbname varchar(64), tablename varchar(64), "
                "port int, time timestamp DEFAULT current_timestamp, type varchar(20))")
            cursor.execute(
                f"CREATE TABLE IF NOT EXISTS `{schema}`.`{table}` (id bigint AUTO_INCREMENT PRIMARY KEY, "
                "rollback_statement mediumtext, opid_time varchar(50), KEY (opid_time))")
            cursor.execute(
                f"INSERT INTO `{schema}`.`{INDEX}` (opid_time, start_binlog_file, start_binlog_pos, end_binlog_file, "
                "end_binlog_pos, sql_statement, host, dbname, tablename, port, type) "
                "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (record.sequence, *start, *end, record.sql, options["host"], database, table, options["port"], kind))
            for statement in statements:
                cursor.execute(
                    f"INSERT INTO `{schema}`.`{table}` (rollback_statement, opid_time) VALUES (%s, %s)",
                    (statement, record.sequence))
        return schema
