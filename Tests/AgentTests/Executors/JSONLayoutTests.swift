// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore
import Testing

@testable import Agent

@Suite struct `JSON laid out anew` {
    private static let text = #" { "a" : [ 1 , {} , [ ] , "x , { \" \\" ], "b":{"c":null} } "#

    @Test func `is indented for people`() {
        #expect(
            JSONLayout.text(Self.text, .indented) == """
                {
                  "a": [
                    1,
                    {},
                    [],
                    "x , { \\" \\\\"
                  ],
                  "b": {
                    "c": null
                  }
                }
                """)
    }

    @Test func `is one line, and keeps its meaning`() throws {
        let line = JSONLayout.text(Self.text, .line)
        #expect(line == #"{"a":[1,{},[],"x , { \" \\"],"b":{"c":null}}"#)
        #expect(try JSONValue(text: line) == JSONValue(text: JSONLayout.text(Self.text, .indented)))
    }

    @Test(arguments: [1, 2, 3, 7]) func `streams, wherever it is cut`(length: Int) {
        var layout = JSONLayout(.indented)
        var output = ByteBuffer()
        let bytes = Array(Self.text.utf8)
        for start in stride(from: 0, to: bytes.count, by: length) {
            layout.take(ByteBuffer(bytes: bytes[start..<min(start + length, bytes.count)]), into: &output)
        }
        #expect(String(buffer: output) == JSONLayout.text(Self.text, .indented))
    }

    @Test func `does not grow with its depth, nor break on what is no JSON`() {
        let deep = JSONLayout.text(String(repeating: "[", count: 10_000), .indented)
        #expect(deep.utf8.count < 10_000 * 70)
        #expect(JSONLayout.text("]]}} no json", .line) == "]]}}nojson")
    }
}
