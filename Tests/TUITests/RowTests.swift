// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import Foundation
import NIOCore
import Testing

@testable import TUI

@Suite struct RowTests {
    @Test(arguments: [
        "{}", #"{"a":1}"#, #" { "a" : [ 1 , -0.5e+10 , true , false , null , "x" , { } , [ ] ] } "#,
        #"{"天工":"\"\\\/\b\f\n\r\t\u00e9","":{"b":{"c":[[[]]]}}}"#, #"{"a":12345678901234567890.12300}"#,
        "{\t\"a\":\r1}",
    ])
    func `an object is a row, as it is`(text: String) throws {
        let row = try #require(RowText.row(Array(text.utf8)[...]))
        #expect(row == text.replacing("\t", with: " ").replacing("\r", with: " "))
        _ = try JSONSerialization.jsonObject(with: Data(text.utf8))
    }

    @Test(arguments: [
        "", " ", "[]", "1", "null", #""a""#, "{", "}", "{}}", "{} {}", "{a:1}", #"{"a"}"#, #"{"a":}"#, #"{"a":1,}"#,
        #"{,}"#, #"{"a":1 "b":2}"#, #"{"a":01}"#, #"{"a":1.}"#, #"{"a":.5}"#, #"{"a":+1}"#, #"{"a":1e}"#, #"{"a":-}"#,
        #"{"a":tru}"#, #"{"a":truex}"#, #"{"a":"\x"}"#, #"{"a":"\u12g4"}"#, #"{"a":"}"#, #"{"a":[1}"#, #"{"a":[1]]"#,
        "{\"a\":\"\u{1}\"}", #"{"a":NaN}"#, #"{'a':1}"#,
        String(repeating: #"{"a":"#, count: 40) + "1" + String(repeating: "}", count: 40),
    ])
    func `anything else is none`(text: String) { #expect(RowText.row(Array(text.utf8)[...]) == nil, "\(text)") }

    @Test func `bytes that are not UTF-8 are no row`() {
        #expect(RowText.row((Array(#"{"a":""#.utf8) + [0xFF] + Array(#""}"#.utf8))[...]) == nil)
    }

    private static func segment(
        _ text: some Sequence<UInt8>, _ offset: Int64 = 0, seq: Int64 = 0, missing: Int64 = 0
    ) -> LogSegment {
        LogSegment(
            stream: .stdout, seq: seq, offset: offset, at: Scene.start, bytes: ByteBuffer(bytes: text), missing: missing
        )
    }

    @Test func `rows are found wherever chunks end, and what is none goes on as it came`() {
        let text = "{\"n\":1}\nhello\n\n{\"n\":\"天工\"}\r\n{broken\n{\"n\":3}"
        let bytes = Array(text.utf8)
        for size in 1...bytes.count {
            var lines = RowLines()
            var pieces: [RowLines.Piece] = []
            for (seq, start) in stride(from: 0, to: bytes.count, by: size).enumerated() {
                pieces += lines.feed(
                    Self.segment(bytes[start..<min(start + size, bytes.count)], Int64(start), seq: Int64(seq)))
            }
            pieces += lines.finish(at: Scene.start)
            var rows: [String] = []
            var others = ""
            for piece in pieces {
                switch piece {
                case .row(let row): rows.append(row)
                case .other(let other):
                    #expect(bytes[Int(other.offset)...].starts(with: other.bytes.readableBytesView))
                    others += String(buffer: other.bytes)
                }
            }
            #expect(rows == ["{\"n\":1}", "{\"n\":\"天工\"} ", "{\"n\":3}"] && others == "hello\n\n{broken\n")
        }
    }

    @Test func `a line with a hole in it is no row`() {
        var lines = RowLines()
        #expect(lines.feed(Self.segment(Array("{\"a\":".utf8))).isEmpty)
        let pieces = lines.feed(Self.segment(Array("1}\n{\"b\":2}\n".utf8), 50, seq: 1, missing: 45))
        #expect(pieces.count == 3 && pieces.last == .row("{\"b\":2}"))
        guard case .other(let first) = pieces[0], case .other(let second) = pieces[1] else {
            Issue.record("\(pieces)")
            return
        }
        #expect(first.offset == 0 && String(buffer: first.bytes) == "{\"a\":")
        #expect(second.offset == 50 && String(buffer: second.bytes) == "1}\n")
    }

    @Test func `an endless line is not kept`() {
        var lines = RowLines()
        var passed = 0
        let chunk = [UInt8](repeating: 0x61, count: 65_536)
        for index in 0..<64 {
            for case .other(let other) in lines.feed(
                Self.segment(chunk, Int64(index) * 65_536, seq: Int64(index)))
            { passed += other.bytes.readableBytes }
        }
        #expect(passed >= 64 * 65_536 - RowLines.longestRow)
    }
}
