// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CMariaDB
import Core
import Testing

@testable import Agent

@Suite struct `The settings of MySQL` {
    private func executor(_ yaml: String) throws -> MySQLExecutor {
        let settings = try ExecutorSettings(yaml: "executors: {mysql: {datasources: \(yaml)}}")
        return try MySQLExecutor(try #require(settings.executors.first { $0.type == "mysql" }).node)
    }

    private func datasource(_ yaml: String) throws -> MySQLDatasource {
        let settings = try ExecutorSettings(yaml: "executors: {mysql: \(yaml)}")
        var node = try #require(settings.executors.first { $0.type == "mysql" }).node
        return try MySQLDatasource("main", &node)
    }

    @Test func `have safe defaults`() throws {
        let far = try datasource("{host: db.example, user: app}")
        #expect(far.server.port == 3306 && far.server.encryption == .verify && far.server.connectTimeout == 10)
        #expect(far.server.password == nil && far.idleTimeout == 60 && far.goInception == nil && far.database == nil)
        for host in ["localhost", "127.0.0.1", "\"::1\""] {
            #expect(try datasource("{host: \(host), user: app}").server.encryption == .off)
        }
        let socket = try datasource("{socket: /run/mysqld/mysqld.sock, user: app}").server
        #expect(socket.encryption == .off && socket.address == "/run/mysqld/mysqld.sock")
        let goInception = try #require(
            try datasource("{host: db.example, user: app, goinception: {host: 10.0.0.1}}").goInception)
        #expect(goInception.server.port == 4000 && goInception.server.user == "root" && goInception.isRequired)
        #expect(goInception.targetHost == "db.example" && goInception.targetPort == 3306)
        #expect(goInception.server.encryption == .verify && goInception.backup == nil)
    }

    @Test(arguments: [
        ("{}", "executors.mysql.datasources names no connection"),
        ("{a: {user: x}}", "executors.mysql.datasources.a.host is missing"),
        ("{a: {host: h}}", "executors.mysql.datasources.a.user is missing"),
        ("{a: {host: h, user: x, port: 0}}", "executors.mysql.datasources.a.port is not a number"),
        ("{a: {host: h, user: x, password: open}}", "executors.mysql.datasources.a.password is not {secret_ref"),
        ("{a: {host: h, user: x, ssl: maybe}}", "executors.mysql.datasources.a.ssl is none of"),
        ("{a: {host: h, user: x, ssl: require, ca-file: /x}}", "executors.mysql.datasources.a.ca-file needs ssl"),
        ("{a: {socket: /s, user: x, ssl: verify}}", "executors.mysql.datasources.a.ssl is for host and port"),
        ("{a: {socket: relative, user: x}}", "executors.mysql.datasources.a.socket is not an absolute path"),
        (
            "{a: {host: h, user: x, connect-timeout: 0s}}",
            "executors.mysql.datasources.a.connect-timeout is not between"
        ),
        ("{a: {host: h, user: x, hots: y}}", "executors.mysql.datasources.a.hots is not a setting"),
        ("{a: {socket: /s, user: x, goinception: {host: h}}}", "executors.mysql.datasources.a.goinception.target-host"),
        (
            "{a: {host: h, user: x, goinception: {host: g, backup: {host: b}}}}",
            "executors.mysql.datasources.a.goinception.backup.user is missing"
        ),
        (
            "{a: {host: h, user: x, goinception: {host: g, target-ssl: off}}}",
            "executors.mysql.datasources.a.goinception.target-ssl is none of"
        ),
    ])
    func `that are wrong are named`(yaml: String, message: String) throws {
        let error = #expect(throws: DeployError.self) { try executor(yaml) }
        #expect(error?.message.hasPrefix(message) == true, "\(error?.message ?? "")")
    }

    @Test func `refuse a socket that is longer than the library copies`() throws {
        let long = "/" + String(repeating: "s", count: 107)
        let error = #expect(throws: DeployError.self) { try executor("{a: {socket: \(long), user: x}}") }
        #expect(error?.message.hasSuffix("is longer than 107 bytes") == true)
    }

    @Test func `give each task the secrets it needs, and no others`() throws {
        let executor = try executor(
            """
            {plain: {host: h, user: x, password: {secret_ref: one}},
            careful: {host: h, user: x, password: {secret_ref: two}, goinception: {host: g, password: {secret_ref: three},
              backup: {host: b, user: y, password: {secret_ref: four}}}}}
            """)
        func names(_ command: String, _ params: [String: JSONValue]) throws -> [String] {
            try executor.secrets(for: TaskSpec(type: "mysql", command: command, params: params)).map(\.name).sorted()
        }
        #expect(executor.datasources.sorted() == ["careful", "plain"])
        #expect(try names("DELETE FROM t WHERE a = 1", ["datasource": .string("plain")]) == ["one"])
        #expect(try names("SELECT 1", ["datasource": .string("careful")]) == ["two"])
        #expect(try names("INSERT INTO t VALUES (1)", ["datasource": .string("careful")]) == ["three", "two"])
        #expect(
            try names(
                "INSERT INTO t VALUES (1)",
                ["datasource": .string("careful"), "mode": .string("execute"), "backup": .bool(true)])
                == ["four", "three", "two"])
        #expect(throws: DeployError.self) { try names("SELECT 1", [:]) }
        #expect(throws: DeployError.self) { try names("SELECT 1", ["datasource": .string("other")]) }
        #expect(throws: DeployError.self) { try names("SELECT 1", ["nonsense": .bool(true)]) }
    }
}

@Suite struct `What a task for MySQL asks for` {
    @Test func `goes to goInception where there is one and something is changed`() throws {
        #expect(try MySQLBench.plan("SELECT 1").mode == .query)
        #expect(try MySQLBench.plan("DELETE FROM t WHERE a = 1").mode == .query)
        #expect(try MySQLBench.plan("SELECT 1; SHOW TABLES", goInception: "{host: g}").mode == .query)
        #expect(try MySQLBench.plan("SELECT 1; DELETE FROM t WHERE a = 1", goInception: "{host: g}").mode == .check)
        #expect(
            try MySQLBench.plan("SELECT 1", ["mode": .string("execute")], goInception: "{host: g}").mode == .execute)
        #expect(try MySQLBench.plan("SELECT 1", goInception: "{host: g}").isReadOnly)
        #expect(try !MySQLBench.plan("SELECT 1").isReadOnly)
        let free = try MySQLBench.plan(
            "DELETE FROM t WHERE a = 1", ["mode": .string("query")], goInception: "{host: g, required: false}")
        #expect(free.mode == .query && !free.isReadOnly)
        #expect(try MySQLBench.plan("SELECT 1").database == "shop")
        #expect(try MySQLBench.plan("SELECT 1", ["database": .string("other")]).database == "other")
    }

    @Test(
        arguments: [
            (["mode": .string("check")], "", "datasource 'main' has no goInception"),
            (["mode": .string("query")], "{host: g}", "statement 2 changes something"),
            (["backup": .bool(true)], "{host: g}", "backup, ignore_warnings"),
            (["sleep": .integer(5)], "", "backup, ignore_warnings"),
            (["mode": .string("execute"), "sleep_rows": .integer(5)], "{host: g}", "sleep_rows needs sleep"),
            (["transaction": .bool(true)], "{host: g}", "transaction is for mode query"),
            (["mode": .string("often")], "", "params.mode is none of query, check, execute"),
            (["transaction_batch": .integer(1)], "", "params.transaction_batch is not between"),
        ] as [([String: JSONValue], String, String)])
    func `that does not go together is refused`(params: [String: JSONValue], goInception: String, text: String) throws {
        let error = #expect(throws: DeployError.self) {
            try MySQLBench.plan("SELECT 1; DELETE FROM t WHERE a = 1", params, goInception: goInception)
        }
        #expect(error?.message.hasPrefix(text) == true, "\(error?.message ?? "")")
    }

    @Test func `holds no transaction of its own within one`() throws {
        for text in ["BEGIN", "START TRANSACTION", "COMMIT", "ROLLBACK", "XA START 'x'"] {
            let error = #expect(throws: DeployError.self) {
                try MySQLBench.plan("SELECT 1; \(text)", ["transaction": .bool(true)])
            }
            #expect(error?.message.hasPrefix("statement 2 is ") == true)
        }
        let statements = try MySQLBench.plan(
            "CREATE TABLE t (a int); CREATE TEMPORARY TABLE u (a int); INSERT INTO t VALUES (1); ALTER TABLE t ADD b int; USE d"
        ).statements
        #expect(statements.map(\.commits) == [true, false, false, true, false])
        #expect(statements.map(\.marksConnection) == [false, false, false, false, true])
    }
}

@Suite struct `What MySQL sends` {
    private func kind(_ type: enum_field_types, set: UInt32 = 45, isJSON: Bool = false) -> RowKind {
        MySQLColumn(name: "c", type: type, characterSet: set, isJSON: isJSON).kind
    }

    @Test func `is told apart by its type and character set`() {
        #expect(kind(MYSQL_TYPE_LONGLONG) == .number && kind(MYSQL_TYPE_NEWDECIMAL) == .decimal)
        #expect(kind(MYSQL_TYPE_BLOB, set: 63) == .binary && kind(MYSQL_TYPE_BLOB) == .text)
        #expect(kind(MYSQL_TYPE_VAR_STRING, set: 63) == .binary && kind(MYSQL_TYPE_BLOB, isJSON: true) == .json)
        #expect(kind(MYSQL_TYPE_DATETIME, set: 63) == .text && kind(MYSQL_TYPE_GEOMETRY, set: 63) == .binary)
        #expect(kind(MYSQL_TYPE_NULL, set: 63) == .text && kind(MYSQL_TYPE_BIT, set: 63) == .number)
    }

    @Test func `in bits and with leading zeros is written as numbers are`() {
        func write(_ type: enum_field_types, _ bytes: [UInt8]) -> String {
            let sink = TextSink()
            var rows = RowWriter(sink.output, format: .jsonl, limit: 9)
            let column = MySQLColumn(name: "c", type: type)
            rows.begin([column.column])
            if rows.beginRow() {
                bytes.withUnsafeBytes { column.write($0, to: &rows) }
                rows.endRow()
            }
            rows.end()
            return sink.written
        }
        #expect(write(MYSQL_TYPE_BIT, [5]) == "{\"c\":5}\n")
        #expect(write(MYSQL_TYPE_BIT, Array(repeating: 255, count: 8)) == "{\"c\":18446744073709551615}\n")
        #expect(write(MYSQL_TYPE_BIT, Array(repeating: 1, count: 9)) == "{\"c\":{\"base64\":\"AQEBAQEBAQEB\"}}\n")
        #expect(write(MYSQL_TYPE_BIT, []) == "{\"c\":0}\n")
        #expect(write(MYSQL_TYPE_LONG, Array("00042".utf8)) == "{\"c\":\"00042\"}\n")
        #expect(write(MYSQL_TYPE_YEAR, Array("2024".utf8)) == "{\"c\":2024}\n")
        #expect(write(MYSQL_TYPE_LONG, Array("0".utf8)) == "{\"c\":0}\n")
    }

    @Test func `as modes is taken without those that change what quotes mean`() {
        let modes = "STRICT_TRANS_TABLES,ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,ANSI"
        #expect(MySQLConnection.readable(modes) == "STRICT_TRANS_TABLES,PIPES_AS_CONCAT")
        #expect(MySQLConnection.readable("") == "" && MySQLConnection.readable("A',B,x = 1") == "B")
    }
}
