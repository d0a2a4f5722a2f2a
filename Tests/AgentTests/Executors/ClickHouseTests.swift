// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore
import Synchronization
import Testing

@testable import Agent

@Suite struct `Values of ClickHouse` {
    private func json(_ text: String, _ type: String) -> String? {
        Array(text.utf8).withUnsafeBytes { ClickHouseLiteral.json($0, ClickHouseType(type)) }.map { String(buffer: $0) }
    }

    @Test(arguments: [
        ("UInt64", ClickHouseType.scalar(.number)), ("Nullable(Float64)", .scalar(.number)),
        ("Bool", .scalar(.boolean)),
        ("LowCardinality(Nullable(String))", .scalar(.text)), ("Decimal(18, 3)", .scalar(.decimal)),
        ("Int256", .scalar(.decimal)), ("Enum8('a)' = 1, 'b\\'(' = 2)", .scalar(.text)), ("JSON", .scalar(.json)),
        ("DateTime64(3, 'Asia/Shanghai')", .scalar(.text)), ("AggregateFunction(uniq, UInt64)", .scalar(.binary)),
        ("IntervalDay", .scalar(.number)), ("Array(Array(UInt8))", .array(.array(.scalar(.number)))),
        ("SimpleAggregateFunction(sum, Array(Int8))", .array(.scalar(.number))),
        ("Map(String, Array(Date))", .map(.scalar(.text), .array(.scalar(.text)))),
        (
            "Tuple(a UInt8, `b c` Nullable(String))",
            .tuple([.init(name: "a", type: .scalar(.number)), .init(name: "b c", type: .scalar(.text))])
        ),
        ("Nothing", .scalar(.text)), ("", .scalar(.text)), ("Array(", .scalar(.text)), ("Tuple(UInt8", .scalar(.text)),
    ])
    func `have the types that the server tells`(text: String, type: ClickHouseType) {
        #expect(ClickHouseType(text) == type)
    }

    @Test func `whose type nests without end are texts, and nothing overflows`() {
        let deep = String(repeating: "Array(", count: 10_000) + "UInt8" + String(repeating: ")", count: 10_000)
        #expect(ClickHouseType(deep) == .scalar(.text))
    }

    @Test func `that are made of others become JSON`() {
        #expect(json("[]", "Array(String)") == "[]")
        #expect(json("[1,NULL,nan]", "Array(Nullable(Float64))") == #"[1,null,"nan"]"#)
        #expect(json(#"['a\'b','c,d','NULL','\\','天','''']"#, "Array(String)") == #"["a'b","c,d","NULL","\\","天","'"]"#)
        #expect(json("[[1],[2,3]]", "Array(Array(UInt8))") == "[[1],[2,3]]")
        #expect(json("(1,'x',1.50)", "Tuple(UInt8, String, Decimal(9, 2))") == #"[1,"x","1.50"]"#)
        #expect(json("(1,'x')", "Tuple(a UInt8, b String)") == #"{"a":1,"b":"x"}"#)
        #expect(json("{'k':[1,2],'l':[]}", "Map(String, Array(UInt8))") == #"{"k":[1,2],"l":[]}"#)
        #expect(json("{1:'a'}", "Map(UInt8, String)") == #"{"1":"a"}"#)
        #expect(json("[(1,'a'),(2,'b')]", "Array(Tuple(UInt8, String))") == #"[[1,"a"],[2,"b"]]"#)
        #expect(json("[true,false]", "Array(Bool)") == "[true,false]")
        #expect(json("(1,2)", "Point") == "[1,2]")
    }

    @Test(arguments: ["", "[", "[1", "[1,,2]", "1", "['a]", "[1]x", "(1)", "[1 2"])
    func `that are not what their type says are none`(text: String) {
        #expect(json(text, "Array(UInt8)") == nil || text == "[1 2")
        #expect(json("(1)", "Tuple(UInt8, UInt8)") == nil && json("(1,2,3)", "Tuple(UInt8, UInt8)") == nil)
    }
}

@Suite struct `Errors of ClickHouse` {
    @Test func `of older servers are read`() throws {
        let error = try #require(
            ClickHouseException(
                "Code: 60, e.displayText() = DB::Exception: Table default.x doesn't exist., e.what() = DB::Exception\n")
        )
        #expect(error.code == 60 && error.name == nil && error.message == "Table default.x doesn't exist")
        #expect(error.errorCode == .notFound)
        let library = try #require(
            ClickHouseException(
                "Poco::Exception. Code: 1000, e.code() = 111, e.displayText() = Connection refused, e.what() = Connection refused"
            ))
        #expect(library.code == 1000 && library.message == "Connection refused")
    }

    @Test func `of newer servers are read`() throws {
        let error = try #require(
            ClickHouseException(
                "Code: 395. DB::Exception: Value passed to 'throwIf' function is non-zero: while executing\n 'FUNCTION (x)'. "
                    + "(FUNCTION_THROW_IF_VALUE_IS_NON_ZERO) (version 25.11.1.1 (official build))\n"))
        #expect(error.code == 395 && error.name == "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO")
        #expect(
            error.message == "Value passed to 'throwIf' function is non-zero: while executing  'FUNCTION (x)'")
    }

    @Test(arguments: [
        "", "Code: ", "Code: x", "Code: 60", "Code: 60 is what I have", "Code: 99999999999999999999. DB::Exception: x",
        "code: 60. DB::Exception: x", " Code: 60. DB::Exception: x",
    ])
    func `are told from other texts`(text: String) { #expect(ClickHouseException(text) == nil) }

    @Test func `that come with a status alone name it`() {
        let error = ClickHouseException(status: 502, body: "<html>Bad Gateway\nx")
        #expect(
            error.message == "the server answered with status 502: <html>Bad Gateway" && error.errorCode == .internal)
    }
}

@Suite struct `Answers of ClickHouse` {
    private struct Read {
        var text = ""
        var count: Int64 = 0
        var exception: ClickHouseException?
    }

    /// Reads an answer in parts of so many bytes.
    private func read(_ answer: String, parts: Int = 7, tag: String? = nil, hasTotals: Bool = false) async throws
        -> Read
    {
        let written = Mutex("")
        let output = LogOutput(accept: { bytes, _ in written.withLock { $0 += String(buffer: bytes) } })
        var rows = ClickHouseRows(
            RowWriter(output, format: .jsonl, limit: 100, waits: false), tag: tag, hasTotals: hasTotals, isJSON: true)
        var rest = ByteBuffer(string: answer)
        while let part = rest.readSlice(length: min(parts, rest.readableBytes)), part.readableBytes > 0 {
            try rows.take(part)
        }
        var read = Read()
        read.exception = try rows.end()
        await rows.send()
        read.text = written.withLock { $0 }
        read.count = rows.count
        return read
    }

    private static let old =
        "Code: 394, e.displayText() = DB::Exception: Query was cancelled, e.what() = DB::Exception\n"

    @Test(arguments: [1, 2, 3, 1000]) func `are read in parts of any size`(parts: Int) async throws {
        let read = try await read(
            "n\ta\\tb\ts\nUInt8\tArray(String)\tString\n1\t['x\\ty']\ta\\nb\n2\t[]\t\\N\n3\t['天']\t\\\\N\n",
            parts: parts)
        #expect(
            read.text == #"{"n":1,"a\tb":["x\ty"],"s":"a\nb"}"# + "\n" + #"{"n":2,"a\tb":[],"s":null}"# + "\n"
                + #"{"n":3,"a\tb":["天"],"s":"\\N"}"# + "\n")
        #expect(read.count == 3 && read.exception == nil)
    }

    @Test func `without a result are empty`() async throws {
        let read = try await read("")
        #expect(read.text.isEmpty && read.exception == nil)
        #expect(try await self.read("n\nUInt8\n").text.isEmpty)
    }

    @Test(arguments: [1, 11, 4096]) func `of older servers may end with an error`(parts: Int) async throws {
        for head in ["n\tm\nUInt8\tUInt8\n1\t2\n", "n\nUInt8\n1\n", "s\nString\na\n"] {
            let read = try await read(head + Self.old, parts: parts)
            #expect(read.exception?.code == 394 && read.count == 1, "\(head)")
            #expect(read.text.split(separator: "\n").count == 1)
        }
        let quoted = Self.old.replacing("Query", with: "It's a query")
        #expect(try await read("s\nString\na\n" + quoted, parts: parts).exception?.message.hasPrefix("It's") == true)
        let long = Self.old.replacing("Query", with: "first\nsecond\n")
        #expect(
            try await read("n\tm\nUInt8\tUInt8\n1\t2\n" + long, parts: parts).exception?.message.hasPrefix("first")
                == true)
    }

    @Test func `may hold rows that look like errors`() async throws {
        let row = Self.old.dropLast()
        let middle = try await read("s\nString\n\(row)\nlast\n")
        #expect(middle.exception == nil && middle.count == 2 && middle.text.contains("Query was cancelled"))
        let escaped = try await read("s\nString\n\(row.replacing("Query", with: "\\'Query\\'"))\n")
        #expect(escaped.exception == nil && escaped.count == 1)
        let tagged = try await read("s\nString\n\(row)\n", tag: "abcdefgh")
        #expect(tagged.exception == nil && tagged.count == 1)
        let mark = try await read("s\nString\n__exception__\nx\n", tag: "abcdefgh")
        #expect(mark.exception == nil && mark.count == 2)
    }

    @Test(arguments: [1, 13, 4096]) func `of newer servers mark their errors`(parts: Int) async throws {
        let text = "Code: 395. DB::Exception: It's\nbroken. (BROKEN) (version 25.11.1.1)"
        let tagged = try await read(
            "s\nString\na\n__exception__\r\nrumfyutuqkncbgau\r\n\(text)\n262 rumfyutuqkncbgau\r\n__exception__\r\n",
            parts: parts,
            tag: "rumfyutuqkncbgau")
        #expect(
            tagged.exception == ClickHouseException(text) && tagged.exception?.message == "It's broken", "\(tagged)")
        #expect(tagged.count == 1)
        let marked = try await read("s\nString\na\n__exception__\r\n\(text)\n", parts: parts)
        #expect(marked.exception?.code == 395 && marked.count == 1)
    }

    @Test func `tell totals from rows`() async throws {
        let read = try await read("k\tc\nUInt8\tUInt64\n0\t3\n\n0\t5\n\n0\t1\n0\t3\n", hasTotals: true)
        #expect(read.count == 1)
        #expect(
            read.text.split(separator: "\n") == [
                #"{"k":0,"c":3}"#, #"{"totals.k":0,"totals.c":5}"#, #"{"extremes.k":0,"extremes.c":1}"#,
                #"{"extremes.k":0,"extremes.c":3}"#,
            ])
        #expect(try await self.read("s\nString\n\n\n").count == 2)
    }

    @Test(arguments: ["a\tb\nUInt8\n", "a\nUInt8\n1\t2\n", "<html>\n<body>\tx\n"])
    func `that are something else are refused`(answer: String) async {
        await #expect(throws: DeployError.self) { try await read(answer) }
    }

    @Test func `passed on raw are watched for errors`() {
        func exception(_ body: String, _ tag: String? = nil) -> ClickHouseException? {
            var raw = ClickHouseRaw(tag: tag)
            for byte in body.utf8 { raw.take(ByteBuffer(bytes: [byte])) }
            return raw.exception
        }
        #expect(exception("{\"a\":1}\n" + Self.old)?.code == 394)
        #expect(exception("\u{1}\u{2}" + Self.old)?.code == 394)
        #expect(exception("{\"a\":\"Code: 394\"}\n") == nil && exception("") == nil && exception("1\n2\n") == nil)
        #expect(exception("a\nCode: 60. DB::Exception: x (Y) (version 24.1)\n")?.name == "Y")
        let tagged =
            "a\n__exception__\r\ntagtag\r\nCode: 60. DB::Exception: x (Y) (version 1)\n44 tagtag\r\n__exception__\r\n"
        #expect(exception(tagged, "tagtag")?.message == "x" && exception(tagged, "other") == nil)
    }
}

@Suite struct `Statements for ClickHouse` {
    private func statement(_ text: String) throws -> SQLStatement {
        try #require(try SQLStatement.read(text, .clickhouse).first)
    }

    @Test(arguments: [
        ("select 1 format CSV", "CSV"), ("SELECT 1 FORMAT JSONEachRow SETTINGS max_threads = 1", "JSONEACHROW"),
        ("select 1 as format, x from t", ""), ("select format from t", ""), ("select a.format x from t", ""),
        ("select 'x format CSV'", ""), ("select (select 1 format CSV)", ""), ("insert into t format CSV 1", "CSV"),
    ])
    func `may ask for a format`(text: String, format: String) throws {
        #expect(ClickHouseFormat.format(try statement(text)) == (format.isEmpty ? nil : format))
    }

    @Test func `take settings of queries and nothing else`() throws {
        func check(_ settings: [String: JSONValue]) throws {
            let spec = TaskSpec(type: "clickhouse", command: "select 1", params: ["settings": .object(settings)])
            try ClickHouseExecutor.check(try TaskParameters(spec, TaskType.clickhouse.schema))
        }
        try check(["max_threads": .string("2")])
        for name in ["query", "query_id", "user", "session_id", "param_x", "default_format", "role", "a b", "A"] {
            #expect(throws: DeployError.self, "\(name)") { try check([name: .string("1")]) }
        }
        #expect(throws: DeployError.self) { try check(["a": .object(["secret_ref": .string("x")])]) }
    }

    @Test func `are judged with their settings`() throws {
        let policy = try CommandGuard(GuardPolicy(mode: .noInjection))
        func verdict(_ settings: [String: JSONValue]) -> GuardVerdict {
            policy.judge(TaskSpec(type: "clickhouse", command: "select 1", params: ["settings": .object(settings)]))
        }
        #expect(verdict(["max_threads": .string("2'\\")]).verdict == .allow)
        for (name, value) in [("readonly", "0"), ("dialect", "prql"), ("a = 1, readonly", "0"), ("allow_ddl", "1")] {
            #expect(verdict([name: .string(value)]).verdict == .deny, "\(name)")
        }
        #expect(verdict(["readonly": .string("0")]).message.hasPrefix("params.settings.readonly: "))
    }
}
