// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Core

/// Texts and the rule that refuses them; an empty rule for those that nothing objects to.
private typealias Case = (text: String, rule: String)

@Suite struct SQLStatementTests {
    private func check(_ type: StatementLanguage, _ cases: [Case]) {
        for (text, rule) in cases {
            let verdict = StatementGuard.judge(text, type: type, mode: .noInjection)
            #expect(
                verdict.rule == (rule.isEmpty ? "none" : rule),
                "\(type.rawValue): \(text): \(verdict.rule) \(verdict.message)")
            #expect(verdict.verdict == (rule.isEmpty ? .allow : .deny))
        }
    }

    /// What all three dialects agree on.
    private static let common: [Case] = [
        ("SELECT 1", ""), ("select * from t where a = 'drop table t'", ""), ("SELECT 1;", ""), (" ; SELECT 1 ; ; ", ""),
        ("DROP TABLE t", "sql.drop"), ("drop table if exists t", "sql.drop"), ("DrOp\n\tDATABASE d", "sql.drop"),
        ("SELECT 1; DROP TABLE t", "sql.drop"), ("/* x */ DROP /* y */ TABLE t", "sql.drop"),
        ("-- x\nDROP TABLE t", "sql.drop"),
        ("TRUNCATE TABLE t", "sql.truncate"), ("truncate t", "sql.truncate"),
        ("DELETE FROM t", "sql.delete-unfiltered"),
        ("DELETE FROM t WHERE 1=1", "sql.delete-unfiltered"), ("DELETE FROM t WHERE true", "sql.delete-unfiltered"),
        ("DELETE FROM t WHERE 1", "sql.delete-unfiltered"), ("DELETE FROM t WHERE (((1)))", "sql.delete-unfiltered"),
        ("DELETE FROM t WHERE 'a'='a'", "sql.delete-unfiltered"),
        ("DELETE FROM t WHERE 2 > 1", "sql.delete-unfiltered"),
        ("DELETE FROM t WHERE id = 5 OR 1=1", "sql.delete-unfiltered"),
        ("DELETE FROM t WHERE 1=1 AND true", "sql.delete-unfiltered"),
        ("DELETE FROM t WHERE NOT false", "sql.delete-unfiltered"),
        ("DELETE FROM t WHERE NOT (1=0)", "sql.delete-unfiltered"),
        ("DELETE FROM t WHERE id = id", "sql.delete-unfiltered"),
        ("DELETE FROM t WHERE t.id = id", "sql.delete-unfiltered"),
        ("DELETE FROM t WHERE id LIKE '%'", "sql.delete-unfiltered"),
        ("DELETE FROM t WHERE a IS NULL OR a IS NOT NULL", "sql.delete-unfiltered"),
        ("DELETE FROM t WHERE a = 1 OR a <> 1", "sql.delete-unfiltered"),
        ("DELETE FROM t WHERE a > 1 OR (a <= 1)", "sql.delete-unfiltered"),
        ("DELETE FROM t WHERE a IN (1) OR a NOT IN (1)", "sql.delete-unfiltered"),
        ("DELETE FROM t WHERE 1 IN (1, 2)", "sql.delete-unfiltered"),
        ("DELETE FROM t WHERE 5 BETWEEN 1 AND 9", "sql.delete-unfiltered"),
        ("DELETE FROM t WHERE now() > '2020-01-01'", "sql.delete-unfiltered"),
        ("DELETE FROM t WHERE current_date > '2020-01-01'", "sql.delete-unfiltered"),
        ("DELETE FROM t WHERE (SELECT 1)", "sql.delete-unfiltered"),
        ("DELETE FROM t WHERE CASE WHEN 1=1 THEN 1 END", "sql.delete-unfiltered"),
        ("DELETE FROM t WHERE length('x') = 1", "sql.delete-unfiltered"),
        ("DELETE FROM t WHERE id = 5", ""), ("DELETE FROM t WHERE id = 5 AND 1=1", ""),
        ("DELETE FROM t WHERE 1=1 AND id = 5", ""),
        ("DELETE FROM t WHERE 1=0", ""), ("DELETE FROM t WHERE false", ""),
        ("DELETE FROM t WHERE id BETWEEN 1 AND 5 AND a = 2", ""),
        ("DELETE FROM t WHERE id IN (SELECT id FROM u WHERE x = 1)", ""), ("DELETE FROM t WHERE NOT deleted", ""),
        ("DELETE FROM t WHERE a LIKE 'x%'", ""),
        ("DELETE FROM t WHERE date < '2020-01-01'", ""), ("DELETE FROM t WHERE a = 1 OR b <> 1", ""),
        ("DELETE FROM t WHERE (a = 1 OR b = 2) AND c = 3", ""),
        ("DELETE FROM a.t WHERE id = 1", ""), ("UPDATE t SET a = 1", "sql.update-unfiltered"),
        ("UPDATE t SET a = 1 WHERE 1", "sql.update-unfiltered"),
        ("UPDATE t SET a = 'x WHERE id = 1'", "sql.update-unfiltered"),
        ("UPDATE t SET a = 1 -- WHERE id = 1", "sql.update-unfiltered"),
        ("UPDATE t SET a = (SELECT b FROM u WHERE u.id = 1)", "sql.update-unfiltered"),
        ("UPDATE t SET a = 1 WHERE id = 3", ""),
        ("WITH x AS (SELECT 1) SELECT * FROM x", ""), ("INSERT INTO t (a) VALUES ('DROP TABLE t; DELETE FROM t')", ""),
        ("INSERT INTO t (a, b) SELECT a, b FROM u", ""), ("CREATE TABLE t (a int)", ""),
        ("ALTER TABLE t ADD COLUMN c int", ""),
        ("ALTER TABLE t DROP COLUMN c", "sql.alter-drop"), ("alter table t drop c", "sql.alter-drop"),
        ("ALTER TABLE t ADD COLUMN b int, DROP COLUMN c", "sql.alter-drop"),
        ("GRANT ALL ON d.t TO u", "sql.account"), ("REVOKE ALL ON t FROM u", "sql.account"),
        ("CREATE USER u", "sql.account"), ("ALTER USER u", "sql.account"),
        ("DROP USER u", "sql.account"), ("DROP ROLE r", "sql.account"), ("CREATE ROLE r", "sql.account"),
        ("EXPLAIN SELECT 1", ""), ("EXPLAIN DELETE FROM t", ""),
        ("DELETE FROM t; SELECT 'x", "sql.syntax"), ("SELECT (1", "sql.syntax"), ("SELECT 1)", "sql.syntax"),
        ("/* x", "sql.syntax"), ("", "sql.syntax"), ("  ;;  ", "sql.syntax"),
        ("-- DROP TABLE t", "sql.syntax"), ("FOO BAR", "sql.syntax"), ("'DROP' TABLE t", "sql.syntax"),
        ("DELETE", "sql.syntax"), ("SELECT\u{0}1", "sql.syntax"),
        ("SELECT 1 \u{200B} FROM t", "sql.syntax"), ("DROP\u{A0}TABLE t", "sql.syntax"),
        ("SELECT 1 /* \u{202E} */", "sql.syntax"), ("SELECT '\u{4F60}'", ""),
        ("((DELETE FROM t))", "sql.delete-unfiltered"), ("SELECT \\! ls", "sql.shell"),
    ]

    @Test(arguments: [StatementLanguage.mysql, .postgres, .clickhouse])
    func `what all dialects agree on`(type: StatementLanguage) { check(type, Self.common) }

    @Test func `statements of MySQL`() {
        check(
            .mysql,
            [
                ("/*!50000 DROP TABLE t */", "sql.drop"), ("/*!DROP TABLE t*/", "sql.drop"),
                ("DROP/*!50000 TABLE*/ t", "sql.drop"), ("/*M!100100 DROP TABLE t */", "sql.drop"),
                ("DELETE FROM t /*!99999 WHERE id = 1 */", "sql.delete-unfiltered"),
                ("DELETE FROM t WHERE id = 1 /*!99999 OR 1=1 */", "sql.delete-unfiltered"),
                ("SELECT /*!40001 SQL_NO_CACHE */ * FROM t", ""), ("/*!40101 SET NAMES utf8mb4 */; SELECT 1", ""),
                ("SELECT /*+ MAX_EXECUTION_TIME(9) */ 1", ""),
                ("SELECT /*!1 1*/ 2", "sql.syntax"), ("SELECT /*!50000 /* x */ 1 */", "sql.syntax"),
                ("SELECT /*!50001 1 */ /*!50002 + 1 */ /*!50003 + 1*/ /*!50004 + 1 */", "sql.conditional"),
                ("SELECT 1 # DROP TABLE t", ""), ("# x\nDROP TABLE t", "sql.drop"),
                ("SELECT 1--1; DROP TABLE t", "sql.drop"), ("SELECT '\\'; DROP TABLE t; -- '", ""),
                ("SELECT 'a''; DROP TABLE t; --'", ""), ("SELECT \"a; DROP TABLE t\"", ""),
                ("SELECT `drop` FROM `delete from t`", ""), ("SELECT '\\\\'; DROP TABLE t; -- '", "sql.drop"),
                ("DELETE t1, t2 FROM t1 JOIN t2 ON t1.id = t2.id", "sql.delete-unfiltered"),
                ("DELETE a FROM a JOIN b ON a.id = b.id WHERE b.x = 1", ""),
                ("DELETE LOW_PRIORITY QUICK FROM t LIMIT 5", "sql.delete-unfiltered"),
                ("DELETE FROM t WHERE \"1\" = \"1\"", "sql.delete-unfiltered"),
                ("DELETE FROM t WHERE id = 1 || 1", "sql.delete-unfiltered"),
                ("DELETE FROM t WHERE id = 1 && a = 2", ""),
                ("DELETE FROM t WHERE @x = 1", "sql.delete-unfiltered"), ("DELETE FROM t WHERE user = 'x'", ""),
                ("DELETE FROM t WHERE d < NOW() - INTERVAL 30 DAY LIMIT 1000", ""),
                ("DELETE FROM t WHERE NOW() > '2020' - INTERVAL 30 DAY", "sql.delete-unfiltered"),
                ("DELETE FROM t WHERE 1 ORDER BY id LIMIT 5", "sql.delete-unfiltered"),
                ("UPDATE LOW_PRIORITY t SET a = 1", "sql.update-unfiltered"),
                ("UPDATE t JOIN u ON t.a = u.a SET t.b = 1", "sql.update-unfiltered"),
                ("UPDATE t JOIN u ON t.a = u.a SET t.b = 1 WHERE u.c = 2", ""),
                ("INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a = 1", ""), ("SELECT * FROM t FOR UPDATE", ""),
                ("CREATE TABLE t (a int REFERENCES u(a) ON DELETE CASCADE ON UPDATE SET NULL)", ""),
                ("REPLACE INTO t VALUES (1)", ""), ("SELECT REPLACE(a, 'DROP', '') FROM t", ""),
                ("SELECT TRUNCATE(1.5, 0)", ""), ("SELECT a FROM t INTO OUTFILE '/x'", "sql.file"),
                ("SELECT 1into dumpfile '/x'", "sql.file"),
                ("SELECT 1.into outfile '/x'", "sql.file"), ("SELECT 1e1into outfile '/x'", "sql.file"),
                ("SELECT 0x1into outfile '/x'", "sql.file"), ("SELECT load_file('/etc/passwd')", "sql.file"),
                ("SELECT LOAD_FILE /* x */ ('/etc/passwd')", "sql.file"), ("SELECT `load_file`('/x')", "sql.file"),
                ("SELECT load_file FROM t", ""), ("SELECT 'load_file(1)'", ""),
                ("LOAD DATA INFILE '/x' INTO TABLE t", "sql.file"),
                ("LOAD DATA LOCAL INFILE '/x' INTO TABLE t", "sql.file"),
                ("LOAD XML INFILE '/x' INTO TABLE t", "sql.file"), ("SELECT sys_exec('ls')", "sql.shell"),
                ("system ls", "sql.shell"), ("\\! ls", "sql.shell"), ("SELECT \\N", ""),
                ("DELIMITER //", "sql.client"), ("source x.sql", "sql.client"), ("\\. x.sql", "sql.client"),
                ("SHUTDOWN", "sql.shutdown"), ("RESTART", "sql.shutdown"), ("KILL 5", "sql.kill"),
                ("KILL QUERY 5", "sql.kill"),
                ("FLUSH TABLES WITH READ LOCK", "sql.server"), ("RESET MASTER", "sql.server"),
                ("PURGE BINARY LOGS TO 'x'", "sql.server"), ("CHANGE MASTER TO MASTER_HOST='x'", "sql.server"),
                ("STOP SLAVE", "sql.server"), ("START REPLICA", "sql.server"),
                ("START TRANSACTION; SELECT 1; COMMIT", ""), ("SET GLOBAL read_only = 1", "sql.settings"),
                ("SET @@GLOBAL.read_only = 1", "sql.settings"), ("SET @@global . x = 1", "sql.settings"),
                ("SET a = 1, PERSIST b = 2", "sql.settings"),
                ("SET @global = 1", ""), ("SET @a = @@global.x", ""), ("SET SESSION wait_timeout = 5", ""),
                ("SET NAMES gbk", "sql.settings"), ("SET NAMES 'utf8mb4'", ""),
                ("SET CHARACTER SET sjis", "sql.settings"), ("SET character_set_client = big5", "sql.settings"),
                ("SET sql_mode = 'NO_BACKSLASH_ESCAPES'", "sql.settings"),
                ("SET SESSION sql_mode = 'ANSI_QUOTES'", "sql.settings"),
                ("SET @@sql_mode = CONCAT(@@sql_mode, ',ANSI')", "sql.settings"),
                ("SET sql_mode = 'STRICT_ALL_TABLES'", ""),
                ("/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;", ""),
                ("SET PASSWORD = 'x'", "sql.account"), ("SET PASSWORD FOR u = 'x'", "sql.account"),
                ("SET ROLE admin", "sql.account"), ("SET DEFAULT ROLE ALL TO u", "sql.account"),
                ("RENAME USER a TO b", "sql.account"), ("RENAME TABLE a TO b", ""),
                ("SET STATEMENT max_statement_time=1 FOR DELETE FROM t", "sql.delete-unfiltered"),
                ("SET STATEMENT max_statement_time=1 FOR DROP TABLE t", "sql.drop"),
                ("SET STATEMENT max_statement_time=1 FOR UPDATE t SET a=1", "sql.update-unfiltered"),
                ("ANALYZE DELETE FROM t", "sql.delete-unfiltered"),
                ("ANALYZE FORMAT=JSON DELETE FROM t", "sql.delete-unfiltered"),
                ("EXPLAIN ANALYZE FORMAT=TREE DELETE FROM t", "sql.delete-unfiltered"), ("ANALYZE TABLE t", ""),
                ("DESC t", ""), ("DESCRIBE DELETE FROM t", ""),
                ("PREPARE s FROM 'DROP TABLE t'", "sql.drop"), ("PREPARE s FROM 'DR' 'OP TABLE t'", "sql.drop"),
                ("PREPARE s FROM 'SELECT ?'; EXECUTE s USING @a", ""), ("PREPARE s FROM @x", "sql.dynamic"),
                ("EXECUTE IMMEDIATE 'TRUNCATE t'", "sql.truncate"),
                ("EXECUTE IMMEDIATE CONCAT('DROP', ' TABLE t')", "sql.dynamic"),
                ("PREPARE s FROM 'PREPARE t FROM ''PREPARE u FROM \"PREPARE v FROM @x\"'''", "sql.dynamic"),
                ("DEALLOCATE PREPARE s", ""), ("DROP PREPARE s", ""), ("BINLOG 'x'", "sql.dynamic"),
                ("CREATE PROCEDURE p() BEGIN DELETE FROM t; END", "sql.routine"),
                ("CREATE DEFINER=`a`@`b` FUNCTION f() RETURNS INT RETURN 1", "sql.routine"),
                ("CREATE FUNCTION f RETURNS STRING SONAME 'x.so'", "sql.routine"),
                ("CREATE TRIGGER a AFTER INSERT ON t FOR EACH ROW DELETE FROM u", "sql.routine"),
                ("CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO DELETE FROM t", "sql.routine"),
                ("BEGIN NOT ATOMIC DROP TABLE t; END", "sql.routine"), ("BEGIN; SELECT 1; COMMIT", ""),
                ("CALL p()", ""), ("DO SLEEP(1)", ""), ("INSTALL PLUGIN a SONAME 'x'", "sql.code"),
                ("UNINSTALL COMPONENT 'x'", "sql.code"),
                ("INSERT INTO mysql.user VALUES (1)", "sql.system-tables"),
                ("UPDATE `mysql`.`user` SET a = 1 WHERE b = 2", "sql.system-tables"),
                ("DELETE FROM mysql . user WHERE user = 'x'", "sql.system-tables"), ("SELECT * FROM mysql.user", ""),
                ("REPLACE mysql.user VALUES (1)", "sql.system-tables"),
                ("CREATE OR REPLACE TABLE t (a int)", "sql.drop"), ("CREATE OR REPLACE VIEW v AS SELECT 1", ""),
                ("CREATE TABLE t (a int) DATA DIRECTORY = '/x'", "sql.file"),
                ("CREATE TABLE t (a int) ENGINE=FEDERATED CONNECTION='x'", "sql.remote"),
                ("CREATE TABLE t (a int) ENGINE=InnoDB", ""),
                ("CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (HOST 'x')", "sql.remote"),
                ("ALTER TABLE t TRUNCATE PARTITION p", "sql.truncate"),
                ("ALTER TABLE t DROP PARTITION p", "sql.alter-drop"),
                ("ALTER TABLE t DISCARD TABLESPACE", "sql.alter-drop"), ("ALTER TABLE t DROP INDEX i", ""),
                ("ALTER TABLE t DROP FOREIGN KEY f", ""),
                ("ALTER TABLE t ALTER COLUMN c DROP DEFAULT", ""),
                ("ALTER INSTANCE ROTATE INNODB MASTER KEY", "sql.server"), ("LOCK INSTANCE FOR BACKUP", "sql.server"),
                ("LOCK TABLES t WRITE", ""), ("IMPORT TABLE FROM '/x'", "sql.file"),
                ("SELECT $$ FROM t; DROP TABLE t; SELECT $$", "sql.drop"),
                ("SELECT 1 -- x\r; DROP TABLE t", "sql.syntax"),
                ("WITH x AS (SELECT 1) DELETE FROM t", "sql.delete-unfiltered"),
                ("WITH x AS (SELECT 1) UPDATE t SET a = 1 WHERE a = 2", ""), ("HELP 'DROP'", ""),
                ("SHOW CREATE TABLE t", ""), ("SHOW GRANTS", ""), ("SELECT @a := 1", ""),
            ])
    }

    @Test func `statements of PostgreSQL`() {
        check(
            .postgres,
            [
                ("/* a /* b */ DROP TABLE t */ SELECT 1", ""), ("/* a /* b */ */ DROP TABLE t", "sql.drop"),
                ("SELECT $$; DROP TABLE t; $$", ""), ("SELECT $a$ $b$ ; DROP TABLE t; $a$", ""),
                ("SELECT $a$ x $a$; DROP TABLE t", "sql.drop"), ("SELECT a$b$ FROM t; DROP TABLE t -- $b$", "sql.drop"),
                ("SELECT '\\'; DROP TABLE t; --'", "sql.drop"), ("SELECT E'\\'; DROP TABLE t; --'", ""),
                ("SELECT e'\\\\'; DROP TABLE t", "sql.drop"), ("SELECT U&'d\\0061t'", ""),
                ("SELECT E'a'\n'x\\'' ; DROP TABLE t; --'", "sql.syntax"), ("SELECT E'a', 'b'", ""),
                ("SELECT U&\"pg_read\\005ffile\"('/x')", "sql.syntax"),
                ("SELECT \"drop table\" FROM \"delete from t\"", ""), ("SELECT $1", ""),
                ("SELECT 'a'\n'b'", ""),
                ("WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d", "sql.delete-unfiltered"),
                ("WITH d AS (DELETE FROM t WHERE id = 1 RETURNING *) SELECT * FROM d", ""),
                ("WITH d AS MATERIALIZED (UPDATE t SET a = 1 RETURNING *) SELECT 1", "sql.update-unfiltered"),
                ("EXPLAIN ANALYZE DELETE FROM t", "sql.delete-unfiltered"),
                ("EXPLAIN (ANALYZE, BUFFERS) DELETE FROM t", "sql.delete-unfiltered"),
                ("EXPLAIN (FORMAT JSON) DELETE FROM t", ""),
                ("EXPLAIN ANALYZE VERBOSE UPDATE t SET a = 1", "sql.update-unfiltered"),
                ("EXPLAIN ANALYZE CREATE TABLE x AS SELECT pg_read_file('/x')", "sql.file"),
                ("PREPARE p AS DELETE FROM t", "sql.delete-unfiltered"), ("PREPARE p (int) AS SELECT $1", ""),
                ("EXECUTE p(1)", ""), ("DELETE FROM ONLY t USING u WHERE t.id = u.id", ""),
                ("DELETE FROM t WHERE user = 'x'", "sql.delete-unfiltered"),
                ("DELETE FROM t WHERE \"1\" = \"1\"", "sql.delete-unfiltered"),
                ("DELETE FROM t WHERE a ~ '.*'", "sql.delete-unfiltered"), ("DELETE FROM t WHERE a::date < 'x'", ""),
                ("DELETE FROM t WHERE 1::int = 1", "sql.delete-unfiltered"), ("DELETE FROM t WHERE a || b = 'x'", ""),
                ("DELETE FROM t WHERE CURRENT OF c", ""), ("SELECT delete FROM t", ""),
                ("SELECT x AS delete FROM t", ""),
                ("INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 1", ""),
                ("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING", ""),
                (
                    "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN UPDATE SET a = 1 WHEN NOT MATCHED THEN INSERT VALUES (1)",
                    ""
                ), ("SELECT * FROM t FOR NO KEY UPDATE", ""),
                ("COPY t TO STDOUT", ""), ("COPY t FROM STDIN WITH (FORMAT csv)", ""), ("COPY t TO '/x'", "sql.file"),
                ("COPY t FROM PROGRAM 'ls'", "sql.shell"), ("COPY (SELECT 1) TO PROGRAM 'sh'", "sql.shell"),
                ("copy t /* FROM STDIN */ from '/x'", "sql.file"),
                ("COPY (DELETE FROM t RETURNING *) TO STDOUT", "sql.delete-unfiltered"),
                ("DO $$ BEGIN DELETE FROM t; END $$", "sql.routine"),
                ("CREATE FUNCTION f() RETURNS int AS $$ x $$ LANGUAGE plpython3u", "sql.routine"),
                ("CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END", "sql.routine"),
                ("CREATE TRIGGER a AFTER DELETE ON t EXECUTE FUNCTION f()", "sql.routine"),
                ("CREATE RULE r AS ON INSERT TO t DO ALSO DELETE FROM u", "sql.routine"),
                ("SELECT pg_read_file('/x')", "sql.file"), ("SELECT pg_catalog.pg_read_binary_file('/x')", "sql.file"),
                ("SELECT \"pg_read_file\"('/x')", "sql.file"), ("SELECT pg_read_file FROM t", ""),
                ("SELECT pg_ls_dir('/')", "sql.file"), ("SELECT pg_stat_file('x')", "sql.file"),
                ("SELECT lo_export(1, '/x')", "sql.file"), ("SELECT lo_import('/x')", "sql.file"),
                ("SELECT dblink_exec('x', 'y')", "sql.remote"), ("SELECT pg_terminate_backend(1)", "sql.kill"),
                ("SELECT pg_reload_conf()", "sql.server"),
                ("SELECT query_to_xml('DELETE', true, true, '')", "sql.dynamic"),
                ("SELECT set_config('app.user', 'x', false)", ""),
                ("SELECT set_config('standard_conforming_strings', 'off', false)", "sql.settings"),
                ("SET standard_conforming_strings = off", "sql.settings"),
                ("SET client_encoding TO 'SJIS'", "sql.settings"), ("SET client_encoding = 'UTF8'", ""),
                ("SET NAMES 'GBK'", "sql.settings"), ("SET search_path TO a, b", ""),
                ("SET session_replication_role = replica", "sql.settings"),
                ("ALTER SYSTEM SET x = 1", "sql.settings"), ("SET ROLE admin", "sql.account"),
                ("SET SESSION AUTHORIZATION x", "sql.account"),
                ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", ""),
                ("REASSIGN OWNED BY a TO b", "sql.account"),
                ("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO u", "sql.account"),
                ("ALTER TABLE t OWNER TO u", "sql.account"), ("ALTER TABLE t ALTER COLUMN a DROP NOT NULL", ""),
                ("ALTER TABLE t DROP CONSTRAINT c", ""), ("CREATE EXTENSION x", "sql.code"),
                ("ALTER DATABASE d SET standard_conforming_strings = off", "sql.settings"), ("LOAD 'x'", "sql.code"),
                ("CREATE LANGUAGE plpython3u", "sql.code"), ("CREATE SERVER s FOREIGN DATA WRAPPER f", "sql.remote"),
                ("CREATE FOREIGN TABLE t (a int) SERVER s", "sql.remote"),
                ("IMPORT FOREIGN SCHEMA a FROM SERVER b INTO c", "sql.remote"),
                ("CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p", "sql.remote"),
                ("CREATE TABLESPACE t LOCATION '/x'", "sql.file"),
                ("UPDATE pg_catalog.pg_authid SET rolsuper = true WHERE rolname = 'x'", "sql.system-tables"),
                ("UPDATE pg_authid SET rolsuper = true WHERE rolname = 'x'", "sql.system-tables"),
                ("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)", ""), ("VACUUM ANALYZE t", ""),
                ("COMMENT ON TABLE t IS 'DROP'", ""), ("BEGIN; DELETE FROM t WHERE id = 1; END", ""),
                ("DECLARE c CURSOR FOR SELECT 1", ""), ("\\copy t from 'x'", "sql.client"), ("SELECT `x`", ""),
                ("NOTIFY c, 'x'", ""), ("SELECT a -> 'b' FROM t", ""),
                ("UPDATE t SET a = 1 FROM u WHERE t.id = u.id", ""), ("CREATE TABLE u AS SELECT * FROM t", ""),
                ("CREATE POLICY p ON t FOR DELETE USING (true)", "sql.account"), ("REFRESH MATERIALIZED VIEW v", ""),
                ("DROP OWNED BY u", "sql.drop"), ("SELECT 1into outfile", ""),
            ])
    }

    @Test func `statements of ClickHouse`() {
        check(
            .clickhouse,
            [
                ("ALTER TABLE t DELETE WHERE 1", "sql.delete-unfiltered"),
                ("ALTER TABLE t ON CLUSTER c DELETE WHERE 1 = 1", "sql.delete-unfiltered"),
                ("ALTER TABLE t DELETE WHERE id = 1", ""),
                ("ALTER TABLE t DELETE IN PARTITION '1' WHERE true", "sql.delete-unfiltered"),
                ("ALTER TABLE t UPDATE a = 1 WHERE true", "sql.update-unfiltered"),
                ("ALTER TABLE t UPDATE a = 1 WHERE b = 2", ""),
                ("ALTER TABLE t UPDATE a = 1 WHERE b = 2, DELETE WHERE 1", "sql.delete-unfiltered"),
                ("DELETE FROM t ON CLUSTER c WHERE true", "sql.delete-unfiltered"),
                ("ALTER TABLE t DROP PARTITION 1", "sql.alter-drop"),
                ("ALTER TABLE t CLEAR COLUMN c IN PARTITION 1", "sql.alter-drop"),
                ("ALTER TABLE t REPLACE PARTITION 1 FROM u", "sql.alter-drop"),
                ("DETACH TABLE t PERMANENTLY", "sql.drop"), ("REPLACE TABLE t (a Int8) ENGINE = Memory", "sql.drop"),
                ("CREATE OR REPLACE TABLE t (a Int8) ENGINE = Memory", "sql.drop"),
                ("SYSTEM SHUTDOWN", "sql.server"), ("SYSTEM FLUSH LOGS", "sql.server"),
                ("KILL QUERY WHERE 1", "sql.kill"), ("KILL MUTATION WHERE 1", "sql.kill"),
                ("SELECT * FROM url('http://x', CSV)", "sql.remote"), ("SELECT * FROM file('/etc/passwd')", "sql.file"),
                ("SELECT * FROM executable('x', CSV, 'a String')", "sql.shell"),
                ("SELECT * FROM remote('x', 'a', 'b')", "sql.remote"), ("SELECT * FROM S3 ('x')", "sql.remote"),
                ("SELECT * FROM mysql('a', 'b', 'c', 'd', 'e')", "sql.remote"),
                ("INSERT INTO FUNCTION file('x', CSV) SELECT 1", "sql.file"),
                ("INSERT INTO TABLE FUNCTION url('x', CSV) SELECT 1", "sql.remote"), ("SELECT url, file FROM t", ""),
                ("DESCRIBE TABLE url('http://x', CSV)", "sql.remote"),
                ("INSERT INTO url (a) VALUES (1)", ""),
                ("CREATE TABLE file (a Int8) ENGINE = MergeTree ORDER BY a", ""),
                ("CREATE TABLE t (a Int8) ENGINE = URL('http://x', CSV)", "sql.remote"),
                ("CREATE TABLE t (a Int8) ENGINE = File(CSV)", "sql.file"),
                ("CREATE TABLE t (a Int8) ENGINE Kafka SETTINGS x = 1", "sql.remote"),
                ("CREATE DATABASE d ENGINE = MySQL('x', 'y', 'z', 'w')", "sql.remote"),
                (
                    "CREATE DICTIONARY d (a Int8) PRIMARY KEY a SOURCE(EXECUTABLE(COMMAND 'x' FORMAT 'y')) LAYOUT(FLAT())",
                    "sql.shell"
                ), ("CREATE DICTIONARY d (a Int8) PRIMARY KEY a SOURCE(HTTP(URL 'x'))", "sql.remote"),
                ("CREATE DICTIONARY d (a Int8) PRIMARY KEY a SOURCE(CLICKHOUSE(TABLE 'x'))", ""),
                ("SELECT 1 INTO OUTFILE 'x'", "sql.file"), ("INSERT INTO t FROM INFILE 'x' FORMAT CSV", "sql.file"),
                ("BACKUP TABLE t TO Disk('a', 'b')", "sql.file"), ("RESTORE TABLE t FROM Disk('a', 'b')", "sql.file"),
                ("ATTACH TABLE t FROM '/x' (a Int8)", "sql.file"), ("ATTACH TABLE t", ""),
                ("SELECT 1 --x\n; DROP TABLE t", "sql.drop"), ("SELECT 1 # x", ""), ("SELECT 1 #! x", ""),
                ("SELECT /* /* */ 1", "sql.syntax"), ("SELECT `a\\`; DROP TABLE t; --`", ""),
                ("SELECT \"a\\\"; DROP TABLE t; --\"", ""), ("SELECT $x$ DROP TABLE t $x$", ""),
                ("SELECT é", "sql.syntax"), ("SET readonly = 0", "sql.settings"), ("SET max_threads = 1", ""),
                ("EXECUTE AS u SELECT 1", "sql.account"), ("OPTIMIZE TABLE t FINAL", ""),
                ("INSERT INTO system.x VALUES (1)", "sql.system-tables"), ("SELECT * FROM system.tables", ""),
                ("SELECT {a:Int8}, [1, 2], x -> x + 1", ""), ("EXCHANGE TABLES a AND b", ""), ("FROM t SELECT a", ""),
                ("CREATE FUNCTION f AS (a) -> a + 1", "sql.routine"),
                ("CREATE ROW POLICY p ON t USING 1", "sql.account"), ("CREATE SETTINGS PROFILE p", "sql.account"),
                ("CREATE QUOTA q", "sql.account"),
            ])
    }

    @Test func `a comment between any two tokens changes nothing`() throws {
        for (type, dialect) in [
            (StatementLanguage.mysql, SQLDialect.mysql), (.postgres, .postgres), (.clickhouse, .clickhouse),
        ] {
            for (text, rule) in Self.common {
                let bytes = Array(text.utf8)
                var lexer = SQLLexer(bytes, dialect)
                guard let tokens = try? lexer.run(), !tokens.isEmpty else { continue }
                for filler in ["/* */", "\n", "/* DROP TABLE t; ' */", "-- '\n", "\t"] {
                    var parts: [String] = []
                    for token in tokens { parts.append(String(decoding: bytes[token.range], as: UTF8.self)) }
                    let verdict = StatementGuard.judge(parts.joined(separator: filler), type: type, mode: .noInjection)
                    #expect(verdict.rule == (rule.isEmpty ? "none" : rule), "\(type.rawValue): \(text) with \(filler)")
                }
            }
        }
    }

    @Test func `a harmless statement before or behind hides nothing`() {
        for type in [StatementLanguage.mysql, .postgres, .clickhouse] {
            for (text, rule) in Self.common where !rule.isEmpty && rule != "sql.syntax" {
                for joined in ["SELECT 1; \(text)", "\(text)\n; SELECT 'x'", "SELECT 'a;b';\(text)\n;"] {
                    #expect(StatementGuard.judge(joined, type: type, mode: .noInjection).rule == rule, "\(joined)")
                }
            }
        }
    }

    @Test func `positions are bytes and the first finding decides`() {
        let verdict = StatementGuard.judge("SELECT 'é'; TRUNCATE t; DROP TABLE t", type: .mysql, mode: .noInjection)
        #expect(verdict.rule == "sql.truncate")
        #expect(verdict.position == 13)
        #expect(verdict.commands == ["SELECT 'é'", "TRUNCATE t", "DROP TABLE t"])
    }

    @Test func `a lifted rule does not count, and syntax cannot be lifted`() {
        let text = "TRUNCATE t; DROP TABLE t"
        #expect(
            StatementGuard.judge(text, type: .mysql, lifted: ["sql.truncate"], mode: .noInjection).rule == "sql.drop")
        #expect(
            StatementGuard.judge(text, type: .mysql, lifted: ["sql.truncate", "sql.drop"], mode: .noInjection).rule
                == "none")
        #expect(
            StatementGuard.judge("SELECT '", type: .mysql, lifted: ["sql.syntax"], mode: .noInjection).rule
                == "sql.syntax")
        let audit = StatementGuard.judge(text, type: .mysql, mode: .audit)
        #expect(audit.verdict == .deny && !audit.isRefusal)
    }

    @Test func `a whitelist matches each whole canonical statement`() throws {
        let allow = [
            try GuardExpression("^SELECT [a-z*]+ FROM [a-z]+( WHERE id = \\d+)?$"),
            try GuardExpression("^SHOW TABLES$"),
        ]
        func rule(_ text: String) -> String {
            StatementGuard.judge(text, type: .mysql, allow: allow, mode: .whitelist).rule
        }
        #expect(rule("SELECT  a\n FROM /* x */ t") == "none")
        #expect(rule("SELECT a FROM t WHERE id = 5; SHOW TABLES;") == "none")
        #expect(rule("SELECT a FROM t; SELECT b, c FROM t") == "whitelist")
        #expect(rule("select a from t") == "whitelist")
        #expect(rule("DROP TABLE t") == "sql.drop")
        #expect(StatementGuard.judge("SELECT 1", type: .mysql, mode: .whitelist).rule == "whitelist")
        let deny = [try GuardExpression("^SHOW .*$")]
        #expect(
            StatementGuard.judge("SHOW TABLES", type: .mysql, allow: allow, deny: deny, mode: .whitelist).rule
                == "deny[0]")
    }
}
