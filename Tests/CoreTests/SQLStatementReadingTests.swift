// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Testing

@Suite struct `Statements that are run` {
    private func sources(_ text: String, _ language: StatementLanguage) throws -> [String] {
        let statements = try SQLStatement.read(text, language)
        for statement in statements { #expect(statement.text(in: text) == statement.source) }
        #expect(statements.map(\.canonical) == StatementGuard.statements(text, type: language))
        return statements.map(\.source)
    }

    @Test func `are cut at semicolons outside quotes and comments, and keep their text`() throws {
        let text = " ;SELECT 'a;b', \"c;d\", `e;f` -- g;h\n FROM t ; /* x; */ INSERT INTO t\n VALUES ('天;工') ;; \n"
        #expect(
            try sources(text, .mysql) == [
                "SELECT 'a;b', \"c;d\", `e;f` -- g;h\n FROM t", "/* x; */ INSERT INTO t\n VALUES ('天;工')",
            ])
        #expect(
            try sources("SELECT $a$;$a$; SELECT E'\\';', ';'';'", .postgres)
                == ["SELECT $a$;$a$", "SELECT E'\\';', ';'';'"])
        #expect(try sources("SELECT 1; -- the end;", .clickhouse) == ["SELECT 1"])
        #expect(try sources("(SELECT 1)", .mysql) == ["(SELECT 1)"])
    }

    @Test func `keep version comments, which each server reads for itself`() throws {
        #expect(
            try sources("/*!40101 SET NAMES utf8mb4 */;\nSELECT /*+ NO_ICP(t) */ 1;", .mysql)
                == ["/*!40101 SET NAMES utf8mb4 */", "SELECT /*+ NO_ICP(t) */ 1"])
        let error = #expect(throws: DeployError.self) {
            try SQLStatement.read("SELECT 1 /*!50000 ; SELECT 2 */", .mysql)
        }
        #expect(error?.message.hasPrefix("a version comment changes where") == true)
    }

    @Test func `are one where a stored program begins, whatever follows`() throws {
        let text = "SELECT 1; CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END; "
        #expect(
            try sources(text, .mysql) == ["SELECT 1", "CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END"])
    }

    @Test(arguments: [
        ("SELECT 'x", "a quote is not closed"),
        ("SELECT (1", "'(' is not closed"), ("SELECT 1)", "')' without '('"),
        ("DELETE FROM t -- \u{0}\n WHERE id = 1", "a NUL byte"),
        (String(repeating: " ", count: StatementGuard.maximumBytes) + "SELECT 1", "the text is over"),
    ])
    func `of a text that cannot be read are none`(text: String, message: String) throws {
        for language in [StatementLanguage.mysql, .postgres, .clickhouse] {
            let error = #expect(throws: DeployError.self) { try SQLStatement.read(text, language) }
            #expect(error?.message.hasPrefix(message) == true)
            #expect(StatementGuard.judge(text, type: language, mode: .audit).rule == "sql.syntax")
        }
        #expect(throws: DeployError.self) { try SQLStatement.read("SELECT 1", .mongo) }
    }

    @Test func `that only read are told from those that change or lock`() throws {
        func check(_ language: StatementLanguage, _ text: String, _ isRead: Bool) throws {
            #expect(
                try SQLStatement.read(text, language).allSatisfy(\.isRead) == isRead, "\(language.rawValue): \(text)")
        }
        for language in [StatementLanguage.mysql, .postgres, .clickhouse] {
            for text in [
                "SELECT 1", "select * from t where a = 'update'", "(SELECT 1) UNION (SELECT 2)", "SHOW TABLES",
                "WITH x AS (SELECT 1) SELECT * FROM x", "EXPLAIN SELECT 1", "EXPLAIN DELETE FROM t",
                "SELECT 1; SELECT 2",
                "SELECT replace(a, 'x', 'y') FROM t",
            ] { try check(language, text, true) }
            for text in [
                "INSERT INTO t VALUES (1)", "SELECT 1; UPDATE t SET a = 1", "DELETE FROM t", "CREATE TABLE t (a int)",
                "DROP TABLE t", "SET a = 1", "GRANT ALL ON t TO u", "SELECT 1 INTO x", "USE d",
            ] where !(language == .postgres && text == "USE d") { try check(language, text, false) }
        }
        for text in ["DESC t", "ANALYZE SELECT 1", "ANALYZE FORMAT=JSON SELECT 1", "CHECKSUM TABLE t", "VALUES (1)"] {
            try check(.mysql, text, true)
        }
        for text in [
            "SELECT * FROM t FOR UPDATE", "SELECT * FROM t LOCK IN SHARE MODE", "ANALYZE TABLE t", "CALL p()",
            "ANALYZE DELETE FROM t", "/*!50000 EXPLAIN */ DELETE FROM t WHERE a = 1", "LOCK TABLES t READ",
            "START TRANSACTION", "SELECT a FROM t INTO OUTFILE '/x'",
        ] { try check(.mysql, text, false) }
        for text in ["TABLE t", "EXPLAIN (ANALYZE, BUFFERS) SELECT 1"] { try check(.postgres, text, true) }
        for text in [
            "WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x", "SELECT * INTO u FROM t",
            "EXPLAIN ANALYZE DELETE FROM t",
            "SELECT * FROM t FOR NO KEY UPDATE", "COPY t TO STDOUT", "DO $$ BEGIN END $$", "ANALYZE t", "FETCH c",
        ] { try check(.postgres, text, false) }
        for text in ["EXISTS TABLE t", "DESCRIBE t", "FROM t SELECT a"] { try check(.clickhouse, text, true) }
        for text in ["OPTIMIZE TABLE t", "ALTER TABLE t UPDATE a = 1 WHERE 1", "SYSTEM FLUSH LOGS"] {
            try check(.clickhouse, text, false)
        }
        #expect(try SQLStatement.read("(( select 1 ))", .mysql).map(\.head) == ["SELECT"])
    }

    @Test func `can be written on one line, with the same meaning`() throws {
        func line(_ text: String) throws -> String? { try SQLStatement.read(text, .mysql).first?.singleLine }
        #expect(
            try line("INSERT INTO t -- it's; \n VALUES /* ;\n */ ('a;\nb', \"c\\\n\", 'd\\\\\n')")
                == #"INSERT INTO t VALUES ('a;\nb', "c\n", 'd\\\n')"#)
        #expect(try line("SELECT `a\nb`") == nil)
        #expect(try line("SELECT\n1") == "SELECT 1")
    }
}
