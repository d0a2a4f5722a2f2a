// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Testing

@testable import Agent

@Suite struct `A request to goInception` {
    private func request(
        _ command: String, _ params: [String: JSONValue] = [:], password: String? = "secret", user: String = "app",
        host: String = "10.1.2.3", goInception: String = "{host: g}"
    ) throws -> String {
        let plan = try MySQLBench.plan(
            command, ["mode": .string("check")].merging(params) { $1 }, user: user, host: host, goInception: goInception
        )
        let settings = try #require(plan.datasource.goInception)
        return try GoInceptionRequest(plan, settings, password: password.map { Array($0.utf8) }).text
    }

    @Test func `is its options on one line, then each statement on one`() throws {
        let text = try request(
            "UPDATE t -- a comment;\n SET a = 'x;\ny' WHERE id = 1; /* ; */ DELETE FROM t\nWHERE id = 2")
        #expect(
            text == """
                /*--host='10.1.2.3';--port=3306;--user='app';--password='secret';--check=1;*/
                inception_magic_start;
                use `shop`;
                UPDATE t SET a = 'x;\\ny' WHERE id = 1;
                DELETE FROM t WHERE id = 2;
                inception_magic_commit;
                """)
    }

    @Test func `says how to execute`() throws {
        let params: [String: JSONValue] = [
            "mode": .string("execute"), "backup": .bool(true), "ignore_warnings": .bool(true),
            "transaction_batch": .integer(200), "sleep": .integer(100), "sleep_rows": .integer(7),
        ]
        let settings =
            "{host: g, target-host: db.inside, target-port: 3307, target-ssl: verify_ca, target-ca-file: /ca.pem}"
        let text = try request("DELETE FROM t WHERE a = 1", params, password: nil, goInception: settings)
        #expect(
            text.hasPrefix(
                "/*--host='db.inside';--port=3307;--user='app';--ssl=verify_ca;--ssl-ca='/ca.pem';--execute=1;--backup=1;"
                    + "--ignore-warnings=1;--trans=200;--sleep=100;--sleep-rows=7;*/\ninception_magic_start;\n"))
    }

    @Test func `quotes values as YAML does`() throws {
        for (password, value) in [
            ("0123", "'0123'"), ("it's", "'it''s'"), ("yes", "'yes'"), ("a: b # c", "'a: b # c'"),
        ] {
            #expect(try request("SELECT 1", password: password).contains("--password=\(value);"))
        }
        #expect(GoInceptionRequest.identifier("a`b") == "`a``b`")
    }

    @Test(arguments: ["a;b", "a*/b", "line\nend", "xremotex", "tab\tx", "\u{85}", "\u{2028}"])
    func `is refused when goInception would read a value as another, without telling it`(password: String) throws {
        let error = #expect(throws: DeployError.self) { try request("SELECT 1", password: password) }
        #expect(error?.code == .startFailed && error?.message.hasPrefix("the password of datasource 'main'") == true)
        #expect(error?.message.contains(password) == false)
    }

    @Test func `is refused with a user, host, name or password that cannot be passed on`() throws {
        #expect(throws: DeployError.self) { try request("SELECT 1", user: "a:b") }
        #expect(throws: DeployError.self) { try request("SELECT 1", user: "remote_x") }
        #expect(throws: DeployError.self) { try request("SELECT 1", host: "h)/x") }
        #expect(throws: DeployError.self) { try request("SELECT `a\nb` FROM t") }
        #expect(throws: DeployError.self) { try request("SELECT 1", ["database": .string("a\nb")]) }
        let plan = try MySQLBench.plan("SELECT 1", ["mode": .string("check")], goInception: "{host: g}")
        let settings = try #require(plan.datasource.goInception)
        let error = #expect(throws: DeployError.self) {
            try GoInceptionRequest(plan, settings, password: [0xFF, 0xFE])
        }
        #expect(error?.message.contains("no text in UTF-8") == true)
    }
}

@Suite struct `An answer of goInception` {
    private static let names = [
        "order_id", "stage", "error_level", "stage_status", "error_message", "sql", "affected_rows", "sequence",
        "backup_dbname", "execute_time", "sqlsha1", "backup_time", "needMerge",
    ]

    private static func row(
        _ stage: String, _ level: String?, _ status: String, _ message: String? = nil, affected: String = "1",
        sequence: String = "1700000000_7_00000001", backup: String? = nil
    ) throws -> GoInceptionRow {
        let columns = try #require(GoInceptionColumns(names))
        let values: [String?] = [
            "1", stage, level, status, message, "UPDATE t", affected, sequence, backup, "0.001", nil, "0", "0",
        ]
        return GoInceptionRow(columns) { values[$0] }
    }

    private static let good = "Execute Successfully"
    private static let kept = "Execute Successfully\nBackup Successfully"

    private func tally(
        _ rows: [GoInceptionRow], mode: String = "execute", backup: Bool = false, ours: Bool = false
    ) throws -> GoInceptionTally {
        var params: [String: JSONValue] = ["mode": .string(mode)]
        if backup { params["backup"] = .bool(true) }
        let plan = try MySQLBench.plan(
            "UPDATE t SET a = 1 WHERE b = 1; DELETE FROM t WHERE b = 2", params, goInception: "{host: g}")
        var tally = GoInceptionTally(plan, entersDatabase: ours)
        for row in rows { _ = try tally.add(row) }
        return tally
    }

    @Test func `has its columns by name, in 12 or 13 of them, in any order`() throws {
        #expect(GoInceptionColumns(Self.names)?["sql"] == 5 && GoInceptionColumns(Array(Self.names.dropLast())) != nil)
        #expect(GoInceptionColumns(Self.names.reversed())?["needmerge"] == 0)
        let old = ["order_id", "Stage", "errlevel", "stage_status", "errormessage", "SQL", "Affected_rows", "sequence"]
        #expect(GoInceptionColumns(old)?["errorlevel"] == 2 && GoInceptionColumns(old)?["errormessage"] == 4)
        #expect(GoInceptionColumns(["1"]) == nil && GoInceptionColumns([]) == nil)
        #expect(GoInceptionColumns(["id", "statement", "errlevel", "query_tree", "errmsg"]) == nil)
    }

    @Test func `is read with care, whatever stands in it`() throws {
        for level in [nil, "", "9", "-1", "x", "99999999999999999999"] {
            #expect(try Self.row("CHECKED", level, "Audit Completed").level == 2)
        }
        #expect(try Self.row("executed", "0", Self.good).fate == .executed)
        #expect(try Self.row("EXECUTED", "2", "Execute failed").fate == .failed)
        #expect(try Self.row("EXECUTED", "0", "").fate == .failed && Self.row("RERUN", "2", "").fate == .checked)
        #expect(try Self.row("CHECKED", "0", "", affected: "-5").affected == 0)
        #expect(try Self.row("CHECKED", "0", "", affected: "1e9").affected == 0)
        let long = try Self.row("CHECKED", "2", "x", String(repeating: "天", count: 100_000))
        #expect(long.message.count == GoInceptionRow.kept)
        for sequence in ["0_0_00000001", "1' OR '1'='1", "1_2", "1_2_3_4", "_2_3", "", "1_2_3'"] {
            #expect(try Self.row("EXECUTED", "0", Self.kept, sequence: sequence, backup: "d").rollbackKey == nil)
        }
        #expect(try Self.row("EXECUTED", "0", Self.kept, backup: "d").rollbackKey == "1700000000_7_00000001")
        #expect(try Self.row("EXECUTED", "0", Self.kept, backup: "").isBackedUp == false)
    }

    @Test func `without an objection is a success`() throws {
        let done = try tally([
            try Self.row("EXECUTED", "0", Self.good), try Self.row("EXECUTED", "0", Self.good, affected: "4"),
        ])
        #expect(
            done.failure == nil && done.result["affected_rows"] == .integer(5) && done.result["executed"] == .integer(2)
        )
        let seen = try tally(
            [
                try Self.row("CHECKED", "0", "Audit Completed"),
                try Self.row("CHECKED", "1", "Audit Completed", "Slow."),
            ],
            mode: "check")
        #expect(
            seen.failure == nil && seen.result["warnings"] == .integer(1)
                && seen.summary.contains("nothing was executed"))
    }

    @Test func `with an error before the execution says that nothing was executed`() throws {
        for mode in ["check", "execute"] {
            let tally = try tally(
                [
                    try Self.row("CHECKED", "0", "Audit Completed"),
                    try Self.row("CHECKED", "2", "Audit Completed", "Table 'x' doesn't exist."),
                ], mode: mode)
            #expect(
                tally.failure
                    == TaskFailure(
                        .taskFailed,
                        "goInception refuses statement 2 of 2: Table 'x' doesn't exist.; nothing was executed"))
        }
        let header = try tally([try Self.row("RERUN", "2", "", "Invalid source infomation(主机名为空)")], ours: true)
        #expect(header.failure?.message.hasPrefix("goInception refuses the request: Invalid source") == true)
    }

    @Test func `with a warning executes only when warnings are ignored`() throws {
        let warned = try Self.row("CHECKED", "1", "Audit Completed", "Please set the where condition.")
        let failure = try tally([warned, try Self.row("CHECKED", "0", "Audit Completed")]).failure
        #expect(failure?.message.hasPrefix("goInception warns of statement 1 of 2: Please set") == true)
        #expect(failure?.message.contains("nothing was executed") == true)
        let ignored = try tally([
            try Self.row("EXECUTED", "1", Self.good, "Please set the where condition."),
            try Self.row("EXECUTED", "0", Self.good),
        ])
        #expect(ignored.failure == nil && ignored.result["warnings"] == .integer(1))
    }

    @Test func `with a failure on the way says what was executed`() throws {
        let tally = try tally([
            try Self.row("EXECUTED", "0", Self.good),
            try Self.row("EXECUTED", "2", "Execute failed", "Execute: Duplicate entry."),
        ])
        #expect(
            tally.failure?.message.hasPrefix(
                "statement 2 of 2 failed: Execute: Duplicate entry.; 1 of 2 statements were executed and stay") == true)
    }

    @Test func `that leaves statements out is no success`() throws {
        #expect(try tally([]).failure != nil && tally([try Self.row("EXECUTED", "0", Self.good)]).failure != nil)
        #expect(
            try tally([try Self.row("EXECUTED", "0", Self.good), try Self.row("CHECKED", "0", "Audit Completed")])
                .failure
                != nil)
    }

    @Test func `names what takes changes back, and a backup that failed`() throws {
        let rows = [
            try Self.row("EXECUTED", "0", Self.good, sequence: "1700000000_7_00000000"),
            try Self.row("EXECUTED", "0", Self.kept, backup: "a_3306_shop"),
            try Self.row("EXECUTED", "0", Self.kept, sequence: "1700000000_7_00000002", backup: "a_3306_shop"),
        ]
        let done = try tally(rows, backup: true, ours: true)
        #expect(done.failure == nil && done.rollbacks.map(\.number) == [1, 2])
        #expect(done.rollbacks.last?.key == "1700000000_7_00000002" && done.result["backup_count"] == .integer(2))
        let lost = try tally(
            [rows[1], try Self.row("EXECUTED", "0", "Execute Successfully\nBackup failed", "Backup: gone.")],
            backup: true)
        #expect(lost.failure?.message.contains("could not store what takes statement 2 back") == true)
    }

    @Test func `without end is cut`() throws {
        let row = try Self.row("EXECUTED", "0", Self.good)
        let error = #expect(throws: DeployError.self) { try tally(Array(repeating: row, count: 100)) }
        #expect(error?.code == .protocolError)
    }

    @Test func `about how far it is becomes one line`() {
        let names = ["Id", "Dest_User", "Command", "STATE", "Time", "Info", "Percent"]
        let rows: [[String?]] = [
            ["6", "x", "CHECK", "CHECKING", "1", nil, nil],
            ["7", "x", "EXECUTE", "EXECUTING", "1", "UPDATE t\nSET", "40.00%"],
        ]
        #expect(GoInceptionProgress.line((names, rows), of: 7) == "EXECUTING, 40.00%, UPDATE t SET")
        #expect(GoInceptionProgress.line((names, rows), of: 6) == "CHECKING")
        #expect(GoInceptionProgress.line((names, rows), of: 8) == nil)
        #expect(
            GoInceptionProgress.line((["x"], [["7"]]), of: 7) == nil && GoInceptionProgress.line(([], []), of: 7) == nil
        )
        #expect(GoInceptionProgress.line((names, [["7"]]), of: 7) == "")
    }
}
