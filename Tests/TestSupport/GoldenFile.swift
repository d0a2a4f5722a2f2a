// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A text that a test compares with a file beside it.
///
/// With `RECORD_GOLDEN=1` in the environment the file is written anew and the test fails, so that recording can
/// never pass by accident.
package struct GoldenFile {
    private let url: URL

    /// - Parameters:
    ///   - name: The file's path inside `Golden/` of the folder of the calling test.
    ///   - filePath: The calling test.
    package init(_ name: String, filePath: String = #filePath) {
        url = URL(fileURLWithPath: filePath).deletingLastPathComponent().appendingPathComponent("Golden/\(name)")
    }

    /// The difference as a sentence, or nil when the text is the file's.
    package func difference(from text: String) -> String? {
        if ProcessInfo.processInfo.environment["RECORD_GOLDEN"] == "1" {
            try? FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try? text.write(to: url, atomically: true, encoding: .utf8)
            return "recorded \(url.lastPathComponent)"
        }
        guard let expected = try? String(contentsOf: url, encoding: .utf8) else {
            return "\(url.lastPathComponent) is missing; record it with RECORD_GOLDEN=1"
        }
        guard expected != text else { return nil }
        let old = expected.split(separator: "\n", omittingEmptySubsequences: false)
        let new = text.split(separator: "\n", omittingEmptySubsequences: false)
        let line = zip(old, new).enumerated().first { $1.0 != $1.1 }?.offset ?? min(old.count, new.count)
        return
            "\(url.lastPathComponent) line \(line + 1):\n- \(line < old.count ? old[line] : "")\n+ \(line < new.count ? new[line] : "")"
    }
}
