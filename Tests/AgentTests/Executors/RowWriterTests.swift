// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore
import Synchronization
import Testing

@testable import Agent

@Suite struct `Rows` {
    private final class Sink: Sendable {
        let text = Mutex("")
        var output: LogOutput { LogOutput(accept: { bytes, _ in self.text.withLock { $0 += String(buffer: bytes) } }) }
        var written: String { text.withLock { $0 } }
    }

    private static let columns: [RowWriter.Column] = [
        .init(name: "id", kind: .number), .init(name: "name", kind: .text), .init(name: "price", kind: .decimal),
        .init(name: "ok", kind: .boolean), .init(name: "raw", kind: .binary), .init(name: "doc", kind: .json),
    ]

    private func write(_ format: RowWriter.Format, limit: Int64 = 100) -> String {
        let sink = Sink()
        var rows = RowWriter(sink.output, format: format, limit: limit)
        rows.begin(Self.columns)
        for (id, name, price) in [("1", "天工", "10.50"), ("-22", "a \"b\"\n\u{1}", "3")] where rows.beginRow() {
            rows.field(id)
            rows.field(name)
            rows.field(price)
            rows.field("true")
            [UInt8](arrayLiteral: 0, 255).withUnsafeBytes { rows.field($0) }
            rows.field("{\"a\":\n[1]}")
            rows.endRow()
        }
        if rows.beginRow() {
            for _ in Self.columns { rows.field(String?.none) }
            rows.endRow()
        }
        rows.end()
        return sink.written
    }

    @Test func `as a table are aligned, numbers to the right, wide characters counted`() {
        let lines = write(.table).split(separator: "\n").map(String.init)
        #expect(lines.count == 5)
        #expect(lines[0].hasPrefix("id   | name "))
        #expect(lines[2].hasPrefix("   1 | 天工 ") && lines[2].hasSuffix(#"| 10.50 | true | 0x00ff | {"a":\n[1]}"#))
        #expect(lines[3].hasPrefix(#" -22 | a "b"\n"#) && lines[3].contains("|     3 | true"))
        #expect(lines[4].hasPrefix("NULL | NULL ") && lines[4].hasSuffix("| NULL"))
        let borders = [0, 2, 4].map { line in
            lines[line].split(separator: "|").dropLast().map { TextWidth.of(String($0)) }
        }
        #expect(borders[0] == borders[1] && borders[1] == borders[2])
    }

    @Test func `as JSON are one object a line, which any reader takes`() throws {
        let lines = write(.jsonl).split(separator: "\n").map(String.init)
        #expect(
            lines[0]
                == #"{"id":1,"name":"天工","price":"10.50","ok":true,"raw":{"base64":"AP8="},"doc":{"a": [1]}}"#)
        let second = try JSONValue(text: lines[1])
        #expect(second.objectValue?["name"] == .string("a \"b\"\n\u{1}"))
        #expect(try JSONValue(text: lines[2]).objectValue?.values.allSatisfy { $0 == .null } == true)
    }

    @Test func `over the limit are counted and said to be cut`() {
        let lines = write(.jsonl, limit: 1).split(separator: "\n")
        #expect(lines.count == 2 && lines[1] == #"{"truncated":{"rows":3,"shown":1}}"#)
        #expect(write(.table, limit: 2).hasSuffix("... truncated: 2 of 3 rows shown\n"))
    }

    @Test func `stay JSON when a server calls something JSON that is none, or a number`() throws {
        func line(_ bytes: [UInt8], _ kind: RowKind) -> String {
            let sink = Sink()
            var rows = RowWriter(sink.output, format: .jsonl, limit: 9)
            rows.begin([.init(name: "a", kind: kind)])
            if rows.beginRow() {
                bytes.withUnsafeBytes { rows.field($0) }
                rows.endRow()
            }
            rows.end()
            return sink.written
        }
        for text in [
            #"{"a":[1,-0.5e+3,true,null,"\u00e9\n"],"b":{}}"#, " [ ] ", "0", #""x""#, "\n{\"天\":1}",
        ] {
            #expect(line(Array(text.utf8), .json) == "{\"a\":\(text.replacing("\n", with: " "))}\n", "\(text)")
        }
        let deep = String(repeating: "[", count: 5000) + String(repeating: "]", count: 5000)
        for text in [
            "", "{", "{}}", #"{"a"}"#, "[1,]", "01", "1.", "-", "nul", "tru e", #""x"#, "\"\u{1}\"", #""\x""#, "'a'",
            "NaN",
            deep, "1 2", #"{"a":1,}"#, "},{",
        ] {
            #expect(try JSONValue(text: line(Array(text.utf8), .json)).objectValue?["a"] == .string(text), "\(text)")
        }
        #expect(line([0x22, 0xFF, 0x22], .json) == #"{"a":{"base64":"Iv8i"}}"# + "\n")
        for text in ["1,\"b\":2", "007", "1.", "+1", "0x1", "", "-", "1e", " 1", "Infinity"] {
            #expect(line(Array(text.utf8), .number) == "{\"a\":\(JSONValue.string(text).text)}\n", "\(text)")
        }
        for text in ["-1", "0", "18446744073709551615", "1.5e+300", "-0.0"] {
            #expect(line(Array(text.utf8), .number) == "{\"a\":\(text)}\n")
        }
        #expect(line(Array("true,\"b\":1".utf8), .boolean) == #"{"a":"true,\"b\":1"}"# + "\n")
    }

    @Test func `name two columns of one name apart in JSON`() {
        let sink = Sink()
        var rows = RowWriter(sink.output, format: .jsonl, limit: 9)
        rows.begin([.init(name: "a", kind: .number), .init(name: "a", kind: .number)])
        if rows.beginRow() {
            rows.field("1")
            rows.field("NaN")
            rows.endRow()
        }
        rows.end()
        #expect(sink.written == "{\"a\":1,\"a_2\":\"NaN\"}\n")
    }

    @Test func `that are no text are written as bytes, and remarks stand between tables only`() {
        for (format, expected) in [
            (RowWriter.Format.jsonl, "{\"a\":{\"base64\":\"/w==\"}}\n"), (.table, "a\n-\n0xff\nDONE\n"),
        ] {
            let sink = Sink()
            var rows = RowWriter(sink.output, format: format, limit: 9)
            rows.begin([.init(name: "a", kind: .text)])
            if rows.beginRow() {
                [UInt8](arrayLiteral: 255).withUnsafeBytes { rows.field($0) }
                rows.endRow()
            }
            rows.end()
            rows.remark("DONE")
            rows.flush()
            #expect(sink.written.replacing("----", with: "-") == expected)
        }
    }

    @Test func `wait to be sent where no thread may wait`() async {
        let sink = Sink()
        var rows = RowWriter(sink.output, format: .jsonl, limit: 100_000, waits: false)
        rows.begin([.init(name: "n", kind: .number)])
        for number in 0..<20_000 where rows.beginRow() {
            rows.field("\(number)")
            rows.endRow()
        }
        rows.end()
        #expect(sink.written.isEmpty)
        await rows.send()
        #expect(sink.written.split(separator: "\n").count == 20_000)
    }

    @Test func `of a long table are passed on as they come, in the first rows' widths`() {
        let sink = Sink()
        var rows = RowWriter(sink.output, format: .table, limit: 1_000_000)
        rows.begin([.init(name: "n", kind: .number)])
        for number in 0..<100_000 where rows.beginRow() {
            rows.field("\(number)")
            rows.endRow()
        }
        #expect(sink.written.utf8.count > 500_000)
        rows.end()
        #expect(sink.written.split(separator: "\n").count == 100_002)
    }
}
