// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import TUI

/// The keys in the manual are those of the table. To write them anew: `TIANGONG_UPDATE_SCREENS=1 swift test --filter
/// KeyManual`.
@Suite struct KeyManualTests {
    private static let page = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "man/tiangong.1")
    private static let begin = ".\\\" keys begin: made from the table of actions by the tests\n"
    private static let end = ".\\\" keys end\n"

    @Test func `the manual has every key`() throws {
        let text = try String(contentsOf: Self.page, encoding: .utf8)
        let from = try #require(text.range(of: Self.begin)?.upperBound)
        let to = try #require(text.range(of: Self.end)?.lowerBound)
        if ProcessInfo.processInfo.environment["TIANGONG_UPDATE_SCREENS"] == "1" {
            try Data((text[..<from] + Self.table + text[to...]).utf8).write(to: Self.page)
        } else {
            #expect(text[from..<to] == Self.table)
        }
    }

    private static var table: String {
        var out = ""
        for context in KeyContext.allCases {
            let rows = ActionTable.rows.filter { $0.context == context }
            guard !rows.isEmpty else { continue }
            out += "\(context.title):\n.Bl -tag -width \"Tab, C-n, Down\" -compact\n"
            for row in rows {
                let keys = row.keys.map { "\"\\&\($0)\"" }.joined(separator: " , ")
                out += ".It Ic \(keys)\n\(row.title).\n"
            }
            out += ".El\n.Pp\n"
        }
        return String(out.dropLast(4))
    }
}
