// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore
import Testing

@testable import Agent

@Suite struct `Values of PostgreSQL` {
    @Test(arguments: [
        ("{}", "[]"), ("{1}", "[1]"), ("{1,NULL,-3}", "[1,null,-3]"), ("{{1,2},{3,4}}", "[[1,2],[3,4]]"),
        ("{{{1}},{{2}}}", "[[[1]],[[2]]]"), ("[0:1]={7,8}", "[7,8]"), ("[2:2][-1:0]={{1,2}}", "[[1,2]]"),
        ("{NaN,Infinity,1.5e+20}", #"["NaN","Infinity",1.5e+20]"#),
    ])
    func `that are arrays of numbers become arrays of JSON`(text: String, json: String) throws {
        let result = try #require(PostgresArray.json(text.utf8, of: .number))
        #expect(String(buffer: result) == json)
    }

    @Test func `that are arrays of texts keep their quotes, blanks and NULLs apart`() throws {
        let text = #"{a,"b,c","d\"e\\f",NULL,"NULL","",null," x ",天工,"{}"}"#
        let result = try #require(PostgresArray.json(text.utf8, of: .text))
        #expect(String(buffer: result) == #"["a","b,c","d\"e\\f",null,"NULL","",null," x ","天工","{}"]"#)
    }

    @Test func `that are arrays of other things are written as these`() throws {
        func json(_ text: String, _ kind: RowKind, _ delimiter: Character = ",") -> String? {
            PostgresArray.json(text.utf8, of: kind, delimiter: delimiter.asciiValue ?? 0).map { String(buffer: $0) }
        }
        #expect(json("{t,f,NULL}", .boolean) == "[true,false,null]")
        #expect(json("{1.10,NaN}", .decimal) == #"["1.10","NaN"]"#)
        #expect(json(#"{"\\x00ff","\\x"}"#, .binary) == #"[{"base64":"AP8="},{"base64":""}]"#)
        #expect(json(#"{"{\"a\": [1, 2]}",null,"null"}"#, .json) == #"[{"a": [1, 2]},null,null]"#)
        #expect(json("{(1,1),(0,0);(2,2),(0,0)}", .text, ";") == #"["(1,1),(0,0)","(2,2),(0,0)"]"#)
    }

    @Test(arguments: [
        "", "x", "{", "{1", "{1,}", "{,}", "}", "{1}x", "{\"a}", "{a\\", "{{1}", "[0:1]", "{a\"b\"}", "{a{b}",
    ])
    func `that only look like arrays are none`(text: String) {
        #expect(PostgresArray.json(text.utf8, of: .text) == nil)
    }

    @Test func `nested too deeply are none, and nothing overflows`() {
        let deep = String(repeating: "{", count: 100_000) + String(repeating: "}", count: 100_000)
        #expect(PostgresArray.json(deep.utf8, of: .number) == nil)
    }

    @Test func `that are bytes are read in both forms`() {
        func bytes(_ text: String) -> [UInt8]? { PostgresBytes.decode(text.utf8) }
        #expect(bytes("\\x00fF10") == [0, 255, 16] && bytes("\\x") == [])
        #expect(bytes(#"a\\b\000\377"#) == [97, 92, 98, 0, 255] && bytes("") == [])
        #expect(bytes("\\x0") == nil && bytes("\\xzz") == nil && bytes("\\9") == nil && bytes("\\777") == nil)
    }
}

@Suite struct `The settings of PostgreSQL` {
    private func target(_ yaml: String) throws -> PostgresTarget {
        let settings = try ExecutorSettings(yaml: "executors: {postgres: {datasources: {a: \(yaml)}}}")
        let entry = try #require(settings.executors.first { $0.type == "postgres" })
        var node = entry.node
        let sources = try Datasources(&node) { node throws(DeployError) in try PostgresDatasource(&node) }
        return try sources.chosen(nil).target
    }

    @Test func `have the strictest standard that can work`() throws {
        let far = try target("{host: db, user: app}")
        #expect(far.tls == .verifyFull && far.port == 5432 && far.database == "app" && far.connectTimeout == 10)
        for host in ["127.0.0.1", "localhost", "/run/postgresql", "'::1'"] {
            #expect(try target("{host: \(host), user: app}").tls == .prefer)
        }
        #expect(try target("{host: localhost, user: app, ca-file: /ca.pem}").tls == .verifyFull)
        #expect(try target("{host: db, user: app, sslmode: require}").tls == .require)
    }

    @Test func `leave nothing for libpq to find by itself`() throws {
        let parameters = try target("{host: db, user: app}").parameters(
            address: "10.0.0.1", systemAuthorities: "/system.pem")
        let last = Dictionary(parameters.map { ($0.name, $0.value) }) { _, later in later }
        #expect(last["hostaddr"] == "10.0.0.1" && last["host"] == "db" && last["sslrootcert"] == "/system.pem")
        #expect(
            last["passfile"] == "/dev/null/none" && last["sslcert"] == "/dev/null/none"
                && last["client_encoding"] == "UTF8")
    }

    @Test(arguments: [
        ("{user: x}", "host is missing"), ("{host: x}", "user is missing"),
        ("{host: x, user: y, port: 0}", "port is not"),
        ("{host: x, user: y, password: hunter2}", "password is not {secret_ref: NAME}"),
        ("{host: x, user: y, sslmode: allow}", "sslmode is none of disable, prefer, require, verify-full"),
        ("{host: x, user: y, sslmode: disable, ca-file: /ca.pem}", "ca-file is of no use"),
        ("{host: x, user: y, connect-timeout: 0}", "connect-timeout is not between"),
        ("{host: x, user: y, idle-timeout: 25h}", "idle-timeout is not between"),
        ("{host: 'x,y', user: y}", "host is not one host"),
        ("{host: x, user: y, dbname: z}", "dbname is not a setting"),
    ])
    func `that are wrong are named`(yaml: String, message: String) {
        let error = #expect(throws: DeployError.self) { try target(yaml) }
        #expect(
            error?.message.hasPrefix("executors.postgres.datasources.a.\(message)") == true, "\(error?.message ?? "")")
        #expect(error?.message.contains("hunter2") == false)
    }
}

@Suite struct `What came of statements` {
    private func report(_ text: String, _ transaction: PostgresReport.Transaction) throws -> PostgresReport {
        PostgresReport(text, try SQLStatement.read(text, .postgres), transaction: transaction)
    }

    @Test func `counts rows and changes`() throws {
        var report = try report("select 1; insert into t values (1)", .committed)
        report.add(PostgresCompletion(tag: "SELECT 3", hasRows: true, rows: 3), duration: .milliseconds(2))
        report.add(PostgresCompletion(tag: "INSERT 0 1", affected: 1), duration: .microseconds(1500))
        let result = report.result(duration: .seconds(1))
        #expect(result["statements"] == .integer(2) && result["rows"] == .integer(3))
        #expect(result["affected_rows"] == .integer(1) && result["duration_ms"] == .number(1000))
        #expect(result["each"]?.arrayValue?.last?.objectValue?["duration_ms"] == .number(1.5))
    }

    @Test func `names line and column in characters of the whole text`() throws {
        var report = try report("select '天工';\n-- 天\n  select x\n", .none)
        var failure = PostgresFailure(.server, "no x")
        failure.sqlState = "42703"
        failure.position = 15  // behind the comment, which belongs to the statement
        report.fail(1, failure)
        #expect(report.error?.code == "not_found")
        #expect(
            report.error?.message
                == "statement 2 of 2 failed: no x (SQLSTATE 42703, line 3, column 10); the one before took effect")
        failure.position = .max
        report.fail(1, failure)
        #expect(report.error?.message.contains("line 3, column 11") == true)
    }

    @Test(arguments: [
        ("23505", ErrorCode.conflict), ("42601", .invalidArgument), ("42501", .forbidden), ("3D000", .notFound),
        ("57P01", .unavailable), ("53100", .insufficientStorage), ("XX000", .internal), ("P0001", .conflict),
        ("22012", .invalidArgument), ("0A000", .unsupported), ("57014", .canceled),
    ])
    func `has a code of the table`(state: String, code: ErrorCode) {
        var failure = PostgresFailure(.server, "x")
        failure.sqlState = state
        #expect(PostgresReport.code(failure) == code)
        #expect(PostgresReport.code(PostgresFailure(.lost, "x")) == .unavailable)
    }

    @Test func `does not grow with what the server says`() throws {
        var report = try report("select 1", .committed)
        let notice = PostgresNotice(severity: "WARNING", isWarning: true, message: String(repeating: "x", count: 9999))
        for _ in 0..<1000 { report.add(notice) }
        for _ in 0..<1000 { report.add(PostgresCompletion(tag: "SELECT 0", hasRows: true), duration: .zero) }
        let result = report.result(duration: .zero)
        #expect(result["warnings"]?.arrayValue?.count == 100 && result["warning_count"] == .integer(1000))
        #expect(result["each"]?.arrayValue?.count == 100 && result["statements"] == .integer(1000))
        #expect(JSONValue.object(result).text.utf8.count < 130_000)
    }

    @Test func `must be possible before anything is done`() throws {
        func check(_ text: String, _ inTransaction: Bool = true) -> String? {
            do throws(DeployError) {
                try PostgresExecutor.check(try SQLStatement.read(text, .postgres), inTransaction: inTransaction)
                return nil
            } catch { return error.message }
        }
        #expect(check("copy t (a, b) from stdin with csv")?.contains("copies from standard input") == true)
        #expect(check("select 1; COMMIT") == "statement 2 is COMMIT, but the task is one transaction already")
        #expect(check("select 1; commit", false) == nil && check("rollback to a") == nil)
        #expect(check("copy (select 'from stdin') to stdout") == nil && check("prepare p as select 1") == nil)
        #expect(check("rollback work") != nil && check("prepare transaction 'x'") != nil)
    }
}

@Suite struct `Hosts of servers` {
    @Test func `are looked up by name, addresses are not`() async throws {
        #expect(try await HostLookup.addresses(of: "::1", within: .seconds(9)) == ["::1"])
        @Sendable func addresses(of host: String, within limit: Duration) async throws(DeployError) -> [String] {
            try await lookedUp { () async throws(DeployError) -> [String] in
                try await HostLookup.addresses(of: host, within: limit)
            }
        }
        #expect(try await addresses(of: "localhost", within: .seconds(60)).contains("127.0.0.1"))
        let error = await #expect(throws: DeployError.self) {
            try await addresses(of: "nosuch.invalid", within: .seconds(9))
        }
        #expect(error?.code == .unreachable)
    }
}
