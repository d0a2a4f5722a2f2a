// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Core

@Suite struct `Statements of a text of SQL` {
    private func texts(_ text: String, _ language: StatementLanguage = .postgres) throws -> [String] {
        try SQLStatement.read(text, language).map { $0.text(in: text) }
    }

    @Test func `end at the semicolons that the server sees`() throws {
        #expect(
            try texts("select 1;\n select ';' ; -- a; b\n select \"x;y\" /* ; */ ;; ") == [
                "select 1", "select ';'", "-- a; b\n select \"x;y\" /* ; */",
            ])
        #expect(try texts("select $q$;$q$; select E'\\';'") == ["select $q$;$q$", "select E'\\';'"])
        #expect(try texts("select '天;工'; select 2") == ["select '天;工'", "select 2"])
        #expect(try texts(" ; -- nothing\n ;") == [])
    }

    @Test func `keep a routine's body in one piece`() throws {
        let routine = "create function f() returns int begin atomic select 1; select 2; end"
        #expect(try texts("select 0; " + routine) == ["select 0", routine])
    }

    @Test func `are as many as are judged`() throws {
        for text in ["select 1", "select 1; select 2;", "a(b); c", "with x as (select 1) select * from x; table y"] {
            for language in [StatementLanguage.postgres, .clickhouse, .mysql] {
                #expect(try texts(text, language).count == StatementGuard.statements(text, type: language).count)
            }
        }
    }

    @Test func `that cannot be read with certainty are refused`() {
        for text in ["select 'x", "select (1; select 2)", "select 1)", "/* x", "select $a$ x"] {
            #expect(throws: DeployError.self, "\(text)") { try texts(text) }
        }
        #expect(throws: DeployError.self) { try texts("select 1 /*!50000 ; select 2 */", .mysql) }
        #expect(throws: DeployError.self) { try texts("{}", .mongo) }
    }

    @Test func `with version comments keep them`() throws {
        #expect(
            try texts("/*!40101 SET NAMES utf8 */; select 1", .mysql) == ["/*!40101 SET NAMES utf8 */", "select 1"])
    }

    @Test func `tell their keywords from names, strings and what is in brackets`() throws {
        let statement = try #require(
            try SQLStatement.read("(select 'format', (select format x)) limit 1 Format tsv", .clickhouse).first)
        #expect(statement.head == "SELECT")
        #expect(statement.isWord(-2, "FORMAT") && statement.isWord(-1, "TSV") && !statement.isWord(1, "SELECT"))
        #expect(statement.index(of: "LIMIT") == statement.tokens.count - 4 && statement.index(of: "SELECT") == nil)
    }
}
